"""What was found, in the course database, and what staff have looked at.

The result of an assignment is replaced as a whole. What staff have seen stays seen as long as the
two hand-ins are the same: it is known by the pair's key, which follows from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
)

from coursehub import journal
from coursehub.errors import CourseHubError, NotFound
from coursehub.instant import Instant
from coursehub.similarity.compare import Comparison, Pair
from coursehub.turn import lock

LONGEST_REMARK = 2_000

metadata = MetaData()

runs = Table(
    "similar_runs",
    metadata,
    Column("assignment", String(64), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("basis", String(64), nullable=False),
    Column("told", JSON, nullable=False),
)

pairs = Table(
    "similar_pairs",
    metadata,
    Column("assignment", String(64), primary_key=True),
    Column("key", String(32), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("one", String(64), nullable=False),
    Column("other", String(255), nullable=False),
    Column("earlier", String(255), nullable=False),
    Column("share", Float, nullable=False),
    Column("other_share", Float, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("cells", JSON, nullable=False),
    Column("parts", JSON, nullable=False),
)

seen = Table(
    "similar_seen",
    metadata,
    Column("assignment", String(64), primary_key=True),
    Column("key", String(32), primary_key=True),
    Column("seen_by", String(64), nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("remark", Text, nullable=False),
)


@dataclass(frozen=True)
class Run:
    """When an assignment was compared last, and what there was to compare.

    Attributes:
        at: When.
        basis: Follows from what was compared: the same again need not be.
        hand_ins: How many of this term.
        earlier: Folder or archive of an earlier term -> how many hand-ins of it.
        common: In how many hand-ins something may be without being left out as common.
        more: How many pairs were not kept.
        unread: Whose hand-in could not be read -> why.
    """

    at: datetime
    basis: str
    hand_ins: int = 0
    earlier: Mapping[str, int] = field(default_factory=dict)
    common: int = 0
    more: int = 0
    unread: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A pair as staff see it in the list; for what is not said here see `compare.Pair`.

    Attributes:
        cells: The answers that have something in common.
        seen_by: Who of staff has looked at it; None while nobody has.
        seen_at: When.
        remark: What they wrote.
        parts: The answers themselves, as `compare.Part` in plain values; in the list none.
    """

    key: str
    one: str
    other: str
    earlier: str
    share: float
    other_share: float
    tokens: int
    whole: bool
    cells: Sequence[str]
    seen_by: str | None = None
    seen_at: datetime | None = None
    remark: str | None = None
    parts: Sequence[Mapping[str, Any]] = ()


class Similarities:
    """The tables `similar_runs`, `similar_pairs` and `similar_seen` of the course database."""

    def __init__(self, engine: Engine) -> None:
        """Work on the database behind `engine`; SQLite's tables are made here."""
        self._engine = engine
        if engine.dialect.name == "sqlite":
            metadata.create_all(engine)

    def replace(self, assignment: str, run: Run, comparison: Comparison) -> None:
        """Put a result in the place of the one before, all at once."""
        told = {
            "hand_ins": run.hand_ins,
            "earlier": dict(run.earlier),
            "unread": dict(run.unread),
            "common": comparison.common,
            "more": comparison.more,
        }
        row = {"assignment": assignment, "at": run.at, "basis": run.basis, "told": told}
        found = [_row(assignment, *each) for each in enumerate(comparison.pairs)]
        with self._engine.begin() as connection:
            lock(connection, runs)
            for table in (runs, pairs):
                connection.execute(delete(table).where(table.c.assignment == assignment))
            connection.execute(insert(runs), row)
            if found:
                connection.execute(insert(pairs), found)

    def run(self, assignment: str) -> Run | None:
        """When an assignment was compared last; None if it never was."""
        query = select(runs).where(runs.c.assignment == assignment)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return row and Run(row.at, row.basis, **row.told)

    def pairs(self, assignment: str) -> list[Found]:
        """The pairs of an assignment, the most alike first."""
        columns = [column for column in pairs.c if column.name != "parts"]
        query = self._query(columns, assignment).order_by(pairs.c.number)
        with self._engine.connect() as connection:
            return [_found(row) for row in connection.execute(query).mappings()]

    def pair(self, assignment: str, key: str) -> Found:
        """One pair, with its answers.

        Raises:
            NotFound: There is none.
        """
        query = self._query(list(pairs.c), assignment).where(pairs.c.key == key)
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound(
                "these two hand-ins are not in the list any more",
                remedy="Look at the list: one of them may have handed in again",
            )
        return _found(row)

    def mark_seen(self, assignment: str, key: str, remark: str, who: str, now: datetime) -> None:
        """Write down that staff have looked at a pair, or what they think of it now.

        Raises:
            NotFound: There is no such pair.
            CourseHubError: The remark is too long.
        """
        text = remark.replace("\0", "").strip()
        if len(text) > LONGEST_REMARK:
            raise CourseHubError(
                f"the remark has {len(text):,} characters, {LONGEST_REMARK:,} fit",
                remedy="Shorten it",
            )
        pair = self.pair(assignment, key)
        where = (seen.c.assignment == assignment, seen.c.key == key)
        row = {"assignment": assignment, "key": key, "seen_by": who, "seen_at": now, "remark": text}
        entry = journal.Entry(
            now, who, "look at a similar pair", assignment, pair.one,
            before={"remark": pair.remark} if pair.seen_by else {},
            after={"other": pair.other, "earlier": pair.earlier, "pair": key}, why=text or None,
        )  # fmt: skip
        with self._engine.begin() as connection:
            lock(connection, seen)
            connection.execute(delete(seen).where(*where))
            connection.execute(insert(seen), row)
            journal.record(connection, entry)

    def _query(self, columns: Sequence[Column[Any]], assignment: str) -> Any:
        both = (seen.c.assignment == pairs.c.assignment) & (seen.c.key == pairs.c.key)
        known = (seen.c.seen_by, seen.c.seen_at, seen.c.remark)
        query = select(*columns, *known).select_from(pairs.outerjoin(seen, both))
        return query.where(pairs.c.assignment == assignment)


def _row(assignment: str, number: int, pair: Pair) -> dict[str, Any]:
    parts = [
        {"cell": each.cell, "text": each.text, "other": each.other, "regions": each.regions}
        for each in pair.parts
    ]
    return {
        "assignment": assignment, "key": pair.key, "number": number, "one": pair.one,
        "other": pair.other[:255], "earlier": pair.earlier[:255], "share": pair.share,
        "other_share": pair.other_share, "tokens": pair.tokens, "whole": pair.whole,
        "cells": [each.cell for each in pair.parts], "parts": parts,
    }  # fmt: skip


def _found(row: Mapping[str, Any]) -> Found:
    known = {name: value for name, value in row.items() if name not in ("assignment", "number")}
    return Found(**known)
