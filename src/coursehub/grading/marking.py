"""How a course has its hand-ins graded: which sandbox, what limits, what edits cost."""

import atexit
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Timer
from typing import Any, Self

from coursehub.course.model import Course, GradingLimits
from coursehub.errors import CourseHubError, NotFound, SandboxUnavailable
from coursehub.grading.limits import Limits, MiB
from coursehub.grading.pipeline import Graded, Grader, Lend
from coursehub.grading.sandbox import GPU_IMAGE, IMAGE, Sandbox, open_sandbox
from coursehub.grading.source import Source, load_source
from coursehub.settings import Settings

_KEPT_SECONDS = 180

Grade = Callable[[Path, Path], Graded]
"""Grades a hand-in: the instructor's folder, named as the assignment, and the folder handed in."""


class Marking:
    """Grades single hand-ins on demand, as nbgrader's own commands and the formgrader ask for it.

    The sandbox stays warm for a few minutes after the last one.
    """

    def __init__(self, course: Course, settings: Settings) -> None:
        """Remember the course, and where its hand-ins are graded."""
        self.course = course
        self.settings = settings
        self._lock = Lock()
        self._open = ExitStack()
        self._grader: Grader | None = None
        self._timer: Timer | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "Marking":
        """Stay one: nbgrader's configuration copies what it hands to its parts."""
        return self

    @property
    def sandbox(self) -> str:
        """The kind of sandbox: `docker` or `process`."""
        return kind_of_sandbox(self.settings)

    def options(self, assignment: str) -> dict[str, Any]:
        """What `pipeline.grade` is told about an assignment: limits, edit policy, modules."""
        policy = {"policy": self.course.edits}
        try:
            known = self.course.assignment(assignment)
        except NotFound:
            return policy
        return {
            **policy,
            "limits": limits_of(known.limits),
            "modules": known.extra_files,
            "gpu": known.limits.gpu,
        }

    def __call__(self, source: Path, handed_in: Path) -> Graded:
        """Grade a hand-in; `source` is the instructor's folder, named as the assignment.

        Raises:
            SandboxError: grading itself could not run.
        """
        with self._lock, self._awake():
            if self._grader is None:
                sandbox = self._open.enter_context(self._sandbox())
                self._grader = self._open.enter_context(Grader(sandbox))
                atexit.register(self.close)
            return self._grader.grade(load_source(source), handed_in, **self.options(source.name))

    @contextmanager
    def several(self, workers: int, source: Path) -> Iterator[Grade]:
        """Grade as this object does, so many hand-ins at a time, each in a sandbox of its own.

        Args:
            workers: How many.
            source: The folder of the assignment that comes first.

        Raises:
            SandboxUnavailable: there is no sandbox, or it is not what it promises to be.
        """
        opened = open_sandbox(
            self.sandbox,  # type: ignore[arg-type]
            image=self.settings.student_image,
            gpu_image=self.settings.gpu_image,
        )
        with opened as sandbox, Bench(sandbox, workers) as bench:
            gpu = self.options(source.name).get("gpu", False)
            with bench.preparing(source, gpu=gpu):
                require_real(sandbox)
            yield lambda source, handed_in: bench.grade(
                load_source(source), handed_in, **self.options(source.name)
            )

    def close(self) -> None:
        """End the sandbox; the next hand-in gets a new one."""
        with self._lock:
            self._grader = None
            self._open.close()
        atexit.unregister(self.close)

    def _sandbox(self) -> AbstractContextManager[Sandbox]:
        return open_real(self.sandbox, self.settings.student_image, self.settings.gpu_image)

    @contextmanager
    def _awake(self) -> Iterator[None]:
        if self._timer:
            self._timer.cancel()
        try:
            yield
        finally:
            self._timer = Timer(_KEPT_SECONDS, self.close)
            self._timer.daemon = True
            self._timer.start()


