"""The grading service: takes requests off the desk and grades them in the sandbox."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, RLock, Thread
from typing import Any, Self

from sqlalchemy.exc import SQLAlchemyError

from coursehub.cli.lending import GpuLender
from coursehub.errors import CourseHubError, NotFound, SandboxError, SandboxUnavailable
from coursehub.exchange.database import connect
from coursehub.exchange.deadlines import CourseFile
from coursehub.exchange.desk import LEASE, Desk, Grading
from coursehub.exchange.ledger import Ledger
from coursehub.exchange.store import PLACES
from coursehub.grading import reply
from coursehub.grading.figures import counted
from coursehub.grading.marking import Bench, Grade, Marking, open_real
from coursehub.grading.pipeline import Graded
from coursehub.grading.record import seed_of
from coursehub.grading.snapshot import snapshot
from coursehub.grading.source import Source, load_source
from coursehub.grading.visible import SEED, report, visible_part
from coursehub.settings import Settings

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_RENEWALS = 4  # in the time of a lease
_RESTS_AFTER = 180  # seconds without a request
_GIVES_GPU_BACK_AFTER = 20  # seconds: staff who grade one by one come back sooner
_TRIED_AGAIN_AFTER = timedelta(seconds=60)  # where the sandbox was not real

Result = dict[str, Any]


class _Withdrawn(Exception):
    """The sandbox is gone, which says nothing about the hand-in: others may grade it."""


class GradingService:
    """Grades what is asked for, several hand-ins at a time, while the context lasts.

    Where the sandbox is not what it promises to be nothing is graded; `problem` says why, and the
    sandbox is tried again now and then. `tend` has to be called every few seconds.
    """

    def __init__(self, settings: Settings, course_file: CourseFile) -> None:
        """Grade for the course of `course_file`, on the databases and folders of `settings`."""
        engine = connect(str(settings.database))
        self.problem: str | None = "the grader has just started"
        self._settings = settings
        self._course_file = course_file
        self._desk = Desk(engine)
        self._ledger = Ledger(engine)
        self._name = f"{socket.gethostname()}:{os.getpid()}"[-64:]
        self._bench: Bench | None = None
        self._open = ExitStack()
        self._opening = RLock()
        self._next_try = _now()
        self._stopped = Event()
        self._threads = [
            Thread(target=self._work, args=(False,), name=f"grader {number}")
            for number in range(settings.gradings_at_once)
        ]
        # Who waits for a GPU holds up no other hand-in.
        self._threads.append(Thread(target=self._work, args=(True,), name="grader with a GPU"))

    def tend(self) -> None:
        """Open the sandbox, say on the desk that somebody is there, and tidy up."""
        now = _now()
        if self._bench is None and now >= self._next_try:
            self._open_bench()
        elif self._bench:
            self._bench.rest(_RESTS_AFTER, _GIVES_GPU_BACK_AFTER)
        try:
            self._desk.report(self._name, self.problem, _now())
            for number in self._desk.forget(now):
                reply.place(self._course_dir, number).unlink(missing_ok=True)
        except SQLAlchemyError as error:
            log.error("the course database does not answer: %s", error)

    @contextmanager
    def several(self, _workers: int, _source: Path) -> Iterator[Grade]:
        """Grade what was collected beside what is asked for; each waits for a place on the bench.

        Raises:
            SandboxUnavailable: there is no sandbox, or none any more: hand-ins that were not
                graded are none the worse for it.
        """
        self._require_bench()
        yield self._collected
        self._require_bench()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; what is being graded is left to others."""
        self._stopped.set()
        self._close_bench()
        for thread in self._threads:
            thread.join()
        with suppress(SQLAlchemyError):
            self._desk.leave(self._name)

    # The sandbox.

    def _open_bench(self) -> None:
        """Open and test it; afterwards there is a bench, or a problem."""
        with self._opening:
            if self._bench or self._stopped.is_set():
                return
            try:
                kind = kind_for_service(self._settings)
                images = self._settings.student_image, self._settings.gpu_image
                sandbox = self._open.enter_context(open_real(kind, *images))
                size = self._settings.gradings_at_once
                lender = self._lender()
                self._bench = self._open.enter_context(Bench(sandbox, size, lender))
                if lender:
                    self._open.callback(lender.close)  # before the bench
                self.problem = None
                log.info("hand-ins are graded in the sandbox %r", kind)
            except SandboxError as error:
                self.problem = str(error)
                self._next_try = _now() + _TRIED_AGAIN_AFTER
                log.error("nothing is graded: %s", error)

    def _lender(self) -> GpuLender | None:
        """Where there is a hub that lends GPUs."""
        if self._settings.form == "embedded":
            return None
        return GpuLender(self._settings, self._name)

    def _require_bench(self) -> None:
        with self._opening:  # it may be about to open
            if self._bench is None:
                raise SandboxUnavailable(
                    self.problem or "grading was stopped", remedy="It is tried again."
                )

    def _close_bench(self) -> None:
        with self._opening:
            self._bench = None
            self._open.close()

    def _is_lost(self, bench: Bench, error: SandboxError) -> bool:
        """Whether the sandbox failed, and not a hand-in: it is opened and tested anew."""
        with self._opening:
            if self._bench is bench and isinstance(error, SandboxUnavailable):
                self._close_bench()
                self._open_bench()
                return self._bench is None
            return self._bench is not bench

    # The threads.

    def _work(self, gpu: bool) -> None:
        """Grade what needs a GPU, or what needs none."""
        while not self._stopped.is_set():
            try:
                grading = self._next(gpu) if self._bench else None
                if grading:
                    self._grade(grading)
                    continue
            except Exception:  # a database that is away, say; others' requests still matter
                log.exception("a request was left; it is taken up again")
            self._stopped.wait(_POLL_SECONDS)

    def _next(self, gpu: bool) -> Grading | None:
        course = self._course_file.course
        on_gpu = [assignment.name for assignment in course.assignments if assignment.limits.gpu]
        chosen = {"only": on_gpu} if gpu else {"but": on_gpu}
        return self._desk.take(self._name, _now(), **chosen)

    def _grade(self, grading: Grading) -> None:
        """Grade and answer; whatever happens, this request has an answer or is left to others."""
        who = f"{grading.kind} grading {grading.id}, {grading.assignment} of {grading.username}"
        log.info("%s", who)
        with self._kept(grading):
            try:
                with counted(grading.kind):
                    result = self._result(grading)
            except _Withdrawn:
                self._desk.give_back(grading)
                return
            except CourseHubError as error:
                log.error("%s: %s", who, error)
                self._desk.fail(grading, str(error), _now())
                return
        if not self._desk.finish(grading, result, _now()):
            log.warning("%s: took too long; somebody else has it", who)

    @contextmanager
    def _kept(self, grading: Grading) -> Iterator[None]:
        """Renew the lease while the context lasts."""
        over = Event()

        def renew() -> None:
            while not over.wait(LEASE.total_seconds() / _RENEWALS):
                try:
                    self._desk.keep(grading, _now())
                except SQLAlchemyError as error:
                    log.warning("the lease of %s was not renewed: %s", grading.id, error)

        thread = Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    # What is graded.

    def _result(self, grading: Grading) -> Result:
        kinds = {"full": self._full, "rerun": self._rerun, "visible": self._visible}
        return kinds[grading.kind](grading)

    def _full(self, grading: Grading) -> Result:
        """What was collected; for staff, who find it in the course folder."""
        place = Path(grading.assignment), Path(grading.username, grading.assignment)
        graded = self._graded(*place)
        reply.write(reply.place(self._course_dir, grading.id), graded)
        return {"status": graded.verdict.status}

    def _collected(self, source: Path, handed_in: Path) -> Graded:
        """What was collected; for the clock, in this process."""
        self._require_bench()
        self._last_used = _now()
        try:
            with counted("collected"):
                return self._graded(source, handed_in)
        except _Withdrawn:
            raise SandboxUnavailable(
                self.problem or "the sandbox was opened anew", remedy="It is tried again."
            ) from None

    def _graded(self, source: Path, handed_in: Path) -> Graded:
        """A hand-in with hidden tests, by SOURCE/ASSIGNMENT and SUBMITTED/STUDENT/ASSIGNMENT."""
        with TemporaryDirectory(dir=self._scratch) as scratch:
            found = self._source(source.name, Path(scratch))
            names = ("submitted", handed_in.parent.name, source.name)
            folder = snapshot(self._course_dir, names, Path(scratch, "handed-in"))
            return self._on_bench(found, folder)

    def _rerun(self, grading: Grading) -> Result:
        """What was collected, once more, as it was graded: same image, same seed; for its points.

        Staff compare them with those in the gradebook, which stays as it is.
        """
        with TemporaryDirectory(dir=self._scratch) as scratch:
            source = self._source(grading.assignment, Path(scratch))
            names = (grading.username, grading.assignment)
            folder = snapshot(self._course_dir, ("submitted", *names), Path(scratch, "handed-in"))
            seed = seed_of(self._course_dir.joinpath("autograded", *names))
            graded = self._on_bench(source, folder, **({} if seed is None else {"seed": seed}))
        return reply.points(graded)

    def _visible(self, grading: Grading) -> Result:
        """A hand-in that has just come in, without hidden tests; for the student."""
        with TemporaryDirectory(dir=self._scratch) as scratch:
            source = self._source(grading.assignment, Path(scratch))
            folder = self._handed_in(grading, Path(scratch, "handed-in"))
            return report(source, self._on_bench(visible_part(source), folder, seed=SEED))

    def _on_bench(self, source: Source, folder: Path, **options: Any) -> Graded:
        bench = self._bench
        if bench is None:
            raise _Withdrawn
        options |= Marking(self._course_file.course, self._settings).options(source.name)
        try:
            return bench.grade(source, folder, **options)
        except SandboxError as error:
            if self._is_lost(bench, error):
                raise _Withdrawn from error
            raise

    def _source(self, assignment: str, scratch: Path) -> Source:
        return load_source(snapshot(self._course_dir, ("source", assignment), scratch / "source"))

    def _handed_in(self, grading: Grading, scratch: Path) -> Path:
        row = self._ledger.row(grading.hand_in or 0)
        if row is None:
            raise NotFound(f"the ledger has no hand-in {grading.hand_in}")
        course = Path(str(self._settings.exchange))
        problem: CourseHubError | None = None
        # It moves between the places when a deadline does: so a second look.
        for attempt, place in enumerate((*PLACES, *PLACES)):
            names = (self._course_file.course.id, place, row.folder)
            try:
                return snapshot(course, names, scratch / str(attempt))
            except CourseHubError as error:
                problem = error
        raise problem or NotFound(row.folder)

    @property
    def _course_dir(self) -> Path:
        return Path(str(self._settings.course_dir))

    @property
    def _scratch(self) -> Path:
        folder = self._settings.make_state() / "gradings"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder


def kind_for_service(settings: Settings) -> str:
    """The sandbox in which the service grades: in the deployed form containers, or nothing.

    Raises:
        SandboxUnavailable: the settings ask for another one there.
    """
    if settings.form == "embedded":
        return "docker" if settings.sandbox == "docker" else "process"
    if settings.sandbox == "process":
        raise SandboxUnavailable(
            "COURSEHUB_SANDBOX is process, and beside the engine's socket nothing is run so",
            remedy="Set it to auto",
        )
    return "docker"


def _now() -> datetime:
    return datetime.now(UTC)
