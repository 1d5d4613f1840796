"""How hostile code is run: fresh confined processes, forked from warm ones.

`open_sandbox` is the way in. A worker has two zygotes, which have imported what notebooks import;
each hand-in gets one fork of each, alone in namespaces of its own and without any right.
"""

from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

from coursehub.grading.sandbox.channel import Channel, Ended, TimedOut
from coursehub.grading.sandbox.worker import Processes, Worker

__all__ = ["Channel", "Ended", "Processes", "Sandbox", "TimedOut", "Worker", "open_sandbox"]

IMAGE = "coursehub/student:latest"


class Sandbox(Protocol):
    """A way to run hostile code."""

    name: str
    real: bool

    def missing(self) -> list[str]:
        """What it does not isolate here, in sentences; empty when everything is real."""

    def worker(self, **sides: Any) -> AbstractContextManager[Worker]:
        """A worker with zygotes of its own."""

    def close(self) -> None:
        """Let go of what is held outside of workers."""


def open_sandbox(name: Literal["docker", "process"], *, image: str = IMAGE) -> Sandbox:
    """The sandbox of that name; a context manager too.

    Raises:
        SandboxUnavailable: there is no engine, or not the image.
    """
    if name == "docker":
        from coursehub.grading.sandbox.docker import DockerSandbox

        return DockerSandbox(image)
    from coursehub.grading.sandbox.process import ProcessSandbox

    return ProcessSandbox()
