"""Both kinds of sandbox: bombs beside an honest neighbour, ends, files, shared zygotes."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import docker
import pytest

from coursehub.errors import SandboxError
from coursehub.grading.sandbox import Ended, Sandbox, open_sandbox
from tests.contract.bombs import (
    BOMBS,
    HONEST_ANSWER,
    NEXT,
    TIGHT,
    Site,
    beside_a_neighbour,
    run,
    site,
)

BUSY = """
import sys
from coursehub.grading.sandbox import open_sandbox
from tests.contract.bombs import SCRIPT, TIGHT
with open_sandbox(sys.argv[1]) as sandbox, sandbox.worker(student=SCRIPT, judge=SCRIPT) as worker:
    with worker.processes(TIGHT, {}, {}) as processes:
        for channel in (processes.student, processes.judge):
            channel.send(b"while True: pass")
        print(*{link.place for link in worker.links.values()}, flush=True)
        sys.stdin.read()
"""
WHO = b"""
import os
given = channel.receive().decode()
open("own", "w").write(given)
channel.send(b"null")
channel.receive()
answer = [open("own").read(), os.listdir(), len([n for n in os.listdir("/proc") if n.isdigit()])]
"""


@pytest.fixture(scope="module", params=["docker", "process"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    if request.param == "docker":
        request.getfixturevalue("images")
    with open_sandbox(request.param) as opened:
        yield opened


@pytest.fixture(scope="module")
def workers(sandbox: Sandbox) -> Iterator[Site]:
    with site(sandbox) as both:
        yield both


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_harms_nobody(workers: Site, bomb: str) -> None:
    end, answers = beside_a_neighbour(workers, bomb)

    assert end in BOMBS[bomb]
    assert set(answers) == {HONEST_ANSWER}
    assert workers.bombs.links["student"].left() == 0
    # The next hand-in finds nothing of it.
    assert run(workers.bombs, NEXT) == [[], 42]


def test_an_end_is_told_with_its_reason_and_last_words(workers: Site) -> None:
    with workers.bombs.processes(TIGHT, {}, {}) as processes:
        processes.student.send(b"print('last words', flush=True)\nraise SystemExit(3)")
        with pytest.raises(Ended) as ended:
            processes.student.receive(10)
        with pytest.raises(Ended):
            processes.student.send(b"more")

    assert ended.value.why == "exited"
    assert ended.value.text == "it ended by itself with exit status 3"
    assert "last words" in ended.value.said
    assert ended.value.peak > 0


def test_files_come_as_bytes_and_chance_is_fresh(workers: Site) -> None:
    draw = b"import random, json\nanswer = [random.random(), open('data/x.csv').read()]"
    drawn = []
    for _ in range(2):
        with workers.bombs.processes(TIGHT, {"data/x.csv": b"1,2"}, {}) as processes:
            processes.student.send(draw)
            drawn.append(json.loads(processes.student.receive(10)))

    assert [text for _, text in drawn] == ["1,2", "1,2"]
    assert drawn[0][0] != drawn[1][0]


def test_hand_ins_of_one_zygote_at_the_same_time_see_nothing_of_each_other(workers: Site) -> None:
    places = {worker.links["student"].place for worker in (workers.bombs, workers.neighbour)}
    assert len(places) == 1
    with (
        workers.bombs.processes(TIGHT, {}, {}) as one,
        workers.neighbour.processes(TIGHT, {}, {}) as other,
    ):
        both = {"one": one.student, "other": other.student}
        for name, channel in both.items():
            channel.send(WHO)
            channel.send(name.encode())
            channel.receive(10)
        for name, channel in both.items():
            channel.send(b"")
            assert json.loads(channel.receive(10)) == [name, ["own"], 2]  # its init and itself


def test_a_zygote_that_broke_for_one_is_left_by_all(sandbox: Sandbox) -> None:
    with open_another(sandbox) as fresh, site(fresh) as workers:
        with (
            workers.neighbour.processes(TIGHT, {}, {}) as inside,
            suppress(SandboxError),
            workers.bombs.processes(TIGHT, {}, {}) as processes,
        ):
            broken = workers.bombs.links["student"].place
            processes.student._broken("for a test")  # type: ignore[attr-defined]
            # Who is inside may go on.
            inside.student.send(b"answer = 42")
            assert json.loads(inside.student.receive(10)) == 42
        both = (workers.neighbour, workers.bombs)
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(lambda each: run(each, NEXT), both)) == [[[], 42]] * 2
        assert broken not in {each.links["student"].place for each in both}


def open_another(sandbox: Sandbox) -> Sandbox:
    return open_sandbox(sandbox.name)  # type: ignore[arg-type]


def test_nothing_lives_on_when_the_grader_is_killed(
    sandbox: Sandbox, engine: docker.DockerClient
) -> None:
    gone = _container_gone(engine) if sandbox.name == "docker" else _process_gone
    command = [sys.executable, "-c", BUSY, sandbox.name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as grader:
        assert grader.stdout
        places = grader.stdout.readline().decode().split()
        assert places and not any(map(gone, places))
        grader.send_signal(signal.SIGKILL)

    until = time.monotonic() + 20
    while not all(map(gone, places)):
        assert time.monotonic() < until, "a busy zygote outlives its grader"
        time.sleep(0.05)


def _container_gone(engine: docker.DockerClient) -> Callable[[str], bool]:
    def gone(place: str) -> bool:
        with suppress(docker.errors.NotFound):
            return bool(engine.containers.get(place).status == "exited")
        return True

    return gone


def _process_gone(place: str) -> bool:
    """Whether the zygote and all its forks, which have its command line, are gone."""
    if place not in COMMANDS:
        COMMANDS[place] = Path(f"/proc/{place}/cmdline").read_bytes()
    running = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            running.add(path.read_bytes())
    return COMMANDS[place] not in running


COMMANDS: dict[str, bytes] = {}
