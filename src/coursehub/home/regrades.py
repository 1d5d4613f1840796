"""Requests to look at a grade once more: reason, rerun, answer; every step is in the journal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from coursehub import journal
from coursehub.errors import CourseHubError, NotFound
from coursehub.instant import Instant

LONGEST = 4000
"""Characters of a reason or an answer."""

metadata = MetaData()

regrades = Table(
    "regrades",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("username", String(64), nullable=False, index=True),
    Column("assignment", String(64), nullable=False),
    Column("hand_in", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("rerun", Integer, nullable=True),
    Column("changed", Boolean, nullable=True),
    Column("answer", Text, nullable=True),
    Column("answered_by", String(64), nullable=True),
    Column("answered_at", Instant, nullable=True),
)
_waits = regrades.c.answered_at.is_(None)
Index(
    "one_regrade_waits", regrades.c.username, regrades.c.assignment, unique=True,
    sqlite_where=_waits, postgresql_where=_waits,
)  # fmt: skip


@dataclass(frozen=True)
class Regrade:
    """One request.

    Attributes:
        id: Its number.
        username: Who asks.
        assignment: About which.
        hand_in: The ledger's number of the hand-in that was graded.
        reason: Why, in the student's words.
        asked_at: When.
        rerun: The number of the grading that staff asked for because of it.
        changed: Whether points changed, once it is answered.
        answer: What staff say.
        answered_by: Who of them.
        answered_at: When.
    """

    id: int
    username: str
    assignment: str
    hand_in: int
    reason: str
    asked_at: datetime
    rerun: int | None = None
    changed: bool | None = None
    answer: str | None = None
    answered_by: str | None = None
    answered_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether it waits for an answer."""
        return self.answered_at is None


class Regrades:
    """The table `regrades` of the course database."""

    def __init__(self, engine: Engine) -> None:
        """Work on the database behind `engine`; SQLite's table is made here."""
        self._engine = engine
        if engine.dialect.name == "sqlite":
            metadata.create_all(engine)

    def ask(self, username: str, assignment: str, hand_in: int, reason: str, now: datetime) -> int:
        """Enter a student's request; return its number.

        Raises:
            CourseHubError: There is no reason, or another one of theirs waits.
        """
        text = _checked(reason, "Say in a few words what should be looked at again")
        row = {
            "username": username,
            "assignment": assignment,
            "hand_in": hand_in,
            "reason": text,
            "asked_at": now,
        }
        entry = journal.Entry(
            now, username, "ask for a regrade", assignment, username,
            after={"hand_in": hand_in}, why=text,
        )  # fmt: skip
        try:
            with self._engine.begin() as connection:
                made = connection.execute(regrades.insert().values(row)).inserted_primary_key
                journal.record(connection, entry)
        except IntegrityError:
            raise CourseHubError(
                f"you have asked already for {assignment} to be looked at again",
                remedy="Wait for the answer; it will be on your page",
            ) from None
        return int(made[0])  # type: ignore[index]

    def note_rerun(self, number: int, grading: int, who: str, now: datetime) -> None:
        """Write down that staff have the hand-in graded once more.

        Raises:
            NotFound: No request of that number waits.
        """
        self._change(number, {"rerun": grading}, "rerun for a regrade", who, now)

    def answer(self, number: int, text: str, changed: bool, who: str, now: datetime) -> None:
        """Close a request with an answer for the student.

        Raises:
            NotFound: No request of that number waits.
            CourseHubError: There is no answer.
        """
        said = _checked(text, "Say what you found; the student reads it")
        values = {"answer": said, "changed": changed, "answered_by": who, "answered_at": now}
        self._change(number, values, "answer a regrade", who, now, why=said)

    def of(self, username: str) -> list[Regrade]:
        """A student's requests, oldest first."""
        return self._select(regrades.c.username == username)

    def waiting(self) -> list[Regrade]:
        """All that wait for an answer, oldest first."""
        return self._select(_waits)

    def answered(self, limit: int = 50) -> list[Regrade]:
        """The last ones that were answered, newest first."""
        query = select(regrades).where(~_waits).order_by(regrades.c.answered_at.desc())
        with self._engine.connect() as connection:
            rows = connection.execute(query.limit(limit)).mappings()
            return [Regrade(**row) for row in rows]

    def find(self, number: int) -> Regrade:
        """The request of that number.

        Raises:
            NotFound: There is none.
        """
        found = self._select(regrades.c.id == number)
        if not found:
            raise NotFound(f"there is no regrade request {number}")
        return found[0]

    def _change(
        self, number: int, values: dict[str, Any], did: str, who: str, now: datetime, why: str = ""
    ) -> None:
        request = self.find(number)
        plain = {
            name: value for name, value in values.items() if isinstance(value, str | int | bool)
        }
        entry = journal.Entry(
            now, who, did, request.assignment, request.username,
            after={"request": number, **plain}, why=why or request.reason,
        )  # fmt: skip
        with self._engine.begin() as connection:
            mine = update(regrades).where(regrades.c.id == number, _waits).values(values)
            if not connection.execute(mine).rowcount:
                raise NotFound(f"regrade request {number} is answered already")
            journal.record(connection, entry)

    def _select(self, *conditions: ColumnElement[bool]) -> list[Regrade]:
        query = select(regrades).where(*conditions).order_by(regrades.c.id)
        with self._engine.connect() as connection:
            return [Regrade(**row) for row in connection.execute(query).mappings()]


def open_among(requests: Sequence[Regrade], assignment: str) -> Regrade | None:
    """The request about an assignment that waits, if one does."""
    return next((each for each in requests if each.assignment == assignment and each.open), None)


def _checked(text: str, remedy: str) -> str:
    """The text without what surrounds it; PostgreSQL takes no NUL."""
    said = text.replace("\0", "").strip()
    if not said:
        raise CourseHubError("the text is empty", remedy=remedy)
    if len(said) > LONGEST:
        raise CourseHubError(
            f"the text has {len(said):,} characters, {LONGEST:,} fit", remedy="Shorten it"
        )
    return said
