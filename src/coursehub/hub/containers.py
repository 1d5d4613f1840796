"""Servers of the deployed form: one confined container and one small network for each user."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, nullcontext
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from docker.errors import APIError, NotFound
from docker.utils import version_lt
from dockerspawner import DockerSpawner
from jupyterhub.utils import url_path_join, wait_for_http_server
from tornado.web import HTTPError
from traitlets import Any as AnyTrait
from traitlets import Unicode, default

from coursehub.errors import SpawnError
from coursehub.hub.cull import report_environment
from coursehub.hub.failures import (
    NotStarted,
    require_room,
    unforeseen,
    why_ended,
    why_not_started,
)
from coursehub.hub.isolation import USER_ID, egress, home, host_config, staff_mounts
from coursehub.hub.networks import PROJECT, ROLE, USER, Networks
from coursehub.hub.progress import MAKING, OPENING, WAITING, Event, in_queue
from coursehub.settings import Settings

if TYPE_CHECKING:
    from coursehub.hub.gpus import GpuPool, Lease

_ENGINE_CALLS = 8  # at the same time; one thread, dockerspawner's way, lets a slow stop hold up all
_OLDEST_API = "1.45"  # the first that mounts a folder of a volume; older ones mount all of it


class ContainerSpawner(DockerSpawner):
    """Starts JupyterLab in a container of its own, on a network of its own, with a GPU if asked.

    Containers are never resumed: each start makes a new one, so that settings and image are those
    of today. Homes are volumes and stay.
    """

    settings: Settings = AnyTrait(help="The deployment's settings.").tag(config=True)
    course_id = Unicode(help="nbgrader's course id; names the exchange's folders.").tag(config=True)
    is_staff: Callable[[str], bool] = AnyTrait(help="Whether a name is staff's.").tag(config=True)
    staff_environment: Callable[[str], Mapping[str, str]] = AnyTrait(
        lambda username: {}, help="What a member of staff's server gets besides."
    ).tag(config=True)
    networks: Networks = AnyTrait(help="Makes and removes servers' networks.").tag(config=True)
    pool: "GpuPool | None" = AnyTrait(None, help="Lends GPUs.").tag(config=True)

    ended = ""
    """Why the last server ended, in words; empty when it was stopped on purpose."""

    profile = "cpu"
    """`cpu` or `gpu`, as chosen for this start."""

    role = "student"
    """`student` or `staff`, by the roster at the time of the start."""

    _executor = ThreadPoolExecutor(_ENGINE_CALLS, thread_name_prefix="engine")
    _connecting: ClassVar[Lock] = Lock()
    _slots: ClassVar[asyncio.Semaphore | None] = None
    _turns: ClassVar[defaultdict[str, asyncio.Lock]] = defaultdict(asyncio.Lock)

    _lease: "Lease | None" = None
    _stage: Event = WAITING

    def __init__(self, **named: Any) -> None:
        """Settle what does not depend on who the user is today."""
        super().__init__(**named)
        settings = self.settings
        self.prefix = settings.project
        self.name_template = "{prefix}-user-{username}"
        self.object_name = self.network_name = self._object_name_default()
        self.remove = True
        self.pull_policy = "never"
        self.hub_connect_url = settings.hub_url
        self.default_url = "/lab"
        # Waiting in a queue is no failure. What may hang has limits of its own: each call to the
        # engine 60 s, JupyterLab's first answer `http_timeout`.
        self.start_timeout = 24 * 3600
        self.extra_create_kwargs = type(self)._create_kwargs
        self.extra_host_config = type(self)._host_config
        self.post_stop_hook = type(self)._clear_away
        self.options_from_form = _options_from_form
        self.apply_user_options = {"profile": "profile"}

    @default("http_timeout")
    def _http_timeout_default(self) -> int:
        """Many labs at once on few cores take their time; one that died is noticed at once."""
        return 120

    @property
    def wants_gpu(self) -> bool:
        """Whether a GPU was asked for, and there is any to lend; staff get none."""
        asked = self.profile == "gpu" and self.role == "student"
        return asked and bool(self.pool and self.pool.devices)

    async def start(self) -> tuple[str, int]:
        """Start the server and return its address when it answers.

        Raises:
            NotStarted: saying why, in words; nothing is left behind.
        """
        self.ended, self._stage = "", WAITING
        self.role = self._role_today()
        # A start that was called off clears away before the next one of the same person begins.
        async with self._turns[self.object_name]:
            try:
                return await self._start()
            except BaseException as error:
                await self._clear_away_quietly()
                if isinstance(error, Exception) and not isinstance(error, HTTPError):
                    raise self._in_words(error) from error
                raise

    async def _start(self) -> tuple[str, int]:
        async with AsyncExitStack() as until_it_answers:
            borrowed = self.pool.take(self.user.name) if self.wants_gpu else nullcontext()
            async with borrowed as self._lease:  # afterwards the container's labels hold it
                await until_it_answers.enter_async_context(self._slot())
                address = await self._run_container()
            await self._await_answer(*address)
        return address

    def _slot(self) -> asyncio.Semaphore:
        """One of the places for servers that start at the same time, shared by all spawners."""
        if ContainerSpawner._slots is None:
            ContainerSpawner._slots = asyncio.Semaphore(self.settings.starts_at_once)
        return ContainerSpawner._slots

    async def _run_container(self) -> tuple[str, int]:
        """Make network and container; what the engine has in hand cannot be called back."""
        running = asyncio.ensure_future(self._make_and_run())
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    async def _make_and_run(self) -> tuple[str, int]:
        self._stage = MAKING
        self._take_role()
        require_room(self.settings.state)
        await self._engine(self._require_api)
        await self._remove_container()  # dockerspawner does not remove one that still runs
        await self._engine(self.networks.ensure, self.network_name, self.user.name, self.role)
        return await super().start()

    def _take_role(self) -> None:
        """Image, size and mounts, which follow the role that the user has today."""
        settings, staff = self.settings, self.role == "staff"
        student_image = settings.gpu_image if self._lease else settings.student_image
        self.image = settings.staff_image if staff else student_image
        self.mem_limit = settings.staff_memory if staff else settings.student_memory
        self.cpu_limit = settings.staff_cpus if staff else settings.student_cpus
        self.mounts = [home(settings.project, self.user.name)]
        if staff:
            self.mounts += staff_mounts(settings.project, self.course_id)

    def _require_api(self) -> None:
        if version_lt(self.client.api_version, _OLDEST_API):
            raise SpawnError("This machine's container engine is too old", remedy="Tell staff.")

    def _create_kwargs(self) -> dict[str, Any]:
        labels = {PROJECT: "{prefix}", USER: "{raw_username}", ROLE: self.role}
        return {"user": USER_ID, "labels": labels | (self._lease.labels if self._lease else {})}

    def _host_config(self) -> dict[str, Any]:
        return host_config(self.mem_limit, self._lease)

    def get_env(self) -> dict[str, str]:
        """The server's environment: nothing of the hub's own."""
        env = super().get_env()
        env["COURSEHUB_EXCHANGE_URL"] = self.settings.exchange_url
        env["OMP_NUM_THREADS"] = str(max(1, int(self.cpu_limit)))
        env["COURSEHUB_HOME_BYTES"] = str(self.settings.home_limit_of(self.user.name))
        env |= report_environment(self.settings)
        if self.settings.internet:
            env |= egress(self.settings.course_host)
        if self._lease:
            env |= self._lease.environment
        if self.role == "staff":
            env |= self.staff_environment(self.user.name)
        return env

    async def _await_answer(self, ip: str, port: int) -> None:
        """Wait for JupyterLab's first answer, no longer than the container lives."""
        self._stage = OPENING
        url = f"http://{ip}:{port}{url_path_join(self.server.base_url, 'api')}"
        loop = asyncio.get_running_loop()
        late = loop.time() + self.http_timeout
        while loop.time() < late:
            try:
                return await asyncio.wait_for(wait_for_http_server(url, timeout=1), 5)
            except TimeoutError:
                if await self.poll() is not None:
                    await self._log_last_lines()
                    raise NotStarted(self.ended or "Your server ended at once.") from None
        await self._log_last_lines()
        raise NotStarted(
            f"JupyterLab did not answer within {self.http_timeout} seconds. Try again; if that "
            "does not help, tell staff."
        )

    async def get_object(self) -> dict[str, Any] | None:
        """The container as the engine has it, None when there is none.

        Unlike dockerspawner's, an engine that is ill does not mean that the server is gone.
        """
        try:
            container = await self.docker("inspect_container", self.object_name)
        except NotFound:
            self.object_id = ""
            return None
        self.object_id = container["Id"]
        return container

    async def poll(self) -> int | str | None:
        """None while the container runs, else why it ended (0: nobody knows)."""
        container = await self.get_object()
        if container is None:
            return 0
        state = container["State"]
        if state["Running"]:
            return None
        self.ended = why_ended(state, container["HostConfig"]["Memory"])
        return self.ended

    async def get_url(self) -> str:
        """Where the server answers by what the engine says now; asked when the hub restarts."""
        ip, port = await self.get_ip_and_port()
        return urlsplit(self.server.url)._replace(netloc=f"{ip}:{port}").geturl()

    def get_state(self) -> dict[str, Any]:
        """Besides dockerspawner's state, whose rights it has, and why the last server ended."""
        ours = {"role": self.role} | ({"ended": self.ended} if self.ended else {})
        return super().get_state() | ours

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned."""
        super().load_state(state)
        self.ended = state.get("ended", "")
        self.role = state.get("role") or self._role_today()

    def _role_today(self) -> str:
        return "staff" if self.is_staff(self.user.name) else "student"

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """What happens, in words, whenever it changes."""
        told: Event = {}
        while True:
            place = self.pool.place(self.user.name) if self.pool else None
            event = in_queue(place) if place else self._stage
            if event != told:
                told = event
                yield dict(event)
            await asyncio.sleep(1)

    async def _clear_away(self) -> None:
        """Remove container and network, whatever is left of them; the home stays."""
        await self._remove_container()
        await self._engine(self.networks.remove, self.network_name)
        if self.pool:
            self.pool.release(self.user.name)

    async def _remove_container(self) -> None:
        try:
            await self.docker("remove_container", self.object_name, force=True, v=True)
        except NotFound:
            self.log.debug("%s is removed already", self.object_name)
        except APIError as error:
            if error.status_code != 409:  # it is being removed
                raise

    async def _clear_away_quietly(self) -> None:
        """Clear away after a failure, which is what is to be told, not what follows from it."""
        try:
            await self._clear_away()
        except Exception:
            self.log.exception("Something of %s may be left", self.object_name)

    def _in_words(self, error: Exception) -> NotStarted:
        """The failure for the page; everything about it for the log."""
        known = why_not_started(error, self.image)
        if known:
            self.log.warning("%s was not started: %r", self.object_name, error)
            return known
        refusal, number = unforeseen()
        self.log.error("%s was not started (%s)", self.object_name, number, exc_info=error)
        return refusal

    async def _log_last_lines(self) -> None:
        lines = await self.docker("logs", self.object_name, tail=50)
        self.log.warning("%s's last lines:\n%s", self.object_name, lines.decode(errors="replace"))

    @property
    def client(self) -> Any:
        """The engine's one client: threads that ask at the same time would each make their own."""
        with self._connecting:
            return super().client

    async def _engine(self, call: Callable[..., Any], *args: Any) -> Any:
        """Make a blocking call in one of the engine's threads."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, call, *args)


def _options_from_form(form: Mapping[str, list[str]]) -> dict[str, str]:
    """The one thing that people choose; whatever else arrives is dropped."""
    return {"profile": "gpu" if form.get("profile") == ["gpu"] else "cpu"}
