"""The two ends of a channel: what the host holds, and what a process inside holds."""

import socket
from typing import Literal, Protocol

from coursehub.errors import TimedOut
from coursehub.grading.sandbox.frames import LENGTH

__all__ = ["Channel", "Ended", "Inside", "TimedOut"]

Why = Literal["exited", "killed", "memory", "output"]


class Ended(Exception):
    """The process at the other end is no more. That is a result, not an error of the sandbox.

    Attributes:
        why: ``exited`` by itself, ``killed`` by a signal, out of ``memory``, too much ``output``.
        text: A sentence for whoever reads the verdict.
        peak: The most memory the process held, in bytes; 0 when unknown.
        said: The last of what it wrote on standard output and error past its channel.
    """

    def __init__(self, why: Why, text: str, *, peak: int = 0, said: str = "") -> None:
        """Say how the process ended."""
        super().__init__(text)
        self.why = why
        self.text = text
        self.peak = peak
        self.said = said


class Channel(Protocol):
    """The host's end."""

    def send(self, frame: bytes) -> None:
        """Send a frame.

        Raises:
            Ended: the process is no more.
            SandboxError: the sandbox itself broke.
        """

    def receive(self, seconds: float) -> bytes:
        """The next frame.

        Raises:
            TimedOut: none came within `seconds`, or the hand-in's whole time is over.
            Ended: the process is no more, and has sent nothing else.
            SandboxError: the sandbox itself broke.
        """


class Inside:
    """The end inside: a blocking object over an inherited socket."""

    def __init__(self, connection: socket.socket) -> None:
        """Use `connection`, a blocking stream socket."""
        self._connection = connection

    def send(self, frame: bytes) -> None:
        """Send a frame to the host."""
        self._connection.sendall(LENGTH.pack(len(frame)) + frame)

    def receive(self) -> bytes:
        """The host's next frame.

        Raises:
            EOFError: the host wants nothing more.
        """
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            if not (chunk := self._connection.recv(min(count - len(data), 1 << 20))):
                raise EOFError("the host closed the channel")
            data += chunk
        return bytes(data)
