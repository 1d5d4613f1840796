"""The long-running processes: the hub and the course service."""

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from jupyterhub.services.auth import HubOAuth

from coursehub.cli.course import one_line_errors
from coursehub.cli.pages import course_pages, home_of
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.figures import CourseFigures
from coursehub.exchange.protocol import SERVICE_NAME, SERVICE_PREFIX
from coursehub.exchange.service import serve as serve_exchange
from coursehub.floors import require_floors
from coursehub.headers import cookie_options
from coursehub.metrics import REGISTRY, telling
from coursehub.settings import METRICS_PORT, Settings, load_settings

_KNOWN_SECONDS = 5

app = typer.Typer()


@app.command()
def hub() -> None:
    """Run the hub until Ctrl-C; in the embedded form with its proxy and the course service."""
    with one_line_errors():
        require_floors()
        settings = load_settings()
    settings.make_state()
    config = settings.site / "hub" / "jupyterhub_config.py"
    os.execv(sys.executable, [sys.executable, "-m", "coursehub.hub.clock", "--config", str(config)])


@app.command()
def serve() -> None:
    """Run the course service; in the embedded form the hub starts it and gives it its token."""
    form = "[%(levelname).1s %(asctime)s course] %(message)s"
    logging.basicConfig(level=logging.INFO, format=form)
    with one_line_errors():
        require_floors()
        settings = load_settings()
        exchange = Exchange(settings)
    port = int(settings.course_url.rpartition(":")[2])
    auth = _hub_auth(settings)
    # In a container its own network is the boundary.
    address = "127.0.0.1" if settings.form == "embedded" else "0.0.0.0"
    home = home_of(exchange, settings)
    pages = course_pages(home, settings, auth)
    with _figures(exchange, settings):
        asyncio.run(serve_exchange(exchange, auth, port, address, pages, home.project.recover))


@contextmanager
def _figures(exchange: Exchange, settings: Settings) -> Iterator[None]:
    """Tell Prometheus, in the deployed form: the embedded one is watched by who started it."""
    if settings.form == "embedded":
        yield
        return

    def names() -> list[str]:
        return [each.name for each in exchange.deadlines.course.assignments]

    REGISTRY.register(CourseFigures(exchange.engine, names))
    with telling(settings.secret("metrics_token"), METRICS_PORT):
        yield


def _hub_auth(settings: Settings) -> HubOAuth:
    """Who the service is to the hub: the hub says so, or where compose started it, the settings."""
    origin = settings.course_origin if settings.subdomains else ""
    browsers = {
        "hub_host": settings.public_url if settings.subdomains else "",
        "cookie_options": cookie_options(https=settings.https),
        "cookie_host_prefix_enabled": settings.host_cookies,
        # Whose token it is, is asked again after so long: a sign-out counts at once.
        "cache_max_age": _KNOWN_SECONDS,
    }
    if settings.form == "embedded":
        return HubOAuth(**browsers)
    return HubOAuth(
        **browsers,
        api_url=f"{settings.hub_url}/hub/api",
        api_token=settings.secret("course_token"),
        access_scopes={"access:services", f"access:services!service={SERVICE_NAME}"},
        base_url=SERVICE_PREFIX,
        oauth_client_id=f"service-{SERVICE_NAME}",
        oauth_redirect_uri=f"{origin}{SERVICE_PREFIX}oauth_callback",
    )
