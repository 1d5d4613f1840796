"""Who changed what about the course, when and why: written once, never changed.

Grades have an audit of their own, which the gradebook keeps (`gradebook.audit`); this is for what
stands in the course database: extensions, approvals, teams, marks given there, what the clock did.
An entry is written in the transaction of the change that it tells of, so that there is never one
without the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    event,
    select,
)

from coursehub.instant import Instant

metadata = MetaData()

journal = Table(
    "journal",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("who", String(64), nullable=False),
    Column("did", String(64), nullable=False, index=True),
    Column("assignment", String(64), nullable=True, index=True),
    Column("about", String(128), nullable=True, index=True),
    Column("before", JSON, nullable=False),
    Column("after", JSON, nullable=False),
    Column("why", Text, nullable=True),
)

REFUSE_CHANGES = {
    "sqlite": tuple(
        f"CREATE TRIGGER IF NOT EXISTS journal_{verb.lower()} BEFORE {verb} ON journal BEGIN "
        "SELECT RAISE(ABORT, 'the journal is only ever appended to'); END"
        for verb in ("UPDATE", "DELETE")
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION 'the journal is only ever appended to'; END $$",
        "CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ),
}
"""What makes the table append-only, by dialect; `migrations` and `create_all` run it."""

for _statement in REFUSE_CHANGES["sqlite"]:
    event.listen(journal, "after_create", DDL(_statement).execute_if(dialect="sqlite"))


@dataclass(frozen=True)
class Entry:
    """One change.

    Attributes:
        at: when, aware.
        who: the user name of who did it, or the name of a service.
        did: what, in a word or two: ``extend``, ``approve feedback``.
        assignment: which, where it is about one.
        about: the student or team that it is about, where there is one.
        before: what held before, as plain values; empty where nothing did.
        after: what holds now.
        why: the reason given.
    """

    at: datetime
    who: str
    did: str
    assignment: str | None = None
    about: str | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    why: str | None = None


def record(connection: Connection, entry: Entry) -> None:
    """Write an entry down, in the transaction of the change that it tells of."""
    connection.execute(journal.insert().values(entry.__dict__))


def entries(
    engine: Engine,
    *,
    did: str | None = None,
    assignment: str | None = None,
    about: str | None = None,
    limit: int | None = None,
) -> list[Entry]:
    """What was changed, the newest first; where something is named, only what concerns it."""
    wanted = {"did": did, "assignment": assignment, "about": about}
    columns = [column for column in journal.c if column.name != "number"]
    query = select(*columns).order_by(journal.c.number.desc()).limit(limit)
    for name, value in wanted.items():
        if value is not None:
            query = query.where(journal.c[name] == value)
    with engine.connect() as connection:
        return [Entry(**row) for row in connection.execute(query).mappings()]
