"""The course database: people, extensions, fetches, hand-ins, the queue of gradings, the clock.

A few small tables, in SQLite in the embedded form and in PostgreSQL in the deployed one. A change
to them needs a step in `migrations/versions`. What a person
*did* is only ever appended (`ledger`); what a person *is* may change (`people`, `extensions`).
"""

from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    make_url,
)

from coursehub import journal
from coursehub.instant import Instant

metadata = MetaData()

people = Table(
    "people",
    metadata,
    Column("username", String(64), primary_key=True),
    Column("number", String(32), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("password", Text, nullable=True),
    Column("active", Boolean, nullable=False, default=True),
)

identities = Table(
    "identities",
    metadata,
    Column("issuer", String(255), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("username", ForeignKey("people.username"), nullable=False),
    Column("linked_at", Instant, nullable=False),
    UniqueConstraint("issuer", "username"),
)

extensions = Table(
    "extensions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("username", ForeignKey("people.username"), nullable=False, index=True),
    Column("assignment", String(64), nullable=False),
    Column("until", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("granted_by", String(64), nullable=False),
    Column("granted_at", Instant, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("username", String(64), nullable=False),
    Column("assignment", String(64), nullable=False),
    Column("received", Instant, nullable=False),
    Column("folder", Text, nullable=False, unique=True),
    Column("key", String(128), nullable=False),
    Column("files", JSON, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("receipt", Text, nullable=False),
    UniqueConstraint("username", "assignment", "key"),
    # Who handed in what and when, without reading any receipt.
    Index("ix_ledger_stamps", "assignment", "username", "received", "number"),
)

fetches = Table(
    "fetches",
    metadata,
    Column("username", String(64), primary_key=True),
    Column("assignment", String(64), primary_key=True),
    Column("at", Instant, nullable=False),
)

gradings = Table(
    "gradings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("assignment", String(64), nullable=False),
    Column("username", String(64), nullable=False, index=True),
    Column("hand_in", Integer, nullable=True, unique=True),
    Column("asked_by", String(64), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("awaited_until", Instant, nullable=True),
    Column("tries", Integer, nullable=False),
    Column("taken_by", String(64), nullable=True),
    Column("taken_until", Instant, nullable=True),
    Column("done_at", Instant, nullable=True, index=True),
    Column("result", Text, nullable=True),
    Column("problem", Text, nullable=True),
)

grading_services = Table(
    "grading_services",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("seen", Instant, nullable=False),
    Column("problem", Text, nullable=True),
)

clock = Table(
    "clock",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("assignment", String(64), primary_key=True),
    Column("close", Instant, primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("taken_by", String(64), nullable=True),
    Column("taken_until", Instant, nullable=True),
    Column("done_at", Instant, nullable=True),
    Column("result", JSON, nullable=True),
    Column("problem", Text, nullable=True),
)

approvals = Table(
    "approvals",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("assignment", String(64), nullable=False, index=True),
    Column("close", Instant, nullable=False),
    Column("approved_by", String(64), nullable=False),
    Column("approved_at", Instant, nullable=False),
)


def connect(url: str) -> Engine:
    """Open the course database.

    Args:
        url: SQLAlchemy URL. SQLite is opened in WAL mode with full synchronisation, since a
            receipt promises that the row survives a power cut, and its tables are made here. Those
            of PostgreSQL are made by `coursehub migrate`. A process has one pool of connections to
            it, since nbgrader reads its configuration, and so connects, at every request.
    """
    if make_url(url).get_backend_name() != "sqlite":
        return _pool(url)
    engine = create_engine(url)
    event.listen(engine, "connect", _durable_sqlite)
    metadata.create_all(engine)
    journal.metadata.create_all(engine)
    return engine


@cache
def _pool(url: str) -> Engine:
    # A connection that the server dropped, e.g. at its restart, is replaced before it is used.
    return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})


def _durable_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=15000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
