"""The commands for a class: release, collect, autograde, feedback. Each is nbgrader's own step."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from nbgrader.api import Gradebook
from traitlets.config import Config

from coursehub.cli.changes import Standings, show_changes, standings
from coursehub.cli.compose import nbgrader_config
from coursehub.cli.course import WRONG, one_line_errors
from coursehub.cli.edits import course_decisions
from coursehub.cli.progress import progress
from coursehub.course.load import load_course
from coursehub.exchange.store import lay_out
from coursehub.grading import runner
from coursehub.grading.colab import link
from coursehub.settings import Settings, load_settings

app = typer.Typer()

Assignment = Annotated[str, typer.Argument(help="The assignment, e.g. assignment_1.")]


@app.command()
def generate(
    assignment: Assignment,
    colab: Annotated[
        str | None,
        typer.Option(
            metavar="TARGET",
            help="Begin the notebook with a link that opens it in Colab, where release/ is "
            "published: github/ORGANISATION/REPOSITORY/blob/BRANCH/release. '' removes it.",
        ),
    ] = None,
) -> None:
    """Make the students' version of an assignment: release/ from source/, nothing else.

    release/ is committed and never edited; run this after every change in source/.
    With --colab source/ is changed first.
    """
    with one_line_errors():
        site = load_settings().site
        if colab is not None:
            link(site / "source" / assignment, colab)
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
    test of the source was corrected, and a table shows what changed. Points,
    extra credit and comments that a person gave stay in any case; where the
    automatic points under them changed, the formgrader asks to look again.

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
        if again:
            show_changes(before, points_of(settings, assignment, todo))
    for graded in failed:
        typer.echo(f"{graded.student}: not graded: {graded.problem}", err=True)
    done = len(todo) - len(failed)
    kept = f", {len(students) - len(todo)} were already" if len(todo) < len(students) else ""
    typer.echo(f"{assignment}: {done} of {len(students)} graded{kept}")
    if failed:
        raise typer.Exit(WRONG)


@app.command()
def feedback(assignment: Assignment) -> None:
    """Settle what is taken off, generate feedback for everyone graded, and release it.

    Names the hand-ins with edits outside the answers that nobody decided about:
    nothing is taken off for these.
    """
    with one_line_errors():
        settings = load_settings()
        runner.feedback(partial(nbgrader_config, settings), assignment)
        found = course_decisions(settings).hand_ins(assignment)
        for hand_in in (each for each in found if each.open):
            typer.echo(
                f"{hand_in.student}: edits outside the answers, nothing was taken off; decide "
                f"with `coursehub edits {assignment}` and release feedback again",
                err=True,
            )
        typer.echo(f"{assignment}: feedback released")


def release_assignment(settings: Settings, assignment: str) -> None:
    """Put an assignment of the site's source/ into the course folder and into the exchange."""
    lay_out(settings.exchange, load_course(settings.course).id)  # type: ignore[arg-type]
    runner.add_source(settings.course_dir, settings.site / "source", assignment)  # type: ignore[arg-type]
    runner.release(partial(nbgrader_config, settings), assignment)


def grade_with_progress(
    settings: Settings,
    assignment: str,
    students: list[str],
    jobs: int | None = None,
    marking: Any = None,
) -> list[runner.Graded]:
    """Autograde and show how far it is; return what could not be graded.

    Args:
        settings: This deployment's.
        assignment: The assignment.
        students: User names.
        jobs: Hand-ins graded at a time; by default one a core.
        marking: What grades them in place of what nbgrader's configuration names.
    """

    def make_config() -> Config:
        config = nbgrader_config(settings)
        if marking is not None:
            config.RecordedExporter.grade = marking
        return config

    failed = []
    log = settings.make_state() / "autograde.log"
    with progress(f"Autograding {assignment}", len(students)) as batch:
        for graded in runner.autograde(
            make_config, assignment, students, log=log, jobs=jobs, on_start=batch.start
        ):
            batch.finish(graded.student)
            if not graded.done:
                failed.append(graded)
    return failed


def points_of(settings: Settings, assignment: str, students: list[str]) -> Standings:
    """The points of some students, as they are in the gradebook."""
    with Gradebook(settings.gradebook, load_course(settings.course).id) as gradebook:
        return standings(gradebook, assignment, students)
