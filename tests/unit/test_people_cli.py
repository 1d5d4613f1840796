"""The commands about people, receipts and the ledger, as an admin uses them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from coursehub import journal
from coursehub.cli import app
from coursehub.course.load import load_course
from coursehub.exchange.database import connect
from coursehub.exchange.exchange import Exchange
from coursehub.settings import load_settings
from tests.deployment import PEOPLE, course_text

NOW = datetime.now(UTC)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a command on a deployment whose assignment 1 closed a minute ago."""
    closed = NOW.replace(microsecond=0) - timedelta(minutes=1)
    (tmp_path / "course.yml").write_text(
        course_text(released=closed - timedelta(days=7), due=closed)
    )
    (tmp_path / "people.csv").write_text(PEOPLE)
    monkeypatch.setenv("COURSEHUB_STATE", str(tmp_path))
    monkeypatch.setenv("COURSEHUB_COURSE", str(tmp_path / "course.yml"))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=typed)

    assert invoke("roster", "import", "people.csv").exit_code == 0
    return invoke


def handed_in() -> str:
    """A late hand-in of alice's in the deployment of the environment; returns its receipt."""
    exchange = Exchange(load_settings())
    outbound = load_settings().exchange / "cs5260" / "outbound" / "assignment_1"
    outbound.mkdir(parents=True)
    (outbound / "assignment_1.ipynb").write_text('{"cells": []}')
    alice = exchange.person("alice")
    sent = {"assignment_1.ipynb": b'{"cells": []}'}
    return exchange.hand_in(alice, "assignment_1", sent, "key-12345678", NOW).receipt


def test_roster_problems_are_listed_by_line_and_nothing_is_imported(run, tmp_path: Path) -> None:
    bad = PEOPLE.replace("bob,", "zed,").replace("A0100001H", "A0100099X")
    (tmp_path / "people.csv").write_text(bad.replace("ta\n", "boss\n") + "x+y,1,,nobody,student\n")
    result = run("roster", "import", "people.csv")
    assert result.exit_code == 2
    assert "people.csv: line 5: role 'boss' is unknown" in result.output
    assert "people.csv: line 7: username 'x+y'" in result.output
    assert "zed" not in run("roster", "list").output


def test_password(run) -> None:
    assert run("roster", "password", "alice", typed="s3cret\ns3cret\n").exit_code == 0
    roster = Exchange(load_settings()).roster
    assert roster.check_password("alice", "s3cret")
    assert not roster.check_password("alice", "other")
    assert run("roster", "password", "nobody", typed="x\nx\n").exit_code == 2


def test_extension_is_said_in_words_and_makes_the_hand_in_count(run) -> None:
    receipt = handed_in()
    assert "in time: no" in receipt
    course = load_course(load_settings().course)
    tomorrow = NOW.astimezone(course.tz).replace(day=28)
    until = f"{tomorrow.year + 1}-{tomorrow.month:02}-28T23:59"
    result = run("extend", "alice", "assignment_1", "--until", until, "--reason", "ill")
    assert result.exit_code == 0, result.output
    assert f"28 {tomorrow:%B} {tomorrow.year + 1}, 23:59" in result.output
    exchange = Exchange(load_settings())
    record = exchange.hand_ins(exchange.person("alice")).hand_ins[0]
    assert (record.late, record.counts) == (False, True)


def test_several_and_all_get_more_time_and_each_is_written_down(run) -> None:
    more = ("--until", "2040-01-01T23:59", "--reason", "the network was down", "--by", "ines")
    result = run("extend", "bob", "alice", "bob", "assignment_1", *more)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("bob, alice: assignment_1 is due Sunday 1 January 2040, 23:59")
    later = ("--until", "2040-01-02T12:30:15", "--reason", "again")
    result = run("extend", "--all", "assignment_1", *later)
    assert result.output.startswith(
        "all 3 students: assignment_1 is due Monday 2 January 2040, 12:30:15"
    )
    exchange = Exchange(load_settings())
    for student in ("alice", "bob", "carol"):
        due = exchange.deadlines.window(student, exchange.deadlines.course.assignments[0]).due
        assert due.astimezone(UTC) == datetime(2040, 1, 2, 4, 30, 15, tzinfo=UTC)
    told = journal.entries(connect(str(load_settings().database)), did="extend")
    assert sorted(str(each.about) for each in told) == ["alice", "alice", "bob", "bob", "carol"]
    last, first = [each for each in told if each.about == "alice"]
    assert (first.who, first.why, first.before) == ("ines", "the network was down", {})
    assert last.before == first.after == {"until": "2040-01-01T16:00:00+00:00"}


