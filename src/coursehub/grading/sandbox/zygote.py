"""The zygote: a warm process that has imported what notebooks import, and forks.

Started as ``python -I -m coursehub.grading.sandbox.zygote`` in a container, or locally by the
process sandbox. It has doors: each is a pair of streams that speak frames, and takes one hand-in at
a time. It never reads more of a hand-in than the first byte of its frame, and runs nobody's code:
it forks a supervisor a hand-in.
"""

import argparse
import gc
import importlib
import os
import select
import socket
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass

from coursehub.grading.limits import Limits
from coursehub.grading.sandbox import frames, kernel
from coursehub.grading.sandbox.confine import Means, work_folder
from coursehub.grading.sandbox.fork import Task
from coursehub.grading.sandbox.supervisor import supervise

KNOCK_SECONDS = 5
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "USER": "student",
    "LOGNAME": "student",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    # One thread a process: so many workers as cores, and forks need it.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}


def main() -> None:
    """Warm up, then fork on demand until the host goes away."""
    arguments = _arguments()
    control = _take_standard_input()
    knocks = _listen(arguments.listen) if arguments.listen else None
    environment = {**ENVIRONMENT, "PATH": f"{sys.prefix}/bin:{ENVIRONMENT['PATH']}"}
    own = arguments.folder or tempfile.gettempdir()
    _scrub_environment(environment, own)
    # Before the imports: a user namespace is entered by a process of one thread.
    means = Means.found(container=arguments.container)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    missed = _warm(arguments.imports.split(","), arguments.preload.split(","))
    facts = _facts(means, missed)
    gc.collect()
    gc.freeze()  # the collector shall not touch, and so copy, pages that forks share
    Zygote(control, knocks, means, work_folder(own, means), environment, facts).serve()
    os._exit(0)  # nothing of what it has imported needs a farewell


@dataclass
class Door:
    """One way to the host.

    Attributes:
        host_in: Frames from it.
        host_out: Frames to it.
        connection: Who opened the door waits at its other end, if somebody does.
    """

    host_in: int
    host_out: int
    connection: socket.socket | None

    def close(self) -> None:
        """Nobody comes through it any more."""
        os.close(self.host_in)
        os.close(self.host_out)
        if self.connection:
            self.connection.close()


