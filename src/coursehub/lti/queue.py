"""Scores on their way to the LMS: a row for each student and assignment, never more.

A row holds the newest score and the moment at which it was given; a newer one takes its place
whether or not the old one was sent, so that none is overtaken. What the LMS was sent is noted with
the moment that was in the message: a sender that dies in between sends the same message again,
which changes nothing there.

One sender at a time has the turn for a course of an LMS. Where it dies its lease ends.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, case, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from coursehub.lti.tables import contexts, create_tables, passback, turns

WAITING, SENT, PARKED = "waiting", "sent", "parked"

LEASE = timedelta(seconds=30)
"""How long a sender that says nothing keeps the turn."""

_RENEWALS = 5  # in the time of a lease
_SURE = 10.0  # seconds since the last renewal; what is sent next still ends within the lease
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=2), timedelta(hours=1)
_JITTER = 0.5

Key = tuple[int, str, str]
"""The number of the LMS's course, the assignment, the user name."""


@dataclass(frozen=True)
class Score:
    """What a student sees of an assignment.

    Attributes:
        assignment: Its name.
        username: Whose.
        sub: What the LMS calls them.
        score: The points that count, in decimals.
        most: The points that could be earned.
        received: When the hand-in came.
    """

    assignment: str
    username: str
    sub: str
    score: str
    most: str
    received: datetime | None = None


@dataclass(frozen=True)
class Row:
    """A row of the queue.

    Attributes:
        context: The number of the LMS's course.
        assignment: What was graded.
        username: Whose score it is.
        sub: What the LMS calls them.
        score: The points that count, in decimals.
        most: The points that could be earned.
        received: When the hand-in came.
        at: When this score was given; the message says so too.
        state: `WAITING`, `SENT` or `PARKED`.
        tries: How often it failed.
        next_try: Not before.
        problem: Why it failed last, or why it is parked.
        sent_score: What the LMS has.
        sent_at: When that was given.
    """

    context: int
    assignment: str
    username: str
    sub: str
    score: str
    most: str
    received: datetime | None
    at: datetime
    state: str
    tries: int
    next_try: datetime | None
    problem: str | None
    sent_score: str | None
    sent_at: datetime | None

    @property
    def key(self) -> Key:
        """Which row it is."""
        return self.context, self.assignment, self.username


@dataclass(frozen=True)
class Pause:
    """Until when a course of an LMS is left alone, and why."""

    until: datetime
    problem: str