def test_a_team_gets_more_time_for_the_report(run) -> None:
    made = run("team", "create", "alice", "bob", "--reason", "late", "--by", "ines")
    assert made.exit_code == 0, made.output
    more = ("--until", "2040-01-01T23:59", "--reason", "the network was down")
    result = run("extend", "--team", "Team 1", "report", *more)
    assert result.output.startswith("alice, bob: report is due Sunday 1 January 2040, 23:59")
    exchange = Exchange(load_settings())
    assert {name for name, _ in exchange.roster.all_extended_until()} == {"alice", "bob"}
    refused = run("extend", "--team", "Team 9", "report", *more)
    assert refused.exit_code == 2 and "Team 9" in refused.output


def test_nobody_gets_more_time_where_one_cannot(run) -> None:
    more = ("--until", "2040-01-01T23:59", "--reason", "x")
    result = run("extend", "alice", "alcie", "assignment_1", *more)
    assert result.exit_code == 2 and "alcie is not on the roster" in result.output
    assert journal.entries(connect(str(load_settings().database))) == []
    assert Exchange(load_settings()).roster.grants() == {}


def test_an_extension_ends_at_a_time_that_exists(run, tmp_path: Path) -> None:
    file = tmp_path / "course.yml"
    file.write_text(file.read_text().replace("Asia/Singapore", "Europe/London"))
    more = ("--until", "2040-03-25T01:30", "--reason", "x")
    result = run("extend", "alice", "assignment_1", *more)
    assert result.exit_code == 2
    assert "until: Sun 2040-03-25 01:30 does not exist in Europe/London" in result.output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("assignment_1", "--until", "2030-01-01", "--reason", "x"), "who gets more time?"),
        (("alice", "assignment_1", "--all", "--until", "2030-01-01", "--reason", "x"), "--all"),
        (("nobody", "assignment_1", "--until", "2030-01-01", "--reason", "x"), "roster"),
        (("alice", "assignment_99", "--until", "2030-01-01", "--reason", "x"), "assignment_99"),
        (("alice", "assignment_1", "--until", "soon", "--reason", "x"), "is no time"),
        (("alice", "assignment_1", "--until", "2030-01-01", "--reason", " "), "reason"),
    ],
)
def test_extension_refused_in_one_line(run, arguments: tuple[str, ...], problem: str) -> None:
    result = run("extend", *arguments)
    assert result.exit_code == 2
    assert problem in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_receipt_is_true_until_it_is_changed(run, tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.txt"
    receipt.write_text(handed_in())
    result = run("receipt", "verify", "receipt.txt")
    assert (result.exit_code, "receipt.txt: true" in result.output) == (0, True)
    receipt.write_text(receipt.read_text().replace("handed in by: alice", "handed in by: bob"))
    result = run("receipt", "verify", "receipt.txt")
    assert result.exit_code == 2
    assert "the text was changed after it was signed" in result.output


def test_ledger_check_finds_a_changed_file(run) -> None:
    handed_in()
    assert "1 hand-ins: the chain holds" in run("ledger", "check").output
    inbound = load_settings().exchange / "cs5260"
    [notebook] = inbound.glob("*/alice+*/assignment_1.ipynb")
    notebook.write_text('{"cells": [1]}')
    result = run("ledger", "check")
    assert result.exit_code == 2
    assert "is not what receipt 1 says" in result.output


def test_people_are_dropped_and_unlinked(run) -> None:
    dropped = run("roster", "drop", "alice", "bob")
    assert (dropped.exit_code, dropped.output) == (0, "alice, bob: dropped\n")
    assert "alice" not in run("roster", "list").output
    assert run("roster", "drop", "alice").exit_code == 2
    assert run("roster", "unlink", "carol").output == "carol: 0 accounts forgotten\n"
