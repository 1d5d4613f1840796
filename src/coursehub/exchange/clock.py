"""What the clock did, what it is doing, and what staff approved: tables of the course database.

Whoever does an action takes it first, by a lease that is renewed meanwhile. A holder that died
loses the lease, and another takes the action again; that it is done is accepted of the holder
alone, and written in one step with the journal. What failed is tried again, each time after a
longer pause.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from coursehub import journal
from coursehub.course.due import Action, Approval, Key
from coursehub.exchange.database import approvals, clock

LEASE = timedelta(seconds=20)
"""How long a holder that says nothing keeps an action."""

_RENEWALS = 4  # in the time of a lease
_PAUSES = (timedelta(seconds=10), timedelta(minutes=10))  # the first after a failure, the longest

WHO = "clock"
"""What the journal calls it."""

DECIDE = "decide about edits"
"""What the journal calls a decision on a page; the clock settles the points that it changes."""


@dataclass(frozen=True)
class Deed:
    """A row: an action that was begun.

    Attributes:
        key: What.
        tries: How often it was taken.
        taken_by: Who has it; None when nobody has.
        taken_until: The end of their lease, or of the pause after a failure.
        done_at: When it was done.
        result: What came of it, as plain values.
        problem: Why it failed the last time.
    """

    key: Key
    tries: int
    taken_by: str | None
    taken_until: datetime | None
    done_at: datetime | None
    result: dict[str, Any] | None
    problem: str | None

    def is_failing(self, now: datetime) -> bool:
        """Whether it failed and is still tried; a deadline that moved makes another of it."""
        tried = self.taken_until is not None and self.taken_until > now - 2 * _PAUSES[1]
        return self.problem is not None and self.done_at is None and tried


class Clock:
    """The tables `clock` and `approvals`."""

    def __init__(self, engine: Engine) -> None:
        """Work on the database behind `engine` (see `database.connect`)."""
        self._engine = engine

    def deeds(self) -> list[Deed]:
        """Everything that was begun, the oldest close first."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(clock).order_by(clock.c.close)).mappings()
            return [_deed(dict(row)) for row in rows]

    def done(self) -> frozenset[Key]:
        """What is done."""
        columns = (clock.c.kind, clock.c.assignment, clock.c.close)
        with self._engine.connect() as connection:
            rows = connection.execute(select(*columns).where(clock.c.done_at.is_not(None)))
            return frozenset(Key(*row) for row in rows)

    def not_graded(self, assignment: str) -> dict[str, str]:
        """User name -> why the hand-in could not be graded when the clock graded last."""
        query = (
            select(clock.c.result)
            .where(clock.c.kind == "autograde", clock.c.assignment == assignment)
            .where(clock.c.done_at.is_not(None))
            .order_by(clock.c.close.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            result = connection.execute(query).scalar()
        return dict((result or {}).get("not graded", {}))

    def decided(self) -> dict[str, datetime]:
        """Assignment name -> when somebody decided last, on a page, what edits cost."""
        of = journal.journal.c
        query = select(of.assignment, func.max(of.at)).where(of.did == DECIDE)
        with self._engine.connect() as connection:
            rows = connection.execute(query.group_by(of.assignment))
            return {name: at for name, at in rows}

    def take(self, key: Key, who: str, now: datetime, *, insist: bool = False) -> Deed | None:
        """Take an action for as long as `LEASE`; None where it is done, or somebody else's.

        Args:
            key: Which.
            who: The holder, different from every other.
            now: The time.
            insist: Take it also in the pause after a failure.
        """
        free = or_(clock.c.taken_until.is_(None), clock.c.taken_until <= now)
        if insist:
            free = or_(free, clock.c.taken_by.is_(None))
        mine = {"taken_by": who, "taken_until": now + LEASE}
        again = mine | {"tries": clock.c.tries + 1}
        try:
            with self._engine.begin() as connection:
                lost = and_(_is(key), clock.c.done_at.is_(None), free)
                changed = connection.execute(
                    update(clock).where(lost).values(again).returning(clock)
                ).mappings()
                if row := changed.one_or_none():
                    return _deed(dict(row))
                if connection.execute(select(clock.c.kind).where(_is(key))).one_or_none():
                    return None
                connection.execute(clock.insert().values(**key._asdict(), tries=1, **mine))
        except IntegrityError:  # somebody else, at this very moment
            return None
        return Deed(key, 1, who, now + LEASE, None, None, None)

    @contextmanager
    def kept(self, key: Key, who: str) -> Iterator[None]:
        """Renew the lease while the context lasts."""
        over = Event()

        def renew() -> None:
            while not over.wait(LEASE.total_seconds() / _RENEWALS):
                try:
                    self._write(key, who, {"taken_until": datetime.now(UTC) + LEASE})
                except SQLAlchemyError:  # a database that is away comes back, or another goes on
                    continue

        thread = Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def finish(self, action: Action, who: str, now: datetime, result: Mapping[str, Any]) -> bool:
        """Write down that it is done, here and in the journal; say whether it was `who`'s."""
        values = {"done_at": now, "result": dict(result), "problem": None, "taken_by": None}
        entry = journal.Entry(
            now, WHO, action.kind, action.assignment, after=result, why=action.why
        )
        with self._engine.begin() as connection:
            held = self._update(connection, action.key, who, values)
            if held:
                journal.record(connection, entry)
            return held

    def fail(self, key: Key, who: str, now: datetime, problem: str, tries: int) -> None:
        """Write down why it failed; it is tried again after a pause."""
        first, longest = _PAUSES
        pause = min(first * 2 ** min(tries - 1, 10), longest)
        text = problem.replace("\0", "")
        self._write(key, who, {"problem": text, "taken_by": None, "taken_until": now + pause})

    def approve(self, assignment: str, approval: Approval, by: str, why: str | None = None) -> None:
        """Enter that staff approve an assignment's feedback.

        Args:
            assignment: Its name.
            approval: The close up to which they looked, and when.
            by: Who.
            why: A remark, such as what they let pass.
        """
        row = {"assignment": assignment, "close": approval.close, "approved_by": by}
        after = {"close": approval.close.isoformat()}
        with self._engine.begin() as connection:
            connection.execute(approvals.insert().values(**row, approved_at=approval.at))
            journal.record(
                connection,
                journal.Entry(approval.at, by, "approve", assignment, after=after, why=why),
            )

    def approvals(self) -> dict[str, Approval]:
        """Assignment name -> the last approval of its feedback."""
        query = select(approvals).order_by(approvals.c.number)
        with self._engine.connect() as connection:
            return {
                row.assignment: Approval(row.close, row.approved_at)
                for row in connection.execute(query)
            }

    def _write(self, key: Key, who: str, values: dict[str, Any]) -> bool:
        with self._engine.begin() as connection:
            return self._update(connection, key, who, values)

    def _update(self, connection: Connection, key: Key, who: str, values: dict[str, Any]) -> bool:
        held = and_(_is(key), clock.c.taken_by == who, clock.c.done_at.is_(None))
        return connection.execute(update(clock).where(held).values(values)).rowcount == 1


def _is(key: Key) -> ColumnElement[bool]:
    return and_(*(clock.c[name] == value for name, value in key._asdict().items()))


def _deed(row: dict[str, Any]) -> Deed:
    key = Key(*(row.pop(name) for name in Key._fields))
    return Deed(key, **row)
