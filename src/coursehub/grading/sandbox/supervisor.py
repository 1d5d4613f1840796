"""The supervisor: a process a hand-in, between the host and the fork it started.

It is a fork of the zygote itself, so that nothing of one hand-in is ever in the memory from which
the next one is forked. It wraps what comes from the hand-in's process, holds it to its limits,
and leaves only when nothing of it is left.
"""

import json
import os
import select
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from coursehub.grading.limits import MiB
from coursehub.grading.sandbox import frames, kernel
from coursehub.grading.sandbox.confine import Means
from coursehub.grading.sandbox.fork import Fork, Task, fork
from coursehub.grading.sandbox.groups import Group
from coursehub.grading.sandbox.meter import LOOK_SECONDS, Meter

CHUNK = 1 << 18
WAITING = 8 * MiB  # to the host: beyond it nothing more is taken from the process
SAID = 4096
GONE_SECONDS = 5.0
READ, WRITE = select.POLLIN, select.POLLOUT


def supervise(task: Task, means: Means, host_in: int, host_out: int) -> None:
    """Run `task` from its start to its end, relaying frames."""
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    try:
        group = Group.make(means.homes, str(os.getpid()), task.limits) if means.homes else None
        meter = Meter(task.limits, means, group, task.folder)
        started = fork(task, means, group)
    except OSError as error:
        return _answer(host_out, frames.pack_json(frames.FAILED, text=str(error)))
    try:
        Supervisor(started, task, means, meter, host_in, host_out).run()
    finally:
        if group:
            group.remove()


def _answer(pipe: int, data: bytes) -> None:
    os.set_blocking(pipe, True)
    while data:
        data = data[os.write(pipe, data) :]


class HostGone(Exception):
    """Nobody waits for the answer."""


