"""Reports: any member hands in for the team; the PDF is checked at once, and kept in any case.

Where reports are kept, and how receipts are written, is the exchange's (`Archive`). Here stands
which team a report is of, and what its check found.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from sqlalchemy import Connection, Engine, insert, select, update

from coursehub import journal
from coursehub.course.late import counting, credit, lateness
from coursehub.course.model import Course
from coursehub.course.schedule import Window, window
from coursehub.errors import NotFound, NotPossible
from coursehub.project import tables
from coursehub.project.check import check
from coursehub.project.people import People, need_student
from coursehub.project.tables import changing
from coursehub.project.teams import Team, note, read_teams, team_of

CHECKER = "report check"
"""Who writes into the journal what a check found."""


class Kept(Protocol):
    """A report as the exchange keeps it: a row of the ledger."""

    @property
    def number(self) -> int:
        """Its number, which the receipt names."""

    @property
    def username(self) -> str:
        """Who handed it in."""

    @property
    def received(self) -> datetime:
        """When, by the service's clock."""

    @property
    def receipt(self) -> str:
        """The signed receipt."""


class Archive(Protocol):
    """Where reports are kept."""

    def hand_in(self, username: str, sent_as: str, content: bytes, key: str) -> Kept:
        """Keep a file; when this returns, it and its receipt are on disk."""

    def hand_ins(self) -> Sequence[Kept]:
        """Every report ever kept, in order."""

    def content(self, number: int) -> bytes:
        """The file of that number."""

    def extensions(self) -> Mapping[str, datetime]:
        """The first instant that is late, for each student who has more time for the report."""


@dataclass(frozen=True)
class Report:
    """A team's report.

    Attributes:
        number: The receipt's number.
        username: Who handed it in.
        received: When.
        late: Whether it came after the team's deadline.
        counts: Whether it is the team's report: the last on time, else the first.
        credit: The share of its marks that lateness leaves it.
        findings: What the check found, a sentence each; None before it was checked.
    """

    number: int
    username: str
    received: datetime
    late: bool
    counts: bool
    credit: Decimal
    findings: tuple[str, ...] | None


