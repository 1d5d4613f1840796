"""The check for authors: can every test of an assignment be judged apart from student code?"""

from pathlib import Path
from typing import Annotated

import typer

from coursehub.cli.course import one_line_errors
from coursehub.grading.lint import problems
from coursehub.grading.source import load_source

app = typer.Typer()

FOUND = 1
"""The exit code when a test cell cannot be judged outside the student's process."""


@app.command("lint-assignment")
def lint_assignment(
    source_dir: Annotated[
        Path, typer.Argument(metavar="SOURCE_DIR", help="The instructor's folder: source/NAME.")
    ],
) -> None:
    """Check that an assignment's tests can be judged outside the student's process.

    Names the test cells that cannot, one line each: notebook, cell, line, the reason and the
    remedy; exit code 1. Such a cell still counts, but it is run beside the student's code and
    shown to the teaching staff as unprotected.
    """
    with one_line_errors():
        source = load_source(source_dir)
        found = [
            f"{name}: {problem}"
            for name, notebook in source.notebooks.items()
            for problem in problems(notebook)
        ]
    for line in found:
        typer.echo(line)
    if found:
        raise typer.Exit(FOUND)
    typer.echo(f"{source.name}: every test can be judged outside the student's process")
