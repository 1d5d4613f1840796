"""Build the hand-in of a test case: a release with the case's answers filled in.

A case is a folder with an ``expect.yml`` and, for each answer that is not the reference one, a file
named after its cell (``a1_t2.py``). Any other ``.py`` is a module that students write; where a case
has none of its own, it hands in the solved one of ``solutions/``. ``expect.yml`` has these keys:

kind
    reference, untouched, alternative, mutant, crash or edits
about
    one line for people
loses
    the tasks that lose points (``[t2]``); every other task keeps full marks
fails
    optional: the test cells that get no points
missed
    optional, of a mutant that no test catches and that loses nothing: why
edits
    optional: changes outside the answers, applied in order, each one of
    ``{cell: ID, source: TEXT}``, ``{add_after: ID, source: TEXT}``, ``{delete: ID}``
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from coursehub.grading.handin import fill, read_notebook, reference_answers


def expectation(case: Path) -> dict[str, Any]:
    """Read the case's ``expect.yml``."""
    return yaml.safe_load((case / "expect.yml").read_text(encoding="utf-8"))


def hand_in(
    case: Sequence[Path], source: Path, release: Path, solutions: Path, place: Path
) -> Path:
    """Write a case's hand-in to a new folder, and return it.

    Args:
        case: the case's folders; no two of them have a file of the same name. They are of one kind,
            but the reference may be followed by edits.
        source: the instructor's version.
        release: the students' version.
        solutions: the solved modules; need not exist.
        place: the folder to write.

    Raises:
        ValueError: a file of the case is neither a cell's answer nor a module of the assignment.
    """
    shutil.copytree(release, place)
    notebook = read_notebook(release)
    expect = [expectation(folder) for folder in case]
    kind = expect[0]["kind"]
    answers, modules = _answers(case, notebook, source)
    if kind != "untouched":
        for module in [*solutions.glob("*.py"), *modules]:
            shutil.copy(module, place)
        fill(notebook, _reference(kind, source) | answers)
    for edit in (edit for each in expect for edit in each.get("edits", [])):
        apply_edit(notebook, edit)
    nbformat.write(notebook, place / f"{source.name}.ipynb")
    return place


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


def _reference(kind: str, source: Path) -> dict[str, str]:
    """The reference answers; those graded by hand cost time, and only the reference gives them."""
    notebook = read_notebook(source)
    answers = reference_answers(notebook)
    if kind == "reference":
        return answers
    tested = {cell.id for cell in notebook.cells if not cell.metadata.nbgrader.get("grade")}
    return {name: text for name, text in answers.items() if name in tested}


def _answers(
    case: Sequence[Path], notebook: NotebookNode, source: Path
) -> tuple[dict[str, str], list[Path]]:
    """The case's own answers by cell, and its own modules."""
    cells = {cell.id for cell in notebook.cells}
    files = sorted(path for folder in case for path in folder.glob("*.py"))
    modules = [path for path in files if path.stem not in cells]
    for path in modules:
        if not (source / path.name).exists():
            raise ValueError(f"{path} is neither an answer's cell nor a module of {source.name}")
    answers = {path.stem: path.read_text().rstrip("\n") for path in files if path.stem in cells}
    return answers, modules
