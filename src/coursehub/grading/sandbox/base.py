"""What the two kinds of sandbox have in common: workers, whose zygotes come from pools."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, Self

from coursehub.grading.sandbox.pool import Pool, Zygote
from coursehub.grading.sandbox.worker import JUDGE_SIDE, STUDENT_SIDE, Worker

Imports = Mapping[str, Collection[str]]
"""Side (`student`, `judge`) -> modules that its zygote imports, beside what it needs itself."""


@dataclass(frozen=True)
class Gpu:
    """A device that nobody else has, for the student's side.

    Attributes:
        request: its name by CDI, or the engine's request for it.
        labels: what the container that has it says of it, for whoever keeps count.
        held: whether it is still lent to this one; asked between hand-ins, and once a container is
            made that would have it, before that runs.
    """

    request: Any
    labels: Mapping[str, str] = field(default_factory=dict)
    held: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Kind:
    """What a zygote is for; workers that want the same share one.

    Attributes:
        sides: `student`, `judge`, or both.
        mains: what its forks run.
        imports: modules that it imports.
        gpu: a device, which it has for itself.
    """

    sides: tuple[str, ...]
    mains: tuple[str, ...]
    imports: tuple[str, ...]
    gpu: Gpu | None = None

    def arguments(self) -> list[str]:
        """The zygote's, as far as they say what it is for."""
        return ["--preload", ",".join(self.mains), "--imports", ",".join(self.imports)]


class Sandbox(ABC):
    """A way to run hostile code; a context manager."""

    name: str
    real: bool  # it isolates all that it promises, or refuses

    def __init__(self) -> None:
        """Have no zygotes yet."""
        self._pools: dict[str, Pool] = {}
        self._lock = Lock()

    @contextmanager
    def worker(
        self,
        *,
        student: str = STUDENT_SIDE,
        judge: str = JUDGE_SIDE,
        imports: Imports | None = None,
        gpu: Gpu | None = None,
    ) -> Iterator[Worker]:
        """A worker; at the end of the context it leaves its zygotes, the last ends them.

        Args:
            student: What runs on the student's side.
            judge: What runs on the judge's side.
            imports: What the zygotes import beforehand.
            gpu: A device for the student's side; it is the caller's duty that nobody else has it.

        Raises:
            SandboxUnavailable: no zygote starts.
            NoGpu: none starts with the device.
        """
        kinds = self._kinds({"student": student, "judge": judge}, imports or {}, gpu)
        worker = Worker({side: self._pool(kind).enter for side, kind in kinds.items()},
                        student, judge)  # fmt: skip
        try:
            yield worker
        finally:
            worker.close()

    @abstractmethod
    def missing(self) -> list[str]:
        """What it does not isolate here, in sentences; empty when everything is real."""

    @abstractmethod
    def _kinds(
        self, mains: Mapping[str, str], imports: Imports, gpu: Gpu | None
    ) -> dict[str, Kind]:
        """Side -> the kind of zygote that it needs."""

    @abstractmethod
    def _start(self, kind: Kind) -> Zygote:
        """Start a zygote."""

    def close(self) -> None:  # noqa: B027 - not every kind holds anything
        """Let go of what is held outside of workers."""

    def _pool(self, kind: Kind) -> Pool:
        with self._lock:
            return self._pools.setdefault(repr(kind), Pool(partial(self._start, kind)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
