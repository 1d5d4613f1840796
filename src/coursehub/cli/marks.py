"""`coursehub marks` and `coursehub excuse`: final marks, what is missing, and their history."""

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.exc import ProgrammingError

from coursehub.cli.course import one_line_errors
from coursehub.cli.project import open_project
from coursehub.course.late import counting
from coursehub.course.load import load_course
from coursehub.course.marks import Marks, State, rounded, written
from coursehub.course.model import Assignment, Course
from coursehub.course.schedule import Window, say_short, window
from coursehub.errors import CourseHubError, RosterError
from coursehub.exchange.database import connect
from coursehub.exchange.feedback import given_back
from coursehub.exchange.ledger import Ledger
from coursehub.exchange.person import Person
from coursehub.exchange.roster import Roster
from coursehub.gradebook import export
from coursehub.gradebook.history import Excuse, changes, excused, history, record_changes
from coursehub.gradebook.history import excuse as write_excuse
from coursehub.gradebook.marks import Facts, Project, class_marks
from coursehub.project.project import MISSING, Shares
from coursehub.settings import Settings, load_settings

app = typer.Typer()

By = Annotated[str | None, typer.Option(help="Who asks; by default the user of this machine.")]


@dataclass(frozen=True)
class ClassMarks:
    """Everybody's marks as they are at one instant.

    Attributes:
        course: The course.
        people: Its students, or those of them that were asked for.
        marks: Their marks, by user name.
    """

    course: Course
    people: tuple[Person, ...]
    marks: dict[str, Marks]


@app.command()
def marks(
    student: Annotated[
        str | None, typer.Option(metavar="USERNAME", help="Only this student, in full.")
    ] = None,
    export_to: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="Write everything to FILE.csv or FILE.xlsx."),
    ] = None,
    lms: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write what the LMS's gradebook takes.")
    ] = None,
    columns: Annotated[
        str, typer.Option(help="The LMS's columns, as HEADING=FIELD.")
    ] = export.LMS_COLUMNS,
    history_of: Annotated[
        str | None,
        typer.Option("--history", metavar="USERNAME", help="Show how this student's mark came."),
    ] = None,
    by: By = None,
) -> None:
    """Show final marks, and what is missing of them.

    A mark is exact until one rounding at the end, halves up to one decimal; see
    docs/marks.md. What changed since the last time, and for whom, is written
    into the course's journal, which --history shows.
    """
    with one_line_errors():
        settings, now = load_settings(), datetime.now(UTC)
        engine = connect(str(settings.database))
        if history_of is not None:
            _show_history(load_course(settings.course), engine, history_of)
            return
        found = marks_of(settings, now, student)
        _record(engine, found, by or getpass.getuser(), now)
        if export_to is not None:
            _write(export_to, _exported(found, export_to))
        if lms is not None:
            table = export.lms_table(found.people, found.marks, columns)
            _write(lms, export.as_csv(table))
            for username in export.not_final(found.people, found.marks):
                typer.echo(f"{username}: the mark is not final, and left empty", err=True)
        if student is not None:
            _show_student(found)
        elif export_to is None and lms is None:
            _show_class(found)


@app.command()
def excuse(
    username: Annotated[str, typer.Argument(help="The student.")],
    assignment: Annotated[str, typer.Argument(help="The assignment, e.g. assignment_1.")],
    reason: Annotated[str, typer.Option(help="Why, in a few words.")],
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Let the assignment count again.")
    ] = False,
    by: By = None,
) -> None:
    """Excuse a student from an assignment: it counts neither way in the homework."""
    with one_line_errors():
        settings = load_settings()
        engine = connect(str(settings.database))
        _student(Roster(engine), username)
        decision = Excuse(
            username, assignment, not withdraw, by or getpass.getuser(), reason, datetime.now(UTC)
        )
        write_excuse(engine, load_course(settings.course), decision)
        typer.echo(f"{username}: {'counts again' if withdraw else 'excused'}: {assignment}")


def marks_of(settings: Settings, now: datetime, student: str | None = None) -> ClassMarks:
    """The marks of all students on the roster, or of one.

    Raises:
        RosterError: The one is no student on it.
    """
    course = load_course(settings.course)
    engine = connect(str(settings.database))
    roster = Roster(engine)
    if student is None:
        people = tuple(person for person in roster.everyone() if not person.staff)
    else:
        people = (_student(roster, student),)
    gradebook = create_engine(str(settings.gradebook), poolclass=NullPool)
    names = [person.username for person in people]
    shares = open_project(settings).all_shares()
    known = facts(course, engine, now, Path(str(settings.exchange)), shares)
    made = class_marks(gradebook, course, names, known)
    return ClassMarks(course, people, made)