class Zygote:
    """Forks a supervisor for every hand-in that comes through a door."""

    def __init__(
        self,
        control: int,
        knocks: socket.socket | None,
        means: Means,
        folder: str,
        environment: dict[str, str],
        facts: dict[str, object],
    ) -> None:
        """Take what `main` has prepared; new doors come over `control` or `knocks`."""
        self._control, self._knocks = control, knocks
        self._means, self._folder, self._environment = means, folder, environment
        self._facts = facts
        self._free: dict[int, Door] = {}  # by its stream from the host
        self._busy: dict[int, tuple[int, Door]] = {}  # by supervisor, with what tells of its end
        self._poll = select.poll()

    def serve(self) -> None:
        """Serve until the host goes away, which ends `control`."""
        self._poll.register(self._control, select.POLLIN)
        if self._knocks:
            self._poll.register(self._knocks, select.POLLIN)
        while True:
            for number, _ in self._poll.poll():
                if number == self._control:
                    if not self._knocks and (door := _received(self._control)):
                        self._open(door)
                    else:
                        return
                elif self._knocks and number == self._knocks.fileno():
                    self._open(_admitted(self._knocks))
                elif door := self._free.get(number):
                    self._use(door)
            self._reap()

    def _open(self, door: Door | None) -> None:
        if door:
            self._hand_back(door, frames.pack_json(frames.READY, **self._facts))

    def _hand_back(self, door: Door, word: bytes) -> None:
        """Have the host hear `word`; then the door is free."""
        try:
            _write(door.host_out, word)
        except OSError:
            return door.close()
        self._free[door.host_in] = door
        self._poll.register(door.host_in, select.POLLIN)

    def _use(self, door: Door) -> None:
        """Fork a supervisor for what comes through a free door."""
        del self._free[door.host_in]
        self._poll.unregister(door.host_in)
        if os.read(door.host_in, 1) != frames.START:
            return door.close()
        if (supervisor := os.fork()) == 0:
            self._supervise(door)
        ended = os.pidfd_open(supervisor)
        self._poll.register(ended, select.POLLIN)
        self._busy[supervisor] = ended, door

    def _supervise(self, door: Door) -> None:
        """In the new process: nothing of other doors stays, nor does the process."""
        try:
            for other in [*self._free.values(), *(each for _, each in self._busy.values())]:
                other.close()
            os.close(self._control)
            if self._knocks:
                self._knocks.close()
            task = _task(self._folder, self._environment, self._means, door.host_in)
            supervise(task, self._means, door.host_in, door.host_out)
            os._exit(0)
        except BaseException as error:
            os.write(2, f"supervisor: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(1)

    def _reap(self) -> None:
        """Take note of supervisors that ended, and of what was left to this process."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                supervisor, status = ended
                if supervisor not in self._busy:
                    continue
                notice, door = self._busy.pop(supervisor)
                self._poll.unregister(notice)
                os.close(notice)
                os.set_blocking(door.host_in, True)
                os.set_blocking(door.host_out, True)
                if status == 0:
                    self._hand_back(door, frames.pack(frames.GONE))
                else:  # the host sees that something is wrong here
                    door.close()


def _listen(path: str) -> socket.socket:
    """Take knocks at `path`, which nobody but this user can reach."""
    knocks = socket.socket(socket.AF_UNIX)
    knocks.bind(path)
    knocks.listen(64)
    return knocks


def _received(control: int) -> Door | None:
    """The door that comes over `control`; None when the host is gone."""
    with socket.socket(fileno=os.dup(control)) as connection:
        said, streams, _, _ = socket.recv_fds(connection, 1, 2)
    return Door(*streams, None) if said else None


def _admitted(knocks: socket.socket) -> Door | None:
    """The door that somebody brings who knocked; None if they left again."""
    connection, _ = knocks.accept()
    connection.settimeout(KNOCK_SECONDS)
    with suppress(OSError):
        said, streams, _, _ = socket.recv_fds(connection, 1, 2)
        if said:
            return Door(*streams, connection)
    connection.close()
    return None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--imports", default="", help="modules, with commas")
    parser.add_argument("--preload", default="", help="what forks will run, with commas")
    parser.add_argument("--folder", default="", help="where forks may write")
    parser.add_argument("--container", action="store_true", help="it is process 1 of one")
    parser.add_argument("--listen", default="", help="a socket for new doors")
    return parser.parse_args()


def _take_standard_input() -> int:
    """Keep the host's end apart: what a module reads or prints while imported is nothing of it."""
    control = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return control


def _scrub_environment(environment: dict[str, str], home: str) -> None:
    os.environ.clear()  # noqa: TID251 - the zygote's own, which forks inherit
    os.environ.update(environment, HOME=home, TMPDIR=home)  # noqa: TID251


def _warm(modules: list[str], preload: list[str]) -> list[str]:
    """Import; what is not installed is named, what is ours must be there."""
    missed = []
    for name in filter(None, modules):
        try:
            importlib.import_module(name)
        except Exception:  # whoever needs it will see why
            missed.append(name)
    for name in filter(None, preload):
        importlib.import_module(name.partition(":")[0])
    return missed


def _facts(means: Means, missed: list[str]) -> dict[str, object]:
    return {
        "namespaces": means.namespaces,
        "fresh_uid": means.fresh_uid,
        "landlock": means.landlock,
        "calls": means.calls,
        "alone": means.group and means.homes is None,  # one hand-in at a time
        "threads": int(kernel.status("Threads")),
        "seconds": time.process_time(),
        "missed": missed,
    }


def _write(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]


def _task(folder: str, environment: dict[str, str], means: Means, host_in: int) -> Task:
    """Read the rest of the frame; only the supervisor does, so only its memory holds it."""
    rest = _exactly(host_in, frames.HEAD_BYTES - 1)
    _, length = frames.head(frames.START + rest)
    facts, files = frames.unpack_start(_exactly(host_in, length))
    if not means.namespaces:  # several share the folder
        folder = f"{folder}/{os.getpid()}"
        os.mkdir(folder, 0o700)  # noqa: PTH102
    return Task(facts["main"], Limits(**facts["limits"]), files, folder, environment)


def _exactly(pipe: int, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        if not (chunk := os.read(pipe, min(count - len(data), 1 << 20))):
            raise EOFError("the host went away")
        data += chunk
    return bytes(data)


if __name__ == "__main__":
    main()
