"""The project's tables in the course database, and whose turn it is to change them.

A student is in one team at most since `members` has one row a student. What changed, when and why
stands in the journal (`coursehub.journal`), written in the same transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

from coursehub.instant import Instant
from coursehub.turn import lock

metadata = MetaData()

teams = Table(
    "teams",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(64), nullable=False, unique=True),
    Column("kind", String(32), nullable=True),
    Column("closed", Instant, nullable=True),
)

members = Table(
    "members",
    metadata,
    Column("username", String(64), primary_key=True),
    Column("team", ForeignKey("teams.number"), nullable=False, index=True),
    Column("since", Instant, nullable=False),
)

invitations = Table(
    "invitations",
    metadata,
    Column("team", ForeignKey("teams.number"), primary_key=True),
    Column("username", String(64), primary_key=True),
    Column("invited_by", String(64), nullable=False),
    Column("at", Instant, nullable=False),
)

slots = Table(
    "slots",
    metadata,
    Column("team", ForeignKey("teams.number"), primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
)

swaps = Table(
    "swaps",
    metadata,
    Column("team", ForeignKey("teams.number"), primary_key=True),
    Column("other", ForeignKey("teams.number"), primary_key=True),
    Column("asked_by", String(64), nullable=False),
    Column("at", Instant, nullable=False),
)

reports = Table(
    "reports",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("team", ForeignKey("teams.number"), nullable=False, index=True),
    Column("username", String(64), nullable=False),
    Column("received", Instant, nullable=False),
    Column("findings", JSON(none_as_null=True), nullable=True),
)

scores = Table(
    "scores",
    metadata,
    Column("work", String(16), primary_key=True),
    Column("team", ForeignKey("teams.number"), primary_key=True),
    Column("grader", String(64), primary_key=True),
    Column("criterion", Text, primary_key=True),
    Column("score", String(8), nullable=False),
    Column("at", Instant, nullable=False),
)


def create_tables(engine: Engine) -> None:
    """Make the tables in SQLite; those of PostgreSQL are made by `coursehub migrate`."""
    if engine.dialect.name == "sqlite":
        metadata.create_all(engine)


@contextmanager
def changing(engine: Engine) -> Iterator[Connection]:
    """A transaction in which nobody else changes anything of the project.

    What was read in it still holds when it ends: two who accept the last place in a team at once
    come one after the other, and the second one hears that the team is full.
    """
    with engine.begin() as connection:
        lock(connection, teams)
        yield connection
