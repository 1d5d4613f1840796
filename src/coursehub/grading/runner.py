"""nbgrader's steps for a whole class, from the command line or the clock.

Each step is nbgrader's own, through its own API. Autograding runs one student at a time in a few
worker processes, so that a broken notebook concerns nobody else.
"""

import ctypes
import logging
import multiprocessing
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from coursehub.errors import CourseHubError
from coursehub.grading.turns import turn
from coursehub.settings import own_programs_first

MakeConfig = Callable[[], Config]

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

# The last line of a traceback: "package.module.Name: what happened".
_EXCEPTION = re.compile(r"^ *(?:\w+\.)*((?!NbGraderException)\w+: .+)$", re.M)


@dataclass(frozen=True)
class Graded:
    """How autograding one student's hand-in went."""

    student: str
    done: bool
    problem: str | None


def add_source(course_dir: Path, source: Path, assignment: str) -> None:
    """Copy the instructor's version of an assignment into nbgrader's course folder, if not there.

    What staff changed in the course folder is never overwritten.
    """
    target = course_dir / "source" / assignment
    if not target.exists():
        shutil.copytree(source / assignment, target)


def generate(source: Path, assignment: str, target: Path) -> Path:
    """Make the students' version of an assignment, outside any course; return its folder.

    Args:
        source: the folder of all instructors' versions.
        assignment: which one.
        target: the folder of all students' versions; the assignment's own is replaced.

    Raises:
        CourseHubError: with the end of nbgrader's log.
    """
    with TemporaryDirectory() as scratch:
        config = Config()
        config.CourseDirectory.root = scratch
        config.CourseDirectory.course_id = "generate"
        add_source(Path(scratch), source, assignment)
        answer = _api(lambda: config).generate_assignment(assignment)
        _require(answer, f"{assignment} could not be generated")
        shutil.rmtree(target / assignment, ignore_errors=True)
        shutil.copytree(Path(scratch) / "release" / assignment, target / assignment)
    return target / assignment


def release(make_config: MakeConfig, assignment: str) -> None:
    """Generate the students' version and put it into the exchange, if that was not done yet.

    Raises:
        CourseHubError: with the end of nbgrader's log.
    """
    api = _api(make_config)
    _require(api.generate_assignment(assignment), f"{assignment} could not be generated")
    if assignment not in api.get_released_assignments():
        _require(api.release_assignment(assignment), f"{assignment} could not be released")


def collect(make_config: MakeConfig, assignment: str) -> list[str]:
    """Collect the hand-ins that count; return who has one.

    Raises:
        CourseHubError: with the end of nbgrader's log.
    """
    api = _api(make_config)
    _require(api.collect(assignment), f"{assignment} could not be collected")
    return sorted(api.get_submitted_students(assignment))


def is_graded(course_dir: Path, assignment: str, student: str) -> bool:
    """Whether autograding got to its end; nbgrader then makes the notebooks read-only."""
    notebooks = list((course_dir / "autograded" / student / assignment).glob("*.ipynb"))
    return bool(notebooks) and not any(path.stat().st_mode & 0o222 for path in notebooks)


def autograde(
    make_config: MakeConfig,
    assignment: str,
    students: Sequence[str],
    *,
    log: Path,
    jobs: int | None = None,
) -> Iterator[Graded]:
    """Autograde these students' hand-ins; yields each as it is done.

    Args:
        make_config: makes nbgrader's configuration; called in each worker.
        assignment: the assignment.
        students: user names.
        log: file to which the workers' and kernels' own chatter is appended.
        jobs: worker processes; by default one a core.
    """
    workers = min(jobs or os.cpu_count() or 1, max(len(students), 1))
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _start_worker, (make_config, log)
    )
    try:
        pending = {pool.submit(_autograde_one, assignment, name): name for name in students}
        for future in as_completed(pending):
            try:
                yield future.result()
            except BrokenProcessPool:
                yield Graded(pending[future], False, f"the grading process was killed; see {log}")
    finally:
        # Also on Ctrl-C: nobody waits for the rest, and a kernel ends with its worker.
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in multiprocessing.active_children():
            worker.terminate()


def feedback(make_config: MakeConfig, assignment: str) -> None:
    """Settle the late penalties, generate feedback for everyone graded, and release it.

    Raises:
        CourseHubError: with the end of nbgrader's log.
    """
    api = _api(make_config)
    _require(api.generate_feedback(assignment), f"feedback for {assignment} failed")
    _require(api.release_feedback(assignment), f"feedback for {assignment} was not released")


_worker_api: NbGraderAPI


def _start_worker(make_config: MakeConfig, log: Path) -> None:
    global _worker_api
    # Even if the command is killed, its workers end; their kernels notice and end too.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with log.open("ab") as chatter:
        os.dup2(chatter.fileno(), sys.stdout.fileno())
        os.dup2(chatter.fileno(), sys.stderr.fileno())
    # Every worker has one core; more threads than cores only fight over them.
    os.environ["OMP_NUM_THREADS"] = "1"  # noqa: TID251
    _worker_api = _api(make_config)


def _autograde_one(assignment: str, student: str) -> Graded:
    with turn(Path(_worker_api.coursedir.root), assignment, student):
        answer = _worker_api.autograde(assignment, student)
    return Graded(student, answer["success"], None if answer["success"] else _reason(answer))


def _api(make_config: MakeConfig) -> NbGraderAPI:
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    own_programs_first()
    return NbGraderAPI(config=make_config())


def _require(answer: dict[str, Any], problem: str) -> None:
    if not answer["success"]:
        raise CourseHubError(f"{problem}: {_reason(answer)}", remedy="See nbgrader's log above")


def _reason(answer: dict[str, Any]) -> str:
    """The last exception that nbgrader logged, without its module; else its own traceback's."""
    for text in (answer.get("log", ""), answer.get("error", "")):
        found = _EXCEPTION.findall(text)
        if found:
            return str(found[-1]).strip()
    return "no reason given"
