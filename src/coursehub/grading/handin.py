"""Making a hand-in: a released notebook with answers filled in, as a student would."""

from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode

_MARKERS = ("### BEGIN SOLUTION", "### END SOLUTION")


def read_notebook(assignment_dir: Path) -> NotebookNode:
    """Read the assignment's one notebook, which is named like its folder."""
    return nbformat.read(assignment_dir / f"{assignment_dir.name}.ipynb", as_version=4)


def reference_answers(source: NotebookNode) -> dict[str, str]:
    """The text of every solution cell of the instructor's version, by cell id, without markers."""
    return {
        cell.id: "\n".join(
            line for line in cell.source.split("\n") if not line.strip().startswith(_MARKERS)
        )
        for cell in source.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }


def fill(released: NotebookNode, answers: Mapping[str, str]) -> NotebookNode:
    """Put answers (cell id -> text) into a released notebook, in place, and return it."""
    for cell in released.cells:
        if cell.id in answers:
            cell.source = answers[cell.id]
    return released


def as_bytes(notebook: NotebookNode) -> bytes:
    """The notebook as the bytes of its file."""
    return nbformat.writes(notebook).encode()
