"""Coming in from an LMS by LTI 1.3: the launch, from the click there to a page here.

ltiauthenticator brings the addresses and the first handler; what it leaves out is checked in
`coursehub.lti`: platforms, deployments, keys, nonces, roles. Who that is says the roster.

The way of a launch: `LoginInitHandler` sends the browser to the LMS, with a nonce that a cookie
remembers; `LaunchHandler` takes it back, with the LMS's signed message; `lms.EnterHandler`, a
request from our own site at last, with this browser's cookies, signs in.
"""

import hashlib
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from ltiauthenticator.lti13.auth import LTI13Authenticator
from ltiauthenticator.lti13.error import ValidationError
from ltiauthenticator.lti13.handlers import LTI13CallbackHandler, LTI13LoginInitHandler
from ltiauthenticator.lti13.validator import LTI13LaunchValidator
from tornado.httputil import url_concat
from traitlets import Bool

from coursehub.errors import LtiError
from coursehub.hub import lti_pages
from coursehub.hub.auth import Member, Refused
from coursehub.hub.lms import LmsAuthenticator, LmsHandler, not_listed
from coursehub.hub.lti_handler import LtiHandler
from coursehub.lti.contexts import Context
from coursehub.lti.launch import Launch, on_site, refusal
from coursehub.lti.platforms import Platform

STATE_LIFE = timedelta(minutes=10)
"""How long somebody may take between the click and the LMS's message."""

_DAY = timedelta(days=1)


class LoginInitHandler(LtiHandler, LTI13LoginInitHandler):  # type: ignore[misc]
    """Sends the browser to the LMS that it came from, for a signed message (step 1 and 2)."""

    async def post(self) -> None:
        """Check where the browser came from and wants to go, and remember a nonce for it."""
        args = self.arguments()
        with self.said():
            try:
                LTI13LaunchValidator(parent=self.app).validate_login_request(args)
            except ValidationError:
                raise refusal("login-incomplete") from None
            platform = self.tool.platforms.find(args["iss"], args.get("client_id") or None)
            if platform is None:
                raise refusal("platform-unknown")
            if not on_site(args["target_link_uri"], self.tool.site):
                raise refusal("target-foreign")
        if self.in_frame and args["target_link_uri"] != f"{self.tool.hub}{lti_pages.DEEP_LINKING}":
            # What browsers keep from a page in another's frame: the cookies of our session.
            await self.show("lti_new_tab.html", arguments=args, action=self.request.path)
            return
        state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        kept = {"platform": platform.number, "nonce": nonce}
        self.keep(_state_cookie(state), json.dumps(kept), STATE_LIFE)
        wanted = {
            "scope": "openid",
            "response_type": "id_token",
            "response_mode": "form_post",
            "prompt": "none",
            "client_id": platform.client_id,
            "redirect_uri": f"{self.tool.hub}lti13/oauth_callback",
            "login_hint": args["login_hint"],
            "nonce": nonce,
            "state": state,
        }
        if args.get("lti_message_hint"):
            wanted["lti_message_hint"] = args["lti_message_hint"]
        self.redirect(url_concat(platform.auth_login_url, wanted))

    get = post


