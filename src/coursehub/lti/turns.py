"""Whose turn it is to send to a course of an LMS, and until when that is left alone.

One sender at a time has the turn, by a lease that is renewed meanwhile; where it dies the lease
ends.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

from sqlalchemy import Engine, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from coursehub.lti.tables import create_tables, turns

LEASE = timedelta(seconds=30)
"""How long a sender that says nothing keeps the turn."""

_RENEWALS = 5  # in the time of a lease
_SURE = 10.0  # seconds since the last renewal; what is sent next still ends within the lease


@dataclass(frozen=True)
class Pause:
    """Until when a course of an LMS is left alone, and why."""

    until: datetime
    problem: str


class Turns:
    """The table `passback_turns`."""

    def __init__(self, engine: Engine) -> None:
        """Work on the database behind `engine` (see `exchange.database.connect`)."""
        create_tables(engine)
        self._engine = engine

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

    def pause(self, context: int, until: datetime, problem: str) -> None:
        """Leave a course of an LMS alone for a while."""
        with self._engine.begin() as connection:
            connection.execute(
                update(turns)
                .where(turns.c.context == context)
                .values(paused_until=until, problem=problem)
            )

    def pauses(self, now: datetime) -> dict[int, Pause]:
        """The courses of LMSs that are left alone now."""
        query = select(turns).where(turns.c.paused_until > now)
        with self._engine.connect() as connection:
            return {
                row.context: Pause(row.paused_until, row.problem)
                for row in connection.execute(query)
            }

    def resume(self) -> None:
        """Leave nobody alone any more."""
        with self._engine.begin() as connection:
            connection.execute(update(turns).values(paused_until=None, problem=None))

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
