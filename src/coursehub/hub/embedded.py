"""The embedded form: hub, proxy and services on loopback, servers as local processes."""

import sys
from typing import Any

from jupyterhub.services import service
from traitlets import Integer

from coursehub.hub.auth import People
from coursehub.hub.spawner import EmbeddedSpawner
from coursehub.settings import Settings

ANSWER_SECONDS = 600


class WatchedService(service._ServiceSpawner):  # type: ignore[misc]
    """A service that is missed at once.

    JupyterHub looks every 30 s whether a service still runs, and offers no setting for it; half a
    minute without an exchange is long on deadline night.
    """

    poll_interval = Integer(1)


def configure_embedded(c: Any, settings: Settings, people: People) -> dict[str, Any]:
    """Fill what is the embedded form's own; return the course service's entry."""
    _network(c, settings)
    _state(c, settings)
    _servers(c, settings, people)
    service._ServiceSpawner = WatchedService
    if settings.visible_tests or settings.clock:
        grader = {"name": "grader", "display": False, **_command(settings, "grader")}
        c.JupyterHub.services.append(grader)
    return {"url": settings.course_url, **_command(settings, "serve")}


def _command(settings: Settings, name: str) -> dict[str, Any]:
    return {
        "command": [sys.executable, "-m", "coursehub.cli", name],
        "environment": settings.environment(),
    }


def _network(c: Any, settings: Settings) -> None:
    c.JupyterHub.hub_bind_url = settings.hub_url
    # Validate answers only when the whole notebook has run.
    patience = str(ANSWER_SECONDS * 1000)
    c.ConfigurableHTTPProxy.command = [
        *(sys.executable, "-m", "coursehub.hub.localproxy"),
        *("--timeout", patience, "--proxy-timeout", patience),
    ]
    c.ConfigurableHTTPProxy.pid_file = str(settings.state / "proxy.pid")


def _state(c: Any, settings: Settings) -> None:
    c.JupyterHub.cookie_secret_file = str(settings.state / "cookie_secret")
    c.JupyterHub.cleanup_servers = True
    c.JupyterHub.cleanup_proxy = True


def _servers(c: Any, settings: Settings, people: People) -> None:
    c.JupyterHub.spawner_class = EmbeddedSpawner
    c.EmbeddedSpawner.settings = settings
    c.EmbeddedSpawner.is_staff = lambda name: bool((member := people.find(name)) and member.staff)
    c.EmbeddedSpawner.start_timeout = 120
    c.EmbeddedSpawner.http_timeout = 120