class Queue:
    """The tables `passback` and `passback_turns`."""

    def __init__(self, engine: Engine) -> None:
        """Work on the database behind `engine` (see `exchange.database.connect`)."""
        create_tables(engine)
        self._engine = engine

    # Those who give scores.

    def put(self, context: int, scores: Iterable[Score], seen: datetime) -> int:
        """Have scores sent that are not what is queued or sent already; return how many.

        Args:
            context: The number of the LMS's course.
            scores: What students see.
            seen: When whoever says so began to look. Where something newer is queued, nothing
                is changed.
        """
        at = seen.replace(microsecond=seen.microsecond // 1000 * 1000)
        known = {row.key: row for row in self.rows(context)}
        return sum(
            self._put(context, each, at, known.get((context, each.assignment, each.username)))
            for each in scores
        )

    def _put(self, context: int, score: Score, at: datetime, row: Row | None) -> bool:
        new = {**score.__dict__, "at": at, "state": WAITING, "tries": 0, "next_try": None,
               "problem": None}  # fmt: skip
        try:
            with self._engine.begin() as connection:
                if row is None:
                    connection.execute(insert(passback).values(context=context, **new))
                    return True
                if all(getattr(row, name) == value for name, value in score.__dict__.items()):
                    return False
                older = and_(_is(row.key), passback.c.at < at)
                return connection.execute(update(passback).where(older).values(new)).rowcount == 1
        except IntegrityError:  # somebody else, at this very moment
            return False

    # Those who send them.

    @contextmanager
    def turn(self, context: int, who: str, now: datetime) -> Iterator["Turn | None"]:
        """The turn to send to a course of an LMS, renewed while the context lasts.

        Args:
            context: Its number.
            who: The sender, different from every other.
            now: The time.

        Yields:
            None where another sender has it.
        """
        if not self._take(context, who, now):
            yield None
            return
        over = Event()
        turn = Turn(lambda: self._renew(context, who))
        thread = Thread(target=self._keep, args=(turn, over), daemon=True)
        thread.start()
        try:
            yield turn
        finally:
            over.set()
            thread.join()
            self._leave(context, who)

    def next(self, context: int, now: datetime) -> Row | None:
        """The oldest score that is to be sent now."""
        due = or_(passback.c.next_try.is_(None), passback.c.next_try <= now)
        waiting = and_(passback.c.context == context, passback.c.state == WAITING, due)
        query = select(passback).where(waiting).order_by(
            passback.c.at, passback.c.assignment, passback.c.username).limit(1)  # fmt: skip
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return _row(row) if row else None

    def sent(self, row: Row) -> None:
        """Write down that the LMS has this score, or one that is newer."""
        newest = passback.c.at == row.at
        self._write(row.key, {
            "sent_score": row.score, "sent_at": row.at,
            "state": case((newest, SENT), else_=passback.c.state),
            "tries": 0, "next_try": None,
            "problem": case((newest, None), else_=passback.c.problem),
        })  # fmt: skip

    def postpone(self, row: Row, now: datetime, problem: str, pause: float | None = None) -> None:
        """Write down why it failed; it is tried again, each time after a longer pause.

        Args:
            row: Which.
            now: The time.
            problem: Why.
            pause: Seconds that the LMS asked for.
        """
        wait = _pause(row.tries)
        if pause is not None:
            wait = max(wait, timedelta(seconds=pause))
        tried = {"tries": row.tries + 1, "next_try": now + wait, "problem": problem}
        self._write(row.key, tried, passback.c.at == row.at)

    def park(self, row: Row, problem: str) -> None:
        """Put it aside until a person says so, or there is a newer score."""
        parked = {"state": PARKED, "problem": problem, "next_try": None}
        self._write(row.key, parked, passback.c.at == row.at)

    def pause(self, context: int, until: datetime, problem: str) -> None:
        """Leave a course of an LMS alone for a while."""
        with self._engine.begin() as connection:
            connection.execute(
                update(turns)
                .where(turns.c.context == context)
                .values(paused_until=until, problem=problem)
            )

    # Everybody.

    def rows(self, context: int | None = None) -> list[Row]:
        """All rows, or those of one course of an LMS, by assignment and user name."""
        query = select(passback).order_by(passback.c.assignment, passback.c.username)
        if context is not None:
            query = query.where(passback.c.context == context)
        with self._engine.connect() as connection:
            return [_row(row) for row in connection.execute(query)]

    def pauses(self, now: datetime) -> dict[int, Pause]:
        """The courses of LMSs that are left alone now."""
        query = select(turns).where(turns.c.paused_until > now)
        with self._engine.connect() as connection:
            return {
                row.context: Pause(row.paused_until, row.problem)
                for row in connection.execute(query)
            }

    def next_try(self) -> datetime | None:
        """When something waits to be tried next; the past where it is now, None where nothing is.

        A pause of the whole LMS is not counted in.
        """
        first = func.min(func.coalesce(passback.c.next_try, passback.c.at))
        ours = contexts.c.ours & (contexts.c.number == passback.c.context)
        query = select(first).where(passback.c.state == WAITING, ours)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar()

    def retry(self, assignment: str | None = None, username: str | None = None) -> int:
        """Try again at once what is parked or in a pause; return how many.

        Args:
            assignment: Only of this.
            username: Only of this student.
        """
        which = [passback.c.state != SENT]
        if assignment is not None:
            which.append(passback.c.assignment == assignment)
        if username is not None:
            which.append(passback.c.username == username)
        again = {"state": WAITING, "tries": 0, "next_try": None, "problem": None}
        with self._engine.begin() as connection:
            connection.execute(update(turns).values(paused_until=None, problem=None))
            return connection.execute(update(passback).where(*which).values(again)).rowcount

    # The turn.

    def _take(self, context: int, who: str, now: datetime) -> bool:
        mine = {"taken_by": who, "taken_until": now + LEASE}
        free = or_(turns.c.taken_by.is_(None), turns.c.taken_until <= now)
        try:
            with self._engine.begin() as connection:
                there = turns.c.context == context
                if connection.execute(update(turns).where(there, free).values(mine)).rowcount:
                    return True
                if connection.execute(select(turns.c.context).where(there)).first():
                    return False
                connection.execute(insert(turns).values(context=context, **mine))
        except IntegrityError:  # somebody else, at this very moment
            return False
        return True

    def _renew(self, context: int, who: str) -> bool:
        now = datetime.now(UTC)
        mine = and_(turns.c.context == context, turns.c.taken_by == who, turns.c.taken_until > now)
        with self._engine.begin() as connection:
            longer = update(turns).where(mine).values(taken_until=now + LEASE)
            return connection.execute(longer).rowcount == 1

    def _leave(self, context: int, who: str) -> None:
        mine = and_(turns.c.context == context, turns.c.taken_by == who)
        with self._engine.begin() as connection:
            nobody = {"taken_by": None, "taken_until": None}
            connection.execute(update(turns).where(mine).values(nobody))

    @staticmethod
    def _keep(turn: "Turn", over: Event) -> None:
        while not over.wait(LEASE.total_seconds() / _RENEWALS):
            try:
                turn.renew()
            except SQLAlchemyError:  # a database that is away comes back, or another goes on
                continue

    def _write(self, key: Key, values: dict[str, Any], *also: ColumnElement[bool]) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(passback).where(_is(key), *also).values(values))


class Turn:
    """The turn of one sender, while it holds."""

    def __init__(self, renew: Callable[[], bool]) -> None:
        """Renew it by `renew`, which says whether it still was this sender's."""
        self._renew = renew
        self._renewed = time.monotonic()

    def renew(self) -> bool:
        """Keep it for another `LEASE`; say whether it still was this sender's."""
        begun = time.monotonic()
        held = self._renew()
        if held:
            self._renewed = begun
        return held

    def holds(self) -> bool:
        """Whether it is this sender's now; the database is asked if that was long ago."""
        return time.monotonic() - self._renewed < _SURE or self.renew()


def _is(key: Key) -> ColumnElement[bool]:
    context, assignment, username = key
    return and_(
        passback.c.context == context,
        passback.c.assignment == assignment,
        passback.c.username == username,
    )


def _pause(tries: int) -> timedelta:
    """How long to wait after a failure: twice as long each time, and never all at once."""
    usual = min(_FIRST_PAUSE * 2 ** min(tries, 12), _LONGEST_PAUSE)
    return usual * random.uniform(1 - _JITTER, 1 + _JITTER)


def _row(row: Any) -> Row:
    return Row(**row._mapping)
