"""The sandbox of a machine without an engine: confined local processes, which isolate less."""

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from coursehub.grading.limits import Limits
from coursehub.grading.sandbox import kernel
from coursehub.grading.sandbox.worker import Worker

SAID = 4096
SHARED = "Hand-ins share this machine's system files, and no control group bounds their memory."


class ProcessSandbox:
    """Uses what the machine offers to whoever runs it; `missing` says what that is not."""

    name = "process"
    real = False

    @contextmanager
    def worker(self, **sides: Any) -> Iterator[Worker]:
        """A worker; its zygotes end with the context. `sides` as in `Worker`."""
        worker = Worker(LocalZygote, **sides)
        try:
            yield worker
        finally:
            worker.close()

    def missing(self) -> list[str]:
        """What is not isolated here, in sentences."""
        from coursehub.grading.sandbox.selftest import missing

        return [*missing(self), SHARED]

    def close(self) -> None:
        """Nothing is held outside of workers."""

    def __enter__(self) -> "ProcessSandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LocalZygote:
    """A zygote that is a child of this process."""

    def __init__(self, arguments: list[str]) -> None:
        """Start it in a folder of its own."""
        self._folder = Path(tempfile.mkdtemp(prefix="coursehub-sandbox-"))
        # Another user may pass, not look: that one is the hand-in's, in a folder of its own.
        self._folder.chmod(0o711)
        self._errors = (self._folder / "errors").open("w+b")
        own = self._folder / "own"
        own.mkdir(mode=0o700)
        self.connection, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-m", "coursehub.grading.sandbox.zygote"]
        with theirs:
            self._process = subprocess.Popen(
                [*command, *arguments, "--folder", str(own)],
                stdin=theirs,
                stdout=theirs,
                stderr=self._errors,
                env={},  # nothing of this process's environment reaches a hand-in
                cwd=self._folder,
                start_new_session=True,
            )

    def plain(self, data: bytes) -> bytes:
        """Pipes bring the zygote's bytes as they are."""
        return data

    @property
    def place(self) -> str:
        """The zygote's process id."""
        return str(self._process.pid)

    def left(self) -> int:
        """How many processes there are beside the zygote itself."""
        return len(kernel.descendants(self._process.pid))

    def adapt(self, limits: Limits) -> None:
        """A local zygote's forks limit themselves."""

    def post_mortem(self) -> str:
        """What the zygote said last."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        self._errors.seek(0)
        return self._errors.read()[-SAID:].decode(errors="replace").strip()

    def kill(self) -> None:
        """Kill the zygote; its forks die with it."""
        self._process.kill()
        self._process.wait()
        self._errors.close()
        shutil.rmtree(self._folder, ignore_errors=True)
