"""The commands about course.yml: check it, read its schedule, move its term."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from coursehub.course.load import load_course, read_text
from coursehub.course.model import Course
from coursehub.course.rebase import rebase as rebase_text
from coursehub.course.schedule import say, say_short, window
from coursehub.course.wallclock import Fault, read_date, say_date
from coursehub.errors import CourseHubError

app = typer.Typer(no_args_is_help=True, help="The course file: check it, read it, move it.")

WRONG = 2
"""The exit code when the course file, or what was asked of it, is wrong."""

CourseFile = Annotated[
    Path,
    typer.Option(
        "--course", metavar="FILE", envvar="COURSEHUB_COURSE", help="The course file to read."
    ),
]
DEFAULT = Path("course.yml")


@app.command()
def check(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="The course file to check, instead of --course."),
    ] = None,
    course: CourseFile = DEFAULT,
) -> None:
    """Check a course file.

    Says in one line that FILE is right, or what in it is wrong: the line, the
    key, the problem and the remedy, on standard error and with exit code 2.
    Beyond spelling and types it checks that weekdays agree with dates, that no
    assignment falls into a holiday week or is due before it is out, that every
    time exists once on the clocks of the course's timezone, and that weights
    sum to 100.
    """
    path = file or course
    with one_line_errors():
        found = load_course(path)
        typer.echo(
            f"{path}: {found.code}, {_count(found.weeks, 'week')}, "
            f"{_count(found.assignments, 'assignment')}: OK"
        )


@app.command()
def schedule(
    course: CourseFile = DEFAULT,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, for programs, instead of a table.")
    ] = False,
) -> None:
    """Show when assignments are released and due.

    One row a week, holidays too, in the course's timezone. A deadline of 23:59
    means the whole of that minute.

    With --json, a list with one object an assignment: assignment, week, title,
    release, due and on_time_before, the first instant that is late. Times are
    ISO 8601 with the course's offset from UTC.
    """
    with one_line_errors():
        found = load_course(course)
        if as_json:
            typer.echo(json.dumps(_as_objects(found), indent=2, ensure_ascii=False))
        else:
            Console().print(_as_table(found))


@app.command()
def rebase(
    start: Annotated[
        str,
        typer.Option(metavar="DATE", help="The date of week 1 in the new term: 2027-01-15."),
    ],
    course: CourseFile = DEFAULT,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write here instead of to standard output."),
    ] = None,
) -> None:
    """Move the term to another start.

    Shifts every date of the course file by the same whole number of weeks, so
    that week 1 falls on DATE, which must be of the same weekday as now.
    Comments and layout stay. Prints the new file; --output course.yml changes
    the file in place. Public holidays do not move with the term: the weeks to
    review are listed on standard error.
    """
    with one_line_errors():
        text, holidays = rebase_text(read_text(course), _start(start), file=str(course))
        if output is None:
            typer.echo(text, nl=False)
        else:
            _write(output, text)
        for holiday in holidays:
            typer.echo(f"Review {holiday}", err=True)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn an error of CourseHub into its one line on standard error and exit code 2."""
    try:
        yield
    except CourseHubError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(WRONG) from None


@contextmanager
def answering() -> Iterator[None]:
    """Say plainly where a database does not answer, or not to this person."""
    try:
        yield
    except SQLAlchemyError as error:
        raise CourseHubError(
            str(getattr(error, "orig", error)).partition("\n")[0],
            key="COURSEHUB_DATABASE",
            remedy="In the deployed form this is for the grader's shell: "
            "`docker compose exec grader coursehub ...`",
        ) from error


def _start(text: str) -> date:
    """Read the date of --start, with or without its weekday."""
    try:
        return date.fromisoformat(text) if text[:1].isdigit() else read_date(text)
    except Fault as fault:
        raise CourseHubError(fault.problem, key="start", remedy=fault.remedy) from None
    except ValueError:
        raise CourseHubError(
            f"{text!r} is no date", key="start", remedy="Write it like 2027-01-15."
        ) from None


def _write(path: Path, text: str) -> None:
    """Write a course file, its line ends as they are."""
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise CourseHubError(
            f"cannot be written: {error.strerror}",
            file=str(path),
            remedy="Name another file with --output FILE.",
        ) from None


def _count(things: tuple[object, ...], noun: str) -> str:
    """Count things in words: ``1 week``, ``13 weeks``."""
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _as_objects(course: Course) -> list[dict[str, object]]:
    """Return the schedule for programs."""
    return [
        {
            "assignment": assignment.name,
            "week": assignment.week,
            "title": assignment.title,
        }
        | {
            name: instant.isoformat()
            for name, instant in window(course, assignment)._asdict().items()
        }
        for assignment in course.assignments
    ]


def _as_table(course: Course) -> Table:
    """Return the schedule for people."""
    table = Table(
        title=escape(f"{course.code} {course.title} ({course.timezone})"),
        caption=f"The report is due {say(course.report.due.starts(course.tz), course)}.",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("Week", justify="right")
    table.add_column("Class", no_wrap=True)
    table.add_column("Assignment")
    table.add_column("Released", no_wrap=True)
    table.add_column("Due", no_wrap=True)
    for week in course.weeks:
        number, day = str(week.number), say_date(week.date)
        assignments = [each for each in course.assignments if each.week == week.number]
        if not assignments:
            table.add_row(number, day, escape(f"No class: {week.holiday}") if week.holiday else "")
        for assignment in assignments:
            release, due, _ = window(course, assignment)
            table.add_row(
                number,
                day,
                escape(f"{assignment.number}. {assignment.title}"),
                say_short(release, course),
                say_short(due, course),
            )
            number = day = ""  # named once, however many assignments the week has
    return table
