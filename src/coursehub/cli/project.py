"""Where the project meets the exchange, and what its commands share."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from coursehub.cli.course import one_line_errors
from coursehub.course.project import Report
from coursehub.course.rubric import Combined
from coursehub.errors import CourseHubError, NotFound
from coursehub.exchange.database import connect
from coursehub.exchange.deadlines import CourseFile
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.ledger import HandIn, Ledger
from coursehub.exchange.roster import Roster
from coursehub.project.project import Project
from coursehub.project.scores import Work
from coursehub.settings import Settings, load_settings

TeamName = Annotated[str, typer.Argument(metavar="TEAM", help="The team's name or number.")]
Acting = Annotated[str, typer.Option("--as", metavar="STUDENT", help="Which student does it.")]
By = Annotated[str, typer.Option("--by", metavar="STAFF", help="Who of the staff does it.")]
Reason = Annotated[str, typer.Option(help="Why, in a few words; it is written down.")]
Given = Annotated[
    list[str], typer.Argument(metavar="CRITERION=SCORE...", help="Scores from 0 to 10.")
]


class ReportArchive:
    """The exchange, as the project knows it (`coursehub.project.reports.Archive`)."""

    def __init__(self, settings: Settings, exchange: Exchange | None = None) -> None:
        """Use the deployment of `settings`; files are only touched when one comes or is read.

        Args:
            settings: The deployment's.
            exchange: The exchange of this process, where it has one already.
        """
        self._settings = settings
        if exchange is not None:
            self._exchange = exchange
        engine = connect(str(settings.database))
        self._ledger, self._roster = Ledger(engine), Roster(engine)

    def hand_in(self, username: str, sent_as: str, content: bytes, key: str) -> HandIn:
        """Keep a file."""
        person = self._exchange.person(username)
        return self._exchange.hand_in_report(person, sent_as, content, key)

    def hand_ins(self) -> list[HandIn]:
        """Every report in the ledger."""
        return self._ledger.for_assignment(Report.name)

    def content(self, number: int) -> bytes:
        """The file of that row."""
        row = self._ledger.row(number)
        if row is None:
            raise NotFound(f"the ledger has no report {number}")
        return (self._exchange.store.folder(row) / row.files[0].name).read_bytes()

    def extensions(self) -> Mapping[str, datetime]:
        """Who has more time for the report."""
        extended = self._roster.all_extended_until()
        return {who: until for (who, work), until in extended.items() if work == Report.name}

    @cached_property
    def _exchange(self) -> Exchange:
        return Exchange(self._settings)


def open_project(settings: Settings, exchange: Exchange | None = None) -> Project:
    """The project of the deployment of `settings`; arguments as `ReportArchive`."""
    settings.make_state()
    file = CourseFile(settings.course)
    engine = connect(str(settings.database))
    return Project(engine, lambda: file.course, Roster(engine), ReportArchive(settings, exchange))


@contextmanager
def opened() -> Iterator[tuple[Project, datetime]]:
    """The project and the time; errors become one line."""
    with one_line_errors():
        yield open_project(load_settings()), datetime.now(UTC)


def give_scores(work: Work, team: str, given: Sequence[str], by: str) -> None:
    """Record scores written as CRITERION=SCORE, and show what the team's scores come to."""
    with opened() as (project, now):
        pairs = [text.partition("=") for text in given]
        for text, (_, mark, _score) in zip(given, pairs, strict=True):
            if not mark:
                raise CourseHubError(f"{text!r} is no score", remedy="Write CRITERION=SCORE")
        scores = {criterion: score for criterion, _, score in pairs}
        print_table(_SCORES, [_scores(team, project.scores.give(work, team, scores, by, now))])


def show_scores(work: Work) -> None:
    """Show what all teams' scores come to, who is not done, and where graders disagree."""
    with opened() as (project, _):
        found = project.scores.all(work)
        rows = [
            _scores(team.name, found[team.number])
            if team.number in found
            else (team.name, "", "nobody", "", "")
            for team in project.teams.all()
        ]
        print_table(_SCORES, rows)


_SCORES = ("Team", "Score", "Graders", "Not done", "Apart")


def _scores(team: str, of: Combined) -> tuple[str, ...]:
    return (
        team,
        "" if of.share is None else f"{of.share:.1%}",
        ", ".join(f"{grader} {share:.1%}" for grader, share in of.graders.items()) or "nobody",
        "\n".join(f"{who}: {', '.join(missing)}" for who, missing in of.incomplete.items()),
        "\n".join(f"{name}: {low} to {high}" for name, (low, high) in of.apart.items()),
    )


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print texts in columns."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)
