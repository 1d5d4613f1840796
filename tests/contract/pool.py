"""A pool of the engine's GPUs and the people who take them, without a hub."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import docker
from sqlalchemy import Engine

from coursehub.course.load import load_course
from coursehub.hub.devices import find_devices
from coursehub.hub.gpus import GpuPool, Lease
from coursehub.hub.leases import LeaseHistory
from coursehub.hub.networks import PROJECT, USER
from coursehub.hub.requests import GpuRequests
from coursehub.settings import CHECKOUT, Settings, load_settings
from tests.images import BASE

COURSE = load_course(CHECKOUT / "course.yml")
NAMES = [f"nvidia.com/gpu={number}" for number in range(4)]


class World:
    """An engine, and the containers of one deployment on it."""

    def __init__(
        self, client: docker.DockerClient, state: Path, cdi: Path, database: Engine
    ) -> None:
        self.client = client
        self.state = state
        self.cdi = cdi
        self.project = f"gputest-{uuid.uuid4().hex[:8]}"
        # It is noon there, so that no week begins while a test runs.
        noon = timezone(timedelta(hours=12 - datetime.now(UTC).hour))
        self.history = LeaseHistory(database, noon)
        self.requests = GpuRequests(database)

    def settings(self, **more: object) -> Settings:
        return load_settings(
            state=self.state, project=self.project, gpu_cdi_dirs=str(self.cdi), **more
        )

    def pool(self, favours: Callable[[str], bool] = lambda _: False, **more: object) -> GpuPool:
        settings = self.settings(**more)
        devices = find_devices(self.client, settings).devices
        return GpuPool(
            self.client,
            settings,
            COURSE,
            devices,
            self.history,
            requests=self.requests,
            favours=favours,
        )

    def start(self, username: str, lease: Lease) -> None:
        """What the spawner does with a lease."""
        self.client.containers.run(
            BASE,
            ["sleep", "1000"],
            name=f"{self.project}-user-{username.strip('[]')}",
            labels={PROJECT: self.project, USER: username, **lease.labels},
            device_requests=[lease.device_request],
            environment=lease.environment,
            init=True,
            network_mode="none",
            detach=True,
        )

    def container(self, username: str) -> Any:
        return self.client.containers.get(f"{self.project}-user-{username}")

    def remove_all(self) -> None:
        mine = {"label": f"{PROJECT}={self.project}"}
        for container in self.client.containers.list(all=True, filters=mine):
            container.remove(force=True)


class Class:
    """People who take GPUs and keep them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.got: dict[str, Lease | None] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def take(self, pool: GpuPool, username: str) -> None:
        async with pool.take(username) as lease:
            self.got[username] = lease
            if lease is not None:
                await asyncio.to_thread(self.world.start, username, lease)

    def ask(self, pool: GpuPool, *usernames: str) -> None:
        for username in usernames:
            self.tasks[username] = asyncio.create_task(self.take(pool, username))

    async def served(self, *usernames: str) -> None:
        async with asyncio.timeout(30):
            await asyncio.gather(*(self.tasks[username] for username in usernames))

    def device(self, username: str) -> str:
        lease = self.got[username]
        assert lease is not None
        return lease.device.name


@asynccontextmanager
async def asking(world: World) -> AsyncIterator[Class]:
    people = Class(world)
    yield people
    for task in people.tasks.values():
        task.cancel()
    await asyncio.gather(*people.tasks.values(), return_exceptions=True)


async def until(true: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)
