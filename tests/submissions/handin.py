"""Build the hand-in of a test case: a release notebook with the case's answers filled in.

A case is a folder with an ``expect.yml`` and, for each answer that is not the reference one, a file
named after its cell (``a1_t2.py``). ``expect.yml`` has these keys:

kind
    reference, untouched, alternative, mutant, crash or edits
about
    one line for people
loses
    the tasks that lose points (``[t2]``); every other task keeps full marks
fails
    optional: the test cells that get no points
edits
    optional: changes outside the answers, applied in order, each one of
    ``{cell: ID, source: TEXT}``, ``{add_after: ID, source: TEXT}``, ``{delete: ID}``
"""

from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

MARKERS = ("### BEGIN SOLUTION", "### END SOLUTION")


def expectation(case_dir: Path) -> dict[str, Any]:
    """Read the case's ``expect.yml``."""
    return yaml.safe_load((case_dir / "expect.yml").read_text(encoding="utf-8"))


def read_notebook(assignment_dir: Path) -> NotebookNode:
    """Read the assignment's one notebook, which is named like its folder."""
    return nbformat.read(assignment_dir / f"{assignment_dir.name}.ipynb", as_version=4)


def reference_answers(source: NotebookNode) -> dict[str, str]:
    """Return the text of every solution cell of the instructor version, without the markers."""
    return {
        cell.metadata.nbgrader.grade_id: "\n".join(
            line for line in cell.source.split("\n") if not line.strip().startswith(MARKERS)
        )
        for cell in source.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }


def apply_edit(notebook: NotebookNode, edit: dict[str, str]) -> None:
    """Change a notebook in place as a student might, outside the answers."""
    place = edit.get("cell") or edit.get("add_after") or edit["delete"]
    index = next(i for i, cell in enumerate(notebook.cells) if cell.id == place)
    if "cell" in edit:
        notebook.cells[index].source = edit["source"]
    elif "add_after" in edit:
        notebook.cells.insert(index + 1, new_code_cell(edit["source"]))
    else:
        del notebook.cells[index]


def build(source_dir: Path, release_dir: Path, case_dir: Path) -> NotebookNode:
    """Return the hand-in of a case: the release notebook, its answers, then its edits.

    Cells graded by hand are filled for the reference only: elsewhere they cost time and earn no
    automatic points.
    """
    expect = expectation(case_dir)
    notebook = read_notebook(release_dir)
    if expect["kind"] != "untouched":
        answers = reference_answers(read_notebook(source_dir))
        for cell in notebook.cells:
            own = case_dir / f"{cell.id}.py"
            by_hand = cell.metadata.get("nbgrader", {}).get("grade", False)
            if own.exists():
                cell.source = own.read_text(encoding="utf-8").rstrip("\n")
            elif cell.id in answers and (not by_hand or expect["kind"] == "reference"):
                cell.source = answers[cell.id]
    for edit in expect.get("edits", []):
        apply_edit(notebook, edit)
    return notebook