def facts(
    course: Course, engine: Engine, now: datetime, exchange: Path, shares: Mapping[str, Shares]
) -> Facts:
    """What the course database, the exchange and the project know that marks depend on."""
    extended = Roster(engine).all_extended_until()
    usual = {each.name: window(course, each) for each in course.assignments}

    def own(username: str, assignment: Assignment) -> Window:
        until = extended.get((username, assignment.name))
        return window(course, assignment, until) if until else usual[assignment.name]

    counts = {}
    for (username, name), times in Ledger(engine).received().items():
        if name in usual:
            index = counting(times, own(username, course.assignment(name)).on_time_before)
            counts[username, name] = times[index or 0]

    def project(student: str) -> Project:
        return Project(*shares.get(student, MISSING))

    return Facts(now, own, counts, excused(engine), given_back(exchange, course), project)


def _student(roster: Roster, username: str) -> Person:
    found = roster.find(username)
    if found is None or found.staff:
        raise RosterError(f"{username} is no student on the roster", remedy="Check the spelling")
    return found


def _record(engine: Engine, found: ClassMarks, who: str, now: datetime) -> None:
    """Write changes down; who may only read the course database reads the marks all the same."""
    try:
        record_changes(engine, found.marks, who=who, now=now)
    except ProgrammingError as error:
        problem = str(error.orig).partition("\n")[0]
        typer.echo(f"what changed is not written down from here: {problem}", err=True)


def _exported(found: ClassMarks, path: Path) -> bytes:
    table = export.marks_table(found.course, found.people, found.marks)
    if path.suffix.lower() == ".csv":
        return export.as_csv(table)
    if path.suffix.lower() == ".xlsx":
        return export.as_xlsx(table, f"{found.course.code} marks")
    raise CourseHubError(
        "its name says neither .csv nor .xlsx", file=str(path), remedy="Name one of the two"
    )


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, for its owner's eyes only: marks are nobody else's."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600, exist_ok=False)
        fresh.write_bytes(content)
        fresh.replace(path)
    except OSError as error:
        raise CourseHubError(
            f"cannot be written: {error.strerror}", file=str(path), remedy="Name another file"
        ) from error
    typer.echo(f"{path}: written")


def _show_class(found: ClassMarks) -> None:
    weights = found.course.weights
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("Student", "Name"):
        table.add_column(heading, no_wrap=heading == "Student")
    for name in ("homework", "presentation", "report"):
        table.add_column(f"{name.capitalize()} of {getattr(weights, name)}", justify="right")
    table.add_column("Mark", justify="right")
    table.add_column("Missing")
    for person in found.people:
        of = found.marks[person.username]
        table.add_row(
            escape(person.username), escape(person.name),
            *("" if part.share is None else str(rounded(part.points)) for part in of.parts),
            _mark(of), escape(_in_short(of.missing)),
        )  # fmt: skip
    Console().print(table)
    final = sum(found.marks[person.username].final for person in found.people)
    typer.echo(f"{len(found.people)} students, {final} marks are final")


def _show_student(found: ClassMarks) -> None:
    person = found.people[0]
    of = found.marks[person.username]
    table = Table(
        "What", "Points", "Of", "",
        title=escape(f"{person.name} ({person.username}, {person.number})"),
        title_justify="left", box=SIMPLE_HEAD, pad_edge=False,
    )  # fmt: skip
    for each in of.homework:
        there = each.state in (State.SETTLED, State.REVIEW)
        remarks = [str(each.state)]
        remarks += ["given back"] if each.feedback else []
        remarks += ["dropped"] if each.assignment in of.dropped else []
        points = (written(each.score), written(each.most)) if there else ("", "")
        table.add_row(
            each.assignment, *points, ", ".join(remarks), end_section=each == of.homework[-1]
        )
    for part in of.parts:
        share = "" if part.share is None else f"{rounded(100 * part.share)} %"
        table.add_row(part.name, str(rounded(part.points)), str(part.weight), share)
    table.add_row("mark", _mark(of), "100", "" if of.final else "if nothing more came")
    Console().print(table)
    for line in of.missing:
        typer.echo(f"missing: {line}")


def _show_history(course: Course, engine: Engine, student: str) -> None:
    found = history(engine, student)
    if not found:
        typer.echo(f"{student}: nothing was written down yet")
        return
    table = Table(
        "When", "Asked by", "What", "Before", "After", box=SIMPLE_HEAD, pad_edge=False
    )  # fmt: skip
    for entry in found:
        when, who = say_short(entry.at, course), entry.who
        for name, before, after in changes(entry):
            table.add_row(*map(escape, (when, who, name, before or "—", after or "—")))
            when = who = ""
    Console().print(table)


def _mark(of: Marks) -> str:
    return str(of.so_far) if of.final else f"({of.so_far})"


def _in_short(missing: Sequence[str]) -> str:
    """Name what is missing, assignments by number alone where several miss the same."""
    by_reason: dict[str, list[str]] = {}
    for line in missing:
        name, _, reason = line.partition(": ")
        by_reason.setdefault(reason, []).append(name.replace("assignment_", "", 1))
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in by_reason.items())
