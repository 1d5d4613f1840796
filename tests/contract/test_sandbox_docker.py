"""The docker sandbox: what its containers are, hold and leave."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import docker
import pytest
from docker.models.containers import Container

from coursehub.errors import NoGpu, SandboxUnavailable
from coursehub.grading.sandbox import Gpu, Sandbox, open_sandbox
from coursehub.grading.sandbox.docker import FOLDERS, LABEL, OWNER, RESERVE, sweep
from tests.contract.bombs import NEXT, SCRIPT, TIGHT, Site, run, site
from tests.engine import cdi_folder

LEFT_ALONE = """
import os, sys
from coursehub.grading.sandbox import open_sandbox
worker = open_sandbox("docker").worker(student=sys.argv[1], judge=sys.argv[1])
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


def test_a_zygote_that_hangs_is_replaced_from_outside(
    workers: Site, engine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coursehub.grading.sandbox.link.GONE_SECONDS", 1)
    before = set(ours(engine, os.getpid()))
    with workers.bombs.processes(TIGHT, {}, {}):
        paused = workers.bombs.links["student"].place
        engine.containers.get(paused).pause()

    assert run(workers.bombs, NEXT) == [[], 42]
    assert run(workers.neighbour, NEXT) == [[], 42]  # it has left the zygote, too
    assert before - set(ours(engine, os.getpid())) == {paused}


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


def test_where_control_groups_cannot_be_divided_each_hand_in_has_containers_of_its_own(
    images: None, engine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = {"/sys/fs/cgroup": "size=64k"}
    monkeypatch.setattr("coursehub.grading.sandbox.docker.FOLDERS", FOLDERS | hidden)
    with open_sandbox("docker") as alone, site(alone) as workers:
        answers = [run(worker, NEXT) for worker in (workers.bombs, workers.neighbour)]
        places = {
            link.place
            for worker in (workers.bombs, workers.neighbour)
            for link in worker.links.values()
        }
        memory = [engine.containers.get(place).attrs["HostConfig"]["Memory"] for place in places]

    assert answers == [[[], 42]] * 2
    assert len(places) == 4
    assert set(memory) == {TIGHT.memory + RESERVE}


def test_a_gpu_is_in_the_students_container_alone_and_only_when_asked_for(
    sandbox: Sandbox, engine: docker.DockerClient
) -> None:
    assert cdi_folder(engine).exists()
    look = b"import os\nanswer = sorted(n for n in os.listdir('/dev') if n.startswith('nvidia'))"
    use = b"import os\nanswer = os.read(os.open('/dev/nvidia2', os.O_RDWR), 1).decode()"
    gpu = Gpu("nvidia.com/gpu=2")

    with sandbox.worker(student=SCRIPT, judge=SCRIPT, gpu=gpu) as worker:
        assert run(worker, look) == ["nvidia2"]
        assert run(worker, use) == ""
        with worker.processes(TIGHT, {}, {}) as processes:
            processes.judge.send(look)
            assert json.loads(processes.judge.receive(30)) == []
    with sandbox.worker(student=SCRIPT, judge=SCRIPT) as worker:
        assert run(worker, look) == []


def test_a_gpu_that_is_not_there_is_an_error(sandbox: Sandbox) -> None:
    with (
        pytest.raises(NoGpu, match="no container"),
        sandbox.worker(student=SCRIPT, judge=SCRIPT, gpu=Gpu("nvidia.com/gpu=77")),
    ):
        pass


def test_containers_of_a_grader_that_was_a_container_are_swept_with_it(
    engine: docker.DockerClient, images: None
) -> None:
    def start(owner: str) -> Container:
        labels = {LABEL: "zygote", OWNER: owner}
        return engine.containers.run(
            "coursehub/hub:latest",
            ["sleep", "600"],
            labels=labels,
            detach=True,
            network_mode="none",
        )

    grader = start("another-machine:7:1")
    left, held = start("0123456789ab:7:1"), start(f"{grader.id[:12]}:7:1")
    try:
        sweep(engine)
        there = {each.id for each in engine.containers.list(filters={"label": LABEL})}
        assert left.id not in there and {grader.id, held.id} <= there
        grader.remove(force=True)
        sweep(engine)
        there = {each.id for each in engine.containers.list(filters={"label": LABEL})}
        assert held.id not in there
    finally:
        for container in engine.containers.list(all=True, filters={"label": LABEL}):
            if container.id in (grader.id, left.id, held.id):
                container.remove(force=True)


def test_no_image_is_an_error_with_a_remedy(images: None) -> None:
    with pytest.raises(SandboxUnavailable, match="make images"):
        open_sandbox("docker", image="coursehub/none:latest")
