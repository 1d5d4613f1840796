"""The commands about people: the roster, extensions, receipts and the ledger."""

import getpass
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from coursehub.cli.course import WRONG, one_line_errors
from coursehub.cli.members import sync
from coursehub.cli.project import open_project
from coursehub.course.model import Course
from coursehub.course.schedule import say, window
from coursehub.course.wallclock import ClockTime, Fault, Moment
from coursehub.errors import CourseHubError, ReceiptError, RosterError
from coursehub.exchange.database import connect
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.receipts import verify
from coursehub.exchange.roster import Roster
from coursehub.settings import load_settings

app = typer.Typer()
roster_app = typer.Typer(no_args_is_help=True, help="Who is in the course, and as what.")
receipt_app = typer.Typer(no_args_is_help=True, help="Receipts of hand-ins.")
ledger_app = typer.Typer(no_args_is_help=True, help="The ledger of all hand-ins.")
app.add_typer(roster_app, name="roster")
app.add_typer(receipt_app, name="receipt")
app.add_typer(ledger_app, name="ledger")
roster_app.command("sync")(sync)


@roster_app.command("import")
def import_roster(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="The roster to read; - for standard input.")
    ],
) -> None:
    """Add or update everyone in a CSV file.

    The columns are username, number, name, email and role (student, ta or
    instructor). If any line is wrong, all problems are listed by line, nothing
    is changed and the exit code is 2. People who are not in the file stay.
    """
    with one_line_errors():
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
            people = _roster().import_csv(text)
        except (OSError, UnicodeDecodeError) as error:
            raise CourseHubError(
                "it cannot be read as UTF-8 text", file=str(file), remedy="Save it as CSV in UTF-8"
            ) from error
        except RosterError as error:
            for problem in error.problems:
                typer.echo(f"{file}: {problem}", err=True)
            typer.echo(f"{file}: {error}", err=True)
            raise typer.Exit(WRONG) from None
        typer.echo(f"{file}: {len(people)} people: imported")


