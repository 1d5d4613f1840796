"""The commands check, schedule and rebase, as a person or a script uses them."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from coursehub.cli.course import app

FILE = Path(__file__).parents[2] / "course.yml"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder with a copy of the shipped file."""
    (tmp_path / "course.yml").write_bytes(FILE.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COURSEHUB_COURSE", raising=False)
    return tmp_path


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, arguments, env=environment)


def break_file(path: Path) -> None:
    text = FILE.read_text(encoding="utf-8")
    path.write_text(text.replace("Fri 2021-01-29", "Thu 2021-01-29", 1), encoding="utf-8")


def assert_one_line_and_exit_2(result: Result, start: str) -> None:
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(start)
    assert result.stderr.count("\n") == 1 and "Traceback" not in result.stderr


def test_check_says_ok_in_one_line() -> None:
    result = run("check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "course.yml: CS5260, 13 weeks, 8 assignments: OK\n"


def test_the_file_can_be_named_in_three_ways(folder: Path) -> None:
    (folder / "course.yml").rename(folder / "other.yml")
    expected = "other.yml: CS5260, 13 weeks, 8 assignments: OK\n"
    assert run("check", "other.yml").stdout == expected
    assert run("check", "--course", "other.yml").stdout == expected
    assert run("check", COURSEHUB_COURSE="other.yml").stdout == expected


@pytest.mark.parametrize(
    "command", [["check"], ["schedule"], ["schedule", "--json"], ["rebase", "--start=2027-01-15"]]
)
def test_a_wrong_file_is_one_line_on_stderr(folder: Path, command: list[str]) -> None:
    break_file(folder / "course.yml")
    result = run(*command)
    assert_one_line_and_exit_2(result, "course.yml:")
    assert (
        "weeks[2].date: 2021-01-29 is a Friday, not a Thursday. "
        "Write Fri 2021-01-29, or correct the date.\n"
    ) in result.stderr


def test_a_missing_file_is_one_line_on_stderr() -> None:
    assert_one_line_and_exit_2(run("check", "none.yml"), "none.yml: no such file. Name the")


def test_schedule_for_people() -> None:
    result = run("schedule", COLUMNS="140")
    assert result.exit_code == 0
    assert "CS5260 Neural Networks and Deep Learning II (Asia/Singapore)" in result.stdout
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    assert all(str(number) in rows for number in range(1, 14))
    for part in ("Fri 2021-01-29", "1. Adversarial", "Fri 29 Jan 20:30", "Fri 5 Feb 23:59"):
        assert part in rows["3"]
    assert "No class: Chinese New Year" in rows["5"]
    assert "The report is due Friday 30 April 2021, 23:59." in result.stdout


def test_schedule_for_programs() -> None:
    result = run("schedule", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert len(found) == 8
    assert found[1] == {
        "assignment": "assignment_2",
        "week": 4,
        "title": "Deep reinforcement learning",
        "release": "2021-02-05T20:30:00+08:00",
        "due": "2021-02-12T23:59:00+08:00",
        "on_time_before": "2021-02-13T00:00:00+08:00",
    }
    assert all(list(each) == list(found[1]) for each in found)


def test_titles_are_shown_as_they_are(folder: Path) -> None:
    text = FILE.read_text(encoding="utf-8")
    text = text.replace("title: Mixture of experts", "title: Mixture [red]of[/red] [/] experts")
    (folder / "course.yml").write_text(text, encoding="utf-8")
    result = run("schedule", COLUMNS="160")
    assert result.exit_code == 0
    assert "Mixture [red]of[/red] [/] experts" in result.stdout


def test_rebase_prints_the_file_and_lists_holidays_apart() -> None:
    result = run("rebase", "--start", "2027-01-15")
    assert result.exit_code == 0
    assert "    date: Fri 2027-01-15\n" in result.stdout
    assert result.stdout.count("\n") == FILE.read_text(encoding="utf-8").count("\n")
    assert result.stderr == (
        "Review week 5, Fri 2027-02-12: was Chinese New Year on Fri 2021-02-12\n"
        "Review week 11, Fri 2027-04-02: was Good Friday on Fri 2021-04-02\n"
    )


def test_rebase_in_place_and_back(folder: Path) -> None:
    path = folder / "course.yml"
    moved = run("rebase", "--start", "Fri 2027-01-15", "--output", "course.yml")
    assert (moved.exit_code, moved.stdout) == (0, "")
    assert run("check").exit_code == 0
    assert path.read_bytes() != FILE.read_bytes()
    run("rebase", "--start", "2021-01-15", "--output", "course.yml")
    assert path.read_bytes() == FILE.read_bytes()


@pytest.mark.parametrize(
    ("start", "says"),
    [
        ("2027-01-14", "start: 2027-01-14 is a Thursday, and week 1 starts on a Friday. The near"),
        ("Thu 2027-01-15", "start: 2027-01-15 is a Friday, not a Thursday. Write Fri 2027-01-15"),
        ("2027-02-30", "start: '2027-02-30' is no date. Write it like 2027-01-15."),
        ("soon", "start: 'soon' is no date. Write it like"),
        ("", "start: '' is no date. Write it like"),
    ],
)
def test_rebase_refuses_a_start_that_cannot_be(start: str, says: str) -> None:
    assert_one_line_and_exit_2(run("rebase", "--start", start), says)


def test_rebase_says_when_it_cannot_write() -> None:
    result = run("rebase", "--start", "2027-01-15", "--output", "no/such/folder/course.yml")
    assert_one_line_and_exit_2(result, "no/such/folder/course.yml: cannot be written: No such file")


@pytest.mark.parametrize("command", ["check", "schedule", "rebase"])
def test_help_reads_as_a_manual(command: str) -> None:
    result = run(command, "--help", COLUMNS="120")
    assert result.exit_code == 0
    assert "COURSEHUB_COURSE" in result.stdout
    assert len(result.stdout.split()) > 50
