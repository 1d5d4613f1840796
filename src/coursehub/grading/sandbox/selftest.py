"""A sandbox tests itself, from inside and with real code: is every limit real?

`missing` starts a worker without the heavy imports, runs `probes` in both of its processes, and
says in sentences what could be done that must not be possible.
"""

import fcntl
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coursehub.errors import SandboxError
from coursehub.grading.limits import Limits, MiB
from coursehub.grading.sandbox.channel import Channel, Ended, TimedOut
from coursehub.grading.sandbox.worker import Worker

SCRIPT = "coursehub.grading.sandbox.script:main"
SMALL = Limits(memory=64 * MiB, disk=4 * MiB, inodes=64, pids=16, output=64 * 1024, frame=MiB)
SLACK = 1024 * MiB  # what a container keeps for its zygote may be used before the kernel acts
ANSWER_SECONDS = 30
GONE_SECONDS = 15
_SIOCGIFADDR = 0x8915  # <linux/sockios.h>


@dataclass(frozen=True)
class Side:
    """One of the two processes while it is tested."""

    name: str
    channel: Channel

    def ask(self, call: str) -> Any:
        """What a probe says."""
        script = f"from coursehub.grading.sandbox import probes\nanswer = probes.{call}"
        self.channel.send(script.encode())
        answer = json.loads(self.channel.receive(ANSWER_SECONDS))
        if isinstance(answer, dict) and "error" in answer:
            raise SandboxError(f"the self-test's {call} failed: {answer['error']}")
        return answer


Check = Callable[[Side], Iterator[str]]


def missing(sandbox: Any) -> list[str]:
    """What is not isolated, one sentence each; empty when every limit is real.

    Raises:
        SandboxError: the sandbox does not run at all.
    """
    found: list[str] = []
    with sandbox.worker(student=SCRIPT, judge=SCRIPT) as worker:
        found += _standing(worker)
        for check in (_memory, _output, _lingering):
            found += check(worker)
    return list(dict.fromkeys(found))


def _sides(processes: Any) -> tuple[Side, Side]:
    return Side("student", processes.student), Side("judge", processes.judge)


def _standing(worker: Worker) -> Iterator[str]:
    """Checks that a process survives, for both sides side by side."""
    places = [link.place for link in worker.links.values()]
    # Local zygotes have a process id; a container's is not known here, and 1 in there.
    zygotes = [int(place) for place in places if place.isdigit() and len(place) < 12]
    with _listener() as port, worker.processes(SMALL, {}, {}) as processes:
        uids = []
        for side in _sides(processes):
            identity = side.ask("identity()")
            uids.append(identity["uid"])
            yield from _rights(side, identity)
            yield from _sight(side, identity, zygotes)
            yield from _network(side, port)
            yield from _space(side)
        if len(set(uids)) < len(uids):
            yield "Two processes run as the same user."


def _rights(side: Side, identity: dict[str, Any]) -> Iterator[str]:
    if identity["uid"] == 0:
        yield f"The {side.name}'s process runs as root."
    if identity["groups"]:
        yield f"The {side.name}'s process belongs to groups {identity['groups']}."
    if identity["capabilities"]:
        yield f"The {side.name}'s process holds capabilities."
    if not identity["bounded"]:
        yield f"The bounding set of the {side.name}'s process is not empty."
    if not identity["no_new_privs"]:
        yield f"The {side.name}'s process may gain rights by set-uid programs."
    if not identity["filtered"]:
        yield f"The system calls of the {side.name}'s process are not filtered."


def _sight(side: Side, identity: dict[str, Any], zygotes: list[int]) -> Iterator[str]:
    if len(identity["processes"]) > 2:  # its init and itself
        yield f"The {side.name}'s process sees processes that are not its own."
    if any(side.ask(f"signals({process})") for process in zygotes):
        yield f"The {side.name}'s process can send signals to the process it came from."


def _network(side: Side, port: int) -> Iterator[str]:
    if names := side.ask("interfaces()"):
        yield f"The {side.name}'s process has a network ({', '.join(names)})."
    if addresses := side.ask(f"reached({host_addresses()!r}, {port})"):
        yield f"The {side.name}'s process reaches this machine at {', '.join(addresses)}."


def _space(side: Side) -> Iterator[str]:
    if folders := side.ask("writable()"):
        yield f"The {side.name}'s process can write in {', '.join(folders)}."
    if side.ask(f"fill_disk({4 * SMALL.disk})") > SMALL.disk:
        yield f"The disk space of the {side.name}'s process has no limit."
    if side.ask(f"fill_inodes({4 * SMALL.inodes})") > SMALL.inodes:
        yield f"The number of files of the {side.name}'s process has no limit."
    if side.ask(f"fill_processes({4 * SMALL.pids})") > SMALL.pids:
        yield f"The number of processes of the {side.name}'s process has no limit."


def _memory(worker: Worker) -> Iterator[str]:
    most = SMALL.memory + SLACK
    with worker.processes(SMALL, {}, {}) as processes:
        for side in _sides(processes):
            try:
                if side.ask(f"fill_memory({most})") >= most:
                    yield f"The memory of the {side.name}'s process has no limit."
            except Ended as ended:
                if ended.why != "memory":
                    yield f"The {side.name}'s process used up its memory, and {ended.text}."


def _output(worker: Worker) -> Iterator[str]:
    with worker.processes(SMALL, {}, {}) as processes:
        for side in _sides(processes):
            side.channel.send(f"channel.send(bytes({SMALL.frame + 1}))".encode())
            try:
                side.channel.receive(ANSWER_SECONDS)
                yield f"The output of the {side.name}'s process has no limit."
            except Ended as ended:
                if ended.why != "output":
                    yield f"The {side.name}'s process sent too much, and {ended.text}."


def _lingering(worker: Worker) -> Iterator[str]:
    """What ignores every signal is gone in time, with the daemons it started."""
    with worker.processes(SMALL, {}, {}) as processes:
        for side in _sides(processes):
            side.channel.send(b"from coursehub.grading.sandbox import probes\nprobes.linger()")
        for side in _sides(processes):
            try:
                side.channel.receive(0.2)
            except TimedOut:
                continue
            yield f"The {side.name}'s process did not do as it was told."
        start = time.monotonic()
    if time.monotonic() - start > GONE_SECONDS:
        yield "A process that ignores signals lives on."
    for name, link in worker.links.items():
        if left := link.left():
            yield f"{left} processes of the {name}'s side live on."


@contextmanager
def _listener() -> Iterator[int]:
    """A port on all of this machine's addresses that takes connections."""
    with socket.create_server(("", 0)) as server:
        yield server.getsockname()[1]


def host_addresses() -> list[str]:
    """This machine's IPv4 addresses."""
    found = ["127.0.0.1"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for name in sorted(path.name for path in Path("/sys/class/net").iterdir()):
            try:
                request = struct.pack("256s", name.encode()[:15])
                answer = fcntl.ioctl(any_socket.fileno(), _SIOCGIFADDR, request)
            except OSError:
                continue  # it has none
            found.append(socket.inet_ntoa(answer[20:24]))
    return list(dict.fromkeys(found))
