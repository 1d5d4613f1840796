"""The host's connection to a zygote, wherever that runs."""

import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from json import loads
from typing import Any, Protocol

from coursehub.errors import SandboxError, SandboxUnavailable, TimedOut
from coursehub.grading.limits import Limits
from coursehub.grading.sandbox import frames
from coursehub.grading.sandbox.channel import Ended

WARM_SECONDS = 180
UP_SECONDS = 30
GONE_SECONDS = 10
SEND_SECONDS = 60
CHUNK = 1 << 18
SAID = 4096


class Running(Protocol):
    """A way into a started zygote, which others may have ways into as well."""

    connection: socket.socket
    place: str  # the container's id, or the local process's

    def plain(self, data: bytes) -> bytes:
        """The zygote's own bytes in what the connection brought."""

    def outdated(self) -> bool:
        """Whether it broke for another who had a way into it."""

    def crowded(self) -> bool:
        """Whether others have a way into it too; from now on nobody shares one."""

    def kill(self) -> None:
        """Leave it, and let nobody else in; the last who leaves ends it and all that is in it."""

    def post_mortem(self) -> str:
        """After the connection ended: ``memory`` if that was the reason, else what it said."""

    def left(self) -> int:
        """How many processes there are beside the zygote itself."""

    def adapt(self, limits: Limits) -> None:
        """Make the limits of its whole fit the next hand-in."""


