"""The commands about the project: teams, their talks, their reports."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from coursehub.cli.archive import open_project
from coursehub.cli.course import one_line_errors
from coursehub.course.leftovers import Proposal
from coursehub.course.load import load_course
from coursehub.course.rubric import Combined
from coursehub.course.schedule import say, say_short
from coursehub.errors import CourseHubError
from coursehub.exchange.database import connect
from coursehub.exchange.roster import Roster
from coursehub.project.check import check as check_pdf
from coursehub.project.order import running_order_html, running_order_table
from coursehub.project.project import Project
from coursehub.project.scores import Work
from coursehub.project.teams import Team
from coursehub.settings import load_settings

app = typer.Typer()
team_app = typer.Typer(no_args_is_help=True, help="Teams: who is in which.")
talk_app = typer.Typer(no_args_is_help=True, help="Presentations: slots, swaps, scores.")
report_app = typer.Typer(no_args_is_help=True, help="Reports: hand-ins, their check, scores.")
app.add_typer(team_app, name="team")
app.add_typer(talk_app, name="talk")
app.add_typer(report_app, name="report")

TeamName = Annotated[str, typer.Argument(metavar="TEAM", help="The team's name or number.")]
Student = Annotated[str, typer.Argument(metavar="STUDENT", help="A student's user name.")]
Acting = Annotated[str, typer.Option("--as", metavar="STUDENT", help="Which student does it.")]
By = Annotated[str, typer.Option("--by", metavar="STAFF", help="Who of the staff does it.")]
Reason = Annotated[str, typer.Option(help="Why, in a few words; it is written down.")]
Given = Annotated[
    list[str], typer.Argument(metavar="CRITERION=SCORE...", help="Scores from 0 to 10.")
]


# --- teams


@team_app.command("list")
def list_teams() -> None:
    """Show all teams, who is in them, and who is invited."""
    with _project() as (project, _):
        rule = load_course(load_settings().course).teams
        rows = [
            (
                str(team.number), team.name, ", ".join(team.members), ", ".join(team.invited),
                _size(team, rule.smallest, rule.largest),
            )
            for team in project.teams.all()
        ]  # fmt: skip
        _print(("Team", "Name", "Members", "Invited", ""), rows)


@team_app.command()
def invite(student: Student, acting: Acting) -> None:
    """Ask a student into one's team; who has none makes one by it."""
    with _project() as (project, now):
        team = project.teams.invite(student, acting, now)
        typer.echo(f"{team.name}: {student} is invited")


@team_app.command()
def accept(team: TeamName, acting: Acting) -> None:
    """Join the team that invited one."""
    with _project() as (project, now):
        _say_team(project.teams.accept(team, acting, now))


@team_app.command()
def decline(team: TeamName, acting: Acting) -> None:
    """Say no to an invitation."""
    with _project() as (project, now):
        project.teams.decline(team, acting, now)
        typer.echo(f"{acting}: the invitation is declined")


@team_app.command()
def leave(acting: Acting) -> None:
    """Leave one's team; the last one out closes it."""
    with _project() as (project, now):
        team = project.teams.leave(acting, now)
        typer.echo(f"{acting}: left") if team is None else _say_team(team)


@team_app.command()
def create(
    students: Annotated[list[str], typer.Argument(metavar="STUDENT...", help="Its members.")],
    by: By,
    reason: Reason,
    name: Annotated[str | None, typer.Option(help="Its name; its number unless given.")] = None,
) -> None:
    """Make a team of students, who leave the teams they were in."""
    with _project() as (project, now):
        _say_team(project.fixes.create(students, by, reason, now, name))


@team_app.command()
def move(
    student: Student,
    by: By,
    reason: Reason,
    to: Annotated[str | None, typer.Option(metavar="TEAM", help="Without it: no team.")] = None,
) -> None:
    """Put a student into a team, or into none."""
    with _project() as (project, now):
        project.fixes.move(student, to, by, reason, now)
        team = project.teams.of(student)
        _say_team(team) if team else typer.echo(f"{student}: in no team")


@team_app.command()
def rename(
    team: TeamName,
    new: Annotated[str, typer.Argument(metavar="NAME", help="The new name.")],
    by: By,
    reason: Reason,
) -> None:
    """Give a team another name."""
    with _project() as (project, now):
        _say_team(project.fixes.rename(team, new, by, reason, now))


