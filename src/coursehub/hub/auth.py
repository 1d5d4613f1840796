"""Who gets in, and as what: whoever is on the roster, however they sign in.

Every way of signing in (`hub.signin`) is an authenticator that ends in `RosterAuthenticator.admit`.
"""

import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from jupyterhub.auth import Authenticator
from tornado import web
from traitlets import Any as AnyTrait
from traitlets import Unicode

REFRESH_SECONDS = 10
"""For how long a request of somebody is answered without a look at the roster."""

_log = logging.getLogger("jupyterhub")


class Member(Protocol):
    """A person as the hub needs to know them."""

    @property
    def username(self) -> str:
        """The name by which the hub knows them."""

    @property
    def role(self) -> str:
        """`student`, `ta` or `instructor`."""

    @property
    def staff(self) -> bool:
        """Whether they grade."""


class People(Protocol):
    """The roster as the hub needs it; `exchange.roster.Roster` is one."""

    def find(self, username: str) -> Member | None:
        """The active person of that name."""

    def everyone(self) -> Sequence[Member]:
        """All active people."""

    def check_password(self, username: str, password: str) -> bool:
        """Whether the password is theirs."""

    def matching(self, column: str, value: str) -> Sequence[Member]:
        """The active people with that `username`, `number` or `email`, in whatever case."""

    def link(self, issuer: str, subject: str, username: str, now: datetime) -> bool:
        """Whether this account of that issuer is theirs; the first one to come is, for good."""

    def enter(self, told: Mapping[str, str], by: str, now: datetime) -> Member:
        """Put somebody on the roster whom an LMS vouches for."""


class Refused(web.HTTPError):
    """Somebody does not get in; `hub/templates/error.html` says why and whom to ask."""

    def __init__(self, event: str, problem: str, remedy: str, status: int = 403) -> None:
        """Log the event under an id that the page shows too, with nothing about the person.

        Args:
            event: What happened, as the log says it: `unverified-email`.
            problem: What the person reads first: a sentence.
            remedy: What to do about it: a sentence or two.
            status: HTTP status.
        """
        super().__init__(status)
        self.problem, self.remedy = problem, remedy
        self.another = ""  # where to sign in with another account, if that may help
        self.case = secrets.token_hex(4)
        _log.warning("sign-in refused: event=%s case=%s", event, self.case)


class RosterAuthenticator(Authenticator):
    """Lets in who is on the roster; groups and roles follow the roster, at every sign-in and after.

    The base of all ways to sign in. Somebody who was dropped is asked to sign in again by
    their next request, and cannot; `hub.membership` takes away what they have without one.
    """

    people: People = AnyTrait(help="The roster.").tag(config=True)
    course_id = Unicode(help="nbgrader's course id; names the groups.").tag(config=True)

    button = ""
    """What the sign-in page says on this way's button; without it there is none."""
    hint = ""
    """What the sign-in page says of a way that begins elsewhere, as in an LMS."""

    def __init__(self, **named: Any) -> None:
        """Allow whoever `authenticate` lets through, and own groups and roles."""
        super().__init__(**named)
        self.allow_all = True
        self.manage_groups = True
        self.manage_roles = True
        self.auth_refresh_age = REFRESH_SECONDS
        self.auth_refresh_strict = True

    def admit(self, member: Member) -> dict[str, Any]:
        """What JupyterHub wants to know of somebody who signed in: name, groups and roles."""
        return {
            "name": member.username,
            "groups": groups(member, self.course_id),
            "roles": [{"name": name} for name in roles(member)],
        }

    async def refresh_user(self, user: Any, _handler: Any = None) -> dict[str, Any] | bool:
        """Groups and roles as the roster has them now; False for who is no longer on it."""
        member = self.people.find(user.name)
        if member is None:
            return False
        due = self.admit(member)
        return is_already(user, due) or due


def is_already(user: Any, due: Mapping[str, Any]) -> bool:
    """Whether the hub has somebody as `RosterAuthenticator.admit` says."""
    return {each.name for each in user.groups} == set(due["groups"]) and {
        each.name for each in user.roles
    } == {each["name"] for each in due["roles"]}


def groups(member: Member, course_id: str) -> list[str]:
    """The hub groups of a member, named as nbgrader's own hub plugin expects them."""
    return [f"formgrade-{course_id}" if member.staff else f"nbgrader-{course_id}"]


def roles(member: Member) -> list[str]:
    """The hub roles of a member; `configure` says what each may do."""
    return ["user", "instructor"] if member.role == "instructor" else ["user"]
