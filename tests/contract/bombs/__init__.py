"""Hostile scripts, each bounded by the limits here, and how they are set off beside a neighbour."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from pathlib import Path
from threading import Event

from coursehub.grading.limits import Limits, MiB
from coursehub.grading.sandbox import Ended, Sandbox, TimedOut, Worker

SCRIPT = "coursehub.grading.sandbox.script:main"
FOLDER = Path(__file__).parent
TIGHT = Limits(
    memory=96 * MiB,
    disk=8 * MiB,
    inodes=200,
    pids=24,
    output=MiB,
    frame=MiB,
    total_seconds=90,
)
FUSE_SECONDS = 3
END_SECONDS = 60  # for those that end by themselves, or by a limit
HONEST = b"""
import hashlib
digest = b""
for number in range(20_000):
    digest = hashlib.sha256(digest).digest()
open("result", "w").write(digest.hex())
answer = open("result").read() + given
"""
HONEST_ANSWER = reduce(lambda digest, _: sha256(digest).digest(), range(20_000), b"").hex() + "x"
NEXT = b"""
import os
answer = [sorted(os.listdir()), 6 * 7]
"""
# How each may end: Ended.why, or TimedOut where only the host's clock ends it.
BOMBS = {
    "memory": {"memory", "answered"},
    "memory_in_children": {"memory", "answered", "TimedOut"},
    "fork": {"TimedOut"},
    "threads": {"TimedOut"},
    "disk": {"TimedOut", "killed"},
    "inodes": {"TimedOut", "killed"},
    "output": {"output"},
    "frame": {"output"},
    "flood": {"answered"},
    "forged": {"output"},
    "endless": {"TimedOut"},
    "daemon": {"exited"},
    "closed": {"TimedOut", "exited"},
    "killing": {"killed"},
    "stopped": {"TimedOut"},
    "crashed": {"killed"},
}


@dataclass(frozen=True)
class Site:
    """Two workers of a sandbox: one for bombs, one for the neighbour."""

    bombs: Worker
    neighbour: Worker


@contextmanager
def site(sandbox: Sandbox) -> Iterator[Site]:
    """Two warm workers, without the heavy imports."""
    sides = {"student": SCRIPT, "judge": SCRIPT}
    with sandbox.worker(**sides) as bombs, sandbox.worker(**sides) as neighbour:
        yield Site(bombs, neighbour)


def run(worker: Worker, script: bytes, limits: Limits = TIGHT, seconds: float = 30) -> object:
    """What `script` answers on the student's side of fresh processes."""
    with worker.processes(limits, {}, {}) as processes:
        processes.student.send(script)
        return json.loads(processes.student.receive(seconds))


def set_off(worker: Worker, name: str) -> str:
    """Run a bomb for as long as its fuse burns; how it ended."""
    with worker.processes(TIGHT, {"given.txt": b"1"}, {}) as processes:
        # The judge's side beside it goes on.
        processes.judge.send(b"answer = 'judged'")
        try:
            processes.student.send((FOLDER / f"{name}.py").read_bytes())
            processes.student.receive(FUSE_SECONDS if "TimedOut" in BOMBS[name] else END_SECONDS)
            end = "answered"
        except TimedOut:
            end = "TimedOut"
        except Ended as ended:
            end = ended.why
        assert json.loads(processes.judge.receive(10)) == "judged"
    return end


def beside_a_neighbour(site: Site, name: str) -> tuple[str, list[object]]:
    """How the bomb ended, and what the neighbour's hand-ins answered meanwhile."""
    over = Event()

    def honest() -> list[object]:
        answers = []
        while not answers or not over.is_set():
            answers.append(run(site.neighbour, b"given = 'x'\n" + HONEST))
        return answers

    with ThreadPoolExecutor(1) as pool:
        neighbour = pool.submit(honest)
        try:
            end = set_off(site.bombs, name)
        finally:
            over.set()
        return end, neighbour.result()
