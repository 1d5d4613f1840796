"""The grader's answer as a file, a private copy of a folder, and the report for students."""

import os
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from coursehub.errors import CourseHubError, SandboxError
from coursehub.grading import reply
from coursehub.grading.pipeline import Graded
from coursehub.grading.rebuild import rebuild
from coursehub.grading.snapshot import snapshot
from coursehub.grading.source import Source
from coursehub.grading.verdict import CellResult, Finding, Verdict
from coursehub.grading.visible import report, visible_part

NAME = "assignment_1.ipynb"
TOLD = "the secret of the hidden test"


def marks(name: str, points: float = 0, **more: bool) -> dict[str, object]:
    return {
        "nbgrader": {
            "grade_id": name, "grade": points > 0, "points": points, "locked": True,
            "solution": False, "task": False, "schema_version": 3, **more,
        }
    }  # fmt: skip


def hidden(text: str, visible: str = "") -> str:
    return f"{visible}\n### BEGIN HIDDEN TESTS\n{text}\n### END HIDDEN TESTS\nprint('passed')"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """An answer; tests that are visible, hidden, and both."""
    solution = f"def f():\n    ### BEGIN SOLUTION\n    return '{TOLD}'\n    ### END SOLUTION"
    cells = [
        new_code_cell(solution, metadata=marks("answer", locked=False, solution=True)),
        new_code_cell("assert f()", metadata=marks("open", 2)),
        new_code_cell(hidden(f"assert f() == '{TOLD}'"), metadata=marks("closed", 3)),
        new_code_cell(hidden(f"f('{TOLD}')", "assert f()"), metadata=marks("both", 4)),
    ]
    return Source(tmp_path, {NAME: new_notebook(cells=cells)}, {})


def result(name: str, points: float, most: float, message: str = "") -> CellResult:
    output = {"output_type": "stream", "name": "stdout", "text": "half a surrogate: \ud800"}
    return CellResult(name, "test", points, most, message, 0.1, 5.0, (output,))


def graded(source: Source, *cells: CellResult) -> Graded:
    points = {cell.cell: cell.points or 0.0 for cell in cells}
    most = {cell.cell: cell.max_points for cell in cells}
    findings = (Finding("edited", "open", "Changed.\n-a\n+b"),)
    verdict = Verdict("x", "graded", "ok", points, most, ("written",), findings, 1.5, cells)
    notebooks = {name: rebuild(each, None).notebook for name, each in source.notebooks.items()}
    return Graded(verdict, notebooks, {NAME: cells}, seed=7, caveat="less than a container")


def test_an_answer_comes_back_as_it_was(source: Source, tmp_path: Path) -> None:
    sent = graded(source, result("open", 2, 2), result("closed", 0, 3, "no"))
    path = reply.place(tmp_path, 12)
    reply.write(path, sent)
    assert reply.read(path) == sent
    assert [each.name for each in path.parent.iterdir()] == ["12.json"]


@pytest.mark.parametrize("text", ["", "{}", '{"verdict": 3}', "[1]"])
def test_what_is_no_answer_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "1.json"
    path.write_text(text)
    with pytest.raises(SandboxError, match="cannot be read"):
        reply.read(path)


def test_the_visible_part_holds_nothing_hidden(source: Source) -> None:
    visible = visible_part(source)
    tests = [cell.source for cell in visible.notebooks[NAME].cells[1:]]
    assert TOLD not in "".join(tests)
    assert tests[0] == "assert f()" and tests[2].startswith("assert f()")
    assert TOLD in source.notebooks[NAME].cells[2].source, "the source itself stays as it is"
    released = rebuild(visible.notebooks[NAME], None)
    assert all(TOLD not in step.source for step in released.steps)


def test_the_report_counts_what_is_wholly_visible(source: Source) -> None:
    run = graded(source, result("open", 0, 2, "f() gave 0"), result("closed", 3, 3),
                 result("both", 4, 4))  # fmt: skip
    said = report(source, run)
    assert said["hidden"] == 7
    assert said["tests"] == [
        {"name": "open", "passed": False, "message": "f() gave 0", "points": 0, "max_points": 2},
        {"name": "both", "passed": True, "message": "", "points": None, "max_points": None},
    ]
    assert TOLD not in str(said)


def test_a_report_of_what_could_not_be_read_has_its_reason(source: Source) -> None:
    verdict = Verdict("x", "rejected", "This is no JSON.", {}, {}, (), (), 0.0)
    said = report(source, Graded(verdict, dict(source.notebooks), {}, 0))
    assert said == {"status": "rejected", "reason": "This is no JSON.", "tests": [], "hidden": 7}


def test_a_snapshot_holds_regular_files_alone(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "password").write_text("hunter2")
    folder = tmp_path / "course" / "source" / "assignment_1"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a.csv").write_text("1")
    (folder / NAME).write_text("{}")
    (folder / "file-link").symlink_to(secret / "password")
    (folder / "folder-link").symlink_to(secret)
    os.mkfifo(folder / "pipe")
    copy = snapshot(tmp_path / "course", ("source", "assignment_1"), tmp_path / "private")
    assert copy.name == "assignment_1"
    files = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    assert files == {NAME, "data/a.csv"}


@pytest.mark.parametrize(
    "names", [("..", "secret"), ("a/b",), ("",), ("link", "folder"), ("link",), ("nobody",)]
)
def test_a_snapshot_leaves_its_root_by_no_name(tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "secret" / "folder").mkdir(parents=True)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(CourseHubError, match="no folder"):
        snapshot(tmp_path / "root", names, tmp_path / "private")
