"""What the hub does by itself, every few seconds: leases, orphans, whatever else beats.

JupyterHub has no setting for work of its own, so the hub is started as a `ClockedHub`: the same
application, which runs the configured beats once it is up.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import docker
from jupyterhub import orm
from jupyterhub.app import JupyterHub
from traitlets import Float, List, Unicode

from coursehub.errors import SpawnError
from coursehub.hub.browsers import keep_to_own_name, set_policy
from coursehub.hub.gpus import GpuPool
from coursehub.hub.leases import for_grading
from coursehub.hub.networks import PROJECT, USER
from coursehub.hub.requests import GpuRequests
from coursehub.hub.servers import labelled, remove
from coursehub.settings import Settings

Beat = Callable[[JupyterHub], Awaitable[None]]
"""Something to do now and then; what it raises is logged and the clock goes on."""

LONGEST_REST = 60.0
"""Seconds: a round takes ten for a single server that is slow to stop."""

NO_GPU = "this deployment has no GPU to lend"
"""What the grader is told where the hub found none."""


class ClockedHub(JupyterHub):  # type: ignore[misc]
    """JupyterHub, with a clock."""

    beats: Sequence[Beat] = List(help="Done in turn, over and over, while the hub runs.").tag(
        config=True
    )
    first: Sequence[Beat] = List(help="Done once, before the hub looks for servers.").tag(
        config=True
    )
    policy = Unicode("", help="Content-Security-Policy of pages without another.").tag(config=True)
    beat_seconds: float = Float(10, help="Rest between two rounds of beats.").tag(config=True)

    async def init_spawners(self) -> int:
        """Make ready for what the hub does now: it looks which servers answer."""
        for beat in self.first:
            await beat(self)
        return await super().init_spawners()

    def init_tornado_application(self) -> None:
        """Make the hub's pages, which are the hub's name's alone where others have their own."""
        super().init_tornado_application()
        if self.policy:
            set_policy(self.policy)
        if self.subdomain_host:
            keep_to_own_name(self.tornado_application, self.subdomain_host)

    async def start(self) -> None:
        """Start the hub, then the clock."""
        await super().start()
        self.clock = start_clock(self, self.beats, self.beat_seconds)


def start_clock(hub: JupyterHub, beats: Sequence[Beat], seconds: float) -> asyncio.Task[None]:
    """Run the beats in turn, over and over, in the hub's event loop; the task never ends.

    Args:
        hub: the running hub, which each beat is given.
        beats: what to do.
        seconds: the rest between two rounds; longer after a long one, see `rest`.
    """

    async def tick() -> None:
        while True:
            began = time.monotonic()
            for beat in beats:
                try:
                    await beat(hub)
                except Exception:
                    hub.log.exception("A periodic task failed; it is tried again.")
            await asyncio.sleep(rest(seconds, time.monotonic() - began))

    return asyncio.create_task(tick())


def rest(seconds: float, took: float) -> float:
    """How long to rest after a round that took so long.

    With thousands of servers, or an engine that is slow, a round takes seconds: it takes no more
    than a tenth of the hub's time, unless a lease that is over would have to wait too long.
    """
    return max(seconds, min(9 * took, LONGEST_REST))


def in_thread(work: Callable[[], object]) -> Beat:
    """A beat of a blocking function, such as one that talks to the engine."""

    async def beat(hub: JupyterHub) -> None:
        await asyncio.to_thread(work)

    return beat


def stop_expired(pool: GpuPool) -> Beat:
    """A beat that stops servers whose lease is over, so that the GPU goes to the next."""

    async def beat(hub: JupyterHub) -> None:
        for lease in await pool.expired(datetime.now(UTC)):
            spawner = _spawner(hub, lease.username)
            if spawner is None or not spawner.ready:
                continue  # starting or stopping already; without a spawner it is an orphan
            hub.log.info("The lease of %s for %s is over.", lease.device.name, lease.username)
            spawner.ended = f"Your GPU's time was over at {lease.until_text}; your files are kept."
            await stop_server(hub, spawner)
            pool.release(lease.username)

    return beat


def serve_grading(pool: GpuPool | None, requests: GpuRequests) -> Beat:
    """A beat that has the grader wait for GPUs in the pool's queue, among everybody else."""
    queued: dict[int, asyncio.Task[None]] = {}

    async def serve(number: int, hub: JupyterHub) -> None:
        if pool is None:
            await asyncio.to_thread(requests.refuse, number, NO_GPU)
            return
        with suppress(SpawnError):  # it is wanted no longer
            async with pool.take(for_grading(number)) as lease:
                lent = lease and await asyncio.to_thread(
                    requests.lend, number, lease.device.name, lease.until, datetime.now(UTC)
                )
                if lease and lent:
                    hub.log.info("%s is lent for grading.", lease.device.name)

    async def beat(hub: JupyterHub) -> None:
        for number in [number for number, task in queued.items() if task.done()]:
            await queued.pop(number)
        waiting = await asyncio.to_thread(requests.waiting, datetime.now(UTC))
        for number in waiting:
            if number not in queued:
                queued[number] = asyncio.create_task(serve(number, hub))
        for number in queued.keys() - waiting:
            if pool:
                pool.leave(for_grading(number))

    return beat


def remove_orphans(client: docker.DockerClient, settings: Settings) -> Beat:
    """A beat that removes users' servers that the hub knows nothing of.

    A hub that dies between making one and noting it leaves it behind. It is removed when two
    rounds in turn find it without an active spawner, so never while it starts or stops.
    """
    suspects: set[str] = set()

    async def beat(hub: JupyterHub) -> None:
        nonlocal suspects
        before, suspects = suspects, set()
        labels = [f"{PROJECT}={settings.project}", USER]
        found = await asyncio.to_thread(labelled, client, settings, labels)
        # Almost all are known: the database is asked about the others alone.
        known = _with_active_servers(hub) if found else set()
        for server in found:
            if server.labels[USER] in known:
                continue
            spawner = _spawner(hub, server.labels[USER])
            if spawner is not None and spawner.active:
                continue
            suspects.add(server.id)
            if server.id in before:
                hub.log.warning("Removing %s: no server of the hub's.", server.name)
                await asyncio.to_thread(remove, client, settings, server.id)

    return beat


def _with_active_servers(hub: JupyterHub) -> set[str]:
    """Names of whoever's default server starts, runs or stops; of what the hub has in memory."""
    users = [user for user in list(hub.users.values()) if "" in user.spawners]
    return {user.name for user in users if user.spawners[""].active}


def _spawner(hub: JupyterHub, username: str) -> Any:
    """The default server's spawner of somebody whom the hub knows."""
    user = orm.User.find(hub.db, username)
    return None if user is None else hub.users[user].spawners.get("")


async def stop_server(hub: JupyterHub, spawner: Any) -> None:
    """Stop a server as the hub's own pages do: the route first, then the server."""
    spawner._stop_pending = True
    try:
        await hub.proxy.delete_user(spawner.user, spawner.name)
        await spawner.user.stop(spawner.name)
    finally:
        spawner._stop_pending = False


if __name__ == "__main__":
    ClockedHub.launch_instance()
