"""ServiceSpawner on a real swarm, such as one of this machine alone: what a server is there.

What takes several machines is in tests/provision/test_swarm.py.
"""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from coursehub.hub.failures import NotStarted
from coursehub.hub.networks import Networks
from coursehub.hub.servers import labelled
from coursehub.hub.services import ServiceSpawner
from tests.contract.spawners import COURSE, make_exchange, spawner, spawning_site
from tests.contract.standins import Site, reaches

POOL = "10.217.0.0/16"


class SeenFromProxy(ServiceSpawner):
    """This machine is on no network of a swarm: the proxy's container looks whether it answers."""

    async def _await_answer(self, ip: str, port: int) -> None:
        for _ in range(50):
            if await asyncio.to_thread(answers, self.settings.project, ip, port):
                return
            if await self.poll() is not None:
                raise NotStarted(self.ended)
            await asyncio.sleep(0.2)
        raise NotStarted("it does not answer")


def answers(project: str, ip: str, port: int) -> bool:
    (proxy,) = docker.from_env().containers.list(filters={"name": f"{project}-service-proxy"})
    script = f"exec 3<>/dev/tcp/{ip}/{port} && printf x >&3 && head -c 8 <&3 | grep -q HTTP"
    return proxy.exec_run(["timeout", "2", "bash", "-c", script]).exit_code == 0


@pytest.fixture(scope="module")
def swarm(engine: docker.DockerClient, images: None) -> Iterator[None]:
    """One in which this engine is alone, unless it is in one already."""
    alone = engine.info()["Swarm"]["LocalNodeState"] == "inactive"
    if alone:
        engine.swarm.init("127.0.0.1", "127.0.0.1:2377", default_addr_pool=[POOL], subnet_size=24)
    yield
    if alone:
        engine.swarm.leave(force=True)


@pytest.fixture
def site(swarm: None, tmp_path: Path) -> Iterator[Site]:
    for name in ("alice", "tara"):  # as the hub makes them, which has the user id of servers
        (tmp_path / "homes" / name).mkdir(parents=True)
        os.chown(tmp_path / "homes" / name, 1000, 1000)
    with spawning_site(tmp_path, swarm=True, swarm_encrypted=False, shared=tmp_path) as site:
        for name in ("proxy", "hub", "db"):
            site.service(name)
        try:
            yield site
        finally:
            for service in site.engine.services.list():
                if service.name.startswith(site.project):
                    service.remove()
            for name in ("alice", "tara"):
                await_end(site, name)


def await_end(site: Site, name: str) -> None:
    asyncio.run(own(site, name)._await_end())


def own(site: Site, name: str, **options: Any) -> ServiceSpawner:
    networks = Networks(site.engine, site.settings)
    here = {"students": "node.role==manager", "networks": networks}
    made = spawner(site, name, kind=SeenFromProxy, **here | options)
    assert isinstance(made, ServiceSpawner)
    return made


def assert_no_network(site: Site, name: str) -> None:
    """A swarm tells its machines that a network is gone; each removes its part."""
    deadline = time.monotonic() + 15
    while site.engine.networks.list(names=[f"{site.project}-user-{name}"]):
        assert time.monotonic() < deadline, "the network is left"
        time.sleep(0.2)


def container(site: Site, name: str) -> Container:
    (found,) = site.engine.containers.list(filters={"label": f"coursehub.user={name}"})
    return found


def test_a_service_is_confined_as_a_container_is(site: Site) -> None:
    asyncio.run(own(site, "alice").start())
    alice = container(site, "alice")

    def inside(script: str) -> str:
        return str(alice.exec_run(["bash", "-c", script]).output.decode())

    facts = dict(line.split(":\t", 1) for line in inside("cat /proc/self/status").splitlines())
    assert facts["Uid"].split()[1] == facts["Gid"].split()[1] == "1000"
    assert {facts[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2"), "2: a filter is in force"
    for path in ("/etc/x", "/usr/x", "/x", "/var/tmp/x"):
        assert "Read-only file system" in inside(f"echo x >{path}")
    assert inside("printf '#!/bin/sh\necho here' >/tmp/e; chmod +x /tmp/e; /tmp/e") == "here\n"
    assert inside("df --output=size --block-size=M /tmp /dev/shm").split()[1:] == ["1024M", "512M"]
    assert inside("ulimit -n; ulimit -c").split() == ["16384", "0"]
    host = alice.attrs["HostConfig"]
    assert (host["Memory"], host["PidsLimit"]) == (128 * 1024**2, 512)
    assert host["NanoCpus"] == int(site.settings.student_cpus * 10**9)
    assert not host["PortBindings"] and host["IpcMode"] == "private"


def test_it_reaches_proxy_and_hub_and_nobody_else(site: Site) -> None:
    asyncio.run(own(site, "alice").start())
    make_exchange(site)
    asyncio.run(own(site, "tara").start())
    alice, tara = container(site, "alice"), container(site, "tara")
    assert reaches(alice, "proxy") and reaches(alice, "hub") and not reaches(alice, "db")
    assert reaches(tara, "db"), "staff read the gradebook"
    inbound = f"/srv/exchange/root/{COURSE}/inbound"
    assert tara.exec_run(["touch", f"{inbound}/x"]).output.endswith(b"Read-only file system\n")
    assert not any(reaches(alice, each) for each in ("169.254.169.254", "127.0.0.1"))
    routes = alice.exec_run(["cat", "/proc/net/route"]).output.decode().splitlines()[1:]
    assert [line.split()[7] for line in routes] == ["F0FFFFFF"], "to the /28 itself and no further"


def test_a_restarted_hub_finds_it_again_and_a_home_outlives_it(site: Site) -> None:
    async def live() -> None:
        before = own(site, "alice")
        address = await before.start()
        after = own(site, "alice")
        after.load_state(json.loads(json.dumps(before.get_state())))
        assert await after.poll() is None
        assert await after.get_ip_and_port() == address
        (site.settings.homes / "alice" / "notes").write_text("kept")
        names = [each.name for each in labelled(site.engine, site.settings, ["coursehub.user"])]
        assert after.object_name in names
        await after.stop()
        await after.run_post_stop_hook()
        assert await after.poll() == 0
        await asyncio.to_thread(assert_no_network, site, "alice")
        await own(site, "alice").start()

    asyncio.run(live())
    assert container(site, "alice").exec_run(["cat", "/home/student/notes"]).output == b"kept"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"students": "node.labels.nosuch==1"}, "No machine takes servers at the moment."),
        ({"cmd": ["nosuchprogram"]}, "Your server ended with an error (exit code 127)."),
    ],
)
def test_a_start_that_fails_says_why_and_leaves_nothing(
    site: Site, options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coursehub.hub.services._PLACE_SECONDS", 1)
    with pytest.raises(NotStarted) as failure:
        asyncio.run(own(site, "alice", **options).start())
    assert str(failure.value.jupyterhub_message).startswith(words)
    assert not labelled(site.engine, site.settings, [f"coursehub.project={site.project}"])
    assert_no_network(site, "alice")


def test_a_machine_without_the_storage_refuses_and_shows_no_empty_home(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub has made the home; the machine on which the server is to run does not see it."""
    monkeypatch.setattr(ServiceSpawner, "_make_home", lambda self: None)
    with pytest.raises(NotStarted) as failure:
        asyncio.run(own(site, "bob").start())
    assert "Your home is not to be had on the machine" in failure.value.jupyterhub_message
