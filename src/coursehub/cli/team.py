"""The commands about teams."""

from collections.abc import Iterator
from typing import Annotated

import typer

from coursehub.cli.project import Acting, By, Reason, TeamName, opened, print_table
from coursehub.course.leftovers import Proposal
from coursehub.course.load import load_course
from coursehub.errors import CourseHubError
from coursehub.project.teams import Team
from coursehub.settings import load_settings

app = typer.Typer()
team_app = typer.Typer(no_args_is_help=True, help="Teams: who is in which.")
app.add_typer(team_app, name="team")

Student = Annotated[str, typer.Argument(metavar="STUDENT", help="A student's user name.")]


@team_app.command("list")
def list_teams() -> None:
    """Show all teams, who is in them, and who is invited."""
    with opened() as (project, _):
        rule = load_course(load_settings().course).teams
        rows = [
            (
                str(team.number), team.name, ", ".join(team.members), ", ".join(team.invited),
                _size(team, rule.smallest, rule.largest),
            )
            for team in project.teams.all()
        ]  # fmt: skip
        print_table(("Team", "Name", "Members", "Invited", ""), rows)


@team_app.command()
def invite(student: Student, acting: Acting) -> None:
    """Ask a student into one's team; who has none makes one by it."""
    with opened() as (project, now):
        team = project.teams.invite(student, acting, now)
        typer.echo(f"{team.name}: {student} is invited")


@team_app.command()
def accept(team: TeamName, acting: Acting) -> None:
    """Join the team that invited one."""
    with opened() as (project, now):
        _say_team(project.teams.accept(team, acting, now))


@team_app.command()
def decline(team: TeamName, acting: Acting) -> None:
    """Say no to an invitation."""
    with opened() as (project, now):
        project.teams.decline(team, acting, now)
        typer.echo(f"{acting}: the invitation is declined")


@team_app.command()
def leave(acting: Acting) -> None:
    """Leave one's team; the last one out closes it."""
    with opened() as (project, now):
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
    with opened() as (project, now):
        _say_team(project.fixes.create(students, by, reason, now, name))


@team_app.command()
def move(
    student: Student,
    by: By,
    reason: Reason,
    to: Annotated[str | None, typer.Option(metavar="TEAM", help="Without it: no team.")] = None,
) -> None:
    """Put a student into a team, or into none."""
    with opened() as (project, now):
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
    with opened() as (project, now):
        _say_team(project.fixes.rename(team, new, by, reason, now))


@team_app.command()
def dissolve(team: TeamName, by: By, reason: Reason) -> None:
    """End a team; its members are in none then."""
    with opened() as (project, now):
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
    with opened() as (project, now):
        if apply and not by:
            raise CourseHubError("who applies it?", key="--by", remedy="Name one of the staff.")
        alone = project.teams.alone()
        names = {team.number: team.name for team in project.teams.all()}
        if apply:
            done = project.fixes.place(alone, by, reason, now)
        else:
            done = project.fixes.proposal(alone)
        typer.echo(f"Without a team: {', '.join(alone) or 'nobody'}")
        for line in _proposal(done, names):
            typer.echo(line)
        if not done.empty:
            typer.echo("Done." if apply else "With --apply --by STAFF --reason WHY it is done.")


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


def _size(team: Team, smallest: int, largest: int) -> str:
    size = len(team.members)
    return "too small" if size < smallest else "too large" if size > largest else ""
