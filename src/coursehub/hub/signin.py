"""The sign-in page with all ways in that this deployment has, by `COURSEHUB_SIGN_IN`.

JupyterHub has one authenticator. Ours holds one for each way, and each answers its own addresses;
whoever signed in is the same user, by whichever way.
"""

from collections.abc import Mapping
from typing import Any

from tornado import web
from traitlets import List, Unicode

from coursehub.hub.auth import RosterAuthenticator
from coursehub.hub.github import GithubAuthenticator
from coursehub.hub.lti import Lti13Authenticator
from coursehub.hub.lti11 import Lti11Authenticator
from coursehub.hub.oidc import OidcAuthenticator


class PasswordAuthenticator(RosterAuthenticator):
    """A password of one's own in the course database: the embedded form's way."""

    async def authenticate(self, _handler: Any, data: Mapping[str, str]) -> dict[str, Any] | None:
        """The person, or None when name and password do not fit."""
        username = self.normalize_username(data["username"].strip())
        if not self.people.check_password(username, data["password"]):
            return None
        member = self.people.find(username)
        return member and self.admit(member)

    def get_handlers(self, _app: Any) -> list[tuple[Any, ...]]:
        """None: its form stands on the page of `SignIn`."""
        return []


AUTHENTICATORS: dict[str, type[RosterAuthenticator]] = {
    "password": PasswordAuthenticator,
    "oidc": OidcAuthenticator,
    "lti13": Lti13Authenticator,
    "lti11": Lti11Authenticator,
    "github": GithubAuthenticator,
}
"""The way to sign in, as `COURSEHUB_SIGN_IN` calls it, and its authenticator."""


class SignIn(RosterAuthenticator):
    """All ways to sign in, behind one page."""

    kinds = List(Unicode(), help="Which, in the order of the page.").tag(config=True)

    def __init__(self, **named: Any) -> None:
        """Make the authenticator of each way, with the same configuration as this one."""
        super().__init__(**named)
        self.ways = {kind: AUTHENTICATORS[kind](parent=self) for kind in self.kinds}

    async def authenticate(self, handler: Any, data: Mapping[str, str]) -> dict[str, Any] | None:
        """Somebody who filled in the form of the sign-in page, if it has one."""
        if "password" not in self.ways or not {"username", "password"} <= set(data or {}):
            raise web.HTTPError(400, "There is no such form here")
        model: dict[str, Any] | None = await self.ways["password"].authenticate(handler, data)
        return model

    def get_handlers(self, app: Any) -> list[tuple[Any, ...]]:
        """The page, and the addresses of all ways, each answered by its own."""
        return super().get_handlers(app) + [
            (path, _answered_by(way, handler), *rest)
            for way in self.ways.values()
            for path, handler, *rest in way.get_handlers(app)
        ]


def _answered_by(way: RosterAuthenticator, handler: type) -> type:
    """The handler, with `way` as the authenticator that JupyterHub's handlers ask."""
    return type(handler.__name__, (handler,), {"authenticator": way})
