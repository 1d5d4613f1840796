"""The corpus, through `coursehub grade`: attacks gain nothing, accidents and controls lose nothing.

Every case is graded in one batch a sandbox and assignment, two at a time, next to honest hand-ins:
what one of them does to another, or to what lies around them, shows.
"""

import hashlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from coursehub.settings import CHECKOUT
from tests.submissions.corpus.recipe import (
    CASES,
    build,
    expectation,
    hidden_lines,
    source_of,
    worth,
)

SANDBOXES = ("process", "docker")
LIMITS = {"memory_mb": 1024, "disk_mb": 64, "cell": "8s", "call": "3s", "total": "60s"}
CANARY = "CORPUS_CANARY"
MARKS = (b"corpus-daemon", b"corpus-detached")


@dataclass(frozen=True)
class Batch:
    """What grading the corpus in one sandbox gave."""

    verdicts: dict[str, dict[str, Any]]  # case -> its line of JSON
    exits: dict[str, int]  # assignment -> exit code
    touched: list[str]  # paths around the hand-ins that are not as before
    left: list[str]  # processes that outlived the grading


def course_file(folder: Path) -> Path:
    """Write a course whose assignments have tight limits; return its path."""
    course = yaml.safe_load((CHECKOUT / "course.yml").read_text(encoding="utf-8"))
    for assignment in course["assignments"][:3]:
        assignment["limits"] = dict(LIMITS)
    path = folder / "course.yml"
    path.write_text(yaml.safe_dump(course, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def fingerprint(root: Path) -> dict[str, str]:
    """Return path -> hash for all regular files below a folder, other things by their kind."""
    return {
        str(path.relative_to(root)): (
            hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file() and not path.is_symlink()
            else str(path.lstat().st_mode)
        )
        for path in sorted(root.rglob("*"))
    }


def survivors() -> list[str]:
    """Return the command lines of processes that a hand-in started and that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if any(mark in line for mark in MARKS):
            found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found


def grade(sandbox: str, folder: Path) -> Batch:
    """Grade every case in a sandbox, as the command line does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        submissions = folder / "submitted"
        for case in CASES:
            build(case, submissions / case.name, server.getsockname()[1])
        before = fingerprint(submissions)
        environment = {
            **os.environ,
            "COURSEHUB_COURSE": str(course_file(folder)),
            "COURSEHUB_STATE": str(folder / "state"),
            CANARY: CANARY,
        }
        verdicts: dict[str, dict[str, Any]] = {}
        exits: dict[str, int] = {}
        for source in sorted({source_of(case) for case in CASES}):
            cases = [str(submissions / case.name) for case in CASES if source_of(case) == source]
            command = ["grade", str(source), *cases, "--json", "--jobs=2", f"--sandbox={sandbox}"]
            done = subprocess.run(
                [str(Path(sys.executable).with_name("coursehub")), *command],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=600,
            )
            print(done.stderr)
            exits[source.name] = done.returncode
            for line in done.stdout.splitlines():
                verdict = json.loads(line)
                verdicts[Path(verdict["submission"]).name] = verdict
        after = fingerprint(submissions)
    touched = [name for name in before | after if before.get(name) != after.get(name)]
    return Batch(verdicts, exits, touched, survivors())


@pytest.fixture(scope="module", params=SANDBOXES)
def batch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """The corpus, graded once a sandbox."""
    if request.param == "docker":
        request.getfixturevalue("images")
    return grade(request.param, tmp_path_factory.mktemp(request.param))


def test_every_hand_in_gets_a_verdict(batch: Batch) -> None:
    """No attack stops the batch, and nothing fails for reasons of ours."""
    assert set(batch.exits.values()) == {0}
    assert sorted(batch.verdicts) == sorted(case.name for case in CASES)


def test_nothing_around_is_touched(batch: Batch) -> None:
    """No hand-in is written to, and no process outlives its grading."""
    assert batch.touched == []
    assert batch.left == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Path, batch: Batch, request: pytest.FixtureRequest) -> None:
    """The case gets what its expectation says."""
    expect, verdict = expectation(case), batch.verdicts[case.name]
    if expect.get("sandbox", "process") not in request.node.callspec.params["batch"]:
        return  # only a container promises this
    full = worth(source_of(case))
    assert verdict["max_points"] == full
    assert verdict["status"] == expect["status"], verdict["reason"]
    assert verdict["reason"]
    assert_points(verdict["points"], full | expect.get("points", {}), expect)
    kinds = [finding["kind"] for finding in verdict["findings"]]
    assert set(expect.get("findings", [])) <= set(kinds), verdict["findings"]
    if expect.get("clean"):
        assert kinds == [], verdict["findings"]
    shown = texts(verdict)
    assert all(text.isprintable() for text in shown)
    assert not any(line in text for line in hidden_lines(source_of(case)) for text in shown)


def assert_points(
    points: dict[str, float], wanted: dict[str, float], expect: dict[str, Any]
) -> None:
    """Compare points; of those that the case says nothing about, some may be lost."""
    assert points.keys() == wanted.keys()
    for cell, most in wanted.items():
        named = cell in expect.get("points", {}) or expect.get("others") != "any"
        assert points[cell] == most if named else 0 <= points[cell] <= most, (cell, points)


def texts(verdict: dict[str, Any]) -> list[str]:
    """Return every line that people are shown."""
    shown = [verdict["reason"], *(finding["text"] for finding in verdict["findings"])]
    return [line for text in shown for line in text.splitlines()]
