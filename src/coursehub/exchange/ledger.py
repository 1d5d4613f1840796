"""The ledger: one row a hand-in, only ever appended, each row sealing all rows before it.

A row's hash covers its own content and the hash of the row before (as in Haber and Stornetta, "How
to time-stamp a digital document", 1991), so that no row can be changed, removed or slipped in
without breaking the chain.
"""

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Engine, Row, func, select

from coursehub.errors import ReceiptError
from coursehub.exchange.database import ledger
from coursehub.exchange.folders import imported_by
from coursehub.turn import lock

GENESIS = "0" * 64


@dataclass(frozen=True)
class StoredFile:
    """A file as it lies on disk: its name, the name it was sent under, and what it holds."""

    name: str
    sent_as: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class HandIn:
    """One row: who handed in what, when, and where it lies."""

    number: int
    username: str
    assignment: str
    received: datetime
    folder: str
    key: str
    files: tuple[StoredFile, ...]
    previous: str
    hash: str
    receipt: str

    @property
    def imported_by(self) -> str | None:
        """Who brought it over from the LMS, whose time it has; None where it was stamped here."""
        return imported_by(self.folder)


class Ledger:
    """The append-only table of hand-ins; whoever appends waits their turn."""

    def __init__(self, engine: Engine) -> None:
        """Work on the database behind `engine` (see `database.connect`)."""
        self._engine = engine
        # Threads wait here and not in the database: those that wait there hold connections, of
        # which the one that has its turn may need another (for the receipt).
        self._appending = threading.Lock()

    def append(
        self,
        *,
        username: str,
        assignment: str,
        received: datetime,
        folder: str,
        key: str,
        files: tuple[StoredFile, ...],
        write_receipt: Callable[[int, str], str],
    ) -> HandIn:
        """Add a row; when this returns, it is on disk.

        Args:
            username: who, from the hub's token.
            assignment: nbgrader's assignment id.
            received: when, by the service's clock; by the LMS's where the folder's name says so.
            folder: name of the hand-in's folder in the exchange.
            key: the idempotency key of the request.
            files: what lies in the folder.
            write_receipt: called with the row's number and hash; returns the receipt to keep.
        """
        with self._appending, self._engine.begin() as connection:
            lock(connection, ledger)
            last = connection.execute(
                select(ledger.c.number, ledger.c.hash).order_by(ledger.c.number.desc()).limit(1)
            ).one_or_none()
            number, previous = (last.number + 1, last.hash) if last else (1, GENESIS)
            sealed = _seal(previous, number, username, assignment, received, folder, key, files)
            row = HandIn(
                number, username, assignment, received, folder, key, files, previous, sealed,
                write_receipt(number, sealed),
            )  # fmt: skip
            connection.execute(ledger.insert().values(asdict(row)))
        return row

    def find(self, username: str, assignment: str, key: str) -> HandIn | None:
        """The hand-in made with this idempotency key, or None."""
        rows = self._select(
            ledger.c.username == username, ledger.c.assignment == assignment, ledger.c.key == key
        )
        return rows[0] if rows else None

    def row(self, number: int) -> HandIn | None:
        """The hand-in of this number, or None."""
        rows = self._select(ledger.c.number == number)
        return rows[0] if rows else None

    def of(self, username: str, assignment: str | None = None) -> list[HandIn]:
        """Everything this person handed in, oldest first."""
        conditions = [ledger.c.username == username]
        if assignment is not None:
            conditions.append(ledger.c.assignment == assignment)
        return self._select(*conditions)

    def for_assignment(self, assignment: str) -> list[HandIn]:
        """Everything that was handed in for it, in order."""
        return self._select(ledger.c.assignment == assignment)

    def all(self) -> list[HandIn]:
        """Every row, in order."""
        return self._select()

    def received(self) -> dict[tuple[str, str], list[datetime]]:
        """When each student handed in what: user name and assignment -> times, in order."""
        found: dict[tuple[str, str], list[datetime]] = {}
        query = select(ledger.c.username, ledger.c.assignment, ledger.c.received).order_by(
            ledger.c.received, ledger.c.number
        )
        with self._engine.connect() as connection:
            for username, assignment, received in connection.execute(query):
                found.setdefault((username, assignment), []).append(received)
        return found

    def count(self) -> dict[str, int]:
        """How many hand-ins there are for each assignment that has any."""
        query = select(ledger.c.assignment, func.count()).group_by(ledger.c.assignment)
        with self._engine.connect() as connection:
            return {name: count for name, count in connection.execute(query)}

    def check(self) -> list[HandIn]:
        """Every row, after making sure that the chain holds.

        Raises:
            ReceiptError: naming the first row that does not follow from the ones before.
        """
        rows = self.all()
        previous = GENESIS
        for expected, row in enumerate(rows, start=1):
            sealed = _seal(
                previous, expected, row.username, row.assignment, row.received, row.folder,
                row.key, row.files,
            )  # fmt: skip
            if (row.number, row.previous, row.hash) != (expected, previous, sealed):
                raise ReceiptError(
                    f"row {row.number} of the ledger does not follow from row {expected - 1}",
                    remedy="Compare with the backup: rows were changed or removed",
                )
            previous = sealed
        return rows

    def _select(self, *conditions: object) -> list[HandIn]:
        query = select(ledger).where(*conditions).order_by(ledger.c.number)  # type: ignore[arg-type]
        with self._engine.connect() as connection:
            return [_hand_in(row) for row in connection.execute(query)]


def _hand_in(row: Row) -> HandIn:  # type: ignore[type-arg]
    values = dict(row._mapping)
    values["files"] = tuple(StoredFile(**file) for file in values["files"])
    return HandIn(**values)


def _seal(
    previous: str,
    number: int,
    username: str,
    assignment: str,
    received: datetime,
    folder: str,
    key: str,
    files: tuple[StoredFile, ...],
) -> str:
    content = [
        previous, number, username, assignment, received.isoformat(), folder, key,
        [asdict(file) for file in files],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
