"""Who is in a course of an LMS, and how that differs from the roster (NRPS 2.0).

Nobody is guessed: an account is somebody's because it came in as theirs before, or because the LMS
says what tells a person. Whoever cannot be told so is listed for a person to see to.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from coursehub.lti.claims import CUSTOM, role_of
from coursehub.lti.courses import LmsCourse
from coursehub.lti.services import Services

SCOPE = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
MEDIA_TYPE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"

STAFF = ("ta", "instructor")

Account = tuple[str, str]
"""An issuer, and its name for an account."""


class Person(Protocol):
    """Somebody on the roster."""

    username: str
    number: str
    name: str
    email: str
    role: str


@dataclass(frozen=True)
class Member:
    """An account in a course of an LMS.

    Attributes:
        issuer: The LMS.
        sub: The account, by the LMS's name for it.
        role: What it is there, see `claims.role_of`.
        told: All that the LMS says of it.
    """

    issuer: str
    sub: str
    role: str | None
    told: Mapping[str, Any]

    def value(self, name: str) -> str:
        """What a launch tells as the claim `name`, as the membership has it; empty: nothing."""
        head, _, rest = name.partition(".")
        match head:
            case "lis":
                found = self.told.get(f"lis_{rest}")
            case "custom":
                found = self._custom().get(rest)
            case _:
                found = self.told.get({"sub": "user_id"}.get(name, name))
        # What an LMS could not fill in it sends as it was asked: "$Person.sourcedId".
        return found.strip() if isinstance(found, str) and not found.startswith("$") else ""

    @property
    def name(self) -> str:
        """The name of its person; empty where it is kept from us."""
        return self.value("name") or " ".join(
            part for part in (self.value("given_name"), self.value("family_name")) if part
        )

    def _custom(self) -> Mapping[str, Any]:
        messages = self.told.get("message")
        for message in messages if isinstance(messages, list) else ():
            found = message.get(CUSTOM) if isinstance(message, Mapping) else None
            if isinstance(found, Mapping):
                return found
        return {}

    def __str__(self) -> str:
        """How staff know it again."""
        return f"{self.name or 'account'} ({self.value('email') or self.sub})"


@dataclass
class Changes:
    """How the LMS differs from the roster.

    Attributes:
        added: Who is new, by the roster's columns.
        changed: The person as the roster has them, and what is to be other.
        dropped: Who is in the LMS's course no longer.
        kept: What only `--force` does: who, and what.
        unclear: Who could not be told, and why.
        accounts: Whose account is whose, as far as the roster does not know yet.
    """

    added: list[dict[str, str]] = field(default_factory=list)
    changed: list[tuple[Person, dict[str, str]]] = field(default_factory=list)
    dropped: list[Person] = field(default_factory=list)
    kept: list[tuple[Person, str]] = field(default_factory=list)
    unclear: list[tuple[str, str]] = field(default_factory=list)
    accounts: list[tuple[Account, str]] = field(default_factory=list)


def members(course: LmsCourse, services: Services) -> list[Member]:
    """Everybody who is active in a course of an LMS: all of them, or none.

    Raises:
        PassbackError: The LMS does not tell.
    """
    assert course.memberships_url is not None
    found = {}
    for page in services.pages(course.memberships_url, SCOPE, MEDIA_TYPE):
        listed = page.get("members") if isinstance(page, Mapping) else None
        if not isinstance(listed, list):
            raise services.unusable("what it answers is no list of members")
        for each in listed:
            sub = each.get("user_id") if isinstance(each, Mapping) else None
            if not isinstance(sub, str) or not sub:
                raise services.unusable("a member has no user_id")
            roles = each.get("roles")
            role = role_of(_whole(roles) if isinstance(roles, list) else ())
            if each.get("status", "Active") == "Active":
                found[sub] = Member(course.platform.issuer, sub, role, each)
    return list(found.values())


@dataclass(frozen=True)
class Roster:
    """The roster as it stands.

    Attributes:
        people: Who is on it.
        former: Who was, and was dropped.
        accounts: Whose account is whose.
        claim: What of a member tells a person, as in launches.
        match: The column that it stands in: `email`, `username` or `number`.
        check: What is wrong with somebody who is to be entered.
    """

    people: Sequence[Person]
    former: Sequence[Person]
    accounts: Mapping[Account, str]
    claim: str
    match: str
    check: Callable[[Mapping[str, str]], Sequence[str]]


def changes(roster: Roster, found: Iterable[Member], *, force: bool = False) -> Changes:
    """Return how the members of the LMS's courses differ from the roster.

    Args:
        roster: The roster as it stands.
        found: Everybody in the LMS's courses; who is in several counts once.
        force: Whether staff may be dropped, or become students.
    """
    result = Changes()
    by_name = {each.username: each for each in (*roster.former, *roster.people)}
    numbers = {each.number.lower(): each.username for each in by_name.values()}
    active = {each.username for each in roster.people}
    owners = {(issuer, name): sub for (issuer, sub), name in roster.accounts.items()}
    present: set[str] = set()
    seen: set[Account] = set()
    for member in found:
        account = (member.issuer, member.sub)
        if account in seen:
            continue
        seen.add(account)
        person, problem = _person(roster, member, by_name, owners)
        if person is not None and person.username in present:
            person, problem = None, f"{person.username} is there with another account as well"
        if person is not None:
            present.add(person.username)
        if problem is None and member.role is None:
            problem = "has no role that counts here"
        if problem is None and person is None:
            problem = _added(roster, member, by_name, numbers, result)
            person = None
        elif problem is None and person is not None:
            problem = _same(roster, member, person, numbers, active, result, force)
        if problem:
            result.unclear.append((str(member), problem))
    for person in roster.people:
        if person.username not in present:
            if person.role in STAFF and not force:
                result.kept.append((person, "is staff, and not in the LMS's course"))
            else:
                result.dropped.append(person)
    return result


def _person(
    roster: Roster,
    member: Member,
    by_name: Mapping[str, Person],
    owners: Mapping[Account, str],
) -> tuple[Person | None, str | None]:
    """Whose account it is, or why that cannot be told; neither where nobody is like that."""
    linked = roster.accounts.get((member.issuer, member.sub))
    value = member.value(roster.claim)
    if linked in by_name:
        return by_name[linked], None
    if not value:
        return None, f"the LMS does not tell {roster.claim}"
    like = [each for each in by_name.values() if _fold(getattr(each, roster.match)) == _fold(value)]
    if len(like) > 1:
        return None, f"several on the roster have the {roster.match} {value}"
    if like and owners.get((member.issuer, like[0].username), member.sub) != member.sub:
        # Known by another account: present, though not by this one.
        return like[0], f"{like[0].username} came with another account; see `roster unlink`"
    return (like[0] if like else None), None


def _added(
    roster: Roster,
    member: Member,
    by_name: Mapping[str, Person],
    numbers: dict[str, str],
    result: Changes,
) -> str | None:
    value, email = member.value(roster.claim), member.value("email")
    told = {
        "username": (value if roster.match == "username" else email.partition("@")[0]).lower(),
        "number": value if roster.match == "number" else member.value("lis.person_sourcedid"),
        "name": member.name,
        "email": email,
        "role": member.role or "",
    }
    if problems := roster.check(told):
        return problems[0]
    if told["username"] in by_name or any(
        told["username"] == each["username"] for each in result.added
    ):
        return f"the user name {told['username']} is somebody else's"
    if told["number"].lower() in numbers:
        return f"number {told['number']} is {numbers[told['number'].lower()]}'s"
    numbers[told["number"].lower()] = told["username"]
    result.added.append(told)
    result.accounts.append(((member.issuer, member.sub), told["username"]))
    return None


def _same(
    roster: Roster,
    member: Member,
    person: Person,
    numbers: Mapping[str, str],
    active: set[str],
    result: Changes,
    force: bool,
) -> str | None:
    if (member.issuer, member.sub) not in roster.accounts:
        result.accounts.append(((member.issuer, member.sub), person.username))
    number = member.value(roster.claim if roster.match == "number" else "lis.person_sourcedid")
    told = {"name": member.name, "number": number, "role": member.role or ""}
    had = {name: getattr(person, name) for name in told}
    other = {name: value for name, value in told.items() if value and value != had[name]}
    problem = None
    if "number" in other:
        owner = numbers.get(number.lower(), person.username)
        wrong = roster.check({**_columns(person), "number": number})
        if owner != person.username or wrong:
            problem = wrong[0] if wrong else f"number {number} is {owner}'s"
            del other["number"]
    if other.get("role") == "student" and person.role in STAFF and not force:
        result.kept.append((person, f"is {person.role} here and student in the LMS"))
        del other["role"]
    if person.username not in active:
        result.added.append({**_columns(person), **other})
    elif other:
        result.changed.append((person, other))
    return problem


def _columns(person: Person) -> dict[str, str]:
    names = ("username", "number", "name", "email", "role")
    return {name: getattr(person, name) for name in names}


def _fold(text: str) -> str:
    """As the roster compares."""
    text = text.strip()
    return text.lower() if text.isascii() else text


def _whole(roles: Iterable[object]) -> list[object]:
    """Roles by their whole names: NRPS allows short ones for those in the context (section 2.2)."""
    short = {name: f"http://purl.imsglobal.org/vocab/lis/v2/membership#{name}"
             for name in ("Instructor", "Learner")}  # fmt: skip
    return [short.get(role, role) if isinstance(role, str) else role for role in roles]
