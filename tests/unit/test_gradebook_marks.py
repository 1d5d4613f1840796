"""What the gradebook says of a class, the history of marks, and the tables made from them."""

import csv
import hashlib
import io
import json
import shutil
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbgrader.api import Gradebook
from sqlalchemy import Engine, NullPool, create_engine, event

from coursehub.course.load import load_course, read_course
from coursehub.course.marks import Marks, State
from coursehub.course.schedule import window
from coursehub.errors import CourseHubError, NotFound
from coursehub.exchange.database import connect
from coursehub.exchange.person import Person
from coursehub.exchange.roster import Roster
from coursehub.gradebook import export
from coursehub.gradebook.history import (
    Excuse,
    changes,
    excuse,
    excused,
    history,
    record_changes,
    snapshot,
)
from coursehub.gradebook.marks import Facts, Project, as_the_student_sees, class_marks
from coursehub.gradebook.penalty import settle
from coursehub.gradebook.scores import scores
from tests.gradebooks import DAY, Class, new_gradebook

FILE = Path(__file__).parents[2] / "course.yml"
TEXT = FILE.read_text(encoding="utf-8")
COURSE = load_course(FILE)
NAMES = [each.name for each in COURSE.assignments]
ONE = NAMES[0]
DUE = window(COURSE, COURSE.assignments[0]).on_time_before
ALICE = Person("alice", "A0100000J", "Wang, Wenjie", "alice@example.edu", "student")
LATER = DUE + timedelta(days=100)
STRICT = read_course(
    TEXT.replace("  bands: []\n", "  bands: [{within: 24h, credit: 0.8}]\n").replace(
        "  action: warn\n  penalty: 0", "  action: penalise\n  penalty: 5\n  cap: 20"
    )
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gradebook") / "gradebook.db"
    new_gradebook(f"sqlite:///{path}", COURSE).dispose()
    return path


@pytest.fixture
def gradebook(empty: Path, tmp_path: Path) -> Class:
    path = shutil.copy(empty, tmp_path / "gradebook.db")
    return Class(create_engine(f"sqlite:///{path}", poolclass=NullPool), COURSE, cells=3)


@pytest.fixture
def course_database(tmp_path: Path) -> Engine:
    return connect(f"sqlite:///{tmp_path / 'course.sqlite'}")


def usual(username: str, assignment: Any) -> Any:
    return window(COURSE, assignment)


def facts(now: datetime = LATER, **known: Any) -> Facts:
    return Facts(now, known.pop("window", usual), **known)


def auto(points: float) -> Callable[..., dict[str, Any]]:
    return lambda *_: {"auto_score": points}


def one(gradebook: Class, known: Facts | None = None) -> Marks:
    return class_marks(gradebook.engine, COURSE, ["alice"], known or facts())["alice"]


def test_points_are_the_decimals_that_were_written(gradebook: Class) -> None:
    gradebook.hand_in(["alice"], [ONE], auto(0.1))
    found = scores(gradebook.engine, COURSE, usual)
    assert found["alice", ONE].score == Fraction(3, 10) != Fraction(0.1 + 0.1 + 0.1)
    assert found["alice", ONE].most == 3
    assert found["alice", ONE].received == DAY


def test_points_by_hand_go_before_the_tests_and_extra_credit_is_added(gradebook: Class) -> None:
    given_ = [
        {"auto_score": 1.0, "manual_score": 0.5},
        {"auto_score": 0.25, "extra_credit": 2.0},
        {"manual_score": 1.0},
    ]
    gradebook.hand_in(["alice"], [ONE], lambda s, n, cell: given_[cell])
    assert scores(gradebook.engine, COURSE, usual)["alice", ONE].score == Fraction("3.75")


def test_it_is_what_nbgrader_says_after_settling(gradebook: Class, tmp_path: Path) -> None:
    roster = Roster(connect(f"sqlite:///{tmp_path / 'course.sqlite'}"))
    late = DUE + timedelta(hours=3)
    gradebook.hand_in(["alice"], [ONE], auto(0.7), received=late)
    text = json.dumps([{"kind": "k", "cell": "c", "text": "t"}])
    write_edits(gradebook, text, hashlib.sha256(text.encode()).hexdigest(), percent=10.0)
    url = str(gradebook.engine.url)
    with Gradebook(url, COURSE.id) as stock:
        settle(stock, STRICT, ONE, "alice", roster)
        submission = stock.find_submission(ONE, "alice")
        expected = submission.score - submission.late_submission_penalty
    found = scores(gradebook.engine, STRICT, usual)["alice", ONE]
    assert float(found.score) == pytest.approx(expected)
    assert found.score == Fraction("2.1") * Fraction("0.8") - Fraction("0.3")


def write_edits(gradebook: Class, text: str, digest: str | None, percent: float = 0.0) -> None:
    gradebook.write(
        "hand_in_report", assignment=ONE, notebook=ONE, student="alice", answers="x", edits=text
    )
    if digest is not None:
        gradebook.write(
            "edit_decision", assignment=ONE, student="alice", edits=digest, verb="accepted",
            percent=percent, reason="", who="tara", at=DAY.replace(tzinfo=None),
        )  # fmt: skip


@pytest.mark.parametrize(("digest", "review"), [(None, True), ("of other edits", True)])
def test_edits_that_nobody_decided_cost_nothing_yet_and_need_a_person(
    gradebook: Class, digest: str | None, review: bool
) -> None:
    gradebook.hand_in(["alice"], [ONE], auto(1.0))
    write_edits(gradebook, json.dumps([{"kind": "k", "cell": "c", "text": "t"}]), digest, 10.0)
    found = scores(gradebook.engine, STRICT, usual)["alice", ONE]
    assert (found.score, found.review) == (3, review)


def test_an_extension_counts_at_once(gradebook: Class) -> None:
    late = DUE + timedelta(hours=3)
    gradebook.hand_in(["alice"], [ONE], auto(1.0), received=late)
    assert scores(gradebook.engine, COURSE, usual)["alice", ONE].score == 0
    extended = scores(
        gradebook.engine, COURSE, lambda _, each: window(COURSE, each, late + timedelta(hours=1))
    )
    assert extended["alice", ONE].score == 3


def test_how_it_stands(gradebook: Class) -> None:
    gradebook.hand_in(["alice"], NAMES[:1], auto(1.0))
    gradebook.hand_in(
        ["bob"], NAMES[:1], lambda *_: {"auto_score": 1.0, "needs_manual_grade": True}
    )
    gradebook.hand_in(["carol"], NAMES[:1], lambda *_: {"needs_manual_grade": True})
    known = facts(
        now=DUE,
        counts={("alice", ONE): DAY, ("carol", ONE): DAY, ("dora", ONE): DAY},
        excused={("erik", ONE)},
    )
    people = ["alice", "bob", "carol", "dora", "erik", "fred"]
    made = class_marks(gradebook.engine, COURSE, people, known)
    assert {name: marks.homework[0].state for name, marks in made.items()} == {
        "alice": State.SETTLED, "bob": State.REVIEW, "carol": State.UNGRADED,
        "dora": State.UNGRADED, "erik": State.EXCUSED, "fred": State.ABSENT,
    }  # fmt: skip
    assert made["fred"].homework[1].state == State.OPEN


def test_points_of_another_hand_in_than_the_one_that_counts_are_not_used(gradebook: Class) -> None:
    gradebook.hand_in(["alice"], [ONE], auto(1.0))
    newer = facts(counts={("alice", ONE): DAY + timedelta(hours=1)})
    assert one(gradebook, newer).homework[0].state == State.UNGRADED


def test_a_course_without_excuses_knows_none(gradebook: Class) -> None:
    strict = read_course(TEXT.replace("excuse: true}", "excuse: false}"))
    known = facts(excused={("alice", ONE)})
    marks = class_marks(gradebook.engine, strict, ["alice"], known)["alice"]
    assert marks.homework[0].state == State.ABSENT


def test_a_student_sees_what_was_given_back_alone(gradebook: Class) -> None:
    gradebook.hand_in(["alice"], NAMES[:2], auto(1.0))
    known = facts(
        feedback={("alice", ONE, DAY)}, project=lambda _: Project(Decimal(1), Decimal("0.5"))
    )
    marks = one(gradebook, known)
    seen = as_the_student_sees(COURSE, marks)
    assert marks.exact == Fraction(10 + 20 + 20)
    assert [each.state for each in seen.homework[:2]] == [State.SETTLED, State.UNGRADED]
    assert seen.exact == Fraction(5 + 20 + 20)


def test_a_gradebook_that_is_not_there_has_nothing_and_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    engine = create_engine(f"sqlite:///{path}")
    assert scores(engine, COURSE, usual) == {}
    assert not path.exists()


def test_a_class_costs_as_many_queries_as_one(gradebook: Class) -> None:
    statements: list[str] = []
    event.listen(
        gradebook.engine, "before_cursor_execute", lambda *args: statements.append(args[2])
    )

    def cost(people: list[str]) -> int:
        statements.clear()
        class_marks(gradebook.engine, COURSE, people, facts())
        return len(statements)

    gradebook.hand_in(["alice"], NAMES, auto(1.0))
    alone = cost(["alice"])
    gradebook.hand_in([f"student{n}" for n in range(50)], NAMES, auto(0.5))
    assert cost(["alice", *(f"student{n}" for n in range(50))]) <= alone <= 6


def test_history_tells_what_changed_and_nothing_twice(
    gradebook: Class, course_database: Engine
) -> None:
    def record(known: Facts, now: datetime) -> int:
        made = class_marks(gradebook.engine, COURSE, ["alice", "bob"], known)
        return len(record_changes(course_database, made, who="ines", now=now))

    assert record(facts(), DAY) == 0  # nobody has anything
    gradebook.hand_in(["alice"], [ONE], auto(1.0))
    assert record(facts(), DAY + timedelta(hours=1)) == 1
    assert record(facts(), DAY + timedelta(hours=2)) == 0
    project = facts(project=lambda _: Project(presentation=Fraction(2, 3)))
    assert record(project, DAY + timedelta(hours=3)) == 2
    first, second = history(course_database, "alice")
    assert (first.who, first.at) == ("ines", DAY + timedelta(hours=1))
    assert list(changes(first)) == [(ONE, "", "3 of 3"), ("mark", "", "5.0")]
    assert list(changes(second)) == [("presentation", "", "2/3"), ("mark", "5.0", "18.3")]
    assert record(facts(), DAY + timedelta(hours=4)) == 2  # taken back: told, too
    assert history(course_database, "bob")[-1].after == {}


def test_two_at_once_write_it_down_once(gradebook: Class, course_database: Engine) -> None:
    people = [f"student{n}" for n in range(20)]
    gradebook.hand_in(people, NAMES, auto(1.0))
    made = class_marks(gradebook.engine, COURSE, people, facts())
    together, written = Barrier(4), []

    def write() -> None:
        together.wait()
        written.extend(record_changes(course_database, made, who="ines", now=DAY))

    threads = [Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry.about or "" for entry in written) == sorted(people)


def decision(excused: bool = True, why: str = "ill", assignment: str = ONE) -> Excuse:
    return Excuse("alice", assignment, excused, "ines", why, DAY)


def test_excuses_are_decided_with_a_reason_and_may_be_withdrawn(course_database: Engine) -> None:
    assert excused(course_database) == set()
    excuse(course_database, COURSE, decision())
    assert excused(course_database) == {("alice", ONE)}
    with pytest.raises(CourseHubError, match="is excused from assignment_1 already"):
        excuse(course_database, COURSE, decision())
    excuse(course_database, COURSE, decision(excused=False, why="a mistake"))
    assert excused(course_database) == set()
    with pytest.raises(CourseHubError, match="needs a reason"):
        excuse(course_database, COURSE, decision(why=" "))
    with pytest.raises(NotFound):
        excuse(course_database, COURSE, decision(assignment="assignment_9"))
    strict = read_course(TEXT.replace("excuse: true}", "excuse: false}"))
    with pytest.raises(CourseHubError, match="nobody is excused"):
        excuse(course_database, strict, decision())


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(texts)
def test_no_text_is_a_formula_and_none_is_destroyed(text: str) -> None:
    guarded = export.guarded(text)
    assert not guarded.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert export.unguarded(guarded) == text


@given(st.lists(st.lists(texts, min_size=2, max_size=2), min_size=1, max_size=5))
def test_csv_gives_back_every_text(rows: list[list[str]]) -> None:
    content = export.as_csv([list(row) for row in rows]).decode("utf-8-sig")
    read = list(csv.reader(io.StringIO(content, newline=""), strict=True))
    assert [[export.unguarded(cell) for cell in row] for row in read] == rows


NASTY = ["Wang, Wenjie", 'Carol "C" O\'Neil', "two\nlines", "=1+1", "-2", "@x", "'quoted", "名字"]


def test_the_whole_table_in_csv_and_xlsx(gradebook: Class) -> None:
    people = [Person(f"s{n}", f"A010000{n}J", name, "", "student") for n, name in enumerate(NASTY)]
    gradebook.hand_in(["s0"], [ONE], auto(0.7))
    known = facts(project=lambda s: Project(Decimal(1), Decimal(1)) if s == "s0" else Project())
    made = class_marks(gradebook.engine, COURSE, [each.username for each in people], known)
    table = export.marks_table(COURSE, people, made)
    assert table[0][3] == "assignment_1 (of 3)"
    rows = list(csv.DictReader(io.StringIO(export.as_csv(table).decode("utf-8-sig"), newline="")))
    assert [export.unguarded(row["name"]) for row in rows] == NASTY
    assert rows[3]["name"] == "'=1+1"
    first = rows[0]
    assert (first["assignment_1 (of 3)"], first["assignment_2"]) == ("2.1", "")
    assert (first["mark"], first["so far"], first["homework %"]) == ("63.5", "63.5", "8.8")
    assert first["missing"].startswith("assignment_2: not handed in; ")
    assert rows[1]["mark"] == ""
    sheet, strings = sheet_of(export.as_xlsx(table, "CS5260 marks"))
    assert not list(sheet.iter(f"{SHEET}f")), "a formula"
    assert set(NASTY) <= set(strings)
    assert "2.1" in [value.text for value in sheet.iter(f"{SHEET}v")]


SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def sheet_of(content: bytes) -> tuple[ET.Element, list[str]]:
    """The only sheet of a workbook, and the texts that its cells point at."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))
        shared = ET.fromstring(book.read("xl/sharedStrings.xml"))
    return sheet, ["".join(item.itertext()) for item in shared.iter(f"{SHEET}si")]


def test_the_lms_gets_final_marks_alone(gradebook: Class) -> None:
    bob = Person("bob", "A0100001H", "Bob Tan", "bob@example.edu", "student")
    gradebook.hand_in(["alice", "bob"], NAMES, auto(1.0))
    known = facts(project=lambda s: Project(Decimal(1), None if s == "bob" else Decimal(1)))
    made = class_marks(gradebook.engine, COURSE, ["alice", "bob"], known)
    table = export.lms_table([ALICE, bob], made, export.LMS_COLUMNS)
    assert export.as_csv(table).decode("utf-8-sig") == (
        'Student Number,Name,Mark\r\nA0100000J,"Wang, Wenjie",100.0\r\nA0100001H,Bob Tan,\r\n'
    )
    assert export.not_final([ALICE, bob], made) == ["bob"]
    own = export.lms_table([bob], made, "Id=username,CA=homework,Mark=mark")
    assert own == [["Id", "CA", "Mark"], ["bob", Decimal("100.0"), None]]
    with pytest.raises(CourseHubError, match="'Mark=total' is no column"):
        export.lms_table([bob], made, "Mark=total")


def test_a_snapshot_is_plain_and_exact(gradebook: Class) -> None:
    gradebook.hand_in(["alice"], [ONE], auto(0.1))
    known = facts(excused={("alice", NAMES[1])}, project=lambda _: Project(report=Fraction(1, 3)))
    assert snapshot(one(gradebook, known)) == {
        ONE: "0.3 of 3", NAMES[1]: "excused", "report": "1/3", "mark": "13.9"
    }  # fmt: skip
