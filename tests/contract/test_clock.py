"""What the clock does around people: more time, approval, hand-ins that cannot be graded."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import event
from typer.testing import CliRunner

from coursehub import journal
from coursehub.cli import app
from coursehub.cli.compose import nbgrader_config
from coursehub.cli.gradings import GradingService
from coursehub.cli.pages import CourseClock, ExchangeStaffroom
from coursehub.cli.steps import TRIES, Steps
from coursehub.cli.tick import run
from coursehub.course.due import Action, Key
from coursehub.errors import SandboxError
from coursehub.exchange import migrations
from coursehub.exchange.clock import LEASE, Clock
from coursehub.exchange.database import connect
from coursehub.exchange.deadlines import CourseFile
from coursehub.gradebook.edits import edited, keep_report, opened
from coursehub.grading import runner
from coursehub.grading.marking import Grade, Marking
from tests.classroom import EDIT
from tests.contract.terms import RIGHT, WRONG, Term, windows
from tests.deployment import PEOPLE

NAME = "assignment_1"
GRADED = ["release", "collect", "autograde"]
UNATTENDED = {"feedback": "{approve: false}"}
SLOW = "import time\ndef double(x):\n    time.sleep(0.7)\n    return 2 * x"


def closed(tmp_path: Path, *, late: dict[str, str] | None = None, **options: object) -> Term:
    """An assignment that alice and bob handed in; what comes in late; and its close."""
    every = windows(NAME)
    term = Term(tmp_path / "term", every, names=[NAME], **options)
    assert not run(term.steps)
    term.hand_in("alice", NAME, RIGHT)
    term.hand_in("bob", NAME, WRONG)
    term.close(NAME, every=every)
    for student, answer in (late or {}).items():
        term.hand_in(student, NAME, answer, key=f"{student} is late")
    return term


def command(term: Term, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), env=term.settings.environment())
    return result.exit_code, " ".join(result.output.split())


def test_staff_approve_once_nothing_needs_a_person(tmp_path: Path) -> None:
    term = closed(tmp_path, written=True)
    assert not run(term.steps)
    assert [did for did, _ in term.told()] == GRADED
    code, said = command(term, "tick", "--dry-run")
    assert code == 0
    assert "Nothing is due." in said
    assert f"feedback waits for `coursehub approve {NAME}`" in said
    assert "its release" in said and "Last: autograde of assignment_1" in said

    code, said = command(term, "approve", NAME, "--by", "ines")
    assert code == 2
    assert f"{NAME} is not ready: points by hand missing: alice, bob." in said
    assert not term.pages("alice")
    code, said = command(term, "approve", NAME, "--by", "ines", "--anyway")
    assert (code, said) == (0, f"{NAME}: approved; feedback goes out at the next tick")
    [entry] = journal.entries(term.engine, did="approve")
    assert (entry.who, entry.why) == ("ines", "although points by hand missing: alice, bob")
    code, said = command(term, "tick")
    assert code == 0 and f"{NAME}: feedback: done" in said
    assert term.pages("alice") == {NAME: {f"{NAME}.html"}}
    assert command(term, "tick") == (0, "")


def test_more_time_after_autograding_moves_penalty_and_hand_in(tmp_path: Path) -> None:
    term = closed(tmp_path, late={"bob": RIGHT, "carol": RIGHT})
    assert not run(term.steps)
    assert [term.points(each, NAME) for each in ("alice", "bob", "carol")] == [5, 2, 0]

    in_days = datetime.now(UTC) + timedelta(days=2)
    extend(term, ["carol"], in_days, "ill")
    assert not run(term.steps)
    assert [did for did, _ in term.told()][3:] == ["settle"]
    assert term.points("carol", NAME) == 5, "at once, though she still has time"
    code, said = command(term, "approve", NAME)
    assert code == 2 and "there is time until" in said and "for carol" in said

    extend(term, ["bob", "carol"], datetime.now(UTC), "the bus", by="tom")
    assert not run(term.steps)
    assert [term.points(each, NAME) for each in ("alice", "bob", "carol")] == [5, 5, 5]

    first_late = term.exchange.deadlines.window("alice", course(term)).on_time_before
    extend(term, ["bob"], first_late, "a mistake")
    assert not run(term.steps)
    assert [term.points(each, NAME) for each in ("alice", "bob", "carol")] == [5, 2, 5]
    assert term.exchange.store.check() == 4

    told = journal.entries(term.engine, did="extend", about="carol")
    assert [(each.who, each.why) for each in told] == [("tom", "the bus"), ("ines", "ill")]
    assert told[0].before == {"until": in_days.isoformat()} and told[1].before == {}


def extend(term: Term, who: list[str], until: datetime, why: str, by: str = "ines") -> None:
    term.exchange.extend(who, NAME, until, why, by, datetime.now(UTC))


def course(term: Term):
    return term.exchange.deadlines.course.assignment(NAME)


def test_who_still_has_time_is_graded_when_it_ends(tmp_path: Path) -> None:
    term = closed(tmp_path, policy=UNATTENDED)
    extend(term, ["bob"], datetime.now(UTC) + timedelta(seconds=6), "the bus")
    assert not run(term.steps)
    graded = {path.parent.name for path in (term.folder / "autograded").glob(f"*/{NAME}")}
    assert graded == {"alice"} and not term.pages("alice")
    term.hand_in("bob", NAME, RIGHT, key="bob, once more")
    while len(term.told()) < 8:
        assert not run(term.steps)
        time.sleep(0.2)
    assert [did for did, _ in term.told()][-3:] == ["collect", "autograde", "feedback"]
    assert term.points("bob", NAME) == 5 and set(term.pages("bob")) == {NAME}


def test_what_staff_gave_back_themselves_waits_no_more(tmp_path: Path) -> None:
    term = closed(tmp_path)
    assert not run(term.steps)
    pages = CourseClock(term.exchange)
    assert [each.assignment for each in pages.waiting(datetime.now(UTC))] == [NAME]
    runner.feedback(partial(nbgrader_config, term.settings), NAME)
    assert set(term.pages("alice")) == {NAME}
    assert list(pages.waiting(datetime.now(UTC))) == []
    assert "waits for" not in command(term, "tick", "--dry-run")[1]


def test_a_solution_still_waits_where_feedback_is_out(tmp_path: Path) -> None:
    term = closed(tmp_path, policy={"solution": "{after: feedback}"})
    assert not run(term.steps)
    runner.feedback(partial(nbgrader_config, term.settings), NAME)
    assert list(CourseClock(term.exchange).waiting(datetime.now(UTC))) == [(NAME, True)]
    assert f"the solution waits for `coursehub approve {NAME}`" in command(
        term, "tick", "--dry-run"
    )[1]  # fmt: skip


def test_a_decision_on_the_page_is_settled_by_the_clock(tmp_path: Path) -> None:
    term = closed(tmp_path)
    assert not run(term.steps)
    with opened(str(term.settings.gradebook), term.exchange.deadlines.course) as gradebook:
        keep_report(gradebook, (NAME, NAME, "alice"), "answers", [EDIT])
        [found] = edited(gradebook, term.exchange.deadlines.course, NAME)
    room = ExchangeStaffroom(term.exchange, term.settings)
    digest, now = found.digest, datetime.now(UTC)
    room.decide(NAME, "alice", digest, "other", 20.0, "Ask us.", "tara", now)
    assert term.points("alice", NAME) == 5, "the page writes no points"
    assert not run(term.steps)
    assert [did for did, _ in term.told()] == [*GRADED, "settle"]
    assert term.points("alice", NAME) == 4
    assert not run(term.steps) and len(term.told()) == 4, "once"


class FailsFor:
    """The real thing, but for some hand-ins: a sandbox that cannot run them."""

    def __init__(self, term: Term, *students: str) -> None:
        self._students = students
        self._marking = Marking(term.exchange.deadlines.course, term.settings)

    @contextmanager
    def several(self, workers: int, source: Path) -> Iterator[Grade]:
        with self._marking.several(workers, source) as grade:

            def grade_or_fail(folder: Path, handed_in: Path):
                if handed_in.parent.name in self._students:
                    raise SandboxError("no room")
                return grade(folder, handed_in)

            yield grade_or_fail


def test_one_that_cannot_be_graded_is_listed_and_holds_nobody_up_for_ever(tmp_path: Path) -> None:
    term = closed(tmp_path)
    steps = term.steps
    steps.marking = FailsFor(term, "bob")
    said: list[str] = []
    assert run(steps, said=said.append)
    assert not run(steps), "there is a pause before it is tried again"
    for _ in range(TRIES - 2):
        assert run(steps, insist=True, said=said.append)
    assert "assignment_1: autograde: not done: not graded: bob; of bob: no room" in said[1]
    assert "failed 2 times" in command(term, "tick", "--dry-run")[1]
    assert not run(steps, insist=True)
    assert [did for did, _ in term.told()] == GRADED
    [entry, *_] = journal.entries(term.engine, did="autograde")
    assert set(entry.after["not graded"]) == {"bob"} and term.points("alice", NAME) == 5
    assert "not autograded: bob" in command(term, "approve", NAME)[1]
    told = ExchangeStaffroom(term.exchange, term.settings).problems(NAME)
    assert set(told) == {"bob"} and "no room" in told["bob"]


def test_where_nothing_can_be_graded_it_is_tried_for_ever(tmp_path: Path) -> None:
    term = closed(tmp_path)
    steps = term.steps
    steps.marking = FailsFor(term, "alice", "bob")
    for _ in range(TRIES + 1):
        assert run(steps, insist=True)
    assert not run(term.steps, insist=True)
    assert [term.points(each, NAME) for each in ("alice", "bob")] == [5, 2]


def test_visible_tests_go_on_while_a_class_is_autograded(tmp_path: Path) -> None:
    people = PEOPLE + "".join(
        f"s{number},B{number},S,s{number}@example.edu,student\n" for number in range(5)
    )
    every = windows(NAME)
    term = Term(tmp_path / "term", every, names=[NAME], people=people, gradings_at_once=1)
    assert not run(term.steps)
    for number in range(5):
        term.hand_in(f"s{number}", NAME, SLOW)
    with term.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM gradings")
    term.close(NAME, every=every)
    course_file = CourseFile(term.settings.course)
    with GradingService(term.settings, course_file) as service, ThreadPoolExecutor(1) as pool:
        service.tend()
        clock = pool.submit(run, Steps(term.settings, course_file, service, 1))
        while not list((term.folder / "autograded").glob(f"*/{NAME}")):
            assert not clock.done()
            time.sleep(0.05)
        term.hand_in("alice", NAME, RIGHT)
        alice = term.exchange.person("alice")
        while not all(
            each.done for each in term.exchange.visible_tests(alice, datetime.now(UTC)).hand_ins
        ):
            time.sleep(0.05)
        assert not clock.done(), "the class is not graded yet"
        assert clock.result() == []
    assert [term.points(f"s{number}", NAME) for number in range(5)] == [5] * 5


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_of_many_who_want_it_one_gets_it(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'course.sqlite'}"
    if kind == "postgresql":
        postgres = request.getfixturevalue("postgres")
        url = postgres.url("course", postgres.database("course"))
        migrations.upgrade(connect(url))
    clock, now = Clock(connect(url)), datetime.now(UTC)
    for number in range(5):
        key = Key("release", f"assignment_{number}", now)
        for later in (now, now + LEASE):  # nobody's yet, and a dead holder's
            with ThreadPoolExecutor(8) as pool:
                found = list(pool.map(lambda who: clock.take(key, who, later), "abcdefgh"))  # noqa: B023
            assert sum(each is not None for each in found) == 1
        [holder] = [each.taken_by for each in clock.deeds() if each.key == key]
        action = Action(key, now, "its release")
        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda who: clock.finish(action, who, now, {}), "abcdefgh"))  # noqa: B023
        assert done == [who == holder for who in "abcdefgh"]
    assert len(journal.entries(connect(url))) == len(clock.done()) == 5


def test_a_tick_asks_no_more_often_of_a_larger_class(tmp_path: Path) -> None:
    term = Term(tmp_path / "term", windows())
    asked: list[str] = []
    event.listen(term.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    steps = term.steps
    for part in (steps.clock, steps.roster, steps.ledger):
        part._engine = term.engine
    counts = []
    for first in (0, 200):
        rows = "".join(
            f"t{first + n},C{first + n},S,t@example.edu,student\n" for n in range(first // 2 + 1)
        )
        term.deployment.roster.import_csv(f"username,number,name,email,role\n{rows}")
        whom = term.exchange.students()
        term.exchange.extend(whom, NAME, windows()[NAME][1], "all", "ines", datetime.now(UTC))
        asked.clear()
        assert not run(steps)
        counts.append(len(asked))
    assert 0 < counts[0] == counts[1]
