"""What is remarked before a hand-in: edits, failed tests, what cannot be graded."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output

from coursehub.errors import NotFound
from coursehub.exchange.beforehand import Beforehand, look
from coursehub.exchange.protocol import AssignmentList, AssignmentRecord
from coursehub.grading.beforehand import MOST, remarks
from coursehub.settings import CHECKOUT

NAME = "assignment_2"
NOTEBOOK = f"{NAME}.ipynb"
RELEASED = {
    path.name: path.read_bytes()
    for path in (CHECKOUT / "release" / NAME).iterdir()
    if path.is_file()
}
NOON = datetime(2021, 2, 12, 12, tzinfo=UTC)


def changed(change: Callable[[Any], None]) -> dict[str, bytes]:
    notebook = nbformat.reads(RELEASED[NOTEBOOK].decode(), as_version=4)
    change(notebook)
    return {**RELEASED, NOTEBOOK: nbformat.writes(notebook).encode()}


def first_test(notebook: Any) -> Any:
    return next(
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade")
    )


def run(notebook: Any) -> None:
    """As if all cells had been run, without an output."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = 1


def test_what_was_run_and_is_right_has_no_remark() -> None:
    assert remarks(RELEASED, changed(run)) == []


def test_tests_that_were_not_run_are_counted() -> None:
    def change(notebook: Any) -> None:
        run(notebook)
        first_test(notebook).execution_count = None

    assert remarks(RELEASED, changed(change)) == [f"1 of the tests in {NOTEBOOK} were not run."]
    assert len(remarks(RELEASED, RELEASED)) == 1


def test_a_cell_of_the_own_and_an_edited_test_are_named() -> None:
    def change(notebook: Any) -> None:
        notebook.cells.append(new_code_cell("mine = 1"))
        first_test(notebook).source += "\nassert True"

    found = remarks(RELEASED, changed(change))
    assert any("A code cell of the student's own" in text for text in found)
    assert any(text for text in found if "a2_t1_test" in text or "edited" in text.lower())
    assert all("\n" not in text for text in found)


def test_a_test_that_failed_when_it_was_run_is_named() -> None:
    def change(notebook: Any) -> None:
        run(notebook)
        first_test(notebook).outputs = [
            new_output("error", ename="AssertionError", evalue="", traceback=[])
        ]

    assert remarks(RELEASED, changed(change)) == [
        "The test a2_t1_test failed when you ran it last."
    ]


def test_what_cannot_be_graded_is_said() -> None:
    [sentence] = remarks(RELEASED, {**RELEASED, NOTEBOOK: b"{}"})
    assert NOTEBOOK in sentence


def test_many_remarks_are_cut_short() -> None:
    def change(notebook: Any) -> None:
        notebook.cells += [new_code_cell(f"mine_{number} = 1") for number in range(40)]

    found = remarks(RELEASED, changed(change))
    assert len(found) == MOST + 1
    assert found[-1].endswith("more of this kind.")


class Exchange:
    """The client's two questions, answered from here."""

    def assignments(self) -> AssignmentList:
        due = NOON + timedelta(hours=2)
        record = AssignmentRecord(
            assignment=NAME, title="x", notebook=NOTEBOOK, files=(NOTEBOOK, "agent.py"), open=True,
            release=NOON, due=due, on_time_before=due, due_text="due Fri 12 Feb 22:00",
            time_left="2 h left",
        )  # fmt: skip
        return AssignmentList(course="c", username="alice", staff=False, assignments=(record,))

    def files(self, assignment: str) -> dict[str, bytes]:
        return RELEASED


def looked(home: Path, now: datetime = NOON, name: str = NAME) -> dict[str, Any]:
    return look(Exchange(), home, name, lambda *_: ["a remark"], now)  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / NAME).mkdir()
    for name in (NOTEBOOK, "agent.py"):
        (tmp_path / NAME / name).write_bytes(RELEASED[name])
    return tmp_path


def test_the_deadline_is_the_own_and_lateness_is_said(home: Path) -> None:
    assert looked(home) == {
        "deadline": "due Fri 12 Feb 22:00, 2 h left",
        "remarks": ["a remark"],
        "notebooks": [f"{NAME}/{NOTEBOOK}"],
    }
    late = looked(home, NOON + timedelta(hours=2))
    assert late["remarks"][0].startswith("It is late")
    assert json.dumps(late)


def test_a_missing_module_and_a_wrong_name_are_said(home: Path) -> None:
    (home / NAME / "agent.py").rename(home / NAME / "my_agent.py")
    [sentence] = looked(home)["remarks"]
    assert "agent.py is missing" in sentence
    (home / NAME / NOTEBOOK).unlink()
    assert NOTEBOOK in looked(home)["remarks"][0]
    assert looked(home)["notebooks"] == [], "what is missing cannot be run"


@pytest.mark.parametrize("name", ["assignment_9", "../alice", ""])
def test_only_what_is_open_is_looked_at(home: Path, name: str) -> None:
    with pytest.raises(NotFound):
        looked(home, name=name)


def test_who_remarks_is_configuration() -> None:
    assert Beforehand().load()({}, {}) == []
    assert Beforehand(remarks="coursehub.grading.beforehand.remarks").load() is remarks
