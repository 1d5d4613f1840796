"""Build the hand-in of a corpus case: a released notebook, tampered with by a short recipe.

A case is a folder with an ``edit.yml`` (the recipe) and an ``expect.yml``. Recipe:

about
    one line for people
assignment
    which folder of ``sources/`` it is a hand-in of; ``assignment_1`` unless given
answers
    cell -> text, in place of the reference answer; ``blank: true`` leaves all of them as released
cells
    edits, applied in order, each one of ``{cell: ID, ...}`` with any of ``source``, ``type``,
    ``id``, ``tags``, ``marks`` (nbgrader's metadata, null takes a key out), ``metadata``,
    ``outputs``;
    ``{add_after: ID, source: TEXT}``, ``{delete: ID}``, ``{copy: ID}`` (pasted once more right
    below) or ``{move: ID, to: PLACE}``
notebook
    keys of the notebook itself to set
files
    name -> text of further files
name
    the notebook's file name
bytes
    what happens to the file's bytes: ``encoding``, ``bom``, ``crlf``, ``cut`` (bytes kept),
    ``drop_ids`` (of cells), ``replace`` (a pair of texts) or ``raw`` (text in place of all)
instead
    ``link``, ``pipe``, ``folder`` or ``nothing`` in place of the notebook

``expect.yml``: ``status``; ``points`` of test cells that do not get all of theirs (``others: any``
where the rest may get less, too); ``findings``, the kinds that must be among those found; and
``clean: true`` where nothing at all may be found. ``sandbox: docker`` is for what only a container
holds. ``@FOLDER@`` in a recipe's texts is the hand-in's own folder, ``@PORT@`` a port on which the
test listens, ``@10MB@`` a text of that size and ``@DIGITS@`` a number of a million digits.
"""

import os
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions

from coursehub.grading.handin import fill, read_notebook, reference_answers

HERE = Path(__file__).parent
SOURCES = HERE / "sources"
CASES = sorted(path.parent for path in HERE.glob("*/edit.yml"))


def recipe_of(case: Path) -> dict[str, Any]:
    """Read how the case's hand-in is made."""
    return yaml.safe_load((case / "edit.yml").read_text(encoding="utf-8"))


def expectation(case: Path) -> dict[str, Any]:
    """Read what the case must get."""
    return yaml.safe_load((case / "expect.yml").read_text(encoding="utf-8"))


def source_of(case: Path) -> Path:
    """Return the folder of the assignment that the case is a hand-in of."""
    return SOURCES / recipe_of(case).get("assignment", "assignment_1")


def worth(source: Path) -> dict[str, float]:
    """Return the points of a source's test cells."""
    marks = [cell.metadata.get("nbgrader", {}) for cell in read_notebook(source).cells]
    return {m["grade_id"]: m["points"] for m in marks if m.get("grade") and not m["solution"]}


def hidden_lines(source: Path) -> list[str]:
    """Return what is in a source notebook and not in its release, but for the markers."""
    before, after = (
        {line.strip() for cell in notebook.cells for line in cell.source.split("\n")}
        for notebook in (read_notebook(source), release(source))
    )
    return [line for line in before - after if len(line) > 10 and not line.startswith("###")]


def release(source: Path) -> NotebookNode:
    """Return what nbgrader makes of a source notebook for the students."""
    notebook = read_notebook(source)
    for preprocessor in (ClearSolutions(), ClearHiddenTests()):
        notebook, _ = preprocessor.preprocess(notebook, {})
    return notebook


def build(case: Path, folder: Path, port: int) -> None:
    """Write the case's hand-in into a folder, which must not be there yet."""
    folder.mkdir(parents=True)
    places = {"@FOLDER@": str(folder), "@PORT@": str(port)}
    places |= {"@10MB@": "x" * 10_000_000, "@DIGITS@": "1" * 1_000_000}
    recipe = _filled(recipe_of(case), places)
    source = source_of(case)
    for name, text in recipe.get("files", {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    place = folder / recipe.get("name", f"{source.name}.ipynb")
    if "instead" in recipe:
        _put_instead(recipe["instead"], place, source)
        return
    notebook = release(source)
    if not recipe.get("blank"):
        fill(notebook, reference_answers(read_notebook(source)) | recipe.get("answers", {}))
    for edit in recipe.get("cells", []):
        _apply(notebook, edit)
    notebook.update(nbformat.from_dict(recipe.get("notebook", {})))
    place.write_bytes(_as_bytes(notebook, recipe.get("bytes", {})))


def _filled(value: Any, places: dict[str, str]) -> Any:
    match value:
        case str():
            for name, text in places.items():
                value = value.replace(name, text)
            return value
        case list():
            return [_filled(each, places) for each in value]
        case dict():
            return {key: _filled(each, places) for key, each in value.items()}
    return value


def _apply(notebook: NotebookNode, edit: dict[str, Any]) -> None:
    place = next(
        edit[key] for key in ("cell", "add_after", "delete", "copy", "move") if key in edit
    )
    index = next(i for i, cell in enumerate(notebook.cells) if cell.id == place)
    cell = notebook.cells[index]
    if "add_after" in edit:
        notebook.cells.insert(index + 1, new_code_cell(edit["source"]))
    elif "delete" in edit:
        del notebook.cells[index]
    elif "copy" in edit:
        copied = nbformat.from_dict({**cell, "id": f"{cell.id}-copy"})
        notebook.cells.insert(index + 1, copied)
    elif "move" in edit:
        notebook.cells.insert(edit["to"], notebook.cells.pop(index))
    else:
        _change(cell, edit)


def _change(cell: NotebookNode, edit: dict[str, Any]) -> None:
    cell.source = edit.get("source", cell.source)
    if "type" in edit:
        cell.cell_type = edit["type"]
        for key in ("outputs", "execution_count"):
            cell.pop(key, None)
    for key, value in edit.get("marks", {}).items():
        cell.metadata.nbgrader[key] = value
        if value is None:
            del cell.metadata.nbgrader[key]
    if "tags" in edit:
        cell.metadata.tags = edit["tags"]
    cell.metadata.update(nbformat.from_dict(edit.get("metadata", {})))
    if "outputs" in edit:
        cell.outputs = nbformat.from_dict(edit["outputs"])
    cell["id"] = edit.get("id", cell.id)


def _put_instead(what: str, place: Path, source: Path) -> None:
    if what == "link":
        place.symlink_to(source / f"{source.name}.ipynb")
    elif what == "pipe":
        os.mkfifo(place)
    elif what == "folder":
        place.mkdir()


def _as_bytes(notebook: NotebookNode, how: dict[str, Any]) -> bytes:
    # Not nbformat.writes: it repairs and refuses what a case is about.
    if how.get("drop_ids"):
        for cell in notebook.cells:
            del cell["id"]
    text = str(how.get("raw", nbformat.v4.writes(notebook)))
    if "replace" in how:
        before, after = how["replace"]
        assert before in text
        text = text.replace(before, after, 1)
    if how.get("crlf"):
        text = text.replace("\n", "\r\n").replace("\\n", "\\r\\n")
    data = ("\ufeff" * bool(how.get("bom")) + text).encode(how.get("encoding", "utf-8"))
    return data[: how.get("cut", len(data))]
