"""The project as a whole: its parts on one database, and what it is worth to each student."""

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Engine

from coursehub.course.model import Course
from coursehub.project.people import People
from coursehub.project.reports import Archive, Reports
from coursehub.project.scores import Scores
from coursehub.project.staff import Fixes
from coursehub.project.tables import create_tables
from coursehub.project.talks import Talks
from coursehub.project.teams import Teams, read_teams


class Shares(NamedTuple):
    """What a student earned, each from 0 to 1; None while it is missing.

    Attributes:
        presentation: None until a grader has scored every criterion.
        report: Likewise, or while no report is handed in. What lateness costs is taken off.
    """

    presentation: Decimal | None
    report: Decimal | None


MISSING = Shares(None, None)


class Project:
    """Teams, presentations and reports of a course.

    Attributes:
        teams: What students do about teams.
        fixes: What staff do about teams.
        talks: Slots, the draw, swaps.
        reports: Hand-ins, and their check.
        scores: What graders gave.
    """

    def __init__(
        self, engine: Engine, course: Callable[[], Course], people: People, archive: Archive
    ) -> None:
        """Use the course database.

        Args:
            engine: the course database; in SQLite the tables are made here.
            course: the course as it stands now.
            people: who is in the course; the roster.
            archive: where reports are kept; the exchange.
        """
        create_tables(engine)
        self._engine = engine
        self.teams = Teams(engine, course, people)
        self.fixes = Fixes(engine, course, people)
        self.talks = Talks(engine, course, people)
        self.scores = Scores(engine, course, people)
        self.reports = Reports(engine, course, people, archive)

    def shares(self, username: str) -> Shares:
        """What one student earned; `MISSING` for who is in no team."""
        team = self.teams.of(username)
        return self._shares(team.number).get(username, MISSING) if team else MISSING

    def all_shares(self) -> dict[str, Shares]:
        """What everybody in a team earned, by user name; as many queries for many as for one."""
        return self._shares()

    def _shares(self, only: int | None = None) -> dict[str, Shares]:
        with self._engine.connect() as connection:
            teams = read_teams(connection, only)
            reports = self.reports.read(connection, teams)
        presentations = self.scores.all("presentation", only)
        written = self.scores.all("report", only)
        shares: dict[str, Shares] = {}
        for team in teams:
            talk, text = presentations.get(team.number), written.get(team.number)
            report = next((each for each in reports[team.number] if each.counts), None)
            earned = text.share if text and report else None
            of_team = Shares(
                talk.share if talk else None,
                earned * report.credit if earned is not None and report else None,
            )
            shares |= dict.fromkeys(team.members, of_team)
        return shares