class Supervisor:
    """Relays until the host says END; then kills everything."""

    def __init__(
        self,
        started: Fork,
        task: Task,
        means: Means,
        meter: Meter,
        host_in: int,
        host_out: int,
    ) -> None:
        """Take over a fork that has just been started."""
        self._fork, self._meter = started, meter
        self._limits, self._folder = task.limits, task.folder
        self._namespaces = means.namespaces
        self._host_in, self._host_out = host_in, host_out
        self._from_host, self._to_host = bytearray(), bytearray()
        self._from_process, self._to_process = bytearray(), bytearray()
        self._reports = bytearray()
        self._said, self._said_bytes = b"", 0
        self._channel_open = self._said_open = self._reports_open = True
        self._wanted = True  # until the host says END
        self._ended = False
        self._alive = True

    def run(self) -> None:
        """Relay, then clean up."""
        os.set_blocking(self._host_in, False)
        os.set_blocking(self._host_out, False)
        with suppress(HostGone):
            while self._wanted or self._to_host:
                self._turn()
        self._kill()

    # One turn of the loop.

    def _turn(self) -> None:
        poll = select.poll()
        poll.register(self._host_in, READ if self._wanted else 0)
        poll.register(self._host_out, WRITE if self._to_host else 0)
        if self._channel_open:
            taking = READ if len(self._to_host) < WAITING else 0
            poll.register(self._fork.channel, taking | (WRITE if self._to_process else 0))
        if self._said_open:
            poll.register(self._fork.said, READ)
        if self._reports_open:
            poll.register(self._fork.reports, READ)
        looking = self._meter.looking and not self._ended
        for number, event in poll.poll(LOOK_SECONDS * 1000 if looking else None):
            self._serve(number, event)
        if looking and (over := self._meter.over(self._fork.init)):
            self._end(*over)

    def _serve(self, number: int, event: int) -> None:
        if number == self._host_in:
            self._hear_host()
        if number == self._host_out and event & (WRITE | select.POLLERR | select.POLLHUP):
            self._tell_host()
        if number == self._fork.channel and self._channel_open:
            if event & WRITE:
                self._tell_process()
            if event & ~WRITE:
                self._hear_process()
        if number == self._fork.said:
            self._hear_said()
        if number == self._fork.reports:
            self._hear_reports()

    # The host.

    def _hear_host(self) -> None:
        if not (data := _read(self._host_in)):
            raise HostGone
        self._from_host += data
        while len(self._from_host) >= frames.HEAD_BYTES:
            kind, length = frames.head(self._from_host[: frames.HEAD_BYTES])
            end = frames.HEAD_BYTES + length
            if len(self._from_host) < end:
                return None
            payload = self._from_host[frames.HEAD_BYTES : end]
            del self._from_host[:end]
            if kind == frames.END:
                self._wanted = False
                self._ended = True
                return self._kill()
            if kind == frames.DATA and self._channel_open:
                self._to_process += frames.LENGTH.pack(length) + payload
        return None

    def _tell_host(self) -> None:
        try:
            count = os.write(self._host_out, memoryview(self._to_host)[:CHUNK])
        except BlockingIOError:
            return
        except OSError as error:
            raise HostGone from error
        del self._to_host[:count]

    # The process.

    def _tell_process(self) -> None:
        try:
            count = os.write(self._fork.channel, memoryview(self._to_process)[:CHUNK])
        except BlockingIOError:
            return
        except OSError:
            return self._close_channel()
        del self._to_process[:count]

    def _hear_process(self) -> None:
        try:
            data = _read(self._fork.channel)
        except OSError:
            data = b""
        if not data:
            return self._close_channel()
        self._from_process += data
        size = frames.LENGTH.size
        while len(self._from_process) >= size:
            (length,) = frames.LENGTH.unpack_from(self._from_process)
            if length > self._limits.frame:
                self._close_channel()
                return self._end("output", f"it sent a message of {length:,} bytes")
            if len(self._from_process) < size + length:
                return None
            payload = bytes(self._from_process[size : size + length])
            del self._from_process[: size + length]
            self._to_host += frames.pack(frames.DATA, payload)
        return None

    def _close_channel(self) -> None:
        self._channel_open = False
        os.close(self._fork.channel)
        self._to_process.clear()

    def _hear_said(self) -> None:
        if not (data := _read(self._fork.said)):
            self._said_open = False
            return
        self._said = (self._said + data)[-SAID:]
        self._said_bytes += len(data)
        if self._said_bytes > self._limits.output:
            self._end("output", f"it wrote more than {self._limits.output:,} bytes past its cells")

    # Its init.

    def _hear_reports(self) -> None:
        data = _read(self._fork.reports)
        self._reports += data
        *lines, rest = bytes(self._reports).split(b"\n")
        self._reports[:] = rest
        for line in lines:
            self._report(json.loads(line))
        if not data:
            self._reports_open = False
            self._ended_by(signal.SIGKILL, 0)  # the init itself is gone

    def _report(self, facts: dict[str, Any]) -> None:
        if "failed" in facts:
            self._ended = True
            self._to_host += frames.pack_json(frames.FAILED, text=facts["failed"])
        elif "up" in facts:
            self._meter.tare(facts["resident"])
            with suppress(OSError):
                Path(f"/proc/{self._fork.init}/oom_score_adj").write_text("0")
            self._to_host += frames.pack_json(frames.UP, uid=self._fork.uid)
        else:
            self._ended_by(-facts["code"] if facts["code"] < 0 else 0, facts["code"], facts["peak"])

    def _ended_by(self, number: int, code: int, peak: int = 0) -> None:
        """Say how it ended, after what it had sent before."""
        self._drain()
        if number == signal.SIGKILL and self._meter.killed_for_memory():
            self._end("memory", self._meter.too_much_memory(), peak)
        elif number:
            self._end("killed", f"it was ended by {_name(number)}", peak)
        else:
            self._end("exited", f"it ended by itself with exit status {code}", peak)

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while self._channel_open and len(self._to_host) < WAITING:
                self._hear_process()
        with suppress(BlockingIOError):
            while self._said_open and select.select([self._fork.said], [], [], 0)[0]:
                self._hear_said()

    def _end(self, why: str, text: str, peak: int = 0) -> None:
        """Tell the host once why there is no process any more; nothing of it may go on."""
        if self._ended:
            return
        self._ended = True
        self._kill()
        said = self._said.decode(errors="replace")
        self._to_host += frames.pack_json(frames.EXIT, why=why, text=text, peak=peak, said=said)

    # The end.

    def _kill(self) -> None:
        """Kill the fork and all that came from it; returns when nothing of it is left."""
        if not self._alive:
            return
        self._alive = False
        if self._channel_open:
            self._close_channel()
        self._said_open = self._reports_open = False
        if not self._namespaces:
            _kill_all(self._fork.init)
        os.kill(self._fork.init, signal.SIGKILL)
        # With a process namespace this waits for everything in it.
        os.waitpid(self._fork.init, 0)
        if not self._namespaces:
            _kill_all(os.getpid())
            shutil.rmtree(self._folder, ignore_errors=True)


def _kill_all(ancestor: int) -> None:
    """Kill what descends from `ancestor`, again until nothing does."""
    deadline = time.monotonic() + GONE_SECONDS
    while left := kernel.descendants(ancestor):
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process, number)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if time.monotonic() > deadline:
            os._exit(1)  # the host sees that it is not gone


def _read(number: int) -> bytes:
    return os.read(number, CHUNK)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
