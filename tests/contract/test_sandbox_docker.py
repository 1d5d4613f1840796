"""The docker sandbox: what is real, and bombs beside an honest neighbour."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import docker
import pytest

from coursehub.errors import SandboxUnavailable
from coursehub.grading.sandbox import Sandbox, open_sandbox
from coursehub.grading.sandbox.docker import LABEL, OWNER, sweep
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

LEFT_ALONE = """
import os, sys
from coursehub.grading.sandbox import open_sandbox
worker = open_sandbox("docker").worker(imports="", student=sys.argv[1], judge=sys.argv[1])
for link in worker.__enter__().links.values():
    link.warm()
print("warm", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def sandbox(images: None) -> Iterator[Sandbox]:
    with open_sandbox("docker") as opened:
        yield opened


@pytest.fixture(scope="module")
def workers(sandbox: Sandbox) -> Iterator[Site]:
    with site(sandbox) as both:
        yield both


def ours(engine: docker.DockerClient, process: int) -> list[str]:
    return [
        container.id
        for container in engine.containers.list(all=True, filters={"label": LABEL})
        if container.labels[OWNER].startswith(f"{socket.gethostname()}:{process}:")
    ]


def test_every_limit_is_real(sandbox: Sandbox) -> None:
    assert sandbox.real
    assert sandbox.missing() == []


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_harms_nobody(workers: Site, bomb: str) -> None:
    end, answers = beside_a_neighbour(workers, bomb)

    assert end in BOMBS[bomb]
    assert set(answers) == {HONEST_ANSWER}
    assert workers.bombs.links["student"].left() == 0
    # The next hand-in finds nothing of it.
    assert run(workers.bombs, NEXT) == [[], 42]


def test_a_zygote_that_hangs_is_replaced_from_outside(
    workers: Site, engine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coursehub.grading.sandbox.link.GONE_SECONDS", 1)
    before = set(ours(engine, os.getpid()))
    with workers.bombs.processes(TIGHT, {}, {}):
        paused = workers.bombs.links["student"].place
        engine.containers.get(paused).pause()

    assert before - set(ours(engine, os.getpid())) == {paused}
    assert run(workers.bombs, NEXT) == [[], 42]


def test_the_containers_hold_nothing_but_what_they_need(
    workers: Site, engine: docker.DockerClient
) -> None:
    for found in map(engine.containers.get, ours(engine, os.getpid())):
        host = found.attrs["HostConfig"]

        assert host["NetworkMode"] == "none"
        assert host["ReadonlyRootfs"]
        assert not host["Privileged"]
        assert not host["Binds"] and not found.attrs["Mounts"]
        assert host["CapDrop"] == ["ALL"]
        assert host["Memory"] == host["MemorySwap"] > 0
        assert host["PidsLimit"] > 0
        assert host["LogConfig"]["Type"] == "none"
        assert "no-new-privileges:true" in host["SecurityOpt"]


def test_containers_of_a_dead_grader_are_swept(
    sandbox: Sandbox, engine: docker.DockerClient
) -> None:
    command = [sys.executable, "-c", LEFT_ALONE, "coursehub.grading.sandbox.script:main"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as grader:
        assert grader.stdout and grader.stdout.readline() == b"warm\n"
        left = ours(engine, grader.pid)
        # A zygote that does not notice that its grader is gone.
        for container in map(engine.containers.get, left):
            container.pause()
        grader.send_signal(signal.SIGKILL)
    assert len(left) == 2

    sweep(engine)

    assert ours(engine, grader.pid) == []


def test_no_image_is_an_error_with_a_remedy(images: None) -> None:
    with pytest.raises(SandboxUnavailable, match="make images"):
        open_sandbox("docker", image="coursehub/none:latest")