@team_app.command()
def dissolve(team: TeamName, by: By, reason: Reason) -> None:
    """End a team; its members are in none then."""
    with _project() as (project, now):
        gone = project.fixes.dissolve(team, by, reason, now)
        typer.echo(f"{gone.name}: dissolved; it had {', '.join(gone.members)}")


@team_app.command()
def leftovers(
    apply: Annotated[bool, typer.Option("--apply", help="Do what is proposed.")] = False,
    by: Annotated[str, typer.Option(metavar="STAFF", help="Who applies it.")] = "",
    reason: Reason = "",
) -> None:
    """Show students without a team and teams that are too small, and what could be done.

    With --apply it is done, all or nothing.
    """
    with _project() as (project, now):
        alone = project.teams.alone()
        typer.echo(f"Without a team: {', '.join(alone) or 'nobody'}")
        names = {team.number: team.name for team in project.teams.all()}
        if apply:
            done = project.fixes.place(alone, by, reason, now)
        else:
            done = project.fixes.proposal(alone)
        for line in _proposal(done, names):
            typer.echo(line)
        if not done.empty:
            typer.echo("Done." if apply else "With --apply --by STAFF --reason WHY it is done.")


# --- talks


@talk_app.command()
def assign(
    by: By,
    seed: Annotated[
        str | None, typer.Option(help="What to draw with; random unless given.")
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Take back all slots first.")] = False,
    reason: Reason = "",
) -> None:
    """Draw slots for the teams that have none. The seed is kept, so that it can be checked."""
    with _project() as (project, now):
        drawn = project.talks.assign(by, now, seed=seed, anew=anew, reason=reason)
        typer.echo(f"{len(drawn.teams)} teams have slots now, drawn with the seed {drawn.seed}")


@talk_app.command()
def draws() -> None:
    """Show every draw with its seed, and whether drawing again gives the same."""
    with _project() as (project, _):
        course = load_course(load_settings().course)
        rows = [
            (say_short(each.at, course), each.by, each.seed, str(len(each.teams)),
             "yes" if each.fits else "NO", each.why or "")
            for each in project.talks.draws()
        ]  # fmt: skip
        _print(("When", "By", "Seed", "Teams", "Same again", "Why"), rows)


@talk_app.command()
def swap(
    team: TeamName,
    acting: Acting,
    refuse: Annotated[bool, typer.Option("--refuse", help="Say no, or take it back.")] = False,
) -> None:
    """Swap slots with another team: asks it, or agrees if that team has asked."""
    with _project() as (project, now):
        if refuse:
            project.talks.refuse(team, acting, now)
            typer.echo("Nothing is swapped.")
        elif project.talks.swap(team, acting, now):
            typer.echo("The slots are swapped.")
        else:
            typer.echo(f"{project.teams.find(team).name} is asked; nothing is swapped yet.")


@talk_app.command("move")
def move_slot(
    team: TeamName,
    slot: Annotated[int, typer.Argument(help="The slot's number.")],
    by: By,
    reason: Reason,
) -> None:
    """Give a team another slot; who has it gets the team's own."""
    with _project() as (project, now):
        project.talks.move(team, slot, by, reason, now)
        typer.echo(f"{project.teams.find(team).name}: slot {slot}")


@talk_app.command()
def kind(
    team: TeamName,
    what: Annotated[str, typer.Argument(metavar="KIND", help="Such as talk or poster.")],
    acting: Annotated[str, typer.Option("--as", metavar="WHO", help="A member, or staff.")],
) -> None:
    """Say what a team presents."""
    with _project() as (project, now):
        project.talks.choose(team, what, acting, now)
        typer.echo(f"{project.teams.find(team).name}: {what}")


@talk_app.command()
def order(
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page to print instead.")
    ] = None,
) -> None:
    """Show the running order."""
    with _project() as (project, _):
        settings = load_settings()
        course, found = load_course(settings.course), project.talks.order()
        everyone = Roster(connect(str(settings.database))).everyone()
        names = {person.username: person.name for person in everyone}
        if html is not None:
            _write(html, running_order_html(course, found, names))
        else:
            Console().print(running_order_table(course, found, names))
        if found.waiting:
            waiting = ", ".join(team.name for team in found.waiting)
            typer.echo(f"Without a slot: {waiting}", err=True)


