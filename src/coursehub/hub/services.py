"""Servers of the deployed form past one machine: services of a swarm, on its workers."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from docker.errors import NotFound
from docker.types import EndpointSpec, ServiceMode
from dockerspawner import SwarmSpawner
from traitlets import Dict, List, Unicode

from coursehub.errors import SpawnError
from coursehub.hub.containers import ContainerSpawner
from coursehub.hub.failures import NotStarted, why_not_placed, why_task_ended
from coursehub.hub.isolation import HOME
from coursehub.hub.nodes import ENDED, Node, Nodes
from coursehub.hub.progress import behind_fence
from coursehub.hub.task import Wanted, task

_PLACE_SECONDS = 15  # a swarm would wait for a suitable machine for ever
_STOP_SECONDS = 60
_LOG_SECONDS = 10
_PAUSE = 0.25


class ServiceSpawner(ContainerSpawner, SwarmSpawner):  # type: ignore[misc]
    """Starts JupyterLab as a service of one task, somewhere in the swarm.

    All that is not about where it runs is `ContainerSpawner`'s. A task is never started anew by
    the swarm: whose machine is gone starts again, which waits until nothing of the last server can
    write to the home any more.
    """

    mounts: list[dict[str, Any]] = List(Dict(), help="As `ContainerSpawner` settles them.")
    students = Unicode("node.role==worker", help="Where students' servers run.").tag(config=True)
    staff = Unicode("node.role==manager", help="Where staff's run: the course is there.").tag(
        config=True
    )

    @property
    def nodes(self) -> Nodes:
        """The swarm's machines."""
        return Nodes(self.client, self.settings)

    # How it starts.

    async def _make_and_run(self) -> tuple[str, int]:
        await self._engine(self.nodes.require_engines)
        await self._remove_container()
        await self._await_end()
        await self._engine(self._make_home)
        return await super()._make_and_run()

    async def _await_end(self) -> None:
        """Wait until nothing of an earlier server can write to this home."""
        patient = _now() + _STOP_SECONDS
        while still := await self._engine(self.nodes.still_running, self.user.name):
            fences = [await self._engine(self.nodes.fenced_at, each) for each in still]
            wait = max(each.timestamp() - _now() if each else 1 for each in fences)
            if None in fences and _now() > patient:
                raise SpawnError("Your last server does not stop", remedy="Tell staff.")
            if wait <= 0:
                return
            if None not in fences:
                self._stage = behind_fence(int(wait) + 1)
            await asyncio.sleep(min(wait, 1))

    def _make_home(self) -> None:
        try:
            self._home.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            problem = "The storage of homes does not answer"
            raise SpawnError(problem, remedy="Tell staff.") from error

    @property
    def _home(self) -> Any:
        return self.settings.homes / self.escaped_name

    def _take_role(self) -> None:
        super()._take_role()
        # A folder, and no volume: a machine on which the storage is not mounted then refuses the
        # server, where it would start one with an empty home.
        home = {"source": str(self._home), "target": HOME, "type": "bind"}
        self.mounts = [home, *self.mounts[1:]]

    async def create_object(self) -> dict[str, Any]:
        """Make the service."""
        labels = self._render_templates(self._create_kwargs())["labels"]
        image = await self.docker("inspect_image", self.image)
        wanted = Wanted(
            image=image["Id"],
            command=await self.get_command(),
            environment=self.get_env(),
            labels=labels,
            memory=self.mem_limit,
            cpus=self.cpu_limit,
            mounts=self.mount_binds,
            network=self.network_name,
            constraints=await self._constraints(),
            gpu=self._lease.device.name if self._lease else None,
            gpu_alone=self.settings.gpu_shared == 1,
        )
        made: dict[str, Any] = await self.docker(
            "create_service",
            task(wanted),
            name=self.object_name,
            labels=labels,
            mode=ServiceMode("replicated", 1),
            endpoint_spec=EndpointSpec(mode="dnsrr"),  # one task needs no balancer
        )
        return made

    async def _constraints(self) -> list[str]:
        places = [self.staff if self.role == "staff" else self.students]
        if self._lease:
            node = await self._engine(self.nodes.holder_of, self._lease.device.name)
            if node is None:
                raise SpawnError(
                    "The GPU that was yours to use is not there any more",
                    remedy="Try again, or start without a GPU, and tell staff.",
                )
            places.append(f"node.id=={node.id}")
        return places

    async def start_object(self) -> None:
        """Wait until the task runs.

        Raises:
            NotStarted: saying why it does not.
        """
        patient = _now() + _PLACE_SECONDS
        while True:
            found = await self._task()
            state = found["Status"]["State"] if found else "new"  # the service's task comes later
            if state == "running":
                return
            if found is None and await self.get_object() is None:
                raise NotStarted("Your server was removed while it started.")
            late = _now() > patient and found and found["Status"].get("Err")
            if found and (late or state in ENDED):
                raise await self._refused(found)
            await asyncio.sleep(_PAUSE)

    async def _refused(self, found: dict[str, Any]) -> Exception:
        node = await self._node_of(found)
        said = found["Status"].get("Err", "")
        if found["Status"].get("ContainerStatus", {}).get("ExitCode"):
            return NotStarted(why_task_ended(found, self.mem_limit, machine_gone=False))
        known = why_not_placed(said, node.name if node else "?")
        self.log.warning("%s was not started: %s", self.object_name, found["Status"])
        return known or RuntimeError(said or str(found["Status"]))

    # How it is.

    async def _task(self) -> dict[str, Any] | None:
        """The newest task of the service, None when there is none."""
        with suppress(NotFound):
            tasks = await self.docker("tasks", filters={"service": self.object_name})
            return max(tasks, key=lambda each: str(each["CreatedAt"]), default=None)
        return None

    async def _node_of(self, found: dict[str, Any]) -> Node | None:
        number = found.get("NodeID")
        return await self._engine(self.nodes.node, number) if number else None

    async def get_object(self) -> dict[str, Any] | None:
        """The service as the manager has it, None when there is none."""
        try:
            service: dict[str, Any] = await self.docker("inspect_service", self.object_name)
        except NotFound:
            self.object_id = ""
            return None
        self.object_id = service["ID"]
        return service

    async def poll(self) -> int | str | None:
        """None while it runs, else why it ended (0: nobody knows)."""
        found = await self._task()
        if found is None:
            return 0
        node = await self._node_of(found)
        gone = bool(node and node.gone)
        if not gone and found["Status"]["State"] not in ENDED:
            return None
        if gone and node:
            self.log.warning("%s ran on %s, which is gone", self.object_name, node.name)
        self.ended = why_task_ended(found, self.mem_limit, machine_gone=gone)
        return self.ended

    async def get_ip_and_port(self) -> tuple[str, int]:
        """The task's address on the server's network."""
        found = await self._task()
        for attachment in (found or {}).get("NetworksAttachments") or ():
            if attachment["Network"]["Spec"]["Name"] == self.network_name:
                return attachment["Addresses"][0].partition("/")[0], self.port
        raise NotStarted("Your server is on no network.")

    # How it ends.

    async def _remove_container(self) -> None:
        with suppress(NotFound):
            await self.docker("remove_service", self.object_name)

    async def remove_object(self) -> None:
        """Remove the service; its task ends a little later."""
        await self._remove_container()

    async def _log_last_lines(self) -> None:
        def lines() -> bytes:
            said = self.client.service_logs(self.object_name, stdout=True, stderr=True, tail=50)
            return said if isinstance(said, bytes) else b"".join(said)

        try:
            said = await asyncio.wait_for(self._engine(lines), _LOG_SECONDS)
        except Exception as error:  # it may be the machine that is gone
            said = f"({error!r})".encode()
        self.log.warning("%s's last lines:\n%s", self.object_name, said.decode(errors="replace"))


def _now() -> float:
    return datetime.now(UTC).timestamp()
