"""The queue of gradings: who asks for one, who takes it, what came of it.

Whoever wants a hand-in graded in the sandbox leaves a row here, and a grading service takes it.
There are three kinds: `full`, by staff, of what was collected, with hidden tests; `rerun`, the same
for a regrade request, of which only points are kept; and `visible`, by the exchange, of a hand-in
that has just come in, with the tests that students see. `full` goes first, `visible` last.

A service holds a row by a lease that it renews while it grades. One that died loses the lease, and
another takes the row; a result is accepted of the holder alone. Who waits for a `full` one says so
over and over: a row that nobody waits for any more is not graded.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    and_,
    case,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from coursehub.exchange.database import grading_services, gradings

LEASE = timedelta(seconds=60)
"""How long a service that says nothing keeps what it took, and counts as being there."""

TRIES = 2
"""How often a row is taken before its graders' deaths are the hand-in's problem."""

KEPT = timedelta(days=1)
"""How long what staff asked for is kept; whoever asked has read it long since."""

Kind = Literal["full", "visible", "rerun"]


@dataclass(frozen=True)
class Grading:
    """A row of the queue.

    Attributes:
        id: its number; also its place among those of its kind.
        kind: `full`, `rerun` or `visible`.
        assignment: nbgrader's assignment id.
        username: whose hand-in.
        hand_in: the ledger's number of a `visible` one; a `full` one is of what was collected.
        asked_by: the database role of staff, or `exchange`.
        asked_at: when.
        awaited_until: until when somebody waits for it; None where it is wanted in any case.
        tries: how often it was taken.
        taken_by: the service that has it, or had it last.
        taken_until: the end of that service's lease.
        done_at: when it was done.
        result: what came of it.
        problem: why nothing came of it.
    """

    id: int
    kind: Kind
    assignment: str
    username: str
    hand_in: int | None
    asked_by: str
    asked_at: datetime
    awaited_until: datetime | None
    tries: int
    taken_by: str | None
    taken_until: datetime | None
    done_at: datetime | None
    result: dict[str, Any] | None
    problem: str | None


class Desk:
    """The tables `gradings` and `grading_services` of the course database."""

    def __init__(self, engine: Engine) -> None:
        """Work on the database behind `engine` (see `database.connect`)."""
        self._engine = engine

    # Those who ask.

    def ask(self, assignment: str, username: str, now: datetime, until: datetime) -> int:
        """Ask, as staff, for what was collected of somebody to be graded; return its number.

        Args:
            assignment: nbgrader's assignment id.
            username: whose hand-in.
            now: the time.
            until: how long to wait for it, unless `await_until` says more.
        """
        role = self._engine.url.username or "staff"
        with self._engine.begin() as connection:
            row = _new("full", assignment, username, role, now) | {"awaited_until": until}
            return int(connection.execute(gradings.insert().values(row)).inserted_primary_key[0])

    def ask_for_tests(self, assignment: str, username: str, hand_in: int, now: datetime) -> None:
        """Have the visible tests run on a hand-in that has just come in.

        It takes the place of an older one of theirs that still waits. A hand-in is asked for once.
        """
        older = and_(
            gradings.c.kind == "visible",
            gradings.c.assignment == assignment,
            gradings.c.username == username,
            gradings.c.hand_in < hand_in,
            gradings.c.taken_by.is_(None),
            gradings.c.done_at.is_(None),
        )
        row = _new("visible", assignment, username, "exchange", now) | {"hand_in": hand_in}
        try:
            with self._engine.begin() as connection:
                connection.execute(gradings.insert().values(row))
                connection.execute(delete(gradings).where(older))
        except IntegrityError:  # a request that was sent twice
            return

    def ask_for_rerun(self, assignment: str, username: str, by: str, now: datetime) -> int:
        """Have what was collected of somebody graded once more, for its points alone.

        Nobody waits for it, and nothing is written down elsewhere; returns its number.
        """
        with self._engine.begin() as connection:
            row = _new("rerun", assignment, username, by, now)
            return int(connection.execute(gradings.insert().values(row)).inserted_primary_key[0])

    def await_until(self, number: int, until: datetime) -> None:
        """Say how long to wait for it; the past gives it up."""
        with self._engine.begin() as connection:
            connection.execute(
                update(gradings).where(gradings.c.id == number).values(awaited_until=until)
            )

    def look(self, number: int) -> Grading | None:
        """A row as it is now; None when it is there no longer."""
        rows = self._select(gradings.c.id == number)
        return rows[0] if rows else None

    def before(self, number: int, now: datetime) -> int:
        """How many of staff's are to be graded before this one, those in hand among them."""
        waiting = and_(_open(now), gradings.c.kind == "full", gradings.c.id < number)
        return self._count(waiting)

    def tests_of(self, username: str) -> list[Grading]:
        """What the visible tests said of somebody's hand-ins, oldest first."""
        return self._select(gradings.c.kind == "visible", gradings.c.username == username)

    # The services that grade.

    def take(
        self,
        service: str,
        now: datetime,
        *,
        only: Collection[str] | None = None,
        but: Collection[str] = (),
    ) -> Grading | None:
        """Take what is next, for as long as `LEASE`; None when nothing is.

        What was taken too often without an end gets a problem instead.

        Args:
            service: who takes it.
            now: the time.
            only: of these assignments; None for all.
            but: not of these.
        """
        next_ones = and_(_free(now), gradings.c.assignment.not_in(but))
        if only is not None:
            next_ones = and_(next_ones, gradings.c.assignment.in_(only))
        if not self._count(next_ones):  # looking needs no lock
            return None
        with self._engine.begin() as connection:
            _begin(connection)
            row = connection.execute(
                select(gradings)
                .where(next_ones)
                .order_by(_ORDER, gradings.c.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            ).one_or_none()
            if row is None:
                return None
            if row.tries < TRIES:
                taken = {"taken_by": service, "taken_until": now + LEASE, "tries": row.tries + 1}
            else:
                problem = f"the grader ended {TRIES} times while it graded this"
                taken = {"done_at": now, "problem": problem}
            mine = update(gradings).where(gradings.c.id == row.id).values(taken).returning(gradings)
            found = _grading(connection.execute(mine).one())
        return found if found.done_at is None else self.take(service, now, only=only, but=but)

    def keep(self, grading: Grading, now: datetime) -> bool:
        """Renew the lease; say whether it still was this service's."""
        return self._write(grading, {"taken_until": now + LEASE})

    def give_back(self, grading: Grading) -> bool:
        """Let others grade it, as if it had not been taken: the service cannot."""
        nobody = {"taken_by": None, "taken_until": None, "tries": grading.tries - 1}
        return self._write(grading, nobody)

    def finish(self, grading: Grading, result: Mapping[str, Any], now: datetime) -> bool:
        """Write down what came of it; say whether it still was this service's."""
        return self._write(grading, {"done_at": now, "result": json.dumps(result)})

    def fail(self, grading: Grading, problem: str, now: datetime) -> bool:
        """Write down why nothing came of it; say whether it still was this service's."""
        return self._write(grading, {"done_at": now, "problem": _storable(problem)})

    def report(self, service: str, problem: str | None, now: datetime) -> None:
        """Say that a service is there, and why it does not grade, if it does not."""
        here = {"seen": now, "problem": problem and _storable(problem)}
        own = grading_services.c.name == service
        with self._engine.begin() as connection:
            if not connection.execute(update(grading_services).where(own).values(here)).rowcount:
                connection.execute(grading_services.insert().values(name=service, **here))

    def leave(self, service: str) -> None:
        """Say that a service is there no longer."""
        with self._engine.begin() as connection:
            connection.execute(delete(grading_services).where(grading_services.c.name == service))

    def forget(self, now: datetime) -> list[int]:
        """Drop staff's requests that are over since `KEPT`, and services; return the numbers."""
        old = and_(gradings.c.kind == "full", gradings.c.awaited_until < now - KEPT)
        with self._engine.begin() as connection:
            connection.execute(delete(grading_services).where(grading_services.c.seen < now - KEPT))
            dropped = connection.execute(delete(gradings).where(old).returning(gradings.c.id))
            return [row.id for row in dropped]

    # Everybody.

    def services(self, now: datetime) -> dict[str, str | None]:
        """The graders that are there -> why each does not grade, if it does not."""
        seen = select(grading_services).where(grading_services.c.seen > now - LEASE)
        with self._engine.connect() as connection:
            rows = connection.execute(seen.order_by(grading_services.c.name))
            return {row.name: row.problem for row in rows}

    def obstacle(self, now: datetime) -> str | None:
        """Why nothing is graded now; None when some service grades."""
        problems = list(self.services(now).values())
        if not problems:
            return "no grader is running"
        return None if None in problems else problems[0]

    def waiting(self, now: datetime) -> dict[Kind, int]:
        """How many of each kind wait or are being graded."""
        return {
            kind: self._count(and_(_open(now), gradings.c.kind == kind)) for kind in get_args(Kind)
        }

    def oldest(self, now: datetime) -> dict[Kind, datetime]:
        """When the oldest of each kind that waits or is being graded was asked for."""
        oldest = func.min(gradings.c.asked_at)
        query = select(gradings.c.kind, oldest).where(_open(now)).group_by(gradings.c.kind)
        with self._engine.connect() as connection:
            return {kind: asked_at for kind, asked_at in connection.execute(query)}

    def problems(self, assignment: str) -> dict[str, str]:
        """User name -> why nothing came of what staff asked for last."""
        query = (
            select(gradings.c.username, gradings.c.problem)
            .where(gradings.c.kind == "full", gradings.c.assignment == assignment)
            .where(gradings.c.done_at.is_not(None)).order_by(gradings.c.id)
        )  # fmt: skip
        with self._engine.connect() as connection:
            last = {row.username: row.problem for row in connection.execute(query)}
        return {username: problem for username, problem in last.items() if problem}

    def _write(self, grading: Grading, values: dict[str, Any]) -> bool:
        held = and_(
            gradings.c.id == grading.id,
            gradings.c.taken_by == grading.taken_by,
            gradings.c.tries == grading.tries,
            gradings.c.done_at.is_(None),
        )
        with self._engine.begin() as connection:
            return connection.execute(update(gradings).where(held).values(values)).rowcount == 1

    def _count(self, condition: ColumnElement[bool]) -> int:
        with self._engine.connect() as connection:
            query = select(func.count()).select_from(gradings).where(condition)
            return int(connection.execute(query).scalar_one())

    def _select(self, *conditions: ColumnElement[bool]) -> list[Grading]:
        query = select(gradings).where(*conditions).order_by(gradings.c.id)
        with self._engine.connect() as connection:
            return [_grading(row) for row in connection.execute(query)]


_ORDER = case({"full": 0, "rerun": 1}, value=gradings.c.kind, else_=2)


def _new(kind: Kind, assignment: str, username: str, by: str, now: datetime) -> dict[str, Any]:
    named = {"kind": kind, "assignment": assignment, "username": username}
    return {**named, "asked_by": by[:64], "asked_at": now, "tries": 0}


def _open(now: datetime) -> ColumnElement[bool]:
    """Not done, and somebody wants it."""
    until = gradings.c.awaited_until
    return and_(gradings.c.done_at.is_(None), or_(until.is_(None), until > now))


def _free(now: datetime) -> ColumnElement[bool]:
    """Open, and no living service has it."""
    until = gradings.c.taken_until
    return and_(_open(now), or_(until.is_(None), until <= now))


def _begin(connection: Connection) -> None:
    """Let nobody else take the row that is looked for next: PostgreSQL locks the row alone."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _grading(row: Row[Any]) -> Grading:
    values = dict(row._mapping)
    return Grading(**{**values, "result": values["result"] and json.loads(values["result"])})


def _storable(text: str) -> str:
    """A text as PostgreSQL takes it; what hand-ins have to do with may hold anything."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
