"""The command line: where all parts meet."""

import typer

from coursehub.cli import course, demo, grading, people, services
from coursehub.settings import own_programs_first

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="CourseHub: a hands-on deep-learning course in a box. "
    "course.yml says what the course is; COURSEHUB_* variables say where things lie.",
)
for part in (course, people, grading, services, demo):
    app.add_typer(part.app)


def main() -> None:
    """Run the command line."""
    own_programs_first()
    app()
