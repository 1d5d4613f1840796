"""ContainerSpawner on a real engine: what a user's container is, and how it comes and goes."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError

from coursehub.hub.containers import ContainerSpawner
from coursehub.hub.progress import OPENING, WAITING
from tests.contract.spawners import (
    ANSWER,
    STAFF,
    Lease,
    Pool,
    ReachableNetworks,
    container_of,
    left_of,
    make_exchange,
    spawner,
    spawning_site,
)
from tests.contract.standins import IMAGE, Site

# The engine, with our images on it.
pytestmark = pytest.mark.usefixtures("images")

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with spawning_site(tmp_path) as site:
        yield site


# What a container is.


def essence(site: Site, name: str) -> dict[str, Any]:
    """All of `docker inspect` that is not empty, nor of this one run or this machine."""
    found = container_of(site, name)
    config, host = found["Config"], found["HostConfig"]
    environment = dict(pair.split("=", 1) for pair in config.pop("Env"))
    for drop in ("Hostname", "Image", "Cmd", "Labels"):
        config.pop(drop)
    for drop in ("MaskedPaths", "ReadonlyPaths", "ConsoleSize", "Runtime", "NetworkMode"):
        host.pop(drop)
    essence = {
        "Image": found["Config"].get("Image", IMAGE),
        "Labels": container_of(site, name)["Config"]["Labels"],
        "Environment": environment,
        "Config": some(config),
        "HostConfig": some(host),
        "Mounts": sorted(map(mount, found["Mounts"]), key=lambda each: each["Destination"]),
        "Networks": list(found["NetworkSettings"]["Networks"]),
        "Published": {
            key: value for key, value in found["NetworkSettings"]["Ports"].items() if value
        },
    }
    return json.loads(json.dumps(essence).replace(site.project, "PROJECT"))


def some(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in sorted(found.items()) if value}


def mount(found: dict[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in ("Type", "Name", "Destination", "RW")}


@pytest.mark.parametrize("name", ["alice", "tara"])
def test_a_container_is_what_it_was_agreed_to_be(site: Site, name: str) -> None:
    """Compare with golden/NAME.json; after a change on purpose, delete it and run once."""
    make_exchange(site)
    asyncio.run(spawner(site, name).start())
    found = essence(site, name)
    golden = GOLDEN / f"{'staff' if name in STAFF else 'student'}.json"
    if not golden.exists():
        golden.write_text(json.dumps(found, indent=2) + "\n")
        pytest.fail(f"{golden} was written: look at it and run again")
    assert found == json.loads(golden.read_text())


def test_inside_there_is_no_privilege_and_nothing_to_write_but_home_and_tmp(site: Site) -> None:
    asyncio.run(spawner(site, "alice").start())
    status = run_in(site, "alice", "cat /proc/self/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines())
    assert facts["Uid"].split()[1] == facts["Gid"].split()[1] == "1000"
    assert facts["Groups"].split() == ["1000"]
    assert {facts[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2"), "2: a filter is in force"
    assert run_in(site, "alice", "echo x >/tmp/x && cat /tmp/x") == "x\n"
    for path in ("/etc/x", "/usr/x", "/x", "/var/tmp/x"):
        assert "Read-only file system" in run_in(site, "alice", f"echo x >{path}")
    assert "here" in run_in(
        site, "alice", "printf '#!/bin/sh\necho here' >/tmp/e; chmod +x /tmp/e; /tmp/e"
    )


def run_in(site: Site, name: str, script: str) -> str:
    container = site.engine.containers.get(f"{site.project}-user-{name}")
    return container.exec_run(["bash", "-c", script]).output.decode()


# How it comes and goes.


def test_a_home_survives_stop_removal_and_the_user(site: Site) -> None:
    async def live_twice() -> None:
        first = spawner(site, "alice")
        await first.start()
        write_home(site, "alice", "work")
        await first.stop()
        await first.run_post_stop_hook()
        assert left_of(site, "alice") == []
        first.delete_forever()
        await spawner(site, "alice").start()

    asyncio.run(live_twice())
    assert run_in(site, "alice", "cat /home/student/work") == "work"
    volume = site.engine.volumes.get(f"{site.project}-home-alice")
    assert volume.attrs["Labels"]["coursehub.user"] == "alice"


def write_home(site: Site, name: str, text: str) -> None:
    """As root: the stand-in's image has no home whose owner a new volume would take."""
    container = site.engine.containers.get(f"{site.project}-user-{name}")
    script = f"printf {text} >/home/student/{text}"
    assert container.exec_run(["bash", "-c", script], user="0").exit_code == 0


