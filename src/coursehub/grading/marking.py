"""How a course has its hand-ins graded: which sandbox, what limits, what edits cost."""

import atexit
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Timer
from typing import Any, Self

from coursehub.course.model import Course, GradingLimits
from coursehub.errors import CourseHubError, NotFound, SandboxUnavailable
from coursehub.grading.limits import Limits, MiB
from coursehub.grading.pipeline import Graded, Grader
from coursehub.grading.sandbox import IMAGE, Sandbox, open_sandbox
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
        return open_real(self.sandbox, self.settings.student_image)

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
    """Graders side by side in one sandbox; each has a worker of its own, which stays warm."""

    def __init__(self, sandbox: Sandbox, size: int) -> None:
        """Make room for `size` hand-ins at a time; workers are started as they are needed."""
        self._open = ExitStack()
        self._free: SimpleQueue[Grader] = SimpleQueue()
        self._graders = [self._open.enter_context(Grader(sandbox)) for _ in range(size)]
        for grader in self._graders:
            self._free.put(grader)

    @contextmanager
    def preparing(self, folder: Path, *, gpu: bool = False) -> Iterator[None]:
        """Have all workers warm up for the assignment in `folder`, beside what the context does.

        Where there is none that can be read, that is told for each hand-in.
        """
        try:
            source = load_source(folder)
        except CourseHubError:
            yield
            return
        with ThreadPoolExecutor(len(self._graders)) as pool:
            started = [pool.submit(grader.prepare, source, gpu=gpu) for grader in self._graders]
            yield
            for each in started:
                each.result()

    def grade(self, source: Source, folder: Path, **options: Any) -> Graded:
        """Grade a hand-in as `pipeline.grade` does, once there is room; from any thread.

        Raises:
            SandboxError: grading itself could not run.
        """
        grader = self._free.get()
        try:
            return grader.grade(source, folder, **options)
        finally:
            self._free.put(grader)

    def rest(self) -> None:
        """End the workers that are free; the next hand-ins get new ones."""
        with suppress(Empty):
            for _ in range(self._free.qsize()):
                grader = self._free.get_nowait()
                grader.close()
                self._free.put(grader)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End all workers; what is being graded fails."""
        self._open.close()


@contextmanager
def open_real(kind: str, image: str = IMAGE) -> Iterator[Sandbox]:
    """The sandbox of that kind, once it has shown that it is what it promises to be.

    Args:
        kind: `docker` or `process`.
        image: of the containers that run hand-ins, where it is `docker`.

    Raises:
        SandboxUnavailable: there is none, or it promises to be real, and is not.
    """
    with open_sandbox(kind, image=image) as sandbox:
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
