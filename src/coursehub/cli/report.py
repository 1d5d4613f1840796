"""The commands about reports."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from coursehub.cli.course import one_line_errors
from coursehub.cli.project import (
    Acting,
    By,
    Given,
    TeamName,
    give_scores,
    opened,
    print_table,
    show_scores,
)
from coursehub.course.load import load_course
from coursehub.course.schedule import say, say_short
from coursehub.errors import CourseHubError
from coursehub.project.check import check as check_pdf
from coursehub.settings import load_settings

app = typer.Typer()
report_app = typer.Typer(no_args_is_help=True, help="Reports: hand-ins, their check, scores.")
app.add_typer(report_app, name="report")


@report_app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE.pdf", help="The report.")],
) -> None:
    """Say what is wrong with a report's PDF; exit code 0 if nothing is, 1 otherwise."""
    with one_line_errors():
        report = load_course(load_settings().course).report
        _say_findings(str(file), found := check_pdf(report, _read(file)))
    if found:
        raise typer.Exit(1)


@report_app.command("hand-in")
def hand_in(
    file: Annotated[Path, typer.Argument(metavar="FILE.pdf", help="The report.")],
    acting: Acting,
) -> None:
    """Hand in a report for one's team; prints the receipt, then what is wrong with the PDF.

    It is kept in any case; the last one before the deadline counts.
    """
    with opened() as (project, now):
        kept = project.reports.hand_in(acting, file.name, _read(file), secrets.token_hex(16), now)
        typer.echo(kept.receipt)
        _say_findings(file.name, project.reports.check(kept.number, now))


@report_app.command("list")
def list_reports(
    again: Annotated[
        bool, typer.Option("--check", help="Check those whose check was interrupted.")
    ] = False,
) -> None:
    """Show every team's reports: which counts, what is late, what its check found."""
    with opened() as (project, now):
        for number in project.reports.unchecked() if again else ():
            project.reports.check(number, now)
        course, reports = load_course(load_settings().course), project.reports.all()
        rows = [
            (
                team.name, str(each.number), each.username, say_short(each.received, course),
                "counts" if each.counts else "", "late" if each.late else "",
                "not checked" if each.findings is None else "\n".join(each.findings),
            )
            for team in project.teams.all()
            for each in reports[team.number]
        ]  # fmt: skip
        print_table(("Team", "Receipt", "By", "Received", "", "", "Check"), rows)
        missing = [team.name for team in project.teams.all() if not reports[team.number]]
        typer.echo(f"Due {say(course.report.due.starts(course.tz), course)}")
        typer.echo(f"Without a report: {', '.join(missing) or 'no team'}")


@report_app.command("score")
def score_report(team: TeamName, given: Given, by: By) -> None:
    """Score a report by the rubric: Method=8 Writing=7.5; some criteria or all."""
    give_scores("report", team, given, by)


@report_app.command("scores")
def report_scores() -> None:
    """Show what reports' scores come to, who is not done, and where graders disagree."""
    show_scores("report")


def _say_findings(file: str, findings: Sequence[str]) -> None:
    for finding in findings or ("Nothing is wrong with it.",):
        typer.echo(f"{file}: {finding}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CourseHubError(
            f"cannot be read: {error.strerror}", file=str(path), remedy="Check its name."
        ) from None
