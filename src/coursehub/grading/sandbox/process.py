"""The sandbox of a machine without an engine: confined local processes, which isolate less."""

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from coursehub.errors import SandboxUnavailable
from coursehub.grading.limits import Limits
from coursehub.grading.sandbox import kernel
from coursehub.grading.sandbox.base import Gpu, Imports, Kind, Sandbox

SAID = 4096
SHARED = "Hand-ins share this machine's system files, and no control group bounds their memory."


class ProcessSandbox(Sandbox):
    """Uses what the machine offers to whoever runs it; `missing` says what that is not."""

    name = "process"
    real = False

    def missing(self) -> list[str]:
        """What is not isolated here, in sentences."""
        from coursehub.grading.sandbox.selftest import missing

        return [*missing(self), SHARED]

    def _kinds(
        self, mains: Mapping[str, str], imports: Imports, gpu: Gpu | None
    ) -> dict[str, Kind]:
        """One for all: each fork is as far from its neighbour as from the other side."""
        if gpu is not None:
            raise SandboxUnavailable("GPUs are lent to containers only",
                                     remedy="Grade with `--sandbox docker`")  # fmt: skip
        modules = dict.fromkeys(name for side in sorted(imports) for name in imports[side])
        kind = Kind(tuple(mains), tuple(dict.fromkeys(mains.values())), tuple(modules))
        return dict.fromkeys(mains, kind)

    def _start(self, kind: Kind) -> "LocalZygote":
        return LocalZygote(kind.arguments())


class LocalDoor:
    """A way into a local zygote: a pair of sockets."""

    def __init__(self, connection: socket.socket) -> None:
        """Hold the host's end."""
        self.connection = connection

    def plain(self, data: bytes) -> bytes:
        """Sockets bring the zygote's bytes as they are."""
        return data

    def close(self) -> None:
        """Go out."""
        self.connection.close()


class LocalZygote:
    """A zygote that is a child of this process."""

    def __init__(self, arguments: list[str]) -> None:
        """Start it in a folder of its own."""
        self._folder = Path(tempfile.mkdtemp(prefix="coursehub-sandbox-"))
        # Another user may pass, not look: that one is the hand-in's, in a folder of its own.
        self._folder.chmod(0o711)
        self._errors = (self._folder / "errors").open("w+b")
        own = self._folder / "own"
        own.mkdir(mode=0o711)
        self._control, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-m", "coursehub.grading.sandbox.zygote"]
        with theirs:
            self._process = subprocess.Popen(
                [*command, *arguments, "--folder", str(own)],
                stdin=theirs,
                stdout=self._errors,
                stderr=self._errors,
                env={},  # nothing of this process's environment reaches a hand-in
                cwd=self._folder,
                start_new_session=True,
            )

    def open_door(self) -> LocalDoor:
        """One more way in."""
        ours, theirs = socket.socketpair()
        with theirs, suppress(OSError):  # where it is gone, the door tells
            socket.send_fds(self._control, [b"D"], [theirs.fileno()] * 2)
        return LocalDoor(ours)

    @property
    def place(self) -> str:
        """The zygote's process id."""
        return str(self._process.pid)

    def left(self) -> int:
        """How many processes there are beside the zygote itself."""
        return len(kernel.descendants(self._process.pid))

    def adapt(self, limits: Limits, doors: int) -> None:
        """A local zygote's forks limit themselves."""

    def post_mortem(self) -> str:
        """What the zygote said last."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        self._errors.seek(0)
        return self._errors.read()[-SAID:].decode(errors="replace").strip()

    def kill(self) -> None:
        """Let the zygote end; its supervisors kill their forks when their doors close."""
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()
        shutil.rmtree(self._folder, ignore_errors=True)
