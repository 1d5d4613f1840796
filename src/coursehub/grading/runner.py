"""nbgrader's steps for a whole class, from the command line or the clock.

Each step is nbgrader's own, through its own API. Hand-ins are graded in a few sandboxes at once,
and written to the gradebook one after the other.
"""

import logging
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, Self

from nbgrader.apps import NbGraderAPI
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from coursehub.errors import CourseHubError
from coursehub.grading import pipeline
from coursehub.grading.connections import one_engine
from coursehub.grading.regular import handed_in, read_regular
from coursehub.grading.turns import turn
from coursehub.grading.verdict import Verdict
from coursehub.settings import own_programs_first

log = logging.getLogger(__name__)

MakeConfig = Callable[[], Config]

# The last line of a traceback: "package.module.Name: what happened".
_EXCEPTION = re.compile(r"^ *(?:\w+\.)*((?!NbGraderException)\w+: .+)$", re.M)


@dataclass(frozen=True)
class Graded:
    """How autograding one student's hand-in went.

    Attributes:
        student: whose.
        done: it has a verdict, which is in the gradebook.
        problem: why it has none.
        verdict: the verdict.
    """

    student: str
    done: bool
    problem: str | None
    verdict: Verdict | None = None


def add_source(course_dir: Path, source: Path, assignment: str) -> None:
    """Copy the instructor's version of an assignment into nbgrader's course folder, if not there.

    What staff changed in the course folder is never overwritten.
    """
    target = course_dir / "source" / assignment
    if not target.exists():
        unfinished = target.with_name(f".{assignment}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(source / assignment, unfinished)
        unfinished.rename(target)


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
    with turn(Path(api.coursedir.root), assignment):
        _require(api.generate_assignment(assignment), f"{assignment} could not be generated")
        if assignment not in api.get_released_assignments():
            _require(api.release_assignment(assignment), f"{assignment} could not be released")


def collect(make_config: MakeConfig, assignment: str) -> list[str]:
    """Collect the hand-ins that count; return who has one.

    Raises:
        CourseHubError: with the end of nbgrader's log.
    """
    api = _api(make_config)
    with turn(Path(api.coursedir.root), assignment):
        _require(api.collect(assignment), f"{assignment} could not be collected")
    return sorted(api.get_submitted_students(assignment))


def is_graded(course_dir: Path, assignment: str, student: str) -> bool:
    """Whether this very hand-in was autograded to its end.

    nbgrader then makes the notebooks read-only; a later hand-in has another time stamp.
    """
    done = course_dir / "autograded" / student / assignment
    notebooks = list(done.glob("*.ipynb"))
    if not notebooks or any(path.stat().st_mode & 0o222 for path in notebooks):
        return False
    return stamp(done) == stamp(course_dir / "submitted" / student / assignment)


def stamp(folder: Path) -> str:
    """When the hand-in in this folder was received, as nbgrader writes it; empty without one."""
    with suppress(OSError):
        return read_regular(folder / "timestamp.txt").decode(errors="replace").strip()
    return ""


def autograde(
    make_config: MakeConfig,
    assignment: str,
    students: Sequence[str],
    *,
    log: Path,
    jobs: int | None = None,
    on_start: Callable[[str], None] = lambda student: None,
) -> Iterator[Graded]:
    """Autograde the collected hand-ins of some students, a few at once; yield each as it is done.

    Several are graded at a time, each in a sandbox of its own; one at a time is written to the
    gradebook. What fails for reasons of ours fails for this student alone.

    Args:
        make_config: makes nbgrader's configuration.
        assignment: the assignment.
        students: user names.
        log: file to which nbgrader's own log is appended.
        jobs: hand-ins graded at a time; by default one a core.
        on_start: told the student whose hand-in is taken up, from another thread.
    """
    workers = min(jobs or os.cpu_count() or 1, max(len(students), 1))
    with ExitStack() as stack:
        stack.enter_context(_logged(log))
        stack.enter_context(one_engine())
        desk = stack.enter_context(_Desk(make_config(), assignment, workers))
        pool = ThreadPoolExecutor(workers + 1)  # one is written meanwhile
        # Also on Ctrl-C: nobody waits for those that have not begun.
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        waiting = [pool.submit(desk.autograde, student, on_start) for student in students]
        for future in as_completed(waiting):
            yield future.result()


def feedback(make_config: MakeConfig, assignment: str) -> None:
    """Settle the late penalties, generate feedback for everyone graded, and release it.

    Raises:
        CourseHubError: with the end of nbgrader's log.
    """
    api = _api(make_config)
    with turn(Path(api.coursedir.root), assignment):
        _require(api.generate_feedback(assignment), f"feedback for {assignment} failed")
        _require(api.release_feedback(assignment), f"feedback for {assignment} was not released")


class _Desk:
    """Graders side by side, and one writer to the gradebook."""

    def __init__(self, config: Config, assignment: str, workers: int) -> None:
        self._assignment = assignment
        self._marking = config.RecordedExporter.grade  # `Marking`, or what asks the grader
        config.RecordedExporter.grade = lambda source, folder: self._done[folder]
        self._api = _api(lambda: config)
        self._done: dict[Path, pipeline.Graded] = {}
        self._workers = workers
        self._writing = Lock()
        self._open = ExitStack()

    def autograde(self, student: str, on_start: Callable[[str], None]) -> Graded:
        """Grade one student's hand-in and write it down."""
        on_start(student)
        try:
            with turn(Path(self._api.coursedir.root), self._assignment, student):
                return self._autograde(student)
        except CourseHubError as error:
            return Graded(student, False, str(error))
        except Exception as error:  # of ours, or of the machine's: nobody else waits for it
            log.exception("%s could not be autograded", student)
            return Graded(student, False, repr(error))

    def _autograde(self, student: str) -> Graded:
        folders = self._api.coursedir
        folder = handed_in(folders, student, self._assignment)
        graded = self._grade(self._source, folder)
        with self._writing:
            self._done[folder] = graded
            answer = self._api.autograde(self._assignment, student)
            if not answer["success"]:  # say, a database that was away for a moment
                answer = self._api.autograde(self._assignment, student)
            del self._done[folder]
        if not answer["success"]:
            return Graded(student, False, _reason(answer))
        return Graded(student, True, None, graded.verdict)

    @property
    def _source(self) -> Path:
        folders = self._api.coursedir
        place = folders.format_path(folders.source_directory, ".", self._assignment)
        return Path(place).resolve()

    def __enter__(self) -> Self:
        several = self._marking.several(self._workers, self._source)
        self._grade = self._open.enter_context(several)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


@contextmanager
def _logged(log: Path) -> Iterator[None]:
    """Append nbgrader's log to a file."""
    logger = logging.getLogger("traitlets")
    handler = logging.FileHandler(log)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def _api(make_config: MakeConfig) -> NbGraderAPI:
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    # Its remarks on each new submission, which concern nbgrader's own code; every row is written.
    warnings.filterwarnings("ignore", category=SAWarning, module=r"nbgrader\.")
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
