"""What the exchange knows of a whole class, or of one student in all assignments, at once.

The course pages ask this. Each function is one query, however many people there are.
"""

from collections import defaultdict
from datetime import datetime
from typing import NamedTuple, TypeVar

from sqlalchemy import Engine, Select, distinct, func, select
from sqlalchemy.exc import IntegrityError

from coursehub.exchange.database import extensions, fetches, ledger

T = TypeVar("T")


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


def who_fetched(engine: Engine, assignment: str) -> dict[str, datetime]:
    """User name -> since when they have an assignment's files."""
    query = select(fetches.c.username, fetches.c.at).where(fetches.c.assignment == assignment)
    return _pairs(engine, query)


def extensions_of(engine: Engine, username: str) -> dict[str, datetime]:
    """Assignment -> the first late instant of somebody's extension that counts."""
    query = select(extensions.c.assignment, extensions.c.until)
    return _pairs(engine, query.where(extensions.c.username == username, _LAST))


def who_has_more_time(engine: Engine, assignment: str) -> dict[str, datetime]:
    """User name -> the first late instant of their extension that counts."""
    query = select(extensions.c.username, extensions.c.until)
    return _pairs(engine, query.where(extensions.c.assignment == assignment, _LAST))


def stamps(engine: Engine, assignment: str) -> dict[str, list[Stamp]]:
    """User name -> their hand-ins of an assignment, oldest first."""
    query = (
        select(ledger.c.username, ledger.c.number, ledger.c.received)
        .where(ledger.c.assignment == assignment)
        .order_by(ledger.c.received)
    )
    found: defaultdict[str, list[Stamp]] = defaultdict(list)
    with engine.connect() as connection:
        for username, number, received in connection.execute(query):
            found[username].append(Stamp(number, received))
    return dict(found)


def handed_in(engine: Engine) -> dict[str, int]:
    """Assignment -> how many people handed in."""
    query = select(ledger.c.assignment, func.count(distinct(ledger.c.username)))
    return _pairs(engine, query.group_by(ledger.c.assignment))


# Of several extensions of the same, the one granted last.
_LAST = extensions.c.id.in_(
    select(func.max(extensions.c.id)).group_by(extensions.c.username, extensions.c.assignment)
)


def _pairs(engine: Engine, query: Select[tuple[str, T]]) -> dict[str, T]:
    with engine.connect() as connection:
        return {name: value for name, value in connection.execute(query)}
