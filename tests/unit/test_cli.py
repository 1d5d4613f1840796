"""The command line knows where each command is without importing all of them."""

import subprocess
import sys

from typer.testing import CliRunner

from coursehub.cli import PARTS, app, commands_of


def test_every_module_has_the_commands_that_are_said_of_it() -> None:
    assert {part: tuple(sorted(commands_of(part))) for part in PARTS} == {
        part: tuple(sorted(commands)) for part, commands in PARTS.items()
    }


def test_the_help_names_all_commands() -> None:
    told = CliRunner().invoke(app, ["--help"]).output
    assert all(f" {command} " in told for commands in PARTS.values() for command in commands)


def test_a_command_of_another_name_is_refused() -> None:
    found = CliRunner().invoke(app, ["grades"])
    assert found.exit_code == 2
    assert "No such command 'grades'" in found.output


def test_a_command_imports_its_own_part_alone() -> None:
    code = (
        "import sys; from coursehub.cli import app\n"
        "try: app(['check', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'nbgrader', 'docker', 'jupyterhub'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.splitlines()[-1] == "[]"
