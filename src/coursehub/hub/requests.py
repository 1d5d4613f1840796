"""GPUs that the grader asks for: rows of the course database, which the hub fills.

The hub alone chooses devices, so the grader leaves a row and waits. It renews the row for as long
as it wants a device or has one; a row that is no longer renewed is dropped, and cannot be renewed
any more. A row with a device *is* a lease, beside the labels of containers (`coursehub.hub.gpus`):
it is there before the grader's container and, since a worker may be replaced, between two of them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Engine,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from coursehub.hub.leases import Held, for_grading
from coursehub.instant import Instant

AWAITED = timedelta(seconds=60)
"""How long a grader that says nothing keeps its place, and its device."""

metadata = MetaData()

gpu_requests = Table(
    "gpu_requests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("asked_by", String(64), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("awaited_until", Instant, nullable=False),
    Column("seen", Instant, nullable=True),
    Column("device", String(128), nullable=True),
    Column("until", Instant, nullable=True),
    Column("problem", Text, nullable=True),
    sqlite_autoincrement=True,  # a number names a lease, and is never used again
)

_id = gpu_requests.c.id


@dataclass(frozen=True)
class Request:
    """A row.

    Attributes:
        id: its number.
        asked_by: the grader.
        asked_at: when.
        awaited_until: until when the grader wants it, unless it says more.
        seen: when the hub last had it in its queue.
        device: what was lent; None until then.
        until: when the lease is over.
        problem: why nothing will be lent.
    """

    id: int
    asked_by: str
    asked_at: datetime
    awaited_until: datetime
    seen: datetime | None
    device: str | None
    until: datetime | None
    problem: str | None


class GpuRequests:
    """The table `gpu_requests` of the course database."""

    def __init__(self, engine: Engine) -> None:
        """Use a database that has the table."""
        self._engine = engine

    # The grader.

    def ask(self, service: str, now: datetime) -> int:
        """Ask for a GPU that nobody else has; return the request's number."""
        row = {"asked_by": service[-64:], "asked_at": now, "awaited_until": now + AWAITED}
        with self._engine.begin() as connection:
            return int(connection.execute(insert(gpu_requests).values(row)).inserted_primary_key[0])

    def renew(self, number: int, now: datetime) -> Request | None:
        """Go on wanting it, or having it; None when it is too late for that."""
        wanted = {"awaited_until": now + AWAITED}
        if not self._write(_id == number, gpu_requests.c.awaited_until > now, **wanted):
            return None
        rows = self._select(_id == number)
        return rows[0] if rows else None

    def withdraw(self, number: int) -> None:
        """Want it no longer, or give it back."""
        with self._engine.begin() as connection:
            connection.execute(delete(gpu_requests).where(_id == number))

    # The hub.

    def waiting(self, now: datetime) -> list[int]:
        """Who waits, those first who asked first; they learn that the hub knows of them."""
        self._forget(now)
        unanswered = gpu_requests.c.device.is_(None), gpu_requests.c.problem.is_(None)
        self._write(*unanswered, seen=now)
        return [row.id for row in self._select(*unanswered)]

    def lend(self, number: int, device: str, until: datetime, now: datetime) -> bool:
        """Fill in a device; False when it is wanted no longer, or was answered already."""
        return self._write(
            _id == number,
            gpu_requests.c.awaited_until > now,
            gpu_requests.c.device.is_(None),
            device=device,
            until=until,
        )

    def refuse(self, number: int, problem: str) -> None:
        """Say why nothing will be lent."""
        self._write(_id == number, gpu_requests.c.device.is_(None), problem=problem)

    def lent(self, now: datetime) -> list[Held]:
        """The leases that rows are; those that nobody renewed in time end here."""
        self._forget(now)
        rows = self._select(gpu_requests.c.device.is_not(None))
        return [
            Held(for_grading(row.id), row.device, row.until)
            for row in rows
            if row.device and row.until
        ]

    def _forget(self, now: datetime) -> None:
        """Drop what is no longer wanted; from then on it cannot be renewed."""
        with self._engine.begin() as connection:
            connection.execute(delete(gpu_requests).where(gpu_requests.c.awaited_until <= now))

    def _write(self, *conditions: ColumnElement[bool], **values: Any) -> bool:
        with self._engine.begin() as connection:
            changed = update(gpu_requests).where(*conditions).values(values)
            return bool(connection.execute(changed).rowcount)

    def _select(self, *conditions: ColumnElement[bool]) -> list[Request]:
        query = select(gpu_requests).where(*conditions).order_by(_id)
        with self._engine.connect() as connection:
            return [_request(row) for row in connection.execute(query)]


def _request(row: Row[Any]) -> Request:
    return Request(**row._mapping)
