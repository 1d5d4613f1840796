"""Both sides of a trial in plain processes, without a sandbox, and notebooks written as text."""

import importlib
import multiprocessing
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from coursehub.errors import TimedOut
from coursehub.grading.effects import gentle_functions
from coursehub.grading.limits import Limits
from coursehub.grading.marks import released_text
from coursehub.grading.plan import Step, defined_names, imports_of, parse
from coursehub.grading.sandbox.channel import Ended, Inside
from coursehub.grading.trial import hold
from coursehub.grading.verdict import CellResult

LIMITS = Limits(cell_seconds=20, call_seconds=5)
# As in the sandboxes: what takes long to import is imported once, then forked.
_WARM = multiprocessing.get_context("forkserver")
_WARM.set_forkserver_preload(["coursehub.grading.shell", "numpy", "torch", __name__])


@dataclass
class PlainChannel:
    """The host's end of a socket to a process."""

    process: BaseProcess
    connection: socket.socket
    data: bytearray = field(default_factory=bytearray)

    def send(self, frame: bytes) -> None:
        try:
            self.connection.sendall(struct.pack(">I", len(frame)) + frame)
        except OSError:
            raise self._ended() from None

    def receive(self, seconds: float) -> bytes:
        ends = time.monotonic() + seconds
        while len(self.data) < 4 or len(self.data) < 4 + struct.unpack(">I", self.data[:4])[0]:
            left = ends - time.monotonic()
            if left <= 0 or not select.select([self.connection], [], [], left)[0]:
                raise TimedOut("no frame")
            if not (chunk := self.connection.recv(1 << 20)):
                raise self._ended()
            self.data += chunk
        size = struct.unpack(">I", self.data[:4])[0]
        frame = bytes(self.data[4 : 4 + size])
        del self.data[: 4 + size]
        return frame

    def _ended(self) -> Ended:
        self.process.join(10)
        code = self.process.exitcode
        assert code is not None, "it closed its channel and goes on"
        return Ended("exited" if code >= 0 else "killed", f"it left with status {code}")


@dataclass
class PlainProcesses:
    student: PlainChannel
    judge: PlainChannel


@contextmanager
def processes(student_folder: Path, judge_folder: Path) -> Iterator[PlainProcesses]:
    """Fresh processes of both sides, each in a folder of its own."""
    sides = [_start("student_side", student_folder), _start("judge_side", judge_folder)]
    try:
        yield PlainProcesses(*sides)
    finally:
        for side in sides:
            side.connection.close()
            if side.process.is_alive():
                with suppress(ProcessLookupError):  # it has no group of its own yet
                    os.killpg(side.process.pid, signal.SIGKILL)
                side.process.kill()
            side.process.join()


def _start(name: str, folder: Path) -> PlainChannel:
    ours, theirs = socket.socketpair()
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OMP_NUM_THREADS", "1")  # read by the first start, for all
        process = _WARM.Process(target=_side, args=(name, theirs, folder))
        process.start()
    theirs.close()
    return PlainChannel(process, ours)


def _side(name: str, connection: socket.socket, folder: Path) -> None:
    """One side, in a process of its own."""
    os.setsid()
    os.chdir(folder)
    os.environ["HOME"] = str(folder)
    sys.path.insert(0, "")
    importlib.import_module(f"coursehub.grading.{name}").main(Inside(connection))


def notebook(text: str, answers: dict[str, str] | None = None) -> tuple[Step, ...]:
    """Steps from text: cells begin with `#%% KIND NAME [POINTS]`; answers replace the source's."""
    steps: list[Step] = []
    for part in text.split("#%% ")[1:]:
        head, _, source = part.partition("\n")
        kind, name, *points = head.split()
        steps.append(
            Step(
                number=len(steps),
                cell=name,
                kind=kind,
                source=(answers or {}).get(name, source),
                points=float(points[0]) if points else 0.0,
                manual=False,
                defines=defined_names(source),
                imports=imports_of(source),
                gentle=gentle_functions(parse(source)) if kind == "answer" else frozenset(),
                released=_released(source) if kind == "test" else "",
            )
        )
    return tuple(steps)


def _released(source: str) -> str:
    return released_text({"cell_type": "code", "source": source, "metadata": {}})


def judged(
    folder: Path,
    text: str,
    answers: dict[str, str] | None = None,
    *,
    seed: int = 1,
    limits: Limits = LIMITS,
    unprotected: Collection[str] = (),
) -> dict[str, CellResult]:
    """Hold a trial; return the cells' results by name."""
    with processes(folder / "student", folder / "judge") as both:
        steps = notebook(text, answers)
        results = hold(steps, both, seed=seed, limits=limits, unprotected=unprotected)
    return {result.cell: result for result in results}
