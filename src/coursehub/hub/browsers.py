"""What browsers may do with the hub: its origin, its cookies, its pages' rules."""

from typing import Any
from urllib.parse import urlsplit

from jupyterhub.handlers.base import BaseHandler
from tornado.routing import Matcher, Rule
from tornado.web import Application, HTTPError, RequestHandler

from coursehub.headers import COMMON, cookie_options, transport
from coursehub.settings import Settings

SIGNED_IN_DAYS = 7
"""How long a browser stays signed in, at the hub and wherever it went from there."""

OWN_TOKEN_SECONDS = 7 * 24 * 3600
"""How long a token that somebody makes lasts at most."""


def configure_browsers(c: Any, settings: Settings) -> None:
    """Fill in origins, cookies, tokens and headers."""
    if settings.subdomains:
        c.JupyterHub.subdomain_host = settings.public_url
    if settings.subdomains or settings.https:
        c.JupyterHub.public_url = f"{settings.public_url}/"
    # With the prefix cookies are for all paths: where all servers share an origin each of them
    # would be sent the hub's own cookie.
    c.JupyterHub.cookie_host_prefix_enabled = settings.host_cookies
    c.JupyterHub.cookie_max_age_days = SIGNED_IN_DAYS
    c.JupyterHub.oauth_token_expires_in = SIGNED_IN_DAYS * 24 * 3600
    c.JupyterHub.token_expires_in_max_seconds = OWN_TOKEN_SECONDS
    c.ClockedHub.policy = _policy(settings)
    c.JupyterHub.tornado_settings = {
        "cookie_options": cookie_options(https=settings.https),
        "headers": COMMON | transport(https=settings.https, names_below=bool(settings.subdomains)),
    }


def _policy(settings: Settings) -> str:
    """What the hub's pages load and where they lead; their scripts are JupyterHub's, and inline."""
    origin = urlsplit(settings.public_url)
    below = f" {origin.scheme}://*.{origin.netloc}" if settings.subdomains else ""
    return (
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
        f"form-action 'self'{below}; base-uri 'none'; frame-ancestors 'none'"
    )


class ToServiceHandler(BaseHandler):  # type: ignore[misc]
    """GET /hub/services/NAME/...: leads to the service's own origin, which the hub's has not."""

    def initialize(self, origin: str) -> None:
        """Lead to `origin`."""
        self.origin = origin

    def get(self, path: str) -> None:
        """Lead there, with the query."""
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"{self.origin}/services/{path}{query}")


class _NameBelow(Matcher):
    """Requests for a name below the hub's."""

    def __init__(self, domain: str) -> None:
        self._below = f".{domain}"

    def match(self, request: Any) -> dict[str, Any] | None:
        return {} if str(request.host_name).endswith(self._below) else None


class _ElsewhereHandler(RequestHandler):
    """Whatever the hub is asked at another's name, it answers at its own name alone."""

    def initialize(self, origin: str) -> None:
        self.origin = origin

    def check_xsrf_cookie(self) -> None:
        """Nothing to check: nothing is done here."""

    def prepare(self) -> None:
        if self.request.method not in ("GET", "HEAD"):
            raise HTTPError(404)
        self.redirect(self.origin + str(self.request.uri))


def set_policy(policy: str) -> None:
    """Give all of the hub's pages this Content-Security-Policy, but those that have another.

    Among JupyterHub's settings it would take the place of those, too.
    """
    BaseHandler.content_security_policy = property(lambda _handler: policy)


def keep_to_own_name(application: Application, origin: str) -> None:
    """Never answer with a page of the hub at the name of a server or a service.

    The proxy sends the hub whatever it knows no other place for. A page of the hub, such as the
    sign-in form, below a student's name would be within reach of that student's scripts.

    Args:
        application: the hub's.
        origin: the hub's own, which has names below it.
    """
    domain = str(urlsplit(origin).hostname)
    rule = Rule(_NameBelow(domain), _ElsewhereHandler, {"origin": origin})
    application.default_router.rules.insert(0, application.default_router.process_rule(rule))
