"""`coursehub grade`: any nbgrader assignment, outside any hub or gradebook, nothing written."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from tests.contract.miniature import source_notebook

RIGHT = "def double(x):\n    return 2 * x"
WRONG = "def double(x):\n    return x + 2"
KEYS = {
    "submission", "status", "reason", "points", "max_points", "manual", "findings", "seconds",
}  # fmt: skip


def handed_in(answer: str) -> NotebookNode:
    """The miniature's notebook with an answer, as a student has it: no hidden test."""
    notebook = source_notebook()
    notebook.cells[0].source = answer
    notebook.cells[2].source = "print('more')\nprint('passed')"
    return notebook


def grade(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "coursehub", "grade", *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def lines(run: subprocess.CompletedProcess[str]) -> list[dict]:
    return [json.loads(line) for line in run.stdout.splitlines()]


class Folders:
    """An instructor's folder, and what was handed in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = root / "homework"
        self.source.mkdir()
        nbformat.write(source_notebook(), self.source / "homework.ipynb")

    def hand_in(
        self, name: str, content: NotebookNode | bytes, file: str = "homework.ipynb"
    ) -> Path:
        folder = self.root / "handed in" / name
        folder.mkdir(parents=True, exist_ok=True)
        raw = content if isinstance(content, bytes) else nbformat.writes(content).encode()
        (folder / file).write_bytes(raw)
        return folder

    def state(self) -> dict[str, tuple[int, bytes]]:
        """Every file with its time of change and content."""
        return {
            str(path): (path.stat().st_mtime_ns, path.read_bytes())
            for path in self.root.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def test_one_object_a_hand_in_in_the_order_of_the_arguments(folders: Folders) -> None:
    right = folders.hand_in("right", handed_in(RIGHT))
    broken = folders.hand_in("broken", b'{"cells": [')
    wrong = folders.hand_in("wrong", handed_in(WRONG))
    before = folders.state()
    run = grade(folders.source, right, broken, wrong, "--json", "--sandbox=process", "--jobs=2")
    assert run.returncode == 0, run.stderr
    found = lines(run)
    assert [line["submission"] for line in found] == [str(right), str(broken), str(wrong)]
    assert all(set(line) == KEYS for line in found)
    most = {"visible": 2, "hidden": 3}
    assert [(line["status"], line["points"]) for line in found] == [
        ("graded", most),
        ("rejected", {"visible": 0, "hidden": 0}),
        ("graded", {"visible": 2, "hidden": 0}),
    ]
    assert all(line["max_points"] == most and line["manual"] == ["written"] for line in found)
    assert all(line["reason"] for line in found)
    assert "isolates less" in run.stderr
    assert folders.state() == before


def test_what_was_changed_outside_the_answers_is_told_and_undone(folders: Folders) -> None:
    notebook = handed_in(WRONG)
    notebook.cells[1].source = "print('passed')"
    notebook.cells[2].source = "raise ValueError('a test broken by hand')"
    run = grade(folders.source, folders.hand_in("edits", notebook), "--json", "--sandbox=process")
    (line,) = lines(run)
    assert line["points"] == {"visible": 2, "hidden": 0}
    assert {(each["kind"], each["cell"]) for each in line["findings"]} == {
        ("edited", "visible"),
        ("edited", "hidden"),
    }
    assert "a test broken by hand" in json.dumps(line["findings"])
    assert "double(21)" not in json.dumps(line), "the hidden test is told"


def test_several_notebooks_with_the_same_ids(folders: Folders) -> None:
    nbformat.write(source_notebook(), folders.source / "more.ipynb")
    folder = folders.hand_in("both", handed_in(RIGHT))
    folders.hand_in("both", handed_in(WRONG), "more.ipynb")
    run = grade(folders.source, folder, "--json", "--sandbox=process")
    (line,) = lines(run)
    assert line["points"] == {
        "homework.ipynb/visible": 2, "homework.ipynb/hidden": 3,
        "more.ipynb/visible": 2, "more.ipynb/hidden": 0,
    }  # fmt: skip


def test_a_module_of_the_students_own_is_what_is_graded(folders: Folders) -> None:
    (folders.source / "helper.py").write_text("def times(x):\n    raise NotImplementedError")
    answer = "def double(x):\n    from helper import times\n    return times(x)"
    folder = folders.hand_in("module", handed_in(answer))
    (folder / "helper.py").write_text("def times(x):\n    return 2 * x")
    run = grade(folders.source, folder, "--json", "--sandbox=process")
    assert lines(run)[0]["points"] == {"visible": 2, "hidden": 3}, run.stderr


def test_for_people_there_is_a_line_each(folders: Folders) -> None:
    run = grade(folders.source, folders.hand_in("right", handed_in(RIGHT)), "--sandbox=process")
    assert run.returncode == 0
    assert "graded, 5 of 5 points" in run.stdout


def test_odd_hand_ins_get_verdicts_and_stop_nobody(folders: Folders) -> None:
    """A file, a link, an empty folder, one twice; more jobs than hand-ins; paths of all forms."""
    right = folders.hand_in("right ones 100%", handed_in(RIGHT))
    empty = folders.root / "empty"
    empty.mkdir()
    link = folders.root / "link"
    link.symlink_to(right)
    lone = right / "homework.ipynb"
    relative = os.path.relpath(right)
    given = [lone, link, empty, f"{right}/", relative, right]
    run = grade(folders.source, *given, "--json", "--sandbox=process", "--jobs=16")
    assert run.returncode == 0, run.stderr
    found = lines(run)
    assert [Path(line["submission"]) for line in found] == [Path(str(each)) for each in given]
    assert [line["status"] for line in found] == ["rejected"] * 3 + ["graded"] * 3
    reasons = [line["reason"] for line in found[:3]]
    assert "no folder" in reasons[0] and "a link" in reasons[1] and "nothing" in reasons[2]
    assert all(sum(line["points"].values()) == 5 for line in found[3:])


def no_folder(folders: Folders) -> list[object]:
    return [folders.source, folders.root / "nowhere"]


def no_notebook(folders: Folders) -> list[object]:
    (folders.root / "empty").mkdir()
    return [folders.root / "empty", folders.source]


def no_such_sandbox(folders: Folders) -> list[object]:
    return [folders.source, folders.source, "--sandbox=jail"]


def no_hand_in(folders: Folders) -> list[object]:
    return [folders.source]


@pytest.mark.parametrize("wrong", [no_folder, no_notebook, no_such_sandbox, no_hand_in])
def test_wrong_arguments(folders: Folders, wrong: Callable[[Folders], list[object]]) -> None:
    run = grade(*wrong(folders))
    assert run.returncode == 2
    assert run.stdout == "" and "Traceback" not in run.stderr


def test_without_an_engine_there_is_no_verdict(folders: Folders) -> None:
    """Containers were asked for: processes are no substitute."""
    folder = folders.hand_in("right", handed_in(RIGHT))
    nowhere = f"unix://{folders.root}/no.sock"
    run = grade(folders.source, folder, "--sandbox=docker", "--json", DOCKER_HOST=nowhere)
    assert run.returncode == 3
    assert run.stdout == "" and len(run.stderr.splitlines()) == 1, run.stderr


def test_an_assignment_without_tests_is_left_to_people(folders: Folders) -> None:
    marks = {"grade": True, "grade_id": "free", "locked": False, "points": 3,
             "schema_version": 3, "solution": True, "task": False}  # fmt: skip
    cell = new_code_cell("### BEGIN SOLUTION\n1\n### END SOLUTION", metadata={"nbgrader": marks})
    nbformat.write(new_notebook(cells=[cell]), folders.source / "homework.ipynb")
    answer = new_code_cell("2", metadata={"nbgrader": marks})
    folder = folders.hand_in("free", new_notebook(cells=[answer]))
    (line,) = lines(grade(folders.source, folder, "--json", "--sandbox=process"))
    assert (line["status"], line["points"], line["manual"]) == ("graded", {}, ["free"])