class Link:
    """One way into a zygote, had anew when that broke; runs one process at a time."""

    def __init__(self, name: str, start: Callable[[], Running]) -> None:
        """Know how to start it; that is done by `warm`, or by the first process."""
        self.name = name
        self.facts: dict[str, Any] = {}
        self._start = start
        self._running: Running | None = None
        self._data = bytearray()
        self._frames: deque[tuple[bytes, bytes]] = deque()
        self._limits: Limits | None = None
        self._ended: Ended | None = None
        self._deadline = 0.0

    # The zygote.

    def start(self) -> None:
        """Start the zygote, without waiting until it is warm."""
        if self._running is None:
            self.facts = {}
            self._data.clear()
            self._frames.clear()
            self._running = self._start()

    def warm(self) -> None:
        """Have a warm zygote, and one of its own where hand-ins cannot share one.

        Raises:
            SandboxUnavailable: it does not start.
        """
        if self._running and self._running.outdated():
            self.kill()
        self.start()
        if not self.facts:
            self.facts = self._expect(frames.READY, WARM_SECONDS)
            assert self._running
            if self.facts["alone"] and self._running.crowded():
                self.kill()
                return self.warm()
            if self.facts["threads"] != 1:
                self.kill()
                raise SandboxUnavailable(f"the {self.name} has threads, so it cannot fork")
        return None

    def kill(self) -> None:
        """End the zygote, with all that came from it."""
        if self._running:
            running, self._running = self._running, None
            running.kill()

    @property
    def place(self) -> str:
        """The id of the container, or of the local process; empty when there is none."""
        return self._running.place if self._running else ""

    def left(self) -> int:
        """How many processes there are beside the zygote itself."""
        return self._running.left() if self._running else 0

    # A process.

    def begin(self, main: str, limits: Limits, files: Mapping[str, bytes]) -> None:
        """Ask for a process; `await_up` waits for it.

        Raises:
            SandboxUnavailable: there is no zygote to be had.
        """
        self.warm()
        if limits != self._limits:
            assert self._running
            self._running.adapt(limits)
        self._limits, self._ended = limits, None
        self._deadline = time.monotonic() + limits.total_seconds
        facts = {"main": main, "limits": asdict(limits)}
        self._write(frames.pack_start(facts, dict(files)))

    def await_up(self) -> None:
        """Wait until the process is confined and runs.

        Raises:
            SandboxUnavailable: it could not be.
        """
        self._expect(frames.UP, UP_SECONDS)

    def finish(self) -> None:
        """Leave nothing of the process; returns when it is gone.

        A zygote that cannot say so is ended as a whole, from outside.
        """
        if self._running is None:
            return
        try:
            self._write(frames.pack(frames.END))
            until = time.monotonic() + GONE_SECONDS
            while self._next(until)[0] != frames.GONE:
                pass
        except (SandboxError, Ended):
            self.kill()

    # The channel.

    def send(self, frame: bytes) -> None:
        """As in `Channel`."""
        if self._ended:
            raise self._ended
        self._write(frames.pack(frames.DATA, frame))

    def receive(self, seconds: float) -> bytes:
        """As in `Channel`."""
        if self._ended:
            raise self._ended
        kind, payload = self._next(min(time.monotonic() + seconds, self._deadline))
        if kind == frames.DATA:
            return payload
        if kind == frames.EXIT:
            self._ended = Ended(**loads(payload))
            raise self._ended
        raise self._broken(f"the {self.name} sent a frame out of turn")

    # Frames.

    def _expect(self, wanted: bytes, seconds: float) -> dict[str, Any]:
        try:
            kind, payload = self._next(time.monotonic() + seconds)
        except (TimedOut, Ended) as error:
            self.kill()
            raise SandboxUnavailable(f"the {self.name} did not start: {error}") from error
        if kind != wanted:
            facts = loads(payload) if kind in (frames.FAILED, frames.EXIT) else {}
            self.kill()
            raise SandboxUnavailable(f"the {self.name} did not start: {facts.get('text', kind)}")
        return dict(loads(payload))

    def _write(self, data: bytes) -> None:
        if self._running is None:
            raise SandboxError(f"the {self.name} is gone")
        try:
            self._running.connection.settimeout(SEND_SECONDS)
            self._running.connection.sendall(data)
        except OSError as error:
            raise self._broken(f"the {self.name} takes nothing more ({error})") from error

    def _next(self, until: float) -> tuple[bytes, bytes]:
        """The next frame.

        Raises:
            TimedOut: it is `until` on the monotonic clock.
            Ended: the zygote itself was killed for want of memory.
            SandboxError: it is gone for any other reason.
        """
        while not self._frames:
            if self._running is None:
                raise SandboxError(f"the {self.name} is gone")
            left = until - time.monotonic()
            if left <= 0:
                raise TimedOut(f"the {self.name} did not answer in time")
            try:
                self._running.connection.settimeout(left)
                data = self._running.connection.recv(CHUNK)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            if not data:
                raise self._post_mortem()
            self._data += self._running.plain(data)
            self._split()
        return self._frames.popleft()

    def _split(self) -> None:
        while len(self._data) >= frames.HEAD_BYTES:
            kind, length = frames.head(self._data[: frames.HEAD_BYTES])
            end = frames.HEAD_BYTES + length
            if len(self._data) < end:
                return
            self._frames.append((kind, bytes(self._data[frames.HEAD_BYTES : end])))
            del self._data[:end]

    def _post_mortem(self) -> Exception:
        assert self._running
        why = ""
        with suppress(Exception):
            why = self._running.post_mortem()
        self.kill()
        if why == "memory":
            self._ended = Ended("memory", "it needed more memory than there is for a hand-in")
            return self._ended
        return SandboxError(f"the {self.name} ended unexpectedly: {why or 'it said nothing'}")

    def _broken(self, text: str) -> SandboxError:
        self.kill()
        return SandboxError(text)


class Demultiplexer:
    """The engine's framing of an attached container's output without a terminal.

    Eight bytes (stream: 1 output, 2 error; three zeros; length, big endian), then the bytes.
    """

    _head = struct.Struct(">BxxxI")

    def __init__(self) -> None:
        """Start at the beginning of a stream."""
        self._data = bytearray()
        self.said = b""

    def output(self, data: bytes) -> bytes:
        """What of `data`, and of what was left before, is standard output."""
        self._data += data
        found = bytearray()
        while len(self._data) >= self._head.size:
            stream, length = self._head.unpack_from(self._data)
            end = self._head.size + length
            if len(self._data) < end:
                break
            content = self._data[self._head.size : end]
            if stream == 1:
                found += content
            else:
                self.said = (self.said + content)[-SAID:]
            del self._data[:end]
        return bytes(found)
