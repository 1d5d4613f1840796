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

import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from coursehub.grading.handin import fill, read_notebook, reference_answers


def expectation(case_dir: Path) -> dict[str, Any]:
    """Read the case's ``expect.yml``."""
    return yaml.safe_load((case_dir / "expect.yml").read_text(encoding="utf-8"))


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
        if expect["kind"] != "reference":
            answers = {name: text for name, text in answers.items() if not _by_hand(notebook, name)}
        own = {path.stem: path.read_text().rstrip("\n") for path in case_dir.glob("*.py")}
        fill(notebook, answers | own)
    for edit in expect.get("edits", []):
        apply_edit(notebook, edit)
    return notebook


def _by_hand(notebook: NotebookNode, name: str) -> bool:
    cell = next(cell for cell in notebook.cells if cell.id == name)
    return bool(cell.metadata.nbgrader.grade)
