"""`coursehub demo`: a course with people and grades, and nothing left of it when it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from nbgrader.api import Gradebook

from coursehub.course.load import load_course
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.ledger import HandIn
from coursehub.settings import CHECKOUT, Settings, load_settings
from tests.deployment import free_port
from tests.sites import quick_site

ASSIGNMENT = "assignment_1"
HAND_IN = {"wenjie", "aisha", "ben", "chloe", "devi", "emil", "farah", "goh"}
START_SECONDS = 480
END_SECONDS = 20
PARTING_SECONDS = 2


def demo_settings(state: Path, **settings: object) -> Settings:
    return load_settings(
        state=state, course=state / "course.yml", bind_url=f"http://127.0.0.1:{free_port()}",
        **settings,
    )  # fmt: skip


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One demo for this file: each test continues where the one before ended."""
    site = quick_site(tmp_path_factory.mktemp("site"))
    return demo_settings(tmp_path_factory.mktemp("demo"), site=site)


@contextmanager
def started(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """`coursehub demo` as a child; whatever the test leaves of it is ended."""
    with (settings.state / "screen.txt").open("w") as screen:
        demo = subprocess.Popen(
            [sys.executable, "-m", "coursehub.cli", "demo"],
            env=os.environ | settings.environment() | {"COLUMNS": "200"},
            stdout=screen, stderr=subprocess.STDOUT, text=True, cwd=CHECKOUT,
        )  # fmt: skip
    try:
        yield demo
    finally:
        for process in [*processes_of(settings), demo]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        demo.wait()


def screen(settings: Settings) -> str:
    return (settings.state / "screen.txt").read_text()


def await_welcome(demo: subprocess.Popen[str], settings: Settings) -> None:
    """Wait until it says where to open it."""

    def is_up() -> bool:
        assert demo.poll() is None, screen(settings)
        return f"Open {settings.bind_url}" in screen(settings)

    await_that(is_up, START_SECONDS)


def await_that(happens: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, f"not within {seconds} s: {happens.__name__}"
        time.sleep(0.1)


def processes_of(settings: Settings) -> list[psutil.Process]:
    """Everything that runs on behalf of this demo: its environment or arguments name its state."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = [process.environ().get("COURSEHUB_STATE", ""), *process.cmdline()]
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and any(str(settings.state) in word for word in words):
                found.append(process)
    return found


def hand_ins(settings: Settings) -> dict[str, HandIn]:
    rows = Exchange(settings).ledger.all()
    by_name = {row.username: row for row in rows}
    assert len(by_name) == len(rows), "somebody handed in twice"
    return by_name


def graded(settings: Settings) -> dict[str, datetime]:
    """Whose tests have points, and since when the notebook lies there."""
    with Gradebook(str(settings.gradebook)) as gradebook:
        done = [
            submission.student.id
            for submission in gradebook.assignment_submissions(ASSIGNMENT)
            if any(grade.auto_score is not None for grade in submission.notebooks[0].grades)
        ]
    autograded = Path(str(settings.course_dir)) / "autograded"
    return {name: _written(autograded / name / ASSIGNMENT / f"{ASSIGNMENT}.ipynb") for name in done}


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def one_is_graded(settings: Settings) -> bool:
    return any(Path(str(settings.course_dir)).glob("autograded/*")) and bool(graded(settings))


def test_a_taken_port_is_one_line_that_names_it(tmp_path: Path) -> None:
    settings = demo_settings(tmp_path)
    with socket.create_server(("127.0.0.1", settings.port)), started(settings) as demo:
        assert demo.wait(START_SECONDS) == 2
    said = screen(settings).strip()
    assert len(said.splitlines()) == 1
    assert f"port {settings.port} is taken" in said
    assert "PORT=" in said


def test_a_killed_demo_leaves_no_process_and_continues(settings: Settings) -> None:
    with started(settings) as demo:
        await_that(lambda: one_is_graded(settings) or demo.poll() is not None, START_SECONDS)
        demo.kill()
        await_that(lambda: not processes_of(settings), END_SECONDS)
    before, done = hand_ins(settings), graded(settings)
    assert set(before) == HAND_IN
    assert 0 < len(done) < len(HAND_IN)

    with started(settings) as demo:
        await_welcome(demo, settings)
        after = hand_ins(settings)
        assert after == before
        assert set(graded(settings)) == HAND_IN
        stop_politely(demo, settings)


def stop_politely(demo: subprocess.Popen[str], settings: Settings) -> None:
    """Ctrl-C; when the demo is gone, all of it is gone."""
    demo.send_signal(signal.SIGINT)
    demo.wait(START_SECONDS)
    assert "Stopped; `make demo` continues" in screen(settings)
    assert "Traceback" not in screen(settings)
    # Python's own tracker of semaphores ends by itself, right after its parent.
    await_that(lambda: not processes_of(settings), PARTING_SECONDS)


def test_the_welcome_names_everybody_and_what_to_try(settings: Settings) -> None:
    people = Exchange(settings).roster.everyone()
    assert len(people) == 15
    for person in people:
        assert f"{person.username} " in screen(settings)
    assert "today is in week 4" in screen(settings)
    assert "isolate nothing" in screen(settings)


def test_today_lies_in_week_4(settings: Settings) -> None:
    course = load_course(settings.course)
    friday = next(week.date for week in course.weeks if week.number == 4)
    monday = friday - timedelta(days=friday.weekday())
    assert monday <= datetime.now(course.tz).date() <= monday + timedelta(days=6)


def test_the_ledger_tells_late_and_renamed_hand_ins(settings: Settings) -> None:
    exchange = Exchange(settings)
    course = exchange.deadlines.course
    assignment = course.assignment(ASSIGNMENT)
    late = {
        username
        for username, row in hand_ins(settings).items()
        if row.received >= exchange.deadlines.on_time_before(username, assignment)
    }
    assert late == {"farah"}
    [file] = hand_ins(settings)["wenjie"].files
    assert (file.name, file.sent_as) == (
        f"{ASSIGNMENT}.ipynb",
        f"A0100000J_Wang-Wenjie_{ASSIGNMENT}.ipynb",
    )


def test_the_gradebook_has_the_expected_spread(settings: Settings) -> None:
    with Gradebook(str(settings.gradebook)) as gradebook:
        submissions = gradebook.assignment_submissions(ASSIGNMENT)
        scores = {submission.student.id: submission.score for submission in submissions}
        late = {one.student.id for one in submissions if one.late_submission_penalty}
    assert set(scores) == HAND_IN
    assert {name for name, score in scores.items() if score == 85} == {"wenjie", "aisha", "farah"}
    assert {name for name, score in scores.items() if score == 0} == {"emil"}
    assert late == {"farah"}
    assert 0 < scores["devi"] < scores["chloe"] < scores["ben"] < 85
    assert 0 < scores["goh"] < 85


def test_a_second_start_does_nothing_again(settings: Settings) -> None:
    before = hand_ins(settings), graded(settings)
    with started(settings) as demo:
        await_welcome(demo, settings)
        assert (hand_ins(settings), graded(settings)) == before
        stop_politely(demo, settings)