class Bench:
    """Graders side by side in one sandbox; each has a worker of its own, which stays warm.

    Hand-ins that need a GPU have a grader of their own, one for all of them: one waits for a GPU,
    the others wait for that one, and no other hand-in waits.
    """

    def __init__(self, sandbox: Sandbox, size: int, lend: Lend | None = None) -> None:
        """Make room for hand-ins; workers are started as they are needed.

        Args:
            sandbox: where.
            size: how many at a time, of those without a GPU.
            lend: lends the GPU, as in `pipeline.Grader`.
        """
        self._open = ExitStack()
        seats = {False: [Grader(sandbox) for _ in range(size)], True: [Grader(sandbox, lend)]}
        self._seats = {gpu: [_Seat(self._open.enter_context(grader)) for grader in graders]
                       for gpu, graders in seats.items()}  # fmt: skip
        self._free: dict[bool, SimpleQueue[_Seat]] = {gpu: SimpleQueue() for gpu in seats}
        for gpu, free in self._free.items():
            for seat in self._seats[gpu]:
                free.put(seat)

    @contextmanager
    def preparing(self, folder: Path, *, gpu: bool = False) -> Iterator[None]:
        """Have its workers warm up for the assignment in `folder`, beside what the context does.

        Where there is none that can be read, that is told for each hand-in.
        """
        try:
            source = load_source(folder)
        except CourseHubError:
            yield
            return
        graders = [seat.grader for seat in self._seats[gpu]]
        with ThreadPoolExecutor(len(graders)) as pool:
            started = [pool.submit(grader.prepare, source, gpu=gpu) for grader in graders]
            yield
            for each in started:
                each.result()

    def grade(self, source: Source, folder: Path, *, gpu: bool = False, **options: Any) -> Graded:
        """Grade a hand-in as `pipeline.grade` does, once there is room; from any thread.

        Raises:
            SandboxError: grading itself could not run.
        """
        seat = self._free[gpu].get()
        try:
            return seat.grader.grade(source, folder, gpu=gpu, **options)
        finally:
            seat.free_since = time.monotonic()
            self._free[gpu].put(seat)

    def rest(self, seconds: float, gpu_seconds: float) -> None:
        """End the workers that did nothing for so long; the next hand-ins get new ones.

        Args:
            seconds: of a worker that holds nothing that others wait for.
            gpu_seconds: of the one with a GPU, which it gives back.
        """
        for free, idle in ((self._free[False], seconds), (self._free[True], gpu_seconds)):
            with suppress(Empty):
                for _ in range(free.qsize()):
                    seat = free.get_nowait()
                    if time.monotonic() - seat.free_since >= idle:
                        seat.grader.close()
                    free.put(seat)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End all workers; what is being graded fails."""
        self._open.close()


@dataclass
class _Seat:
    """A grader, and since when it has nothing to do."""

    grader: Grader
    free_since: float = field(default_factory=time.monotonic)


@contextmanager
def open_real(kind: str, image: str = IMAGE, gpu_image: str = GPU_IMAGE) -> Iterator[Sandbox]:
    """The sandbox of that kind, once it has shown that it is what it promises to be.

    Args:
        kind: `docker` or `process`.
        image: of the containers that run hand-ins, where it is `docker`.
        gpu_image: of those that have a GPU.

    Raises:
        SandboxUnavailable: there is none, or it promises to be real, and is not.
    """
    with open_sandbox(kind, image=image, gpu_image=gpu_image) as sandbox:
        require_real(sandbox)
        yield sandbox


def require_real(sandbox: Sandbox) -> None:
    """Have a sandbox show that it is what it promises to be.

    Raises:
        SandboxUnavailable: it promises to be real, and is not.
    """
    if sandbox.real and (missing := sandbox.missing()):
        raise SandboxUnavailable(
            f"the sandbox is not real: {'; '.join(missing)}",
            remedy="Repair the engine, or choose the sandbox `process`, which isolates less",
        )


def kind_of_sandbox(settings: Settings) -> str:
    """Where hand-ins are graded: in containers if servers are containers and an engine answers."""
    if settings.sandbox != "auto":
        return settings.sandbox
    return "docker" if settings.form == "containers" and _engine_answers() else "process"


def _engine_answers() -> bool:
    try:
        import docker
    except ModuleNotFoundError:  # an image without it has no engine either
        return False
    try:
        return bool(docker.from_env(timeout=5).ping())
    except docker.errors.DockerException:
        return False


def limits_of(own: GradingLimits) -> Limits:
    """The limits of an assignment: the usual ones, but for what course.yml says."""
    given = {
        "memory": own.memory_mb and own.memory_mb * MiB,
        "disk": own.disk_mb and own.disk_mb * MiB,
        "output": own.output_mb and own.output_mb * MiB,
        "pids": own.processes,
        "cpus": own.cpus,
        "cell_seconds": own.cell and own.cell.total_seconds(),
        "call_seconds": own.call and own.call.total_seconds(),
        "total_seconds": own.total and own.total.total_seconds(),
    }
    return replace(Limits(), **{name: value for name, value in given.items() if value})
