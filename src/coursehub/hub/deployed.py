"""The deployed form: proxy and course service beside the hub, servers as isolated containers."""

from typing import Any

from coursehub.hub.auth import People
from coursehub.settings import HUB_PORT, Settings


def configure_deployed(c: Any, settings: Settings, people: People) -> dict[str, Any]:
    """Fill what is the deployed form's own; return the course service's entry."""
    _network(c, settings)
    _state(c, settings)
    return {"url": settings.course_url, "api_token": settings.secret("course_token")}


def _network(c: Any, settings: Settings) -> None:
    """The proxy runs on its own, so that a hub restart drops nobody."""
    c.JupyterHub.hub_bind_url = f"http://0.0.0.0:{HUB_PORT}"
    c.JupyterHub.hub_connect_url = settings.hub_url
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.auth_token = settings.secret("proxy_token")


def _state(c: Any, settings: Settings) -> None:
    c.JupyterHub.cookie_secret_file = str(settings.secret_file("cookie_secret"))
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.cleanup_proxy = False