@roster_app.command("list")
def list_roster() -> None:
    """Show who is in the course."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("Username", "Number", "Name", "Email", "Role"):
        table.add_column(column)
    with one_line_errors():
        for person in _roster().everyone():
            table.add_row(person.username, person.number, person.name, person.email, person.role)
    Console().print(table)


@roster_app.command("show")
def show(username: Annotated[str, typer.Argument(help="Who.")]) -> None:
    """Say whether somebody gets in, as what and how; for whoever is locked out.

    Exit code 2 when they do not get in.
    """
    with one_line_errors():
        roster = _roster()
        person = roster.find(username)
        if person is None:
            dropped = username in {each.username for each in roster.former()}
            raise RosterError(
                f"{username} {'was dropped from' if dropped else 'is not on'} the roster",
                remedy="Import them again" if dropped else "Check the spelling, or import them",
            )
        password, issuers = roster.ways_in(username)
        typer.echo(f"{username}: {person.role}, {person.name}, {person.number}, {person.email}")
        typer.echo(f"password: {'set' if password else 'none'}")
        typer.echo(f"accounts: {', '.join(issuers) or 'none yet; the first to come is theirs'}")


@roster_app.command("password")
def set_password(
    username: Annotated[str, typer.Argument(help="Who.")],
    password: Annotated[
        str,
        typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for."),
    ],
) -> None:
    """Set somebody's password for the embedded hub's own sign-in."""
    with one_line_errors():
        _roster().set_password(username, password)
        typer.echo(f"{username}: password set")


@roster_app.command("drop")
def drop(
    usernames: Annotated[list[str], typer.Argument(metavar="USERNAME...", help="Who.")],
) -> None:
    """Take people off the roster: they no longer get in, and their servers stop within a minute.

    Hand-ins and marks stay. Whoever is imported again is back.
    """
    with one_line_errors():
        _roster().drop(*usernames)
        typer.echo(f"{', '.join(usernames)}: dropped")


@roster_app.command("unlink")
def unlink(username: Annotated[str, typer.Argument(help="Who.")]) -> None:
    """Forget which accounts at identity providers are somebody's; the next to come is.

    For somebody whose account was made anew, or who was linked to a wrong one.
    """
    with one_line_errors():
        count = _roster().unlink(username)
        typer.echo(f"{username}: {count} {'account' if count == 1 else 'accounts'} forgotten")


@app.command()
def extend(
    students: Annotated[
        list[str] | None, typer.Argument(metavar="STUDENT...", help="Who; or --team, --all.")
    ] = None,
    *,
    assignment: Annotated[str, typer.Argument(help="assignment_1, say, or report.")],
    until: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="New deadline in the course's timezone, the whole minute: 2021-02-06T23:59; "
            "with seconds, the whole second.",
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why, in a few words.")],
    team: Annotated[str | None, typer.Option(metavar="NAME", help="The members of a team.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Every student of the course.")] = False,
    by: Annotated[
        str | None, typer.Option(help="Who grants it; by default the user of this machine.")
    ] = None,
) -> None:
    """Give students more time for an assignment or the report, before or after they handed in.

    The latest extension counts; one that ends before the course's own deadline
    changes nothing. What was already handed in is looked at again, and what is
    taken off for lateness follows. Who granted it, when and why is kept.
    """
    with one_line_errors():
        settings = load_settings()
        exchange = Exchange(settings)
        course = exchange.deadlines.course
        found = course.work(assignment)
        if [bool(students), team is not None, everybody].count(True) != 1:
            raise CourseHubError(
                "who gets more time?",
                key="extend",
                remedy="Name students, or say --team NAME, or --all",
            )
        if team is not None:
            whom = list(open_project(settings).teams.find(team).members)
        else:
            whom = exchange.students() if everybody else list(students or ())
        first_late = _first_late(until, course)
        exchange.extend(
            whom, assignment, first_late, reason, by or getpass.getuser(), datetime.now(UTC)
        )
        due = say(window(course, found, first_late).due, course)
        who = f"all {len(whom)} students" if everybody else ", ".join(dict.fromkeys(whom))
        typer.echo(f"{who}: {assignment} is due {due}")


@receipt_app.command("verify")
def verify_receipt(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The receipt.")],
    key: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="The published key, instead of this deployment's own."),
    ] = None,
) -> None:
    """Say whether a receipt is true, or what is wrong with it; needs no network.

    Exit code 0 when it is true, 2 when it is not.
    """
    with one_line_errors():
        published = key or load_settings().signing_key.with_suffix(".pub")  # type: ignore[union-attr]
        try:
            fields = verify(_read(file), _read(published))
        except ReceiptError as error:
            raise ReceiptError(error.message, file=str(file), remedy=error.remedy) from None
        typer.echo(f"{file}: true")
        for name, value in fields:
            typer.echo(f"  {name}: {value}")


@ledger_app.command("check")
def check_ledger() -> None:
    """Check the chain of all receipts, and every receipted file on disk against its hash."""
    with one_line_errors():
        count = Exchange(load_settings()).store.check()
        typer.echo(f"{count} hand-ins: the chain holds and every file is what its receipt says")


def _roster() -> Roster:
    settings = load_settings()
    settings.make_state()
    return Roster(connect(str(settings.database)))


def _first_late(text: str, course: Course) -> datetime:
    """The first instant after the minute, or the second, that somebody wrote."""
    try:
        moment = datetime.fromisoformat(text).replace(microsecond=0, tzinfo=None)
    except ValueError:
        raise CourseHubError(
            f"{text!r} is no time", key="until", remedy="Write it like 2021-02-06T23:59"
        ) from None
    unit = timedelta(seconds=1) if text.count(":") > 1 else timedelta(minutes=1)
    try:
        return Moment(moment.date(), ClockTime(moment.time(), unit)).ends(course.tz)
    except Fault as fault:
        raise CourseHubError(fault.problem, key="until", remedy=fault.remedy) from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReceiptError("it cannot be read", file=str(path), remedy="Check its name") from error