class LaunchHandler(LmsHandler, LTI13CallbackHandler):  # type: ignore[misc]
    """Takes the browser back from the LMS, with its signed message (step 3)."""

    async def post(self) -> None:
        """Check the message and whose it is; on to our own page, or to choosing links."""
        platform, nonce = self._sent_to(self.get_body_argument("state", ""))
        with self.said(platform):
            if self.get_body_argument("error", ""):
                raise refusal("platform-refused")
            token = self.get_body_argument("id_token", "")
            launch = await self.tool.check(token, platform, nonce)
            context = self.tool.contexts.learn(launch, datetime.now(UTC))
            member = self.authenticator.member(launch, context)
            if launch.deep_linking:
                await self._choose(launch, context, member)
                return
            next_url = self._next(launch, member)
        self.sign_in(member, next_url)

    def _sent_to(self, state: str) -> tuple[Platform, str]:
        """The platform that this browser was sent to, and the nonce; once."""
        name = _state_cookie(state)
        kept = self.get_signed_cookie(name, max_age_days=STATE_LIFE / _DAY) if state else None
        with self.said():
            if kept is None:
                raise refusal("state-missing")
            self.forget(name)
            found = json.loads(kept)
            try:
                return self.tool.platforms.get(found["platform"]), found["nonce"]
            except LtiError:
                raise refusal("platform-unknown") from None

    def _next(self, launch: Launch, member: Member) -> str:
        """The page that the link opens, on our own site."""
        if launch.assignment is not None:
            return self.opens(launch.assignment, member)
        asked = urlsplit(launch.target)
        nothing = launch.target.startswith(f"{self.tool.hub}lti13/") or asked.path in ("", "/")
        return "" if nothing else asked._replace(scheme="", netloc="").geturl()

    async def _choose(self, launch: Launch, context: Context | None, member: Member) -> None:
        if member.role != "instructor":
            raise Refused(
                "lti-deep-linking-not-allowed",
                "Only instructors of this course add links to it.",
                "Ask an instructor.",
            )
        await lti_pages.show_choice(self, launch, context, member.username)


class Lti13Authenticator(LmsAuthenticator, LTI13Authenticator):  # type: ignore[misc]
    """Lets in people of the roster whom a trusted platform vouches for."""

    enrol = Bool(help="Whether a launch from our course of the LMS enters people.").tag(config=True)

    login_handler = LoginInitHandler
    callback_handler = LaunchHandler
    config_handler = lti_pages.ConfigHandler

    def get_handlers(self, app: Any) -> list[tuple[Any, ...]]:
        """The addresses of ltiauthenticator, and those that it lacks."""
        return [
            *super().get_handlers(app),
            *self.entrance(),
            ("lti13/jwks", lti_pages.KeysHandler),
            (r"lti13/register/([A-Za-z0-9_-]{1,64})", lti_pages.RegisterHandler),
            (lti_pages.DEEP_LINKING, lti_pages.DeepLinkingHandler),
            ("lti13/link", lti_pages.LinkHandler),
        ]

    def member(self, launch: Launch, context: Context | None) -> Member:
        """Who it is that a launch is about, as the roster has them.

        What the LMS says of their role counts only for somebody whom it enters.

        Raises:
            Refused: when they are not, and are not to be entered.
        """
        issuer = launch.platform.issuer
        value = launch.value(self.claim)
        found = self.person(issuer, launch.subject, value)
        if found is not None:
            return found
        if not (self.enrol and context and context.ours and launch.role):
            raise not_listed()
        entered = self._enter(launch, str(value))
        self.link(issuer, launch.subject, entered)
        return entered

    def _enter(self, launch: Launch, value: str) -> Member:
        email = launch.value("email") or ""
        names = [launch.value("given_name"), launch.value("family_name")]
        told = {
            "username": value if self.match == "username" else email.partition("@")[0],
            "number": value if self.match == "number" else launch.value("lis.person_sourcedid"),
            "name": launch.value("name") or " ".join(each for each in names if each),
            "email": email,
            "role": launch.role,
        }
        try:
            columns = {name: each or "" for name, each in told.items()}
            by = f"LMS {launch.platform.number}"
            return self.people.enter(columns, by, datetime.now(UTC))
        except ValueError:
            raise Refused(
                "lti-cannot-enter",
                "You are not on the list of this course, and the LMS tells too little, or somebody "
                "else's name or number, to put you on it.",
                "The course's staff have to.",
            ) from None


def _state_cookie(state: str) -> str:
    """The name of the cookie of one launch: several tabs may be on their way at once."""
    return f"coursehub-lti-{hashlib.sha256(state.encode()).hexdigest()[:16]}"
