"""Who is in the course, as what, and who has more time: the only source for people.

A roster comes from a CSV file (`coursehub roster import FILE.csv`) with the columns username,
number, name, email, role. An extension moves one student's deadline of one assignment; every one
ever granted is kept, the latest counts.
"""

import hashlib
import hmac
import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from coursehub import journal
from coursehub.course.due import Grant
from coursehub.errors import RosterError
from coursehub.exchange.database import extensions, identities, people
from coursehub.exchange.person import COLUMNS, Person, complaints, read_csv


@dataclass(frozen=True)
class Extension:
    """More time for one student: hand-ins before `until` are on time."""

    username: str
    assignment: str
    until: datetime
    reason: str
    granted_by: str
    granted_at: datetime


class Roster:
    """People and extensions in the course database."""

    def __init__(self, engine: Engine) -> None:
        """Work on the database behind `engine` (see `database.connect`)."""
        self._engine = engine

    def __deepcopy__(self, _memo: object) -> "Roster":
        """Stay one: traitlets copies what its configuration holds, and a database is no value."""
        return self

    def find(self, username: str) -> Person | None:
        """The active person of that name, or None."""
        with self._engine.connect() as connection:
            row = connection.execute(_OF_NAME, {"name": username}).one_or_none()
        return Person(*row) if row else None

    def everyone(self) -> list[Person]:
        """All active people, by user name."""
        query = select(*_COLUMNS_OF_PERSON).where(people.c.active).order_by(people.c.username)
        with self._engine.connect() as connection:
            return [Person(*row) for row in connection.execute(query)]

    def import_csv(self, text: str) -> list[Person]:
        """Add or update everyone in the CSV `text`; nothing is changed if any line is wrong.

        People who are not in the file stay as they are.

        Raises:
            RosterError: with `problems`, one line each: where, what and the remedy.
        """
        found = read_csv(text)
        with self._engine.begin() as connection:
            known = {
                number.lower(): username
                for username, number in connection.execute(
                    select(people.c.username, people.c.number)
                )
            }
            for person in found:
                owner = known.get(person.number.lower(), person.username)
                if owner != person.username:
                    raise RosterError(
                        f"student number {person.number} of {person.username} already belongs "
                        f"to {owner}",
                        remedy="Correct the number, or use the same username",
                    )
                values = {**person.__dict__, "active": True}
                changed = connection.execute(
                    update(people).where(people.c.username == person.username).values(values)
                )
                if not changed.rowcount:
                    connection.execute(people.insert().values(values))
        return found

    def enter(self, told: Mapping[str, str], by: str, now: datetime) -> Person:
        """Add one person whom the roster has never had; their user name is made lower case.

        Args:
            told: the columns.
            by: who vouches for them, for the journal.
            now: when; aware.

        Raises:
            ValueError: when a column is wrong or missing, or the name or number is taken; also by
                somebody who was dropped.
        """
        told = {**told, "username": told["username"].lower()}
        if complaints(told):
            raise ValueError("this is nobody who could be on the roster")
        person = Person(**told)
        number = func.lower(people.c.number) == person.number.lower()
        taken = select(people.c.username).where((people.c.username == person.username) | number)
        try:
            with self._engine.begin() as connection:
                if connection.execute(taken).first():
                    raise ValueError("the name or number is taken")
                connection.execute(people.insert().values(**person.__dict__, active=True))
                after = {"role": person.role}
                journal.record(
                    connection, journal.Entry(now, by, "enter", about=person.username, after=after)
                )
        except IntegrityError:
            raise ValueError("the name or number is taken") from None
        return person

    def set_password(self, username: str, password: str) -> None:
        """Store a salted hash of `password`, for the embedded form's own sign-in.

        Raises:
            RosterError: when nobody of that name is on the roster.
        """
        hashed = _hash_password(password, secrets.token_bytes(16))
        query = update(people).where(people.c.username == username).values(password=hashed)
        with self._engine.begin() as connection:
            if not connection.execute(query).rowcount:
                raise RosterError(f"{username} is not on the roster", remedy="Import them first")

    def check_password(self, username: str, password: str) -> bool:
        """Whether `password` is that of an active person. Takes as long when nobody is found."""
        query = select(people.c.password).where(people.c.username == username, people.c.active)
        with self._engine.connect() as connection:
            stored = connection.execute(query).scalar()
        salt = bytes.fromhex(stored.partition("$")[0]) if stored else bytes(16)
        return hmac.compare_digest(_hash_password(password, salt), stored or "")

    def matching(self, column: str, value: str) -> list[Person]:
        """The active people whose `username`, `number` or `email` this is, in whatever case.

        Letters beyond ASCII are compared as they are: some turn into others in lower case.
        """
        wanted = _fold(value)
        with self._engine.connect() as connection:
            rows = connection.execute(_ALIKE[column], {"value": value.strip()})
            found = [Person(*row) for row in rows]
        return [each for each in found if _fold(getattr(each, column)) == wanted]

    def link(self, issuer: str, subject: str, username: str, now: datetime) -> bool:
        """Whether this account at an identity provider is theirs; the first one to come is.

        Args:
            issuer: the provider, by its own name.
            subject: the account, by the provider's name for it, which never changes.
            username: who says to have it.
            now: the time to note; aware.
        """
        account = {"issuer": issuer, "subject": subject, "username": username}
        if self._linked(account):
            return True
        with suppress(IntegrityError), self._engine.begin() as connection:
            connection.execute(identities.insert().values(**account, linked_at=now))
        return self._linked(account)

    def _linked(self, account: Mapping[str, str]) -> bool:
        with self._engine.connect() as connection:
            return connection.execute(_LINKED, account).first() is not None

    def accounts(self, issuer: str) -> dict[str, str]:
        """Whose each account at a provider is: subject -> user name."""
        query = select(identities.c.subject, identities.c.username)
        with self._engine.connect() as connection:
            rows = connection.execute(query.where(identities.c.issuer == issuer))
            return {subject: username for subject, username in rows}

    def unlink(self, username: str) -> int:
        """Forget somebody's accounts at identity providers; return how many there were.

        The next one to come with their name becomes theirs.

        Raises:
            RosterError: when nobody of that name is on the roster.
        """
        if self.find(username) is None:
            raise RosterError(f"{username} is not on the roster", remedy="Check the spelling")
        with self._engine.begin() as connection:
            theirs = delete(identities).where(identities.c.username == username)
            return connection.execute(theirs).rowcount

    def drop(self, *usernames: str) -> None:
        """Take people off the roster; their hand-ins and marks stay.

        The hub ends what they still have within a minute. Who is imported again is back.

        Raises:
            RosterError: when somebody is not on the roster; then nobody is dropped.
        """
        with self._engine.begin() as connection:
            for username in usernames:
                named = (people.c.username == username, people.c.active)
                if not connection.execute(
                    update(people).where(*named).values(active=False)
                ).rowcount:
                    raise RosterError(
                        f"{username} is not on the roster, nobody was dropped",
                        remedy="Check the spelling",
                    )

    def former(self) -> list[Person]:
        """Whoever was dropped, by user name."""
        query = select(*_COLUMNS_OF_PERSON).where(people.c.active.is_(False))
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(people.c.username))
            return [Person(*row) for row in rows]

    def ways_in(self, username: str) -> tuple[bool, list[str]]:
        """Whether somebody has a password here, and at which issuers an account that is linked."""
        secret = select(people.c.password).where(people.c.username == username)
        linked = select(identities.c.issuer).where(identities.c.username == username)
        with self._engine.connect() as connection:
            password = connection.execute(secret).scalar()
            return bool(password), list(connection.execute(linked).scalars())

    def follow(
        self,
        added: Sequence[Mapping[str, str]],
        changed: Sequence[tuple[str, Mapping[str, str]]],
        dropped: Sequence[str],
        *,
        by: str,
        now: datetime,
        why: str,
    ) -> None:
        """Make the roster what another list says: all of it or nothing, and each in the journal.

        Args:
            added: the columns of who is new, or is back.
            changed: user names, and the columns that are other.
            dropped: user names of who left.
            by: who says so.
            now: when.
            why: by which list.

        Raises:
            RosterError: when a name or number is somebody else's.
        """

        def note(
            did: str, username: str, before: Mapping[str, Any], after: Mapping[str, Any]
        ) -> None:
            journal.record(
                connection,
                journal.Entry(now, by, did, about=username, before=before, after=after, why=why),
            )

        try:
            with self._engine.begin() as connection:
                had = {row.username: dict(row._mapping) for row in connection.execute(
                    select(*_COLUMNS_OF_PERSON))}  # fmt: skip
                for username in dropped:
                    gone = update(people).where(people.c.username == username)
                    connection.execute(gone.values(active=False))
                    note("drop from roster", username, had[username], {})
                for username, other in changed:
                    new = update(people).where(people.c.username == username).values(**other)
                    connection.execute(new)
                    before = {name: had[username][name] for name in other}
                    note("change roster", username, before, other)
                for each in added:
                    values = {**each, "active": True}
                    back = update(people).where(people.c.username == each["username"])
                    if not connection.execute(back.values(values)).rowcount:
                        connection.execute(people.insert().values(values))
                    note("add to roster", each["username"], {}, each)
        except IntegrityError as error:
            raise RosterError(
                "a name or number came to be somebody else's meanwhile, nothing was changed",
                remedy="Look again",
            ) from error

    def extend(self, *extensions_: Extension) -> None:
        """Record extensions, all of them or none, and each in the journal.

        Raises:
            RosterError: when a student is not on the roster or no reason is given.
        """
        known = {person.username for person in self.everyone()}
        for each in extensions_:
            if each.username not in known:
                raise RosterError(
                    f"{each.username} is not on the roster", remedy="Check the spelling"
                )
            if not each.reason.strip():
                raise RosterError("an extension needs a reason", remedy="Say why, in a few words")
        with self._engine.begin() as connection:
            before = _latest(connection)
            for each in extensions_:
                connection.execute(extensions.insert().values(each.__dict__))
                journal.record(connection, _entry(each, before))

    def grants(self) -> dict[str, list[Grant]]:
        """Assignment -> the extension that counts of each student who has one."""
        found: dict[str, list[Grant]] = defaultdict(list)
        with self._engine.connect() as connection:
            for (username, assignment), (until, granted) in _latest(connection).items():
                found[assignment].append(Grant(username, until, granted))
        return dict(found)

    def extended_until(self, username: str, assignment: str) -> datetime | None:
        """The first instant that is late for this student, or None without an extension."""
        query = (
            select(extensions.c.until)
            .where(extensions.c.username == username, extensions.c.assignment == assignment)
            .order_by(extensions.c.id.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            return connection.execute(query).scalar()

    def all_extended_until(self) -> dict[tuple[str, str], datetime]:
        """`extended_until` of everybody who has an extension, by user name and assignment."""
        query = select(extensions.c.username, extensions.c.assignment, extensions.c.until).order_by(
            extensions.c.id
        )
        with self._engine.connect() as connection:
            return {(name, work): until for name, work, until in connection.execute(query)}


_COLUMNS_OF_PERSON = [people.c[name] for name in COLUMNS]
# Asked at every sign-in and every few seconds of every session: made once.
_OF_NAME = select(*_COLUMNS_OF_PERSON).where(
    people.c.username == bindparam("name"), people.c.active
)
# Finds no fewer than `_fold` does, and does not read the whole class.
_ALIKE = {
    column: select(*_COLUMNS_OF_PERSON).where(
        people.c.active, func.lower(people.c[column]) == func.lower(bindparam("value"))
    )
    for column in ("username", "number", "email")
}
_LINKED = select(identities.c.subject).where(
    *(identities.c[name] == bindparam(name) for name in ("issuer", "subject", "username"))
)


def _latest(connection: Connection) -> dict[tuple[str, str], tuple[datetime, datetime]]:
    """Username and assignment -> until when there is more time, and when it was granted."""
    columns = [extensions.c[name] for name in ("username", "assignment", "until", "granted_at")]
    query = select(*columns).order_by(extensions.c.id)
    return {(row[0], row[1]): (row[2], row[3]) for row in connection.execute(query)}


def _entry(
    extension: Extension, before: Mapping[tuple[str, str], tuple[datetime, datetime]]
) -> journal.Entry:
    had = before.get((extension.username, extension.assignment))
    return journal.Entry(
        extension.granted_at,
        extension.granted_by,
        "extend",
        extension.assignment,
        extension.username,
        before={"until": had[0].isoformat()} if had else {},
        after={"until": extension.until.astimezone(UTC).isoformat()},
        why=extension.reason,
    )


def _fold(text: str) -> str:
    text = text.strip()
    return text.lower() if text.isascii() else text


def _hash_password(password: str, salt: bytes) -> str:
    digest = hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)
    return f"{salt.hex()}${digest.hex()}"