def test_names_that_engines_do_not_take_are_escaped(site: Site) -> None:
    """And a user of another name cannot get at the same container or home."""
    odd = "o'neil@has.{prefix}"

    async def start_both() -> None:
        for name in (odd, "o-27neil"):
            await spawner(site, name).start()

    asyncio.run(start_both())
    found = site.engine.containers.list(filters={"label": f"coursehub.project={site.project}"})
    assert {each.labels["coursehub.user"] for each in found} == {odd, "o-27neil"}
    assert len({each.attrs["Mounts"][0]["Name"] for each in found}) == 2


def test_what_was_left_behind_is_replaced_not_resumed(site: Site) -> None:
    name = f"{site.project}-user-alice"
    site.engine.networks.create(name)
    site.run("user-alice", environment={"OLD": "1"}, network=name)
    asyncio.run(spawner(site, "alice").start())
    assert "OLD=1" not in container_of(site, "alice")["Config"]["Env"]
    assert site.engine.networks.get(name).attrs["Internal"]


def test_a_restarted_hub_finds_a_running_server_again(site: Site) -> None:
    async def restart() -> None:
        before = spawner(site, "alice")
        ip, port = await before.start()
        started = container_of(site, "alice")["State"]["StartedAt"]
        after = spawner(site, "alice")
        after.load_state(json.loads(json.dumps(before.get_state())))
        assert await after.poll() is None
        assert await after.get_url() == f"http://{ip}:{port}/user/alice/"
        assert container_of(site, "alice")["State"]["StartedAt"] == started
        killed_while_starting = spawner(site, "alice")  # the hub had not stored its state yet
        killed_while_starting.load_state({})
        assert await killed_while_starting.poll() is None
        assert await killed_while_starting.get_url() == f"http://{ip}:{port}/user/alice/"
        await after.stop()
        assert await after.poll() == 0

    asyncio.run(restart())


GREEDY = "perl -e '$x = q(x) x 400_000_000'"


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (GREEDY, "used up its 0.125 GB of memory"),
        ("exit 3", "ended with an error (exit code 3)"),
        ("true", "ended by itself"),
    ],
)
def test_a_server_that_ended_is_said_why_even_after_a_hub_restart(
    site: Site, last: str, words: str
) -> None:
    """PID 1 is the engine's init, so what it ends with is what its child ended with."""
    script = f'perl -e "$ANSWER" & until test -e /tmp/end; do sleep 0.1; done; {last}'
    lab = {"cmd": ["bash", "-c", script], "environment": {"ANSWER": ANSWER}}

    async def live() -> ContainerSpawner:
        own = spawner(site, "alice", **lab)
        await own.start()
        run_in(site, "alice", "touch /tmp/end")
        await asyncio.to_thread(site.engine.containers.get(own.object_name).wait)
        assert words in await own.poll()
        await own.run_post_stop_hook()
        own.clear_state()
        return own

    own = asyncio.run(live())
    assert left_of(site, "alice") == []
    again = spawner(site, "alice")
    again.load_state(own.get_state())
    assert words in again.ended


def test_a_start_that_is_called_off_leaves_nothing(site: Site) -> None:
    async def call_off(after: Callable[[ContainerSpawner], bool]) -> None:
        own = spawner(site, "alice", cmd=["sleep", "60"])
        start = asyncio.ensure_future(own.start())
        while not after(own):
            assert not start.done(), start.exception()
            await asyncio.sleep(0.01)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        assert left_of(site, "alice") == []

    asyncio.run(call_off(lambda own: own._stage["progress"] == 30))
    asyncio.run(call_off(lambda own: bool(own.object_id)))
    asyncio.run(call_off(lambda own: own._stage["progress"] == 60))


