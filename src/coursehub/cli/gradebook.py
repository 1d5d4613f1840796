"""The commands about nbgrader's gradebook: who graded what."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from coursehub.cli.course import one_line_errors
from coursehub.course.load import load_course
from coursehub.course.schedule import say_short
from coursehub.errors import CourseHubError
from coursehub.gradebook.audit import Entry, entries
from coursehub.settings import load_settings

app = typer.Typer()
gradebook_app = typer.Typer(no_args_is_help=True, help="nbgrader's gradebook: who graded what.")
app.add_typer(gradebook_app, name="gradebook")

WORDS = {
    "auto_score": "automatic points",
    "manual_score": "points by hand",
    "extra_credit": "extra credit",
    "auto_comment": "automatic comment",
    "manual_comment": "comment",
    "edits": "edits outside the answers",
    "percent": "percent taken off",
    "reason": "reason",
    "for": "decided by, as the service says",
}


@gradebook_app.command("log")
def log(
    assignment: Annotated[
        str | None, typer.Argument(help="Only this assignment, e.g. assignment_1.")
    ] = None,
    student: Annotated[str | None, typer.Option(help="Only this student.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, times in UTC.")] = False,
) -> None:
    """Show who changed which points and comments, and when, oldest first.

    What autograding changed is marked, with the name of whoever started it.
    """
    with one_line_errors():
        settings = load_settings()
        course = load_course(settings.course)
        engine = create_engine(str(settings.gradebook), poolclass=NullPool)
        try:
            found = entries(engine, assignment, student)
        except SQLAlchemyError as error:
            raise CourseHubError(
                f"{engine.url.render_as_string()} does not answer",
                key="COURSEHUB_GRADEBOOK",
                remedy=str(getattr(error, "orig", error)).partition("\n")[0],
            ) from error
        if as_json:
            records = [{**asdict(entry), "at": entry.at.isoformat()} for entry in found]
            typer.echo(json.dumps(records, indent=2))
            return
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for column in ("When", "Who", "Student", "Assignment", "Cell", "Change"):
            table.add_column(column)
        for entry in found:
            who = f"{entry.who} (autograde)" if entry.autograded else entry.who
            cell = entry.cell or ("" if "edits" in entry.after else "?")
            names = (entry.student or "?", entry.assignment or "?", cell)
            row = (say_short(entry.at, course), who, *names, describe(entry))
            table.add_row(*map(escape, row))
        Console().print(table)


def describe(entry: Entry) -> str:
    """Say what changed: ``points by hand: none → 4``."""
    return "; ".join(
        f"{words}: {_value(entry.before.get(column))} → {_value(entry.after.get(column))}"
        for column, words in WORDS.items()
        if entry.before.get(column) != entry.after.get(column)
    )


def _value(value: float | str | None) -> str:
    if value is None:
        return "none"
    return f"“{value}”" if isinstance(value, str) else f"{value:g}"
