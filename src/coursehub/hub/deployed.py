"""The deployed form: proxy and course service beside the hub, servers as isolated containers."""

from typing import Any, NamedTuple, Protocol

import docker

from coursehub.course.model import Course
from coursehub.hub.auth import People
from coursehub.hub.clock import in_thread, remove_orphans, serve_grading, stop_expired
from coursehub.hub.containers import ContainerSpawner
from coursehub.hub.cull import culler_role, culler_service
from coursehub.hub.devices import find_devices
from coursehub.hub.figures import metrics_role, metrics_service, tell_gpus
from coursehub.hub.gpus import GpuPool
from coursehub.hub.homes import say_whether_enforced
from coursehub.hub.leases import LeaseHistory
from coursehub.hub.networks import Networks
from coursehub.hub.pages import extra_handlers
from coursehub.hub.profiles import Profiles
from coursehub.hub.proxy import QuietProxy
from coursehub.hub.requests import GpuRequests
from coursehub.hub.services import ServiceSpawner
from coursehub.settings import HUB_PORT, Settings

POLLS_A_SECOND = 20
"""How many servers the hub asks about if everybody's runs; each costs it some 1.5 ms of CPU."""


class Surroundings(Protocol):
    """What the deployed form needs of the course's other parts; see `hub/jupyterhub_config.py`."""

    history: LeaseHistory
    requests: GpuRequests

    def favours(self, username: str) -> bool:
        """Whether they go first where several wait for a GPU."""

    def staff_environment(self, username: str) -> dict[str, str]:
        """What a member of staff's server gets, such as access to the gradebook."""

    def tidy(self) -> None:
        """Take away what people have who are no longer staff."""


class Engine(NamedTuple):
    """The Docker engine, and what the hub does with it."""

    client: docker.DockerClient
    networks: Networks
    pool: GpuPool | None


def configure_deployed(
    c: Any, settings: Settings, course: Course, people: People, surroundings: Surroundings
) -> dict[str, Any]:
    """Fill what is the deployed form's own; return the course service's entry."""

    def is_staff(username: str) -> bool:
        return bool((member := people.find(username)) and member.staff)

    engine = _engine(settings, course, surroundings)
    _network(c, settings)
    _state(c, settings)
    _servers(c, settings, course, engine.networks)
    c.ContainerSpawner.poll_interval = poll_seconds(len(people.everyone()))
    c.ContainerSpawner.is_staff = is_staff
    # traitlets copies methods together with their objects, functions not.
    c.ContainerSpawner.staff_environment = lambda name: surroundings.staff_environment(name)
    if engine.pool:
        _gpus(c, settings, engine.pool, Profiles(engine.pool, settings, is_staff))
    _clock(c, settings, engine, surroundings)
    c.JupyterHub.services += [culler_service(settings), metrics_service(settings)]
    c.JupyterHub.load_roles += [culler_role(), metrics_role()]
    return {"url": settings.course_url, "api_token": settings.secret("course_token")}


def _engine(settings: Settings, course: Course, surroundings: Surroundings) -> Engine:
    client = docker.from_env()
    devices = find_devices(client, settings).devices
    pool = devices and GpuPool(
        client,
        settings,
        course,
        devices,
        surroundings.history,
        requests=surroundings.requests,
        favours=surroundings.favours,
    )
    return Engine(client, Networks(client, settings), pool or None)


def _network(c: Any, settings: Settings) -> None:
    """The proxy runs on its own, so that a hub restart drops nobody."""
    c.JupyterHub.hub_bind_url = f"http://0.0.0.0:{HUB_PORT}"
    # For the proxy; users' servers know the hub by the name it has on their networks.
    c.JupyterHub.hub_connect_url = f"http://hub-core:{HUB_PORT}"
    c.JupyterHub.proxy_class = QuietProxy
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.auth_token = settings.secret("proxy_token")


def _state(c: Any, settings: Settings) -> None:
    c.JupyterHub.cookie_secret_file = str(settings.secret_file("cookie_secret"))
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.cleanup_proxy = False


def _servers(c: Any, settings: Settings, course: Course, networks: Networks) -> None:
    c.JupyterHub.spawner_class = ServiceSpawner if settings.swarm else ContainerSpawner
    # Servers wait their turn in `ContainerSpawner`, where people are told so.
    c.JupyterHub.concurrent_spawn_limit = 0
    c.ContainerSpawner.settings = settings
    c.ContainerSpawner.course_id = course.id
    c.ContainerSpawner.networks = networks
    say_whether_enforced(settings)


def poll_seconds(people: int) -> int:
    """How often the hub asks whether a server still runs, with so many people on the roster.

    Each time it asks the engine about that one. Who opens a page of a server that ended is told at
    once in any case.
    """
    return max(30, people // POLLS_A_SECOND)


def _gpus(c: Any, settings: Settings, pool: GpuPool, profiles: Profiles) -> None:
    c.ContainerSpawner.pool = pool
    c.ContainerSpawner.options_form = lambda spawner: profiles.options_form(spawner)
    c.JupyterHub.extra_handlers += extra_handlers(pool)


def _clock(c: Any, settings: Settings, engine: Engine, surroundings: Surroundings) -> None:
    reconcile = in_thread(engine.networks.reconcile)
    # A hub in a new container is on no server's network yet.
    c.ClockedHub.first = [reconcile]
    beats = [remove_orphans(engine.client, settings), reconcile, in_thread(surroundings.tidy)]
    beats.append(serve_grading(engine.pool, surroundings.requests))
    if engine.pool:
        beats += [stop_expired(engine.pool), tell_gpus(engine.pool)]
    c.ClockedHub.beats += beats
