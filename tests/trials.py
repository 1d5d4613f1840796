"""Both sides of a trial in plain processes, without a sandbox, and notebooks written as text."""

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from coursehub.errors import TimedOut
from coursehub.grading.effects import gentle_functions
from coursehub.grading.limits import Limits
from coursehub.grading.marks import released_text
from coursehub.grading.plan import Step, defined_names, imports_of, parse
from coursehub.grading.sandbox.channel import Ended
from coursehub.grading.trial import hold
from coursehub.grading.verdict import CellResult

LIMITS = Limits(cell_seconds=20, call_seconds=5)
_PROGRAM = """
import socket, sys, importlib
sys.path.insert(0, '')
from coursehub.grading.sandbox.channel import Inside
importlib.import_module(sys.argv[1]).main(Inside(socket.socket(fileno=int(sys.argv[2]))))
"""


@dataclass
class PlainChannel:
    """The host's end of a socket to a process."""

    process: subprocess.Popen[bytes]
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
        code = self.process.wait(10)
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
            if side.process.poll() is None:
                os.killpg(side.process.pid, signal.SIGKILL)
            side.process.wait()


def _start(name: str, folder: Path) -> PlainChannel:
    ours, theirs = socket.socketpair()
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, f"coursehub.grading.{name}", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    theirs.close()
    return PlainChannel(process, ours)


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