@talk_app.command("score")
def score_talk(team: TeamName, given: Given, by: By) -> None:
    """Score a presentation by the rubric: Idea=8 Results=7.5; some criteria or all."""
    _score("presentation", team, given, by)


@talk_app.command("scores")
def talk_scores() -> None:
    """Show what presentations' scores come to, who is not done, and where graders disagree."""
    _show_scores("presentation")


# --- reports


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
    with _project() as (project, now):
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
    with _project() as (project, now):
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
        _print(("Team", "Receipt", "By", "Received", "", "", "Check"), rows)
        missing = [team.name for team in project.teams.all() if not reports[team.number]]
        typer.echo(f"Due {say(course.report.due.starts(course.tz), course)}")
        typer.echo(f"Without a report: {', '.join(missing) or 'no team'}")


@report_app.command("score")
def score_report(team: TeamName, given: Given, by: By) -> None:
    """Score a report by the rubric: Method=8 Writing=7.5; some criteria or all."""
    _score("report", team, given, by)


@report_app.command("scores")
def report_scores() -> None:
    """Show what reports' scores come to, who is not done, and where graders disagree."""
    _show_scores("report")


# --- what they share


@contextmanager
def _project() -> Iterator[tuple[Project, datetime]]:
    """The project and the time; errors become one line."""
    with one_line_errors():
        yield open_project(load_settings()), datetime.now(UTC)


def _score(work: Work, team: str, given: Sequence[str], by: str) -> None:
    with _project() as (project, now):
        pairs = [text.partition("=") for text in given]
        for text, (_, mark, _score) in zip(given, pairs, strict=True):
            if not mark:
                raise CourseHubError(f"{text!r} is no score", remedy="Write CRITERION=SCORE")
        scores = {criterion: score for criterion, _, score in pairs}
        _print(_SCORES, [_scores(team, project.scores.give(work, team, scores, by, now))])


def _show_scores(work: Work) -> None:
    with _project() as (project, _):
        found = project.scores.all(work)
        rows = [
            _scores(team.name, found[team.number])
            if team.number in found
            else (team.name, "", "nobody", "", "")
            for team in project.teams.all()
        ]
        _print(_SCORES, rows)


_SCORES = ("Team", "Score", "Graders", "Not done", "Apart")


def _scores(team: str, of: Combined) -> tuple[str, ...]:
    return (
        team,
        "" if of.share is None else f"{of.share:.1%}",
        ", ".join(f"{grader} {share:.1%}" for grader, share in of.graders.items()) or "nobody",
        "\n".join(f"{who}: {', '.join(missing)}" for who, missing in of.incomplete.items()),
        "\n".join(f"{name}: {low} to {high}" for name, (low, high) in of.apart.items()),
    )


def _proposal(proposal: Proposal, names: dict[int, str]) -> Iterator[str]:
    for team, students in proposal.grow.items():
        yield f"{', '.join(students)}: into {names[team]}"
    for team, host in proposal.merge.items():
        yield f"{names[team]}: joins {names[host]}"
    for students in proposal.new:
        yield f"{', '.join(students)}: a new team"
    for student in proposal.left:
        yield f"{student}: no team has room; move others, or allow larger teams in course.yml"
    for team in proposal.short:
        yield f"{names[team]}: stays too small; move others, or allow smaller teams in course.yml"


def _say_team(team: Team) -> None:
    typer.echo(f"{team.name}: {', '.join(team.members)}")


def _say_findings(file: str, findings: Sequence[str]) -> None:
    for finding in findings or ("Nothing is wrong with it.",):
        typer.echo(f"{file}: {finding}")


def _size(team: Team, smallest: int, largest: int) -> str:
    size = len(team.members)
    return "too small" if size < smallest else "too large" if size > largest else ""


def _print(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CourseHubError(
            f"cannot be read: {error.strerror}", file=str(path), remedy="Check its name."
        ) from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CourseHubError(
            f"cannot be written: {error.strerror}", file=str(path), remedy="Name another file."
        ) from None