class Reports:
    """The reports of all teams.

    Attributes:
        archive: Where they are kept.
    """

    def __init__(
        self, engine: Engine, course: Callable[[], Course], people: People, archive: Archive
    ) -> None:
        """Use the course database and an archive; the other arguments are those of `Teams`."""
        self._engine = engine
        self._course = course
        self._people = people
        self.archive = archive

    def hand_in(self, username: str, sent_as: str, content: bytes, key: str, now: datetime) -> Kept:
        """Keep a report of the student's team, whatever is in it, and return it with its receipt.

        `check` says afterwards what is wrong with it, and need not be waited for.

        Raises:
            NotEnrolled: when there is no such student.
            NotPossible: when they are in no team.
            ExchangeError: when the exchange does not keep it.
        """
        need_student(self._people, username)
        with self._engine.connect() as connection:
            if not team_of(connection, username):
                raise NotPossible(
                    f"{username} is in no team, and reports are handed in by teams",
                    remedy="Join a team, or ask the course staff to put you into one",
                )
        kept = self.archive.hand_in(username, sent_as, content, key)
        self._enter([kept], now)
        return kept

    def check(self, number: int, now: datetime) -> tuple[str, ...]:
        """Look at a report and remember what is wrong with it, a sentence each.

        Raises:
            NotFound: when there is no such report.
        """
        report = tables.reports.c.number == number
        with self._engine.connect() as connection:
            row = connection.execute(select(tables.reports).where(report)).one_or_none()
        if row is None:
            raise NotFound(f"there is no report {number}", remedy="See `coursehub report list`")
        found = check(self._course().report, self.archive.content(number))
        with changing(self._engine) as connection:
            values = {"findings": list(found)}
            connection.execute(update(tables.reports).where(report).values(values))
            entry = journal.Entry(
                at=now, who=CHECKER, did="check report", about=f"team {row.team}",
                after={"number": number, **values},
            )  # fmt: skip
            journal.record(connection, entry)
        return found

    def unchecked(self) -> list[int]:
        """The numbers of reports that were not checked yet: their check was interrupted."""
        query = select(tables.reports.c.number).where(tables.reports.c.findings.is_(None))
        with self._engine.connect() as connection:
            return sorted(connection.execute(query).scalars())

    def catch_up(self, now: datetime) -> list[Kept]:
        """Enter what the archive kept before a service was killed.

        Returns:
            What cannot be entered, since who handed it in is in no team now.
        """
        with self._engine.connect() as connection:
            known = set(connection.execute(select(tables.reports.c.number)).scalars())
        missing = [kept for kept in self.archive.hand_ins() if kept.number not in known]
        return self._enter(missing, now) if missing else []

    def all(self) -> dict[int, list[Report]]:
        """Every report, the oldest first, by the team's number."""
        with self._engine.connect() as connection:
            return self.read(connection, read_teams(connection))

    def of(self, team: Team) -> list[Report]:
        """A team's reports, the oldest first."""
        with self._engine.connect() as connection:
            return self.read(connection, [team])[team.number]

    def read(self, connection: Connection, teams: Sequence[Team]) -> dict[int, list[Report]]:
        """Every report of these teams, in one query and one for extensions."""
        extensions, policy = self.archive.extensions(), self._course().late
        rows = defaultdict(list)
        in_order = (tables.reports.c.received, tables.reports.c.number)
        query = select(tables.reports).order_by(*in_order)
        if len(teams) == 1:
            query = query.where(tables.reports.c.team == teams[0].number)
        for row in connection.execute(query):
            rows[row.team].append(row)
        found = {}
        for team in teams:
            open_until = self._window(team, extensions)
            stamps = [row.received for row in rows[team.number]]
            counts = counting(stamps, open_until.on_time_before)
            found[team.number] = [
                Report(
                    row.number,
                    row.username,
                    row.received,
                    late=bool(lateness(open_until, row.received)),
                    counts=index == counts,
                    credit=credit(policy, lateness(open_until, row.received)),
                    findings=None if row.findings is None else tuple(row.findings),
                )
                for index, row in enumerate(rows[team.number])
            ]
        return found

    def numbers(self, team: int | None = None) -> set[int]:
        """The numbers of all reports, or of those of the team of that number."""
        query = select(tables.reports.c.number)
        if team is not None:
            query = query.where(tables.reports.c.team == team)
        with self._engine.connect() as connection:
            return set(connection.execute(query).scalars())

    def windows(self, teams: Sequence[Team]) -> list[tuple[Team, Window]]:
        """`window` of each of these teams, in one query."""
        extensions = self.archive.extensions()
        return [(team, self._window(team, extensions)) for team in teams]

    def window(self, team: Team) -> Window:
        """When the team's report is open: who has the most time of its members has it for all."""
        return self._window(team, self.archive.extensions())

    def _window(self, team: Team, extensions: Mapping[str, datetime]) -> Window:
        course = self._course()
        until = max((extensions[m] for m in team.members if m in extensions), default=None)
        return window(course, course.report, until)

    def _enter(self, kept: Sequence[Kept], now: datetime) -> list[Kept]:
        """Write down which team each is of, once; return those of people in no team."""
        without = []
        with changing(self._engine) as connection:
            known = set(connection.execute(select(tables.reports.c.number)).scalars())
            for each in kept:
                if each.number in known:
                    continue
                team = team_of(connection, each.username)
                if team is None:
                    without.append(each)
                    continue
                values = {
                    "number": each.number, "team": team.number, "username": each.username,
                    "received": each.received,
                }  # fmt: skip
                connection.execute(insert(tables.reports).values(values))
                after = {"number": each.number}
                note(connection, now, each.username, "hand in report", team, after=after)
        return without
