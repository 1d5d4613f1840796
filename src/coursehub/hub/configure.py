"""The hub's configuration, one function a section; `hub/jupyterhub_config.py` only calls it."""

from typing import Any
from urllib.parse import urlsplit

from coursehub.course.model import Course
from coursehub.errors import SettingsError
from coursehub.hub.attempts import Proxies
from coursehub.hub.auth import People
from coursehub.hub.browsers import ToServiceHandler, configure_browsers
from coursehub.hub.deployed import Surroundings, configure_deployed
from coursehub.hub.embedded import configure_embedded
from coursehub.hub.lti11 import read_consumers
from coursehub.hub.membership import follow_roster
from coursehub.hub.signin import SignIn
from coursehub.hub.spawner import WARNING
from coursehub.lti.tool import Tool
from coursehub.settings import Settings

SERVICE = "course"
_USE_EXCHANGE = f"access:services!service={SERVICE}"


def configure_hub(
    c: Any,
    settings: Settings,
    course: Course,
    people: People,
    surroundings: Surroundings,
    tool: Tool,
) -> None:
    """Fill JupyterHub's configuration `c` for the form that `settings` name."""
    c.JupyterHub.bind_url = settings.bind_url
    c.JupyterHub.db_url = settings.hub_database
    c.ConfigurableHTTPProxy.api_url = settings.proxy_api_url
    configure_browsers(c, settings)
    _sign_in(c, settings, course, people)
    _lms(c, settings, tool)
    _rights(c)
    c.JupyterHub.services = []
    c.JupyterHub.extra_handlers = []
    c.Spawner.disable_user_config = True
    if settings.form == "containers":
        service = configure_deployed(c, settings, course, people, surroundings)
    else:
        service = configure_embedded(c, settings, people)
    # The course pages are the hub's own: nobody is asked whether the service may know them.
    own = {"name": SERVICE, "display": False, "oauth_no_confirm": True}
    c.JupyterHub.services.append({**own, **service})
    _pages(c, settings, course)


def _sign_in(c: Any, settings: Settings, course: Course, people: People) -> None:
    c.JupyterHub.authenticator_class = SignIn
    c.SignIn.kinds = list(settings.ways)
    # For each way: all are RosterAuthenticators.
    c.RosterAuthenticator.people = people
    c.RosterAuthenticator.course_id = course.id
    proxy = str(urlsplit(settings.proxy_api_url).hostname)
    c.PasswordAuthenticator.proxies = Proxies(proxy, settings.front_proxies)
    c.ClockedHub.beats = [follow_roster(people, course.id)]
    if {"oidc", "github"} & set(settings.ways):
        _oidc(c, settings)


def _oidc(c: Any, settings: Settings) -> None:
    needed = ("oidc_client",) if "github" in settings.ways else ("oidc_issuer", "oidc_client")
    for name in needed:
        if not getattr(settings, name):
            raise SettingsError(
                "signing in at an identity provider needs it",
                key=f"COURSEHUB_{name.upper()}",
                remedy="See docs/sign-in.md, or take it out of COURSEHUB_SIGN_IN",
            )
    ours = c.OidcAuthenticator
    ours.issuer = settings.oidc_issuer
    ours.client_id = settings.oidc_client
    ours.client_secret = settings.oidc_secret
    ours.login_service = settings.oidc_name
    ours.scope = settings.oidc_scopes.split()
    ours.home = settings.public_url
    ours.oauth_callback_url = f"{ours.home}/hub/oauth_callback"
    ours.claim, ours.match = settings.oidc_claim, settings.oidc_match
    ours.verified, ours.require = settings.oidc_verified, settings.oidc_required


def _lms(c: Any, settings: Settings, tool: Tool) -> None:
    # For both versions: what is set here is theirs too.
    c.LmsAuthenticator.tool = tool
    c.LmsAuthenticator.claim, c.LmsAuthenticator.match = settings.lti_claim, settings.lti_match
    c.Lti13Authenticator.enrol = settings.lti_enrol
    if "lti11" in settings.ways:
        c.Lti11Authenticator.consumers = read_consumers(settings.lti11_file)


def _rights(c: Any) -> None:
    """Least privilege: a server's token reaches its own server and the exchange, no more.

    Nobody shares a server: what JupyterHub calls `self` is spelt out without that.
    """
    own = ("read:users", "users:activity", "servers", "tokens", "access:servers")
    c.JupyterHub.load_roles = [
        {"name": "user", "scopes": [*(f"{scope}!user" for scope in own), _USE_EXCHANGE]},
        {
            "name": "server",
            "scopes": ["users:activity!user", "access:servers!server", _USE_EXCHANGE],
        },
        {
            "name": "instructor",
            "scopes": ["admin-ui", "list:users", "read:users:activity", "servers"],
        },
    ]


def _pages(c: Any, settings: Settings, course: Course) -> None:
    # What people see first when they have signed in; from there one button opens JupyterLab.
    c.JupyterHub.default_url = f"/services/{SERVICE}/"
    if settings.subdomains:
        c.JupyterHub.default_url = f"{settings.course_origin}/services/{SERVICE}/"
        to_course = (
            rf"/services/({SERVICE}/.*)",
            ToServiceHandler,
            {"origin": settings.course_origin},
        )
        c.JupyterHub.extra_handlers += [to_course]
    c.JupyterHub.template_paths = [str(settings.site / "hub" / "templates")]
    c.JupyterHub.template_vars = {
        "course_title": f"{course.code} {course.title}",
        "contact": course.staff[0],
        "announcement": WARNING if settings.form == "embedded" else "",
    }
