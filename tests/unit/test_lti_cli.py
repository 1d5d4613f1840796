"""`coursehub lti`: trusting an LMS by hand, its deployments, the tool's keys and their copies."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from coursehub.cli import app
from coursehub.cli.setup import lti_key_files, make_secrets
from coursehub.lti.keys import Keys
from coursehub.settings import CHECKOUT
from tests.deployment import prepare

BY_HAND = (
    "add", "Moodle", "--issuer", "https://lms.example.edu", "--client-id", "tool-1",
    "--auth-url", "https://lms.example.edu/auth", "--token-url", "https://lms.example.edu/token",
    "--jwks-url", "https://lms.example.edu/jwks", "--deployment", "1", "--by", "ines",
)  # fmt: skip


class Shell:
    """The command line of one deployment."""

    def __init__(self, state: Path) -> None:
        made = prepare(state, (CHECKOUT / "course.yml").read_text())
        self.environment = made.settings.environment() | {"COLUMNS": "200"}

    def run(self, *words: str, fine: bool = True) -> str:
        answer = CliRunner().invoke(app, ["lti", *words], env=self.environment)
        assert answer.exit_code == (0 if fine else 2), answer.output
        return answer.output


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_an_lms_is_trusted_by_hand_and_no_longer(shell: Shell) -> None:
    assert "Moodle: platform 1" in shell.run(*BY_HAND)
    assert "is known" in shell.run(*BY_HAND, fine=False)
    assert shell.run("deployments", "1", "--add", "2", "--by", "ines").split() == ["1", "2"]
    listed = shell.run("platforms")
    assert "https://lms.example.edu" in listed and "1, 2" in listed
    shell.run("remove", "1", "--by", "ines")
    assert "lms.example.edu" not in shell.run("platforms")
    for words in (
        ("remove", "1"),
        ("deployments", "7", "--add", "x"),
        ("contexts", "--adopt", "3"),
    ):
        assert "See `coursehub lti" in shell.run(*words, fine=False)


def test_an_invitation_is_a_link_of_the_hub(shell: Shell) -> None:
    first, second = (shell.run("invite").split()[0] for _ in range(2))
    hub = shell.environment["COURSEHUB_BIND_URL"]
    assert first.startswith(f"{hub}/hub/lti13/register/") and first != second


def test_all_services_sign_with_the_same_key_after_a_rotation(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make_secrets(folder)
    files = lti_key_files(folder)
    before = Keys(files[0]).current.kid
    shell.run("rotate-key", "--secrets", str(folder))
    assert len({Keys(file).current.kid for file in files} - {before}) == 1
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    shell.run("rotate-key")
