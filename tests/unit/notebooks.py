"""A small stock assignment, as its author wrote it, and what students make of it."""

import copy
import json
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from coursehub.grading.marks import marks_of, released_text
from coursehub.grading.source import Source, load_source
from coursehub.grading.strict import read_notebook

STUB = "# YOUR CODE HERE\nraise NotImplementedError()"

SETUP = "import math\n\n\ndef close(a, b):\n    return math.isclose(a, b)"
SQUARE = '''def square(x):
    """Return x * x."""
    ### BEGIN SOLUTION
    return x * x
    ### END SOLUTION'''
AREA = '''def area(r):
    """The area of a circle."""
    # >>> your code starts here
    ### BEGIN SOLUTION
    return math.pi * r * r
    ### END SOLUTION
    # <<< your code ends here


def ring(a, b):
    """The area between two circles."""
    # >>> your code starts here
    ### BEGIN SOLUTION
    return area(b) - area(a)
    ### END SOLUTION
    # <<< your code ends here'''
TEST = (
    "assert square(3) == 9\n### BEGIN HIDDEN TESTS\nassert square(-7) == 49\n### END HIDDEN TESTS"
)


def marked(cell: NotebookNode, name: str, **flags: Any) -> NotebookNode:
    """Mark a cell as nbgrader's toolbar does."""
    usual = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.id = name.replace("_", "-")
    cell.metadata["nbgrader"] = {"grade_id": name, "schema_version": 3, **usual, **flags}
    return cell


def assignment() -> NotebookNode:
    """The instructor's notebook."""
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Squares", id="title"),
            marked(new_code_cell(SETUP), "setup", locked=True),
            marked(new_code_cell(SQUARE), "square", solution=True),
            marked(new_code_cell(TEST), "square_test", grade=True, locked=True, points=3),
            marked(new_code_cell(AREA), "area", solution=True),
            marked(
                new_code_cell("assert close(area(1), math.pi)"),
                "area_test",
                grade=True,
                locked=True,
                points=2,
            ),
            new_code_cell("print(square(2))", id="plain"),
            marked(
                new_markdown_cell("### BEGIN SOLUTION\nBecause.\n### END SOLUTION"),
                "why",
                grade=True,
                solution=True,
                points=4,
            ),
        ]
    )
    notebook.nbformat_minor = 5
    return notebook


def release(source: NotebookNode | None = None) -> NotebookNode:
    """What students receive."""
    notebook = copy.deepcopy(source or assignment())
    for cell in notebook.cells:
        cell.source = released_text(cell)
        marks = marks_of(cell)
        if marks and marks.locked:
            cell.metadata["editable"] = False
    return notebook


def cell(notebook: NotebookNode, name: str) -> NotebookNode:
    """The cell with this grade id."""
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name)


def solved() -> NotebookNode:
    """A right hand-in."""
    notebook = release()
    cell(notebook, "square").source = "def square(x):\n    return x ** 2"
    text = cell(notebook, "area").source
    for line in ("return 3.0 * r * r", "return area(b) - area(a)"):
        text = text.replace("# YOUR CODE HERE\n    raise NotImplementedError()", line, 1)
    cell(notebook, "area").source = text
    cell(notebook, "why").source = "I know."
    return notebook


def as_handed_in(notebook: NotebookNode) -> NotebookNode:
    """The notebook as intake gives it."""
    return read_notebook("a.ipynb", json.dumps(notebook).encode())


def write_source(folder: Path, notebook: NotebookNode | None = None) -> Source:
    """Write the instructor's folder and read it."""
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook or assignment(), folder / "assignment_1.ipynb")
    return load_source(folder)
