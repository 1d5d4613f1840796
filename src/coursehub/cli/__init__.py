"""The command line: where all parts meet."""

import sys
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from coursehub import __version__
from coursehub.settings import load_settings, own_programs_first

PARTS = {
    "course": ("check", "schedule", "rebase"),
    "people": ("extend", "roster", "receipt", "ledger"),
    "grading": ("generate", "release", "collect", "autograde", "feedback"),
    "edits": ("edits",),
    "grade": ("grade",),
    "lint": ("lint-assignment",),
    "gradebook": ("gradebook",),
    "services": ("hub", "serve"),
    "demo": ("demo",),
    "setup": ("setup",),
    "migrate": ("migrate",),
    "tick": ("tick", "approve"),
    "grader": ("grader", "desk"),
    "gpus": ("gpus",),
    "marks": ("marks", "excuse"),
    "lms": ("import-lms", "export-lms"),
    "lti": ("lti",),
    "passback": ("passback",),
    "team": ("team",),
    "talk": ("talk",),
    "report": ("report",),
    "similar": ("similar",),
    "smoke": ("smoke",),
    "warm_up": ("warm-up",),
    "stack": ("stack",),
}
"""Module -> its commands, in the order of the help."""

PART_OF = {command: part for part, commands in PARTS.items() for command in commands}

# jsonschema imports it if it is there, to check international addresses, which no schema of ours
# or of a notebook has; it builds 39 grammars, and so would make every command wait for a second.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


class Parts(TyperGroup):
    """All commands; of a command's module is known only its name until somebody asks for it."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands that this machine has the packages for."""
        return [command for part in PARTS for command in commands_of(part)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None."""
        part = PART_OF.get(cmd_name)
        return commands_of(part).get(cmd_name) if part else None


@cache
def commands_of(part: str) -> dict[str, Any]:
    """Name -> command, of a module; none where the machine lacks the module's packages.

    A slim image has the commands of its own packages: the hub's has no nbgrader.
    """
    try:
        module = import_module(f"{__name__}.{part}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "coursehub":
            raise
        return {}
    return dict(get_group(module.app).commands)


app = typer.Typer(cls=Parts, no_args_is_help=True, pretty_exceptions_enable=False)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"coursehub {load_settings().version or __version__}")
        raise typer.Exit


@app.callback()
def coursehub(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say which this is."),
    ] = False,
) -> None:
    """CourseHub: a hands-on deep-learning course in a box.

    course.yml says what the course is; COURSEHUB_* variables say where things lie.
    """


def main() -> None:
    """Run the command line."""
    own_programs_first()
    app()
