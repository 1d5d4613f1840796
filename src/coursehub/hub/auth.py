"""Sign-in for the embedded form: only people on the roster get in, with their own password."""

from datetime import UTC, datetime
from typing import Any, Protocol

from jupyterhub.auth import Authenticator
from traitlets import Any as AnyTrait
from traitlets import Unicode

from coursehub.hub.attempts import Attempts, Proxies


class Member(Protocol):
    """A person as the hub needs to know them."""

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

    def check_password(self, username: str, password: str) -> bool:
        """Whether the password is theirs."""


class RosterAuthenticator(Authenticator):
    """Lets in who is on the roster; groups and roles follow the roster at every sign-in."""

    people: People = AnyTrait(help="The roster.").tag(config=True)
    course_id = Unicode(help="nbgrader's course id; names the groups.").tag(config=True)
    proxies: Proxies = AnyTrait(help="Who says where a client is.").tag(config=True)

    def __init__(self, **named: Any) -> None:
        """Allow whoever `authenticate` lets through, and own groups and roles."""
        super().__init__(**named)
        self.attempts = Attempts()
        self.allow_all = True
        self.manage_groups = True
        self.manage_roles = True

    async def authenticate(self, handler: Any, data: dict[str, str]) -> dict[str, Any] | None:
        """The person and their groups, or None when name and password do not fit.

        Raises:
            TooManyAttempts: when too many sign-ins failed before.
        """
        username = self.normalize_username(data["username"].strip())
        address = await self.proxies.client(handler.request)
        attempt = self.attempts.begin(username, address, datetime.now(UTC))
        if not self.people.check_password(username, data["password"]):
            return None
        attempt.succeeded(datetime.now(UTC))
        member = self.people.find(username)
        return member and {
            "name": username,
            "groups": groups(member, self.course_id),
            "roles": [{"name": name} for name in roles(member)],
        }


def groups(member: Member, course_id: str) -> list[str]:
    """The hub groups of a member, named as nbgrader's own hub plugin expects them."""
    return [f"formgrade-{course_id}" if member.staff else f"nbgrader-{course_id}"]


def roles(member: Member) -> list[str]:
    """The hub roles of a member; `configure` says what each may do."""
    return ["user", "instructor"] if member.role == "instructor" else ["user"]
