"""Coming in from an LMS, whichever LTI it speaks: whose account it is, what opens, signing in."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from jupyterhub import orm
from traitlets import Any as AnyTrait
from traitlets import Unicode

from coursehub.errors import NotFound
from coursehub.hub.auth import Member, Refused, RosterAuthenticator, is_already
from coursehub.hub.lti_handler import LtiHandler
from coursehub.lti.launch import refusal
from coursehub.lti.tool import Tool

_TICKET, _TICKET_LIFE = "coursehub-lti-ticket", timedelta(minutes=1)


class LmsAuthenticator(RosterAuthenticator):
    """Finds whose account of an LMS it is."""

    claim = Unicode("lis.person_sourcedid", help="What tells a person.").tag(config=True)
    match = Unicode("number", help="The roster's column that it is looked for in.").tag(config=True)

    hint = "If your course is in an LMS, open it there: its links lead here and sign you in."

    tool: Tool = AnyTrait(help="The course as a tool.").tag(config=True)

    def entrance(self) -> list[tuple[Any, ...]]:
        """Where `LmsHandler.sign_in` sends browsers."""
        return [("lti13/enter", EnterHandler)]

    async def authenticate(self, _handler: Any, data: Mapping[str, str]) -> dict[str, Any] | None:
        """The person of a ticket that `LmsHandler.sign_in` made, if the roster still has them."""
        member = self.people.find(data["username"])
        return member and self.admit(member)

    def person(self, issuer: str, subject: str, value: str | None) -> Member | None:
        """The person on the roster whose account this is; None where nobody is like that.

        Args:
            issuer: who vouches.
            subject: the account, by the issuer's name for it.
            value: what the LMS says by `claim`.

        Raises:
            Refused: when it says nothing, or several are like that, or the account or the person
                belongs to another already.
        """
        # What an LMS could not fill in it sends as it was asked: "$Person.sourcedId".
        if value is None or value.startswith("$"):
            raise Refused(
                "lti-claim-missing",
                "The LMS does not tell this course who you are.",
                f"Its connection with this course has to send {self.claim}.",
            )
        found = self.people.matching(self.match, value)
        if len(found) > 1:
            raise Refused(
                "lti-person-ambiguous",
                "The list of this course has you more than once.",
                "The course's staff have to correct it.",
            )
        if found:
            self.link(issuer, subject, found[0])
        return found[0] if found else None

    def link(self, issuer: str, subject: str, member: Member) -> None:
        """Note whose account it is.

        Raises:
            Refused: when the account or the person belongs to another already.
        """
        if not self.people.link(issuer, subject, member.username, datetime.now(UTC)):
            raise Refused(
                "lti-account-collision",
                "Somebody came in as you with another account of the LMS before, or you as "
                "somebody else.",
                "If your account was made anew, the course's staff can let the new one in.",
            )


def not_listed() -> Refused:
    """The refusal of somebody whom the roster does not have."""
    return Refused(
        "lti-person-unknown",
        "You are not on the list of this course.",
        "If you have just enrolled in the LMS, the list follows soon.",
    )


class LmsHandler(LtiHandler):
    """A handler at whose end somebody signs in."""

    def opens(self, name: str | None, member: Member) -> str:
        """The page that a link opens: an assignment's, or where its person begins."""
        if name is None:
            return ""
        try:
            assignment = quote(self.tool.course.assignment(name).name, safe="")
        except NotFound:
            raise Refused(
                "lti-assignment-unknown",
                "The link in the LMS opens an assignment that this course does not have.",
                "The course's staff have to add the link anew.",
                status=404,
            ) from None
        if member.staff:
            return f"/services/course/staff/assignments/{assignment}"
        return f"{self.hub.base_url}user-redirect/coursehub/open?assignment={assignment}"

    def sign_in(self, member: Member, next_url: str) -> None:
        """Have the browser come back by itself, with a ticket for `EnterHandler`."""
        ticket = json.dumps({"username": member.username, "next": next_url})
        self.set_signed_cookie(
            _TICKET, ticket, expires_days=None, httponly=True, samesite="Lax", secure=self.secure,
            path=f"{self.hub.base_url}lti13/",
        )  # fmt: skip
        self.redirect(f"{self.hub.base_url}lti13/enter", status=303)


class EnterHandler(LtiHandler):
    """Signs in: a request from our own site, to which the browser adds our cookies (step 4)."""

    async def get(self) -> None:
        """Let somebody else's session in this browser end, begin theirs, and go on."""
        kept = self.get_signed_cookie(_TICKET, max_age_days=_TICKET_LIFE / timedelta(days=1))
        self.clear_cookie(_TICKET, path=f"{self.hub.base_url}lti13/")
        with self.said():
            if kept is None:
                raise refusal("state-missing")
        ticket = json.loads(kept)
        before = self.get_current_user_cookie()
        if before is None or before.name != ticket["username"]:
            # Services and servers know a session by its id; theirs must not open for the next one.
            self.clear_login_cookie()
            self.set_session_cookie()
        user = await self.login_user({"username": ticket["username"]})
        if user is None:
            raise not_listed()
        self.redirect(ticket["next"] or self.get_next_url(user))

    async def auth_to_user(self, authenticated: dict[str, Any], user: Any = None) -> Any:
        """Write nothing of somebody who is in the hub as they should be: a class comes at once."""
        # By number: by name JupyterHub reads anew all that it has in memory already.
        named = self.db.query(orm.User.id).filter(orm.User.name == authenticated["name"])
        known = self.users.get(named.scalar())
        if known is not None and is_already(known, authenticated):
            return known
        return await super().auth_to_user(authenticated, user)
