"""Who had which GPU, and when: the minutes that count towards somebody's week.

What somebody has *now* is what the engine's containers say (`coursehub.hub.gpus`). This history
follows them: each look at the containers opens a row for a lease that is new and closes those that
are gone. A lease that vanished while the hub was down is closed when that is noticed, or at its
`until` if that was earlier.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, insert, or_, select, update

from coursehub.instant import Instant

metadata = MetaData()

_GRADING = "grading:"  # no user name has a colon

gpu_leases = Table(
    "gpu_leases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("username", String(64), nullable=False, index=True),
    Column("device", String(128), nullable=False),
    Column("started", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("ended", Instant, nullable=True),
)


class Held(NamedTuple):
    """A lease as the history knows it."""

    username: str
    device: str
    until: datetime


def for_grading(number: int | str) -> str:
    """Who has a lease that the grader asked for, where others have a user name."""
    return f"{_GRADING}{number}"


def is_grading(username: str) -> bool:
    """Whether a holder is the grader, which shares its GPU with nobody."""
    return username.startswith(_GRADING)


class LeaseHistory:
    """The table `gpu_leases` of the course database."""

    def __init__(self, engine: Engine, zone: tzinfo) -> None:
        """Use a database that has the table.

        Args:
            engine: the course database.
            zone: the course's timezone, in which weeks begin on Monday at 00:00.
        """
        self._engine = engine
        self._zone = zone

    def observe(self, leases: Iterable[Held], now: datetime) -> None:
        """Open a row for each lease that is new at `now`, and close the rows of those gone."""
        there = set(leases)
        with self._engine.begin() as connection:
            rows = connection.execute(select(gpu_leases).where(gpu_leases.c.ended.is_(None))).all()
            known = {Held(row.username, row.device, row.until): row for row in rows}
            for held in there - known.keys():
                values = {**held._asdict(), "started": min(now, held.until)}
                connection.execute(insert(gpu_leases).values(values))
            for held in known.keys() - there:
                connection.execute(
                    update(gpu_leases)
                    .where(gpu_leases.c.id == known[held].id)
                    .values(ended=min(now, held.until))
                )

    def held(self, now: datetime) -> list[Held]:
        """The leases that last at `now`, the first to end first."""
        lasting = (gpu_leases.c.ended.is_(None), gpu_leases.c.until > now)
        columns = (gpu_leases.c.username, gpu_leases.c.device, gpu_leases.c.until)
        query = select(*columns).where(*lasting).order_by(gpu_leases.c.until)
        with self._engine.connect() as connection:
            return [Held(*row) for row in connection.execute(query)]

    def used_this_week(self, username: str, now: datetime) -> timedelta:
        """How long somebody had a GPU since Monday 00:00 in the course's timezone."""
        monday = start_of_week(now, self._zone)
        mine = gpu_leases.c.username == username
        in_week = or_(gpu_leases.c.ended.is_(None), gpu_leases.c.ended > monday)
        with self._engine.connect() as connection:
            rows = connection.execute(select(gpu_leases).where(mine, in_week)).all()
        spans = ((row.ended or min(now, row.until)) - max(row.started, monday) for row in rows)
        return sum((max(span, timedelta(0)) for span in spans), timedelta(0))


def start_of_week(now: datetime, zone: tzinfo) -> datetime:
    """Monday 00:00 of the week of `now`, on the clocks of `zone`, in UTC."""
    local = now.astimezone(zone)
    monday = local.date() - timedelta(days=local.weekday())
    return datetime(monday.year, monday.month, monday.day, tzinfo=zone).astimezone(UTC)
