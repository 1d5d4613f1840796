"""Thousands of single-user servers in one process: all that the hub and browsers see of them.

Each has its own prefix, reports activity to the hub's API as often as ours do, and lets a browser
in by JupyterHub's own `HubOAuth`.
"""

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256

from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler, HubOAuthenticated
from tornado.httpclient import AsyncHTTPClient, HTTPError
from tornado.web import Application, RequestHandler, authenticated

SPREAD = 0.2
"""By how much of it the time between two reports differs; jupyterhub.singleuser does the same."""


@dataclass
class Servers:
    """The servers that run.

    Attributes:
        hub: the hub's API, as they reach it.
        interval: seconds between two reports of one server.
        counts: what happened, by name.
    """

    hub: str
    interval: float
    counts: Counter[str] = field(default_factory=Counter)
    _reports: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _tokens: dict[str, str] = field(default_factory=dict)

    def start(self, name: str, token: str, *, afresh: bool = True) -> None:
        """Have a server run; one that starts afresh reports at once."""
        self._tokens[name] = token
        wait = 0 if afresh else random.random() * self.interval
        self._reports[name] = asyncio.create_task(self._report(name, wait))

    def end(self, name: str) -> None:
        """Have it run no longer."""
        self._tokens.pop(name, None)
        if report := self._reports.pop(name, None):
            report.cancel()

    def __len__(self) -> int:
        """How many run."""
        return len(self._tokens)

    def hub_auth(self, name: str) -> HubOAuth:
        """How this server asks the hub who somebody is."""
        return _hub_auth(self.hub, name, self._tokens[name])

    async def _report(self, name: str, wait: float) -> None:
        """As `jupyterhub.singleuser.extension` does: over and over, whether or not it is new."""
        http = AsyncHTTPClient()
        while True:
            await asyncio.sleep(wait)
            now = datetime.now(UTC).isoformat()
            told = {"last_activity": now, "servers": {"": {"last_activity": now}}}
            try:
                await http.fetch(
                    f"{self.hub}/users/{name}/activity",
                    method="POST",
                    body=json.dumps(told),
                    headers={"Authorization": f"token {self._tokens[name]}"},
                    request_timeout=60,
                )
                self.counts["reports"] += 1
            except (HTTPError, OSError):  # the hub restarts, or is overwhelmed
                self.counts["failed reports"] += 1
            wait = self.interval * (1 + SPREAD * (random.random() - 0.5))


def token_of(name: str) -> str:
    """The token of a server that was never started; as long as the hub's own."""
    return sha256(f"token of {name}".encode()).hexdigest()[:32]


@cache
def _hub_auth(hub: str, name: str, token: str) -> HubOAuth:
    return HubOAuth(
        api_url=hub,
        api_token=token,
        base_url=f"/user/{name}/",
        hub_prefix="/hub/",
        oauth_client_id=f"jupyterhub-user-{name}",
        oauth_redirect_uri=f"/user/{name}/oauth_callback",
        access_scopes={f"access:servers!server={name}/", f"access:servers!user={name}"},
    )


def application(servers: Servers) -> Application:
    """All servers' pages, and below /crowd how they are."""
    known = {"servers": servers}
    return Application(
        [
            (r"/user/([^/]+)/api/?", _Version),
            (r"/user/([^/]+)/oauth_callback", _Callback, known),
            (r"/user/([^/]+)/.*", _Page, known),
        ],
        cookie_secret=random.randbytes(32),
        log_function=lambda handler: None,
    )


class _Version(RequestHandler):
    """What the hub asks to see whether a server is up."""

    def get(self, _name: str) -> None:
        self.set_header("X-JupyterHub-Version", _hub_version())
        self.finish({"version": "2.21.1"})


class _Own(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
    """Asks the hub in the name of the server that the path names."""

    def initialize(self, servers: Servers) -> None:
        self.servers = servers
        self.hub_auth = servers.hub_auth(self.request.path.split("/")[2])


class _Page(_Own):
    @authenticated
    def get(self, name: str) -> None:
        self.servers.counts["pages"] += 1
        self.finish(f"the lab of {name}")


class _Callback(_Own, HubOAuthCallbackHandler):  # type: ignore[misc]
    async def get(self, _name: str) -> None:
        self.servers.counts["let in"] += 1
        await super().get()


@cache
def _hub_version() -> str:
    from jupyterhub import __version__

    return __version__
