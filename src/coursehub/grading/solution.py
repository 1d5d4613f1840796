"""The solution of an assignment, as students may have it: without hidden tests and mark schemes."""

import copy
from collections.abc import Sequence
from pathlib import Path

import nbformat

from coursehub.grading.marks import solution_text
from coursehub.grading.source import load_source


def solution(source: Path, solved: Path, modules: Sequence[str]) -> dict[str, bytes]:
    """Return file name -> content.

    Args:
        source: The instructor's folder of the assignment.
        solved: The folder with the solved modules, which `source` has as stubs; need not be there.
        modules: The names of the files that students hand in beside the notebook.

    Raises:
        CourseHubError: The instructor's folder cannot be read, or a region of it is never closed.
    """
    found = load_source(source)
    files: dict[str, bytes] = {}
    for name, notebook in found.notebooks.items():
        shown = copy.deepcopy(notebook)
        for cell in shown.cells:
            cell.source = solution_text(cell)
        files[name] = nbformat.writes(shown).encode()
    for name in modules:
        own = solved / name
        if own.is_file() or name in found.files:
            files[name] = own.read_bytes() if own.is_file() else found.files[name]
    return files
