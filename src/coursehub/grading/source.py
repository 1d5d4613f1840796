"""The instructor's folder of an assignment: notebooks, modules and data, as plain values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from coursehub.errors import CourseHubError

_SKIPPED = {".ipynb_checkpoints", "__pycache__", ".git"}


@dataclass(frozen=True)
class Source:
    """An assignment as its author wrote it.

    Attributes:
        folder: Where it was read.
        notebooks: File name -> notebook (nbformat 4.5, every cell with an id).
        files: Path within the folder -> bytes, for all that is no notebook.
    """

    folder: Path
    notebooks: Mapping[str, NotebookNode]
    files: Mapping[str, bytes]

    @property
    def name(self) -> str:
        """The assignment's name, which is the folder's."""
        return self.folder.resolve().name

    @property
    def modules(self) -> Mapping[str, bytes]:
        """The extra .py files, which belong to the student once handed in."""
        return {path: data for path, data in self.files.items() if path.endswith(".py")}


def load_source(folder: Path) -> Source:
    """Read the instructor's folder.

    Raises:
        CourseHubError: There is no such folder, no notebook in it, or one that cannot be read.
    """
    if not folder.is_dir():
        raise CourseHubError(
            "is no folder", file=str(folder), remedy="Name the instructor's folder, as in source/."
        )
    notebooks: dict[str, NotebookNode] = {}
    files: dict[str, bytes] = {}
    for path in _walk(folder):
        if path.parent == folder and path.suffix == ".ipynb":
            notebooks[path.name] = _read(path)
        else:
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
    if not notebooks:
        raise CourseHubError(
            "holds no notebook", file=str(folder), remedy="Name the folder of one assignment."
        )
    return Source(folder, notebooks, files)


def language_of(notebook: NotebookNode) -> str:
    """Return the language of a notebook's kernel, as nbgrader reads it."""
    return str(notebook.metadata.get("kernelspec", {}).get("language", "python"))


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in _SKIPPED:
            continue
        if path.is_dir():
            yield from _walk(path)
        elif path.is_file():
            yield path


def _read(path: Path) -> NotebookNode:
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8-sig"), as_version=4)
    except Exception as error:  # nbformat raises whatever its parts do
        raise CourseHubError(
            f"is no notebook that nbformat reads ({error})",
            file=str(path),
            remedy="Open and save it in JupyterLab.",
        ) from error
    taken = {cell.get("id") for cell in notebook.cells}
    for number, cell in enumerate(notebook.cells, start=1):
        cell.source = cell.source.replace("\r\n", "\n")
        if not cell.get("id"):
            # Not a random one: what is recorded about a cell stays true from run to run.
            name = f"cell-{number}"
            cell["id"] = name if name not in taken else f"{name}-of-{path.stem}"
    notebook.nbformat_minor = 5
    return notebook
