"""A stock assignment with fixed hidden inputs: what students read when its tests fail."""

from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from coursehub.grading import runner
from tests.contract.miniature import ANSWER, ASSIGNMENT, Miniature, marks
from tests.deployment import open_course, prepare

# Values and names that stand in hidden lines alone.
GIVEN_AWAY = ("8642", "4321", "97531", "secret_table", "hidden-key", "73.25", "worth_nothing")

HIDDEN = {
    "bare": "assert double(4321) == 8642",
    "numpy": "np.testing.assert_allclose(double(4321), 8642, err_msg='worth_nothing')",
    "unittest": "import unittest\nunittest.TestCase().assertEqual(double(4321), 8642)",
    "key": "secret_table = {}\nsecret_table['hidden-key']",
    "warns": "import warnings\nwarnings.warn('odd'); worth_nothing = 97531\nassert double(1) == 2",
    "written": "expected = 8642\nassert double(4321) == expected, 'Task 1: twice the number'",
    "raised": "if double(4321) != 8642:\n    raise ValueError('Task 1: got something else')",
    "theirs": "assert double('73.25') == '73.2573.25'",
}
VISIBLE = "np.testing.assert_allclose(double(21), 42)\n"


def source_notebook() -> NotebookNode:
    """One answer, and a test for each way in which hidden tests fail."""
    cells = [
        new_code_cell("import numpy as np", metadata={}, id="imports"),
        new_code_cell(ANSWER, metadata=marks("answer", solution=True), id="answer"),
    ]
    for name, lines in HIDDEN.items():
        text = f"### BEGIN HIDDEN TESTS\n{lines}\n### END HIDDEN TESTS"
        cells.append(new_code_cell(text, metadata=marks(name, points=1), id=name))
    text = f"{VISIBLE}### BEGIN HIDDEN TESTS\nassert double(4321) == 8642\n### END HIDDEN TESTS"
    cells.append(new_code_cell(text, metadata=marks("visible", points=1), id="visible"))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return new_notebook(cells=cells, metadata=kernel)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Miniature]:
    """One right hand-in, and one that is wrong in all tests."""
    deployment = prepare(tmp_path_factory.mktemp("hides"), open_course(now=datetime.now(UTC)))
    miniature = Miniature(deployment, source_notebook())
    for student, answer in {"right": "2 * x", "wrong": "len(x) if type(x) is str else 7"}.items():
        text = f"def double(x):\n    return {answer}"
        miniature.collected(student, change=with_answer(text))
    outcome = miniature.autograde(["right", "wrong"])
    assert all(each.done for each in outcome.values()), outcome
    runner.feedback(miniature.make_config, ASSIGNMENT)
    yield miniature


def with_answer(text: str):  # type: ignore[no-untyped-def]
    def change(notebook: NotebookNode) -> None:
        next(cell for cell in notebook.cells if cell.id == "answer").source = text
        notebook.cells[0].source = "import numpy as np"

    return change


def page(course: Miniature, student: str) -> str:
    path = course.folder / "feedback" / student / ASSIGNMENT / f"{ASSIGNMENT}.html"
    return unescape(path.read_text())


def test_the_tests_judge_as_they_should(course: Miniature) -> None:
    right = course.points("right")
    assert {name for name, points in right.items() if not points} == {"key"}
    assert set(course.points("wrong").values()) == {0}


@pytest.mark.parametrize("secret", GIVEN_AWAY)
def test_no_value_of_a_hidden_line_reaches_students(course: Miniature, secret: str) -> None:
    assert secret not in page(course, "wrong")
    assert secret not in page(course, "right")


def test_what_the_author_wrote_does(course: Miniature) -> None:
    text = page(course, "wrong")
    assert "AssertionError: Task 1: twice the number" in text
    assert "ValueError: Task 1: got something else" in text
    assert text.count("A hidden test failed.") >= 4


def test_what_a_visible_line_says_does_too(course: Miniature) -> None:
    assert "Not equal to tolerance" in page(course, "wrong")


def test_staff_read_all_of_it(course: Miniature) -> None:
    path = course.folder / "autograded" / "wrong" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    cells = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}
    assert "8642" in cells["numpy"].outputs[-1].evalue
    assert "hidden-key" in cells["key"].outputs[-1].evalue
