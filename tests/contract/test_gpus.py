"""GPUs of a real engine, lent: nobody gets one that somebody has, and the queue is served in order.

The engine's GPUs are four entries of a CDI specification; each maps its own /dev/nvidiaN.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import docker
import pytest
from sqlalchemy import create_engine
from typer.testing import CliRunner

from coursehub.cli.gpus import app
from coursehub.errors import SpawnError
from coursehub.hub import requests
from coursehub.hub.devices import find_devices
from coursehub.hub.gpus import Device, Lease
from coursehub.hub.labels import leases_of
from coursehub.hub.leases import Held, metadata
from coursehub.settings import CHECKOUT, load_settings
from tests.contract.pool import NAMES, World, asking, run, until
from tests.engine import cdi_folder
from tests.images import ensure_base_image

# The engine, with our images on it.
pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture
def world(tmp_path: Path, engine: docker.DockerClient) -> Iterator[World]:
    ensure_base_image(engine)
    database = create_engine(f"sqlite:///{tmp_path / 'course.sqlite'}")
    metadata.create_all(database)
    requests.metadata.create_all(database)
    made = World(engine, tmp_path, cdi_folder(engine), database)
    yield made
    made.remove_all()


def test_the_engines_gpus_are_found(world: World) -> None:
    found = find_devices(world.client, world.settings())
    assert [device.name for device in found.devices] == NAMES
    assert find_devices(world.client, world.settings(gpus="none")).devices == ()
    nowhere = load_settings(state=world.state, gpu_cdi_dirs=str(world.state))
    missing = find_devices(world.client, nowhere)
    assert missing.devices == ()
    assert any(str(world.state) in place for place in missing.looked)


def test_four_of_seven_are_served_and_the_others_in_their_order(world: World) -> None:
    async def test() -> None:
        pool = world.pool()
        async with asking(world) as people:
            people.ask(pool, *"abcd")
            await people.served(*"abcd")
            assert sorted(map(people.device, "abcd")) == NAMES
            people.ask(pool, *"efg")
            await until(lambda: pool.place("g") is not None)
            places = [pool.place(name) for name in "efg"]
            assert [(place.number, place.of) for place in places if place] == [
                (1, 3),
                (2, 3),
                (3, 3),
            ]
            expected = places[2].expected if places[2] else None
            assert expected is not None
            assert timedelta(minutes=115) < expected <= timedelta(minutes=120)
            assert await pool.free() == 0

            await asyncio.to_thread(world.container("c").stop, timeout=0)
            pool.release("c")
            await people.served("e")
            assert people.device("e") == people.device("c")
            assert {"f", "g"}.isdisjoint(people.got)

            await asyncio.to_thread(world.container("a").remove, force=True)  # nobody says so
            await people.served("f")
            assert people.device("f") == people.device("a")
            assert "g" not in people.got

    run(test())


def test_those_in_favour_are_served_first(world: World) -> None:
    async def test() -> None:
        pool = world.pool(favours=lambda username: username == "g")
        async with asking(world) as people:
            people.ask(pool, *"abcd")
            await people.served(*"abcd")
            people.ask(pool, *"efg")
            await until(lambda: pool.place("g") is not None)
            place = pool.place("g")
            assert place is not None
            assert place.number == 1
            await asyncio.to_thread(world.container("b").stop, timeout=0)
            pool.release("b")
            await people.served("g")
            assert {"e", "f"}.isdisjoint(people.got)

    run(test())


def test_a_container_has_its_own_gpu_and_no_other(world: World) -> None:
    async def test() -> None:
        pool = world.pool()
        async with asking(world) as people:
            people.ask(pool, *"abcd")
            await people.served(*"abcd")
            for name in "abcd":
                listed = world.container(name).exec_run("sh -c 'ls -d /dev/nvidia*'").output
                assert listed.decode().split() == [f"/dev/nvidia{people.device(name)[-1]}"]

    run(test())


def test_a_hub_that_starts_anew_sees_the_same_leases(world: World) -> None:
    async def test() -> None:
        async with asking(world) as people:
            before = world.pool()
            people.ask(before, *"abcd")
            await people.served(*"abcd")
        async with asking(world) as people_later:
            pool = world.pool()
            assert await pool.free() == 0
            assert await pool.expired(datetime.now(UTC)) == []
            leases = await pool.expired(datetime.now(UTC) + timedelta(days=1))
            assert {lease.username: lease for lease in leases} == people.got
            people_later.ask(pool, "e")
            await until(lambda: pool.place("e") is not None)
            await asyncio.to_thread(world.container("d").remove, force=True)
            await people_later.served("e")
            assert people_later.device("e") == people.device("d")

    run(test())


def test_a_container_that_could_not_be_made_gives_its_gpu_back(world: World) -> None:
    async def test() -> None:
        pool = world.pool()
        async with pool.take("a") as lease:
            assert lease is not None
            assert await pool.free() == 3  # reserved, although there is no container
        assert await pool.free() == 4
        with pytest.raises(RuntimeError):
            async with pool.take("a"):
                raise RuntimeError("the engine said no")
        assert await pool.free() == 4

    run(test())


def test_a_list_older_than_a_container_does_not_lend_its_gpu_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, container_made = threading.Event(), threading.Event()

    def slowly(*args: Any) -> list[Lease]:
        leases = leases_of(*args)
        listed.set()
        assert container_made.wait(30)
        return leases

    async def test() -> None:
        pool = world.pool(gpus=NAMES[0])
        async with asking(world) as people:
            async with pool.take("a") as lease:
                assert lease is not None
                monkeypatch.setattr("coursehub.hub.gpus.leases_of", slowly)
                people.ask(pool, "b")
                assert await asyncio.to_thread(listed.wait, 30)
                await asyncio.to_thread(world.start, "a", lease)
            container_made.set()
            assert await pool.free() == 0
            assert pool.place("b") is not None

    run(test())


def test_two_hubs_at_once_never_lend_a_gpu_twice(world: World) -> None:
    async def test() -> None:
        one, two = world.pool(), world.pool()
        async with asking(world) as people:
            people.ask(one, *"acegi")
            people.ask(two, *"bdfhj")
            await until(lambda: len(people.got) >= 4)
            served = list(people.got)
            await people.served(*served)
            assert sorted(map(people.device, served)) == NAMES
            await one.look()
            await two.look()
            assert len(people.got) == 4

    run(test())


def test_a_shared_gpu_is_lent_to_two_the_least_loaded_first(world: World) -> None:
    async def test() -> None:
        pool = world.pool(gpu_shared=2)
        async with asking(world) as people:
            for count, name in enumerate("abcdefgh", start=1):
                people.ask(pool, name)
                await people.served(name)
                devices = list(map(people.device, "abcdefgh"[:count]))
                loads = [devices.count(each) for each in NAMES]
                assert max(loads) - min(loads) <= 1
            assert loads == [2, 2, 2, 2]
            people.ask(pool, "i")
            await until(lambda: pool.place("i") is not None)
            assert await pool.free() == 0
            environment = world.container("a").attrs["Config"]["Env"]
            assert "PYTORCH_CUDA_ALLOC_CONF=per_process_memory_fraction:0.45" in environment

    run(test())


def test_who_waits_may_go_on_without_or_leave(world: World) -> None:
    async def test() -> None:
        pool = world.pool(gpus=NAMES[0])
        async with asking(world) as people:
            people.ask(pool, "a")
            await people.served("a")
            people.ask(pool, *"bcd")
            await until(lambda: pool.place("d") is not None)
            assert pool.skip("b")
            await people.served("b")
            assert people.got["b"] is None
            assert pool.leave("c")
            with pytest.raises(SpawnError, match="left the queue"):
                await people.served("c")
            assert not pool.leave("c")
            assert not pool.skip("a")
            place = pool.place("d")
            assert place is not None
            assert (place.number, place.of) == (1, 1)
            people.tasks["d"].cancel()  # such as a spawn that the hub gives up
            await until(lambda: pool.place("d") is None)

    run(test())


def test_used_up_minutes_are_refused_and_the_last_lease_is_shorter(world: World) -> None:
    async def test() -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        pool = world.pool(gpu_weekly_minutes=60)
        for username, minutes in (("a", 50), ("b", 60)):
            began, over = now - timedelta(minutes=minutes), now
            world.history.observe([Held(username, "gpu", now + timedelta(hours=9))], began)
            world.history.observe([], over)
        async with pool.take("a") as lease:
            assert lease is not None
            length = lease.until - now
        assert timedelta(minutes=9) < length <= timedelta(minutes=10, seconds=30)
        with pytest.raises(SpawnError, match="used up"):
            async with pool.take("b"):
                pass
        async with pool.take("c") as lease:
            assert lease is not None
            assert lease.until - now > timedelta(minutes=59)

    run(test())


def test_the_command_line_shows_who_has_which(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in world.settings(course=CHECKOUT / "course.yml").environment().items():
        monkeypatch.setenv(name, value)
    until = datetime(2021, 2, 5, 13, 30, tzinfo=UTC)
    world.start("[ann]", Lease(Device(NAMES[1]), "[ann]", until))

    table = CliRunner().invoke(app).stdout.splitlines()
    [line] = [line for line in table if NAMES[1] in line]
    assert "[ann]" in line
    assert line.rstrip().endswith("Fri 5 Feb 21:30")
    assert sum("free" in line for line in table) == 3

    found = json.loads(CliRunner().invoke(app, ["--json"]).stdout)
    held = {each["device"]: each["leases"] for each in found["devices"]}
    assert held[NAMES[1]] == [{"username": "[ann]", "until": until.isoformat()}]
    assert held[NAMES[0]] == []

    world.remove_all()
    monkeypatch.setenv("COURSEHUB_GPUS", "none")
    said = CliRunner().invoke(app).stdout
    assert said == "No GPU found. Looked at: COURSEHUB_GPUS is none.\n"
