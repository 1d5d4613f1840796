"""The commands for a class: release, collect, autograde, feedback. Each is nbgrader's own step."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from nbgrader.api import Gradebook, MissingEntry
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from coursehub.cli.compose import nbgrader_config
from coursehub.cli.course import WRONG, one_line_errors
from coursehub.course.load import load_course
from coursehub.exchange.store import lay_out
from coursehub.grading import runner
from coursehub.settings import Settings, load_settings

app = typer.Typer()

Assignment = Annotated[str, typer.Argument(help="The assignment, e.g. assignment_1.")]


@app.command()
def generate(assignment: Assignment) -> None:
    """Make the students' version of an assignment: release/ from source/, nothing else.

    release/ is committed and never edited; run this after every change in source/.
    """
    with one_line_errors():
        site = load_settings().site
        made = runner.generate(site / "source", assignment, site / "release")
        typer.echo(f"{made}: generated")


@app.command()
def release(assignment: Assignment) -> None:
    """Generate the students' version and put it into the exchange.

    Students see it from its release time on, not before.
    """
    with one_line_errors():
        release_assignment(load_settings(), assignment)
        typer.echo(f"{assignment}: released; students see it from its release time on")


@app.command()
def collect(assignment: Assignment) -> None:
    """Collect the hand-ins that count."""
    with one_line_errors():
        students = runner.collect(partial(nbgrader_config, load_settings()), assignment)
        typer.echo(f"{assignment}: {len(students)} collected")


@app.command()
def autograde(
    assignment: Assignment,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Hand-ins graded at a time; by default one a core.")
    ] = None,
    student: Annotated[list[str] | None, typer.Option(help="Only this student.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Grade anew what is graded, and show what changed.")
    ] = False,
) -> None:
    """Autograde what was collected; a hand-in that cannot be graded is listed, nobody else waits.

    Hand-ins that are graded already are left alone, so that a command that was
    stopped goes on where it was. With --again they are graded anew, say after a
    test was corrected; points that a person gave stay in any case.

    Exit code 0 when every hand-in has a verdict, 2 when some have not.
    """
    with one_line_errors():
        settings = load_settings()
        make_config = partial(nbgrader_config, settings)
        students = student or runner.collect(make_config, assignment)
        course_dir = Path(str(settings.course_dir))
        todo = [
            name for name in students if again or not runner.is_graded(course_dir, assignment, name)
        ]
        before = points_of(settings, assignment, todo) if again else {}
        failed = grade_with_progress(settings, assignment, todo, jobs)
        after = points_of(settings, assignment, todo) if again else {}
    if again:
        show_changes(before, after)
    for graded in failed:
        typer.echo(f"{graded.student}: not graded: {graded.problem}", err=True)
    done = len(todo) - len(failed)
    kept = f", {len(students) - len(todo)} were already" if len(todo) < len(students) else ""
    typer.echo(f"{assignment}: {done} of {len(students)} graded{kept}")
    if failed:
        raise typer.Exit(WRONG)


@app.command()
def feedback(assignment: Assignment) -> None:
    """Settle late penalties, generate feedback for everyone graded, and release it."""
    with one_line_errors():
        runner.feedback(partial(nbgrader_config, load_settings()), assignment)
        typer.echo(f"{assignment}: feedback released")


def release_assignment(settings: Settings, assignment: str) -> None:
    """Put an assignment of the site's source/ into the course folder and into the exchange."""
    lay_out(settings.exchange, load_course(settings.course).id)  # type: ignore[arg-type]
    runner.add_source(settings.course_dir, settings.site / "source", assignment)  # type: ignore[arg-type]
    runner.release(partial(nbgrader_config, settings), assignment)


def grade_with_progress(
    settings: Settings, assignment: str, students: list[str], jobs: int | None = None
) -> list[runner.Graded]:
    """Autograde with a progress bar; return what could not be graded."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TextColumn("left:"), TimeRemainingColumn())  # fmt: skip
    failed, running = [], list[str]()
    with Progress(*columns) as progress:
        task = progress.add_task(f"Autograding {assignment}", total=len(students))

        def say() -> None:
            names = ", ".join(running[:4])
            progress.update(task, description=f"Autograding {assignment}: {names}")

        def started(student: str) -> None:
            running.append(student)
            say()

        for graded in runner.autograde(
            partial(nbgrader_config, settings),
            assignment,
            students,
            log=settings.make_state() / "autograde.log",
            jobs=jobs,
            on_start=started,
        ):
            running.remove(graded.student)
            progress.advance(task)
            say()
            if not graded.done:
                failed.append(graded)
    return failed


Points = dict[tuple[str, str], float | None]
"""Student and cell -> automatic points."""


def points_of(settings: Settings, assignment: str, students: list[str]) -> Points:
    """The automatic points of some students, as they are in the gradebook."""
    found: Points = {}
    with Gradebook(settings.gradebook, load_course(settings.course).id) as gradebook:
        for student in students:
            with suppress(MissingEntry):
                for notebook in gradebook.find_submission(assignment, student).notebooks:
                    found |= {(student, each.name): each.auto_score for each in notebook.grades}
    return found


def show_changes(before: Points, after: Points) -> None:
    """Print a table of the automatic points that are others than before."""
    changed = [key for key in after if key in before and before[key] != after[key]]
    if not changed:
        typer.echo("No automatic points changed.")
        return
    table = Table("Student", "Cell", "Before", "Now", box=SIMPLE_HEAD)
    for student, cell in changed:
        values = (before[student, cell], after[student, cell])
        said = ("by hand" if value is None else f"{value:g}" for value in values)
        table.add_row(escape(student), escape(cell), *said)
    Console().print(table)
