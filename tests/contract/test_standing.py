"""What the pages read of the gradebook: nbgrader's own numbers, in a few queries, and no source."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Engine, create_engine, event

from coursehub.cli.gradebook import describe
from coursehub.errors import CourseHubError, NotFound
from coursehub.exchange import migrations
from coursehub.exchange.database import connect
from coursehub.gradebook.apart import DecisionsApart
from coursehub.gradebook.audit import entries
from coursehub.gradebook.database import upgrade
from coursehub.gradebook.edits import decide, edited, opened
from coursehub.gradebook.standing import COLUMNS, Scores
from tests.classroom import CELLS, Classroom, course_in_week
from tests.deployment import prepare
from tests.postgres import Postgres

STUDENTS = [f"student{index:02}" for index in range(12)]
FIRST, SECOND = "assignment_1", "assignment_2"
MOST = sum(most for _, most in CELLS)


class Course:
    """A class of twelve, two assignments graded, the second without points by hand."""

    def __init__(self, state: Path, urls: dict[str, str]) -> None:
        text = course_in_week(8, datetime.now(UTC).date())
        (state / "course.yml").write_text(text)
        if urls:
            migrations.upgrade(connect(urls["database"]))
            upgrade(urls["gradebook"], "cs5260")
        self.settings = prepare(state, text, **urls).settings
        room = Classroom(self.settings, STUDENTS)
        room.enrol()
        self.course = room.course
        for assignment in room.course.assignments[:2]:
            room.release(assignment)
            self.received = room.hand_in(assignment)
            room.grade(assignment, self.received, by_hand=assignment.number == 1)
        self.url = str(self.settings.gradebook)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def course(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Course]:
    urls = {}
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        urls = {
            "database": postgres.url("course", postgres.database("course")),
            "gradebook": postgres.url("grader", postgres.database("grader")),
        }
    yield Course(tmp_path_factory.mktemp("standing"), urls)


@pytest.fixture(scope="module")
def scores(course: Course) -> Scores:
    """As the course service reads, in PostgreSQL by its own role."""
    return Scores(course.url.replace("//grader@", "//course@"))


def test_points_are_nbgraders(course: Course, scores: Scores) -> None:
    with Gradebook(course.url, course.course.id) as gradebook:
        for name in (FIRST, SECOND):
            of_class = scores.of_class(name)
            submissions = gradebook.assignment_submissions(name)
            assert set(of_class) == {each.student.id for each in submissions}
            for submission in submissions:
                standing = of_class[submission.student.id]
                assert standing.score == pytest.approx(submission.score)
                assert standing.most == pytest.approx(submission.max_score) == MOST
                assert standing.open == submission.needs_manual_grade
                assert standing.notebook == submission.notebooks[0].id
                assert standing.graded
                own = scores.of(submission.student.id)[name]
                assert (own.score, own.most) == pytest.approx((standing.score, standing.most))
                assert own.received == standing.received
                assert {cell.name: cell.score for cell in own.cells} == {
                    grade.name: grade.score for grade in submission.notebooks[0].grades
                }
        for figures in scores.of_cells(FIRST):
            given = [
                grade.score
                for each in gradebook.notebook_submissions(FIRST, FIRST)
                for grade in each.grades
                if grade.name == figures.name
            ]
            assert figures.mean == pytest.approx(sum(given) / len(given))
            assert figures.full == sum(score >= figures.most for score in given)
            assert figures.none == sum(score == 0 for score in given)
    assert len(scores.of_cells(FIRST)) == len(CELLS)
    assert scores.graded() == {FIRST: len(course.received), SECOND: len(course.received)}


def test_the_stamp_is_the_hand_ins(course: Course, scores: Scores) -> None:
    for name, standing in scores.of_class(SECOND).items():
        assert standing.received == course.received[name]


def test_edits_and_decisions_are_those_of_the_gradebook(course: Course, scores: Scores) -> None:
    with opened(course.url, course.course) as gradebook:
        found = edited(gradebook, course.course, FIRST)
        assert {name for name, each in scores.of_class(FIRST).items() if each.edits.found} == {
            each.student for each in found
        }
        student = found[0].student
        before = scores.of(student)[FIRST].edits
        assert (before.verb, before.percent, before.again) == (None, 0.0, False)
        decide(gradebook, course.course, FIRST, student, found[0].digest, "other", percent=5.0,
               reason="Twice", who="tara")  # fmt: skip
    after = scores.of(student)[FIRST].edits
    assert (after.verb, after.percent, after.reason) == ("other", 5.0, "Twice")
    assert after.at and after.at.tzinfo


def test_a_class_costs_as_many_queries_as_one_student(course: Course, scores: Scores) -> None:
    asked: list[str] = []
    engine: Engine = scores._engine
    scores.of_class(FIRST)

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        scores.of(STUDENTS[0])
        one = len(asked)
        scores.of_class(FIRST)
        assert (one, len(asked) - one) == (5, 5)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert not any("source_cell" in statement for statement in asked)


def test_before_a_release_there_is_nothing(tmp_path: Path) -> None:
    scores = Scores(f"sqlite:///{tmp_path / 'gradebook.db'}")
    assert scores.of("alice") == scores.of_class(FIRST) == scores.graded() == {}
    assert scores.of_cells(FIRST) == []
    assert not (tmp_path / "gradebook.db").exists(), "reading made a file that nbgrader would meet"


@pytest.mark.parametrize("course", ["postgresql"], indirect=True)
def test_the_service_reads_scores_and_no_source(course: Course, postgres: Postgres) -> None:
    database = course.url.rpartition("/")[2]
    with postgres.superuser(database) as connection:
        for table, columns in COLUMNS.items():
            with connection.transaction(force_rollback=True):
                connection.execute("SET LOCAL ROLE course")
                connection.execute(f'SELECT {", ".join(columns)} FROM "{table}"').fetchall()
        for refused in (
            "SELECT source FROM source_cell",
            "SELECT * FROM source_cell",
            "SELECT manual_comment FROM comment",
            "SELECT email FROM student",
            "SELECT * FROM audit",
            "SELECT answers FROM hand_in_report",
            "UPDATE grade SET manual_score = 100 RETURNING 1",
            "DELETE FROM edit_decision",
            "UPDATE edit_decision SET student = 'bob'",
            "INSERT INTO audit (who) VALUES ('tara')",
            "UPDATE hand_in_report SET edits = '[]'",
            "UPDATE submitted_notebook SET late_submission_penalty = 0 RETURNING 1",
            "DELETE FROM grade RETURNING 1",
            "CREATE TABLE mine (a int)",
        ):
            with (
                connection.transaction(force_rollback=True),
                pytest.raises(InsufficientPrivilege, match="permission denied"),
                connection.transaction(),
            ):
                connection.execute("SET LOCAL ROLE course")
                connection.execute(refused)


@pytest.mark.parametrize("course", ["postgresql"], indirect=True)
def test_a_decision_on_the_page_is_the_services_for_a_person(course: Course) -> None:
    """The audit says what the database knows, and beside it what the service says."""
    pages = DecisionsApart(course.url.replace("//grader@", "//course@"))
    with opened(course.url, course.course) as gradebook:
        found = edited(gradebook, course.course, SECOND)[0]
    told = (course.course, SECOND, found.student, found.digest)
    last, this = pages.decide(*told, "other", 10.0, " Ask us. ", "tara")
    assert last is None
    assert (this.who, this.percent, this.reason) == ("tara", 10.0, "Ask us.")
    last, this = pages.decide(*told, "waived", 0.0, "", "ines")
    assert last and (last.who, this.who, this.verb) == ("tara", "ines", "waived")
    first, second = entries(create_engine(course.url), SECOND, found.student)[-2:]
    assert (first.who, first.after["for"], first.before) == ("course", "tara", {})
    assert (second.who, second.after["for"], second.after["edits"]) == ("course", "ines", "waived")
    assert describe(second).endswith("decided by, as the service says: none → “ines”")
    with pytest.raises(CourseHubError, match="graded anew meanwhile"):
        pages.decide(course.course, SECOND, found.student, "of before", "waived", 0.0, "", "tara")
    with pytest.raises(NotFound):
        pages.decide(course.course, SECOND, "nobody", found.digest, "waived", 0.0, "", "tara")