@pytest.mark.parametrize("what", ["container", "network"])
def test_what_the_engine_was_just_making_is_not_left_either(site: Site, what: str) -> None:
    in_hand, go_on, made = threading.Event(), threading.Event(), threading.Event()

    def slowly(make: Callable[[], Any]) -> Any:
        in_hand.set()
        go_on.wait(20)
        found = make()
        made.set()
        return found

    class SlowContainer(ContainerSpawner):
        def _docker(self, method: str, *args: Any, **named: Any) -> Any:
            call = partial(super()._docker, method, *args, **named)
            return slowly(call) if method == "create_container" else call()

    class SlowNetworks(ReachableNetworks):
        def ensure(self, *args: Any) -> None:
            slowly(partial(super().ensure, *args))

    async def call_off() -> None:
        if what == "container":
            own = spawner(site, "alice", kind=SlowContainer)
        else:
            own = spawner(site, "alice", networks=SlowNetworks(site.engine, site.settings))
        start = asyncio.ensure_future(own.start())
        assert await asyncio.to_thread(in_hand.wait, 20)
        start.cancel()
        asyncio.get_running_loop().call_later(0.5, go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await start
        assert await asyncio.to_thread(made.wait, 20)
        assert left_of(site, "alice") == []

    asyncio.run(call_off())


def test_an_engine_that_is_ill_does_not_mean_that_the_server_is_gone(site: Site) -> None:
    class Ill(ContainerSpawner):
        def _docker(self, method: str, *args: Any, **named: Any) -> Any:
            raise APIError("ill", response=SimpleNamespace(status_code=500, reason="", url=""))

    with pytest.raises(APIError):
        asyncio.run(spawner(site, "alice", kind=Ill).poll())


def test_no_more_than_agreed_start_at_once(tmp_path: Path) -> None:
    class Held(ContainerSpawner):
        """Goes no further than to an open container before the test has looked."""

        looked = asyncio.Event()

        async def _await_answer(self, ip: str, port: int) -> None:
            self._stage = OPENING
            await self.looked.wait()
            await super()._await_answer(ip, port)

    async def start_all(site: Site) -> list[str]:
        spawners = [spawner(site, f"s{number}", kind=Held) for number in range(5)]
        starts = [asyncio.ensure_future(each.start()) for each in spawners]
        while sum(each._stage is OPENING for each in spawners) < 2:
            assert not any(start.done() for start in starts)
            await asyncio.sleep(0.05)
        told = [(await anext(each.progress()))["message"] for each in spawners]
        Held.looked.set()
        await asyncio.gather(*starts)
        return told

    with spawning_site(tmp_path, starts_at_once=2) as site:
        told = asyncio.run(start_all(site))
    assert sorted(told) == sorted([OPENING["message"]] * 2 + [WAITING["message"]] * 3)


def test_threads_that_begin_together_share_one_client(site: Site) -> None:
    own = spawner(site, "alice")
    with ThreadPoolExecutor(8) as threads:
        clients = list(threads.map(lambda _: own.client, range(8)))
    assert len(set(map(id, clients))) == 1


def test_progress_tells_each_stage_once(site: Site) -> None:
    async def listen() -> list[str]:
        own = spawner(site, "alice", cmd=["bash", "-c", 'sleep 2; exec perl -e "$ANSWER"'])
        own.environment = {"ANSWER": ANSWER}
        start = asyncio.ensure_future(own.start())
        told = []
        async for event in own.progress():
            told.append(event["message"])
            if event["progress"] == 60:
                break
        await start
        return told

    told = asyncio.run(listen())
    assert told[-1] == "Your container runs; JupyterLab is starting in it."
    assert len(set(told)) == len(told)


# GPUs.


def test_a_lease_gives_exactly_its_device_and_the_image_for_it(site: Site) -> None:
    pool = Pool()
    own = spawner(site, "alice", pool=pool)
    own.profile = "gpu"
    asyncio.run(own.start())
    assert run_in(site, "alice", "ls /dev | grep nvidia") == "nvidia0\n"
    found = container_of(site, "alice")["Config"]
    assert found["Image"] == site.settings.gpu_image
    assert Lease.labels.items() <= found["Labels"].items()
    assert "COURSEHUB_GPU=nvidia.com/gpu=0" in found["Env"]
    asyncio.run(own.run_post_stop_hook())
    assert pool.released == ["alice"]


@pytest.mark.parametrize(
    ("name", "profile", "pool"),
    [
        ("alice", "cpu", Pool()),
        ("alice", "gpu", Pool(lend=False)),
        ("alice", "gpu", Pool(devices=())),
        ("alice", "gpu", None),
        ("tara", "gpu", Pool()),
    ],
    ids=["not asked", "chose to go on without", "no devices", "no pool", "staff"],
)
def test_who_has_no_lease_starts_without_a_gpu(
    site: Site, name: str, profile: str, pool: Pool | None
) -> None:
    make_exchange(site)
    own = spawner(site, name, pool=pool)
    own.profile = profile
    asyncio.run(own.start())
    assert run_in(site, name, "ls /dev | grep -c nvidia") == "0\n"
    expected = site.settings.staff_image if name in STAFF else site.settings.student_image
    assert container_of(site, name)["Config"]["Image"] == expected


@pytest.mark.parametrize(
    ("form", "profile"),
    [
        ({"profile": ["gpu"]}, "gpu"),
        ({"profile": ["cpu"]}, "cpu"),
        ({"profile": ["root"], "image": ["evil"], "mem_limit": ["1T"]}, "cpu"),
        ({}, "cpu"),
    ],
)
def test_only_the_profile_is_taken_from_the_form(
    site: Site, form: dict[str, list[str]], profile: str, caplog: pytest.LogCaptureFixture
) -> None:
    own = spawner(site, "alice")
    options = own.options_from_form(form)
    asyncio.run(own._run_apply_user_options(options))
    assert options == {"profile": own.profile} == {"profile": profile}
    assert caplog.messages == [], "JupyterHub knows what the options are for"
