"""The commands for a class: release, collect, autograde, feedback. Each is nbgrader's own step."""

from functools import partial
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

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
        int | None, typer.Option(help="Worker processes; by default one a core.")
    ] = None,
    student: Annotated[list[str] | None, typer.Option(help="Only this student.")] = None,
) -> None:
    """Autograde what was collected; a hand-in that cannot be graded is listed, nobody else waits.

    Exit code 0 when every hand-in was graded, 2 when some were not.
    """
    with one_line_errors():
        settings = load_settings()
        students = student or runner.collect(partial(nbgrader_config, settings), assignment)
        failed = grade_with_progress(settings, assignment, students, jobs)
    for graded in failed:
        typer.echo(f"{graded.student}: not graded: {graded.problem}", err=True)
    typer.echo(f"{assignment}: {len(students) - len(failed)} of {len(students)} graded")
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
               TimeRemainingColumn())  # fmt: skip
    failed = []
    with Progress(*columns) as progress:
        task = progress.add_task(f"Autograding {assignment}", total=len(students))
        make_config = partial(nbgrader_config, settings)
        log = settings.state / "autograde.log"
        for graded in runner.autograde(make_config, assignment, students, log=log, jobs=jobs):
            progress.update(task, advance=1, description=f"Autograded {graded.student}")
            if not graded.done:
                failed.append(graded)
    return failed
