"""What the exchange knows of a whole class, or of one student in all assignments, at once.

The course pages ask this. Each function is one query, however many people there are.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine, Row, Select, func, select
from sqlalchemy.exc import IntegrityError

from coursehub.exchange.database import extensions, fetches, ledger


class Stamp(NamedTuple):
    """A hand-in as far as it matters for who has handed in what.

    Attributes:
        number: Its number in the ledger.
        received: When it came.
    """

    number: int
    received: datetime


def note_fetch(engine: Engine, username: str, assignment: str, now: datetime) -> None:
    """Write down that somebody has an assignment's files; the first time stands."""
    mine = (fetches.c.username == username, fetches.c.assignment == assignment)
    try:
        with engine.begin() as connection:
            if connection.execute(select(fetches.c.at).where(*mine)).first() is None:
                row = {"username": username, "assignment": assignment, "at": now}
                connection.execute(fetches.insert().values(row))
    except IntegrityError:  # another request of theirs did
        return


def fetched_by(engine: Engine, username: str) -> dict[str, datetime]:
    """Assignment -> since when somebody has its files."""
    query = select(fetches.c.assignment, fetches.c.at).where(fetches.c.username == username)
    return _pairs(engine, query)


def who_fetched(engine: Engine) -> dict[str, dict[str, datetime]]:
    """Assignment -> user name -> since when they have its files."""
    return _nested(engine, select(fetches.c.assignment, fetches.c.username, fetches.c.at))


def extensions_of(engine: Engine, username: str) -> dict[str, datetime]:
    """Assignment -> the first late instant of the extension that counts."""
    query = _latest().where(extensions.c.username == username)
    return {row.assignment: row.until for row in _rows(engine, query)}


def all_extensions(engine: Engine) -> dict[str, dict[str, datetime]]:
    """Assignment -> user name -> the first late instant of the extension that counts."""
    return _nested(engine, _latest())


def stamps(engine: Engine, assignment: str | None = None) -> dict[str, dict[str, list[Stamp]]]:
    """Assignment -> user name -> their hand-ins, oldest first; of one assignment, if named."""
    query = select(
        ledger.c.assignment, ledger.c.username, ledger.c.number, ledger.c.received
    ).order_by(ledger.c.received)
    if assignment is not None:
        query = query.where(ledger.c.assignment == assignment)
    found: defaultdict[str, defaultdict[str, list[Stamp]]] = defaultdict(lambda: defaultdict(list))
    for name, username, number, received in _rows(engine, query):
        found[name][username].append(Stamp(number, received))
    return {name: dict(people) for name, people in found.items()}


def _latest() -> Select[tuple[str, str, datetime]]:
    """Of several extensions of the same, the one granted last."""
    last = select(func.max(extensions.c.id)).group_by(
        extensions.c.username, extensions.c.assignment
    )
    columns = (extensions.c.assignment, extensions.c.username, extensions.c.until)
    return select(*columns).where(extensions.c.id.in_(last))


def _pairs(engine: Engine, query: Select[tuple[str, datetime]]) -> dict[str, datetime]:
    return {name: at for name, at in _rows(engine, query)}


def _nested(
    engine: Engine, query: Select[tuple[str, str, datetime]]
) -> dict[str, dict[str, datetime]]:
    found: Mapping[str, dict[str, datetime]] = defaultdict(dict)
    for assignment, username, at in _rows(engine, query):
        found[assignment][username] = at
    return dict(found)


def _rows(engine: Engine, query: Select) -> list[Row]:  # type: ignore[type-arg]
    with engine.connect() as connection:
        return list(connection.execute(query))
