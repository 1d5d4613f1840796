"""The long-running processes: the hub and the course service."""

import asyncio
import logging
import os
import sys

import typer
from jupyterhub.services.auth import HubAuth

from coursehub.cli.course import one_line_errors
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.service import serve as serve_exchange
from coursehub.settings import load_settings

app = typer.Typer()


@app.command()
def hub() -> None:
    """Run the hub until Ctrl-C; in the embedded form with its proxy and the course service."""
    with one_line_errors():
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
        settings = load_settings()
        exchange = Exchange(settings)
    port = int(settings.course_url.rpartition(":")[2])
    if settings.form == "embedded":
        asyncio.run(serve_exchange(exchange, HubAuth(), port))
    else:
        # Its own network is the boundary, and nobody but compose started it.
        auth = HubAuth(
            api_url=f"{settings.hub_url}/hub/api",
            api_token=settings.secret("course_token"),
            access_scopes={"access:services", "access:services!service=course"},
        )
        asyncio.run(serve_exchange(exchange, auth, port, "0.0.0.0"))
