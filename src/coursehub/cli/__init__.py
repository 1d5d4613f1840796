"""The command line: where all parts meet."""

import sys
from importlib import import_module

import typer

from coursehub.settings import own_programs_first

PARTS = (
    "course", "people", "grading", "edits", "grade", "lint", "gradebook",
    "services", "demo", "setup", "migrate", "tick", "grader", "gpus",
    "marks", "lms", "team", "talk", "report", "smoke",
)  # fmt: skip

# jsonschema imports it if it is there, to check international addresses, which no schema of ours
# or of a notebook has; it builds 39 grammars, and so would make every command wait for a second.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

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
