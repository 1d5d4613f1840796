"""The hub's configuration, one function a section; `hub/jupyterhub_config.py` only calls it."""

import sys
from pathlib import Path
from typing import Any

from jupyterhub.services import service
from traitlets import Integer

from coursehub.course.model import Course
from coursehub.hub.auth import People, RosterAuthenticator
from coursehub.hub.spawner import WARNING, EmbeddedSpawner
from coursehub.settings import Settings

SERVICE = "course"
_USE_EXCHANGE = f"access:services!service={SERVICE}"


def configure_hub(c: Any, settings: Settings, course: Course, people: People) -> None:
    """Fill JupyterHub's configuration `c` for the embedded form."""
    _network(c, settings)
    _state(c, settings)
    _sign_in(c, course, people)
    _rights(c)
    _course_service(c, settings)
    _servers(c, settings, people)
    _pages(c, settings, course)


def _network(c: Any, settings: Settings) -> None:
    c.JupyterHub.bind_url = settings.bind_url
    c.JupyterHub.hub_bind_url = settings.hub_url
    c.ConfigurableHTTPProxy.api_url = settings.proxy_api_url
    c.ConfigurableHTTPProxy.command = [str(Path(sys.executable).parent / "configurable-http-proxy")]
    c.ConfigurableHTTPProxy.pid_file = str(settings.state / "proxy.pid")


def _state(c: Any, settings: Settings) -> None:
    c.JupyterHub.db_url = f"sqlite:///{settings.state / 'hub.sqlite'}"
    c.JupyterHub.cookie_secret_file = str(settings.state / "cookie_secret")
    c.JupyterHub.cleanup_servers = True
    c.JupyterHub.cleanup_proxy = True


def _sign_in(c: Any, course: Course, people: People) -> None:
    c.JupyterHub.authenticator_class = RosterAuthenticator
    c.RosterAuthenticator.people = people
    c.RosterAuthenticator.course_id = course.id


def _rights(c: Any) -> None:
    """Least privilege: a server's token reaches its own server and the exchange, no more."""
    c.JupyterHub.load_roles = [
        {"name": "user", "scopes": ["self", _USE_EXCHANGE]},
        {
            "name": "server",
            "scopes": ["users:activity!user", "access:servers!server", _USE_EXCHANGE],
        },
        {
            "name": "instructor",
            "scopes": ["admin-ui", "list:users", "read:users:activity", "servers"],
        },
    ]


class WatchedService(service._ServiceSpawner):  # type: ignore[misc]
    """A service that is missed at once.

    JupyterHub looks every 30 s whether a service still runs, and offers no setting for it; half a
    minute without an exchange is long on deadline night.
    """

    poll_interval = Integer(1)


def _course_service(c: Any, settings: Settings) -> None:
    service._ServiceSpawner = WatchedService
    c.JupyterHub.services = [
        {
            "name": SERVICE,
            "url": settings.course_url,
            "display": False,
            "command": [sys.executable, "-m", "coursehub.cli", "serve"],
            "environment": settings.environment(),
        }
    ]


def _servers(c: Any, settings: Settings, people: People) -> None:
    c.JupyterHub.spawner_class = EmbeddedSpawner
    c.EmbeddedSpawner.settings = settings
    c.EmbeddedSpawner.is_staff = lambda name: bool((member := people.find(name)) and member.staff)
    c.EmbeddedSpawner.start_timeout = 120
    c.EmbeddedSpawner.http_timeout = 120


def _pages(c: Any, settings: Settings, course: Course) -> None:
    c.JupyterHub.template_paths = [str(settings.site / "hub" / "templates")]
    c.JupyterHub.template_vars = {
        "course_title": f"{course.code} {course.title}",
        "announcement": WARNING,
    }
