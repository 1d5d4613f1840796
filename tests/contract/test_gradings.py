"""Grading on demand on PostgreSQL: the real service, with the embedded form's sandbox."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import pytest
from sqlalchemy import Engine, select, update
from traitlets.config import Config

from coursehub.cli.asking import Asking
from coursehub.cli.gradings import GradingService
from coursehub.errors import SandboxError, SandboxUnavailable
from coursehub.exchange import migrations
from coursehub.exchange.database import connect, gradings
from coursehub.exchange.deadlines import CourseFile
from coursehub.exchange.desk import Desk
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.protocol import VisibleTests
from coursehub.grading import runner
from coursehub.settings import Settings
from tests.contract.miniature import ASSIGNMENT, HIDDEN, Miniature
from tests.deployment import open_course, prepare, print_logs
from tests.postgres import Postgres

NOTEBOOK = f"{ASSIGNMENT}.ipynb"
PATIENCE = 120
STUDENTS = ("ann", "ben", "cai", "dan")
SLOW = "import time\ndef double(x):\n    time.sleep(3)\n    return 2 * x"


@pytest.fixture(scope="module")
def course(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Miniature]:
    """A course whose queue is in PostgreSQL; the gradebook is SQLite, which nobody tests here."""
    url = postgres.url("course", postgres.database("course"))
    engine = connect(url)
    migrations.upgrade(engine)
    state = tmp_path_factory.mktemp("gradings")
    text = open_course(now=datetime.now(UTC))
    yield Miniature(prepare(state, text, database=url, gradings_at_once=1))
    engine.dispose()


@pytest.fixture
def engine(course: Miniature) -> Engine:
    return connect(str(course.settings.database))


def as_the_grader(course: Miniature, **changes: object) -> Settings:
    """The settings of the service, which comes to the database in a role of its own."""
    url = str(course.settings.database).replace("//course@", "//grader@")
    return course.settings.model_copy(update={"database": url, **changes})


@contextmanager
def service(course: Miniature) -> Iterator[subprocess.Popen[bytes]]:
    """`coursehub grader` in a process of its own."""
    settings = as_the_grader(course)
    path = settings.state / f"grader-{time.monotonic_ns()}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "coursehub.cli", "grader"],
            env=os.environ | settings.environment(), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield process
    except BaseException:
        print_logs([path])
        raise
    finally:
        process.terminate()
        process.wait(30)


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"after {PATIENCE} s still not: {what}"
        time.sleep(0.1)


def places(course: Miniature, student: str) -> tuple[Path, Path]:
    return course.folder / "source" / ASSIGNMENT, course.folder / "submitted" / student / ASSIGNMENT


def rows(engine: Engine) -> dict[str, tuple[str, int]]:
    """Who graded whose hand-in, and how often it was taken."""
    with engine.connect() as connection:
        found = connection.execute(select(gradings).where(gradings.c.kind == "full")).all()
    return {row.username: (row.taken_by, row.tries) for row in found}


def test_two_services_share_a_class_and_one_that_is_killed_is_replaced(
    course: Miniature, engine: Engine
) -> None:
    for student in STUDENTS:
        course.collected(student)
    course.collected("slow", answer=SLOW)
    ask = Asking(course.settings)
    with ThreadPoolExecutor(5) as pool, service(course) as one, service(course) as two:
        for graded in pool.map(
            ask, *zip(*[places(course, each) for each in STUDENTS], strict=True)
        ):
            assert graded.verdict.points == {"visible": 2, "hidden": 3}
        assert [tries for _, tries in rows(engine).values()] == [1] * len(STUDENTS)

        slow = pool.submit(ask, *places(course, "slow"))
        until(lambda: "slow" in rows(engine) and rows(engine)["slow"][0], "the slow one is taken")
        holder = rows(engine)["slow"][0]
        victim, other = (one, two) if holder.endswith(f":{one.pid}") else (two, one)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        end_the_lease(engine)
        assert slow.result(PATIENCE).verdict.points == {"visible": 2, "hidden": 3}
        by, tries = rows(engine)["slow"]
        assert by.endswith(f":{other.pid}") and tries == 2
    assert not list((course.folder / ".gradings").iterdir()), "answers that were read are gone"


def end_the_lease(engine: Engine) -> None:
    """What a minute would do."""
    with engine.begin() as connection:
        open_ones = gradings.c.done_at.is_(None)
        past = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(gradings).where(open_ones).values(taken_until=past))


def test_nobody_who_grades_is_a_plain_sentence_and_no_points(
    course: Miniature, engine: Engine
) -> None:
    course.collected("fay")
    ask = Asking(course.settings, patience=timedelta(seconds=1))
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM grading_services")
    with pytest.raises(SandboxUnavailable, match="no grader is running") as said:
        ask(*places(course, "fay"))
    assert "No points were changed" in str(said.value)
    unreal = as_the_grader(course, form="containers", sandbox="process")
    with GradingService(unreal, CourseFile(unreal.course)) as service:
        service.tend()
        assert service.problem and "COURSEHUB_SANDBOX is process" in service.problem
        with pytest.raises(SandboxError, match="COURSEHUB_SANDBOX is process"):
            ask(*places(course, "fay"))
    assert rows(engine)["fay"] == (None, 0), "nobody took it"


@pytest.fixture(scope="module")
def here(course: Miniature) -> Iterator[GradingService]:
    """The service in this process."""
    settings = as_the_grader(course)
    with GradingService(settings, CourseFile(settings.course)) as service:
        service.tend()
        assert service.problem is None
        yield service


def test_nbgraders_own_pipeline_records_what_the_grader_found(
    course: Miniature, here: GradingService
) -> None:
    course.collected("eve", answer="def double(x):\n    return x + 2")
    course.collected("mallory", raw=b'{"cells": [')

    def make_config() -> Config:
        config = course.make_config()
        config.RecordedExporter.grade = Asking(course.settings)
        return config

    log = course.settings.state / "autograde.log"
    done = {each.student: each for each in
            runner.autograde(make_config, ASSIGNMENT, ["eve", "mallory"], log=log)}  # fmt: skip
    assert all(each.done for each in done.values()), done
    points = course.points("eve")
    assert (points["visible"], points["hidden"]) == (2, 0)
    assert done["mallory"].verdict is not None and done["mallory"].verdict.status == "rejected"
    kept = course.folder / "autograded" / "eve" / ASSIGNMENT / NOTEBOOK
    assert "twice 21 is 42" in kept.read_text()


def test_a_rerun_draws_the_same_inputs_and_writes_no_grade(
    course: Miniature, engine: Engine, here: GradingService
) -> None:
    """For a regrade request: what was collected, as it was graded, for its points alone."""
    course.collected("rea", answer="def double(x):\n    return 4 if x == 2 else 0")
    graded = course.folder / "autograded" / "rea" / ASSIGNMENT
    graded.mkdir(parents=True)
    notebook = nbformat.v4.new_notebook(metadata={"coursehub": {"seed": 4711}})
    nbformat.write(notebook, graded / NOTEBOOK)
    desk = Desk(engine)
    number = desk.ask_for_rerun(ASSIGNMENT, "rea", "tara", datetime.now(UTC))
    until(lambda: desk.look(number).done_at, "it is graded once more")  # type: ignore[union-attr]
    row = desk.look(number)
    assert row is not None
    assert (row.problem, row.result) == (
        None,
        {"status": "graded", "points": {"visible": 2, "hidden": 0}, "seed": 4711},
    )
    assert HIDDEN not in str(row.result)
    assert desk.problems(ASSIGNMENT).get("rea") is None


@pytest.mark.parametrize("student", ["nobody", "../../secret"])
def test_a_request_for_what_is_not_there_is_refused_in_a_sentence(
    course: Miniature, here: GradingService, student: str
) -> None:
    secret = course.folder.parent.parent / "secret" / ASSIGNMENT
    secret.mkdir(parents=True, exist_ok=True)
    (secret / NOTEBOOK).write_text("{}")
    desk, now = Desk(connect(str(course.settings.database))), datetime.now(UTC)
    number = desk.ask(ASSIGNMENT, student, now, now + timedelta(minutes=5))
    until(lambda: (row := desk.look(number)) and row.done_at, "it is answered")
    row = desk.look(number)
    assert row is not None and row.result is None and "no folder" in (row.problem or "")


def hand_in(exchange: Exchange, course: Miniature, student: str, answer: str) -> None:
    """Hand in as the service does it: first the receipt, then the tests."""
    notebook = course.released()
    notebook.cells[0].source = answer
    person, now = exchange.person(student), datetime.now(UTC)
    files = {NOTEBOOK: nbformat.writes(notebook).encode()}
    done = exchange.hand_in(person, ASSIGNMENT, files, f"key of {student}", now)
    assert done.receipt
    exchange.run_visible_tests(person, done, now)


def told(exchange: Exchange, student: str) -> tuple[VisibleTests, ...]:
    return exchange.visible_tests(exchange.person(student), datetime.now(UTC)).hand_ins


def test_a_student_sees_visible_tests_within_seconds_and_nothing_hidden(
    course: Miniature, here: GradingService
) -> None:
    exchange = Exchange(course.settings)
    hand_in(exchange, course, "alice", "def double(x):\n    return x + 2")
    hand_in(exchange, course, "bob", "def double(x):\n    raise ValueError('what is x')")
    until(lambda: all(each.done for name in ("alice", "bob") for each in told(exchange, name)),
          "the tests were run")  # fmt: skip
    (alices,), (bobs,) = told(exchange, "alice"), told(exchange, "bob")
    assert alices.text == (
        "Visible tests: 1 of 1 passed, 2 of 2 points. Hidden tests are run after the deadline."
    )
    assert bobs.text.startswith("Visible tests: 0 of 1 passed, 0 of 2 points.")
    assert [each.name for each in bobs.tests] == ["visible"]
    assert "what is x" in bobs.tests[0].message
    assert exchange.visible_tests(exchange.person("carol"), datetime.now(UTC)).hand_ins == ()
    with connect(str(course.settings.database)).connect() as connection:
        results = connection.execute(select(gradings.c.result)).scalars().all()
    assert HIDDEN not in str(results) and "twice 21" not in str(results)


def test_where_it_is_turned_off_or_does_not_count_nothing_is_run(
    course: Miniature, engine: Engine
) -> None:
    exchange = Exchange(course.settings.model_copy(update={"visible_tests": False}))
    hand_in(exchange, course, "carol", "def double(x):\n    return 2 * x")
    assert told(exchange, "carol") == ()
