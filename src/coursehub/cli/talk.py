"""The commands about presentations."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from coursehub.cli.project import (
    Acting,
    By,
    Given,
    Reason,
    TeamName,
    give_scores,
    opened,
    print_table,
    show_scores,
)
from coursehub.course.load import load_course
from coursehub.course.schedule import say_short
from coursehub.errors import CourseHubError
from coursehub.exchange.database import connect
from coursehub.exchange.roster import Roster
from coursehub.project.order import running_order_html, running_order_table
from coursehub.settings import load_settings

app = typer.Typer()
talk_app = typer.Typer(no_args_is_help=True, help="Presentations: slots, swaps, scores.")
app.add_typer(talk_app, name="talk")


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
    with opened() as (project, now):
        drawn = project.talks.assign(by, now, seed=seed, anew=anew, reason=reason)
        typer.echo(f"{len(drawn.teams)} teams have slots now, drawn with the seed {drawn.seed}")


@talk_app.command()
def draws() -> None:
    """Show every draw with its seed, and whether drawing again gives the same."""
    with opened() as (project, _):
        course = load_course(load_settings().course)
        rows = [
            (say_short(each.at, course), each.by, each.seed, str(len(each.teams)),
             "yes" if each.fits else "NO", each.why or "")
            for each in project.talks.draws()
        ]  # fmt: skip
        print_table(("When", "By", "Seed", "Teams", "Same again", "Why"), rows)


@talk_app.command()
def swap(
    team: TeamName,
    acting: Acting,
    refuse: Annotated[bool, typer.Option("--refuse", help="Say no, or take it back.")] = False,
) -> None:
    """Swap slots with another team: asks it, or agrees if that team has asked."""
    with opened() as (project, now):
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
    with opened() as (project, now):
        project.talks.move(team, slot, by, reason, now)
        typer.echo(f"{project.teams.find(team).name}: slot {slot}")


@talk_app.command()
def kind(
    team: TeamName,
    what: Annotated[str, typer.Argument(metavar="KIND", help="Such as talk or poster.")],
    acting: Annotated[str, typer.Option("--as", metavar="WHO", help="A member, or staff.")],
) -> None:
    """Say what a team presents."""
    with opened() as (project, now):
        project.talks.choose(team, what, acting, now)
        typer.echo(f"{project.teams.find(team).name}: {what}")


@talk_app.command()
def order(
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page to print instead.")
    ] = None,
) -> None:
    """Show the running order."""
    with opened() as (project, _):
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
    give_scores("presentation", team, given, by)


@talk_app.command("scores")
def talk_scores() -> None:
    """Show what presentations' scores come to, who is not done, and where graders disagree."""
    show_scores("presentation")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CourseHubError(
            f"cannot be written: {error.strerror}", file=str(path), remedy="Name another file."
        ) from None
