"""A term runs by itself: released, collected, autograded, given back; once, whoever is killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from coursehub.cli.tick import run
from coursehub.errors import NotFound
from tests.contract.terms import NAMES, POINTS, RIGHT, WRONG, Term, windows
from tests.deployment import print_logs

ANSWERS = {"alice": RIGHT, "bob": WRONG}
UNATTENDED = {"feedback": "{approve: false}", "solution": "{after: feedback}"}
ALL = ["release", "collect", "autograde", "feedback", "solution"]
PATIENCE = 100
SECONDS = timedelta(seconds=1)

STRIDE = 20
WHAT_CHANGES_SOMETHING = [
    f"/coursehub/{part}" for part in (
        "cli/tick", "cli/steps", "exchange/clock", "exchange/staff", "exchange/store",
        "gradebook/", "grading/runner", "grading/record",
    )
]  # fmt: skip

FORK = multiprocessing.get_context("fork")


def test_eight_assignments_within_a_minute(tmp_path: Path) -> None:
    begun = datetime.now(UTC).replace(microsecond=0) + 6 * SECONDS
    every = {
        name: (begun + 3 * SECONDS * number, begun + (3 * number + 24) * SECONDS)
        for number, name in enumerate(NAMES)
    }
    term = Term(tmp_path / "term", every, policy=UNATTENDED, clock=True, visible_tests=True)
    log = term.settings.state / "grader.log"
    with log.open("wb") as output:
        grader = subprocess.Popen(
            [sys.executable, "-m", "coursehub.cli", "grader"],
            env=os.environ | term.settings.environment(), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        for name in NAMES:
            until(lambda name=name: is_open(term, name), f"{name} is open")
            for student, answer in ANSWERS.items():
                term.hand_in(student, name, answer)
        until(lambda: len(term.told()) == len(ALL) * len(NAMES), "all is done")
    except BaseException:
        print_logs([log])
        raise
    finally:
        grader.terminate()
        grader.wait(30)
    took = datetime.now(UTC) - begun
    all_is_done_once(term, NAMES)
    assert took < PATIENCE * SECONDS


def is_open(term: Term, name: str) -> bool:
    try:
        return bool(term.exchange.files(term.exchange.person("alice"), name, datetime.now(UTC)))
    except NotFound:
        return False


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"after {PATIENCE} s still not: {what}"
        time.sleep(0.1)


def all_is_done_once(term: Term, names: list[str]) -> None:
    told = term.told()
    for name in names:
        assert [did for did, assignment in told if assignment == name] == ALL
        for student, answer in ANSWERS.items():
            assert term.points(student, name) == POINTS[answer]
    assert len(told) == len(ALL) * len(names)
    for student in ANSWERS:
        expected = {name: {f"{name}.html", f"solution-{name}.ipynb"} for name in names}
        assert term.pages(student) == expected
    assert term.exchange.store.check() == len(names) * len(ANSWERS)
    for name in names:
        [text] = term.exchange.store.solution(name).values()
        assert b"return 2 * x" in text and b"twice 21 is 42" not in text


# Killed.


@pytest.fixture
def closing(tmp_path: Path) -> Term:
    """Two assignments that closed just now, and hand-ins of both."""
    names = NAMES[:2]
    every = windows(*names)
    term = Term(tmp_path / "term", every, names=names, policy=UNATTENDED)
    assert not run(term.steps)
    for name in names:
        for student, answer in ANSWERS.items():
            term.hand_in(student, name, answer)
    term.close(*names, every=every)
    return term


def tick(term: Term, places: Path | None = None) -> Any:
    """Do what is due in a process of its own; killed soon after it comes where nobody was before.

    Args:
        term: Whose.
        places: A file with the lines of ours that were come to; without it nobody is killed.
    """

    def work() -> None:
        if places:
            threading.settrace(killing(places))  # of the threads that it starts
            sys.settrace(killing(places))
        os._exit(bool(run(term.steps)))

    process = FORK.Process(target=work)
    process.start()
    return process


def killing(places: Path) -> Callable[[FrameType, str, object], Any]:
    """Kill this process at every so many lines that change something and are new."""
    known = set(places.read_text().split())
    new = 0

    def count(frame: FrameType, event: str, _: object) -> Any:
        nonlocal new
        if not any(part in frame.f_code.co_filename for part in WHAT_CHANGES_SOMETHING):
            return None
        place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        if event == "line" and place not in known:
            known.add(place)
            with places.open("a") as file:
                file.write(f"{place}\n")
            new += 1
            if new == STRIDE:
                os.kill(os.getpid(), signal.SIGKILL)
        return count

    return count


def test_killed_at_many_lines_nothing_is_lost_and_nothing_twice(
    closing: Term, tmp_path: Path
) -> None:
    places = tmp_path / "places"
    places.touch()
    killed = 0
    while (process := tick(closing, places)) and process.join(PATIENCE) is None:
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL, process.exitcode
        killed += 1
        closing.end_leases()
    assert killed > 12
    all_is_done_once(closing, NAMES[:2])


def test_two_at_once_do_nothing_twice(closing: Term) -> None:
    both = [tick(closing), tick(closing)]
    for process in both:
        process.join(PATIENCE)
        assert process.exitcode == 0
    all_is_done_once(closing, NAMES[:2])
    assert not run(closing.steps), "and nothing is left"
    all_is_done_once(closing, NAMES[:2])
