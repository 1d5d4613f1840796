"""Scores on their way to the LMS: a row for each student and assignment, never more.

A row holds the newest score and the moment at which it was given; a newer one takes its place
whether or not the old one was sent, so that none is overtaken. What the LMS was sent is noted with
the moment that was in the message: a sender that dies in between sends the same message again,
which changes nothing there.

Who may send them says `turns`.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, case, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from coursehub.lti.tables import contexts, create_tables, passback

WAITING, SENT, PARKED = "waiting", "sent", "parked"

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


class Queue:
    """The table `passback`."""

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

    # Everybody.

    def rows(self, context: int | None = None) -> list[Row]:
        """All rows, or those of one course of an LMS, by assignment and user name."""
        query = select(passback).order_by(passback.c.assignment, passback.c.username)
        if context is not None:
            query = query.where(passback.c.context == context)
        with self._engine.connect() as connection:
            return [_row(row) for row in connection.execute(query)]

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
        """Try again at once what is parked or put off; return how many.

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
            return connection.execute(update(passback).where(*which).values(again)).rowcount

    def _write(self, key: Key, values: dict[str, Any], *also: ColumnElement[bool]) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(passback).where(_is(key), *also).values(values))


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
