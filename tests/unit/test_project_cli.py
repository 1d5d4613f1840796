"""The commands about teams, talks and reports, as students and staff use them."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from coursehub.cli import app
from coursehub.cli.project import ReportArchive, open_project
from coursehub.cli.services import home_of
from coursehub.course.rebase import rebase
from coursehub.exchange.exchange import Exchange
from coursehub.settings import CHECKOUT, load_settings
from tests.pdfs import drawn, report
from tests.unit.test_project_teams import PEOPLE


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a command on a deployment whose term began a week or two ago."""
    start = datetime.now(UTC).date() - timedelta(weeks=1)
    start -= timedelta(days=(start.weekday() - 4) % 7)
    text, _ = rebase((CHECKOUT / "course.yml").read_text(), start)
    (tmp_path / "course.yml").write_text(text)
    (tmp_path / "people.csv").write_text(PEOPLE)
    monkeypatch.setenv("COURSEHUB_STATE", str(tmp_path))
    monkeypatch.setenv("COURSEHUB_COURSE", str(tmp_path / "course.yml"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == code, result.output
        if code == 2:
            assert len(result.output.strip().splitlines()) == 1
        return result

    invoke("roster", "import", "people.csv")
    return invoke


def test_teams_from_the_first_invitation_to_the_last_leftover(run) -> None:
    assert "Team 1: s02 is invited" in run("team", "invite", "s02", "--as", "s01").output
    assert "s02" in run("team", "list").output
    assert "Team 1: s01, s02" in run("team", "accept", "Team 1", "--as", "s02").output
    run("team", "invite", "s03", "--as", "s02")
    assert "declined" in run("team", "decline", "1", "--as", "s03").output
    run("team", "create", "s03", "s04", "--by", "tara", "--reason", "asked", "--name", "Adam")
    assert "in no team" in run("team", "move", "s04", "--by", "tara", "--reason", "x").output
    assert "too small" in run("team", "list").output
    shown = run("team", "leftovers").output
    assert "s04: into Adam" in shown and "--apply" in shown
    assert "Done." in run("team", "leftovers", "--apply", "--by", "ines", "--reason", "over").output
    assert "Without a team: nobody" in run("team", "leftovers").output
    why = ("--by", "ines", "--reason", "x")
    assert "Eve: s03, s04" in run("team", "rename", "2", "Eve", *why).output
    assert "it had s03, s04" in run("team", "dissolve", "Eve", *why).output
    assert "Team 1: s02" in run("team", "leave", "--as", "s01").output


def test_talks_from_the_draw_to_the_printed_order(run, tmp_path: Path) -> None:
    for one, two in (("s01", "s02"), ("s03", "s04")):
        run("team", "create", one, two, "--by", "tara", "--reason", "x")
    assert "seed 42" in run("talk", "assign", "--by", "tara", "--seed", "42").output
    assert "yes" in run("talk", "draws").output
    assert "asked" in run("talk", "swap", "2", "--as", "s01").output
    assert "are swapped" in run("talk", "swap", "1", "--as", "s04").output
    run("talk", "swap", "2", "--as", "s01")
    assert "Nothing" in run("talk", "swap", "1", "--as", "s04", "--refuse").output
    assert "poster" in run("talk", "kind", "1", "poster", "--as", "s02").output
    assert "slot 12" in run("talk", "move", "1", "12", "--by", "tara", "--reason", "x").output
    assert "Student <s02>" in run("talk", "order").output
    run("talk", "order", "--html", "order.html")
    assert "Student &lt;s02&gt;" in (tmp_path / "order.html").read_text()
    given = ("Idea=8", "Results=6", "Delivery=10", "Answers=4")
    assert "73.0%" in run("talk", "score", "1", *given, "--by", "tara").output
    assert "ines: Results" in run("talk", "score", "1", "Idea=3", "--by", "ines").output
    shown = run("talk", "scores").output
    assert "Idea: 3 to 8" in shown and "nobody" in shown


def test_reports_from_the_check_to_the_scores(run, tmp_path: Path) -> None:
    (tmp_path / "good.pdf").write_bytes(report(3))
    (tmp_path / "bad.pdf").write_bytes(drawn(b""))
    assert "Nothing is wrong with it." in run("report", "check", "good.pdf").output
    assert "There is no text in it" in run("report", "check", "bad.pdf", code=1).output
    run("team", "create", "s01", "s02", "--by", "tara", "--reason", "x")
    assert "Without a report: Team 1" in run("report", "list").output
    output = run("report", "hand-in", "bad.pdf", "--as", "s02").output
    assert "CourseHub receipt" in output and "There is no text in it" in output
    (tmp_path / "receipt.txt").write_text(output.partition("bad.pdf: ")[0])
    assert "true" in run("receipt", "verify", "receipt.txt").output
    shown = run("report", "list", "--check").output
    assert "counts" in shown and "There is no text" in shown and "no team" in shown
    run("report", "score", "1", "Method=5", "Experiments=10", "--by", "tara")
    assert "tara: Problem and related work, Writing" in run("report", "scores").output
    assert "1 hand-ins: the chain holds" in run("ledger", "check").output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("team", "invite", "tara", "--as", "s01"), "tara is no student"),
        (("team", "accept", "Adam", "--as", "s01"), "no team 'Adam'"),
        (("team", "create", "s01", "--by", "s02", "--reason", "x"), "not of the course staff"),
        (("team", "leftovers", "--apply"), "--by: who applies it?"),
        (("talk", "assign", "--by", "tara"), "no team waits for a slot"),
        (("talk", "swap", "1", "--as", "s01"), "in no team"),
        (("talk", "score", "1", "Idea", "--by", "tara"), "'Idea' is no score"),
        (("talk", "order", "--html", "no/such/folder"), "cannot be written"),
        (("report", "check", "none.pdf"), "none.pdf: cannot be read"),
        (("report", "hand-in", "people.csv", "--as", "s01"), "s01 is in no team"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(run, arguments: tuple[str, ...], problem: str) -> None:
    assert problem in run(*arguments, code=2).output


def test_a_report_that_was_kept_when_the_service_died_is_entered_at_its_start(
    run, caplog: pytest.LogCaptureFixture
) -> None:
    run("team", "create", "s01", "s02", "--by", "tara", "--reason", "asked")
    settings = load_settings()
    for username in ("s01", "s03"):
        ReportArchive(settings).hand_in(username, "report.pdf", b"%PDF-1.7", f"key of {username}")
    reports = open_project(settings).reports
    assert not any(reports.all().values())
    for _ in range(2):
        home_of(Exchange(settings), settings).project.recover()
        assert [each.username for team in reports.all().values() for each in team] == ["s01"]
    assert "of s03 is of no team" in caplog.text
    deadline = time.monotonic() + 60  # the check begins at once, beside the service
    while reports.unchecked() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert reports.unchecked() == []
