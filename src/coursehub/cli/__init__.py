"""The command line: where all parts meet."""

from importlib import import_module

import typer

from coursehub.settings import own_programs_first

PARTS = (
    "course", "people", "grading", "grade", "lint", "gradebook",
    "services", "demo", "setup", "migrate", "grader", "gpus",
)  # fmt: skip

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="CourseHub: a hands-on deep-learning course in a box. "
    "course.yml says what the course is; COURSEHUB_* variables say where things lie.",
)
for part in PARTS:
    try:
        app.add_typer(import_module(f"{__name__}.{part}").app)
    except ModuleNotFoundError as error:
        # A slim image has the commands of its own packages: the hub's has no nbgrader.
        if (error.name or "").partition(".")[0] == "coursehub":
            raise


def main() -> None:
    """Run the command line."""
    own_programs_first()
    app()
