"""Taking in a hand-in: nothing is executed, no link is followed, one bad hand-in stops nothing."""

import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from coursehub.grading.marks import marks_of
from coursehub.grading.source import Source
from coursehub.grading.strict import Rejected, read_notebook
from coursehub.grading.verdict import Finding

__all__ = ["Rejected", "Submission", "read_submission"]

MAX_BYTES = 50 * 2**20
MAX_FILES = 500
MAX_FOLDERS = 5
# What nbgrader, the exchange and editors put beside a hand-in.
_FOREIGN = re.compile(
    r"timestamp\.txt|receipt\.json|.*_info\.txt|\.DS_Store|Thumbs\.db|desktop\.ini|\._.*"
    r"|\.ipynb_checkpoints|__pycache__|__MACOSX|.*\.pyc"
)
_COPY = re.compile(r"( \(\d+\)|-Copy\d*|_copy\d*| - Copy)$", re.IGNORECASE)
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


@dataclass(frozen=True)
class Submission:
    """A hand-in, read.

    Attributes:
        name: The name of its folder.
        notebooks: Every expected file name -> the notebook handed in for it, one without cells
            where it is missing. Nothing in it is trusted.
        files: Path -> bytes of the student's other files, for the student's side only.
        findings: What was renamed, left out or missing.
    """

    name: str
    notebooks: Mapping[str, NotebookNode]
    files: Mapping[str, bytes]
    findings: tuple[Finding, ...]


def read_submission(folder: Path, source: Source, *, max_bytes: int = MAX_BYTES) -> Submission:
    """Read a hand-in of an assignment.

    Args:
        folder: The hand-in.
        source: The assignment.
        max_bytes: The most that a notebook, and the other files together, may have.

    Raises:
        Rejected: It cannot be graded, for a reason that the student can act on.
    """
    try:
        inbox = _Inbox(max_bytes)
        with _opened_folder(folder) as root:
            inbox.take(root, "")
        notebooks = _claim_notebooks(inbox, source)
        files = inbox.read_others()
        return Submission(folder.name, notebooks, files, tuple(inbox.findings))
    except OSError as error:
        if folder.is_symlink() or not folder.is_dir():
            what = "a link" if folder.is_symlink() else "no folder"
            raise Rejected(f"The hand-in is {what}", remedy="Hand in the folder itself.") from error
        raise Rejected(
            f"The hand-in cannot be read ({error.strerror})", remedy="Hand it in again."
        ) from error


@dataclass
class _Inbox:
    """The regular files of a hand-in, held open, so that what was looked at is what is read."""

    max_bytes: int
    files: dict[str, bytes | None] = field(default_factory=dict)  # None: too large
    odd: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    left: int = 0

    def __post_init__(self) -> None:
        self.left = 2 * self.max_bytes  # the notebook, and the rest

    def take(self, folder: int, prefix: str) -> None:
        """Read a folder by its descriptor, and the folders in it."""
        names = sorted(os.listdir(folder), key=lambda name: (not name.endswith(".ipynb"), name))
        for name in names:
            path = prefix + name
            if _FOREIGN.fullmatch(name):
                continue
            if len(self.files) >= MAX_FILES:
                self.note(path, f"Files past {MAX_FILES} were left out, from here on.")
                return
            kind = stat.S_IFMT(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
            if kind == stat.S_IFDIR and prefix.count("/") < MAX_FOLDERS:
                with _opened_folder(name, within=folder) as inner:
                    self.take(inner, f"{path}/")
            elif kind == stat.S_IFREG and _printable(path):
                self._read(folder, name, path)
            else:
                self.odd[path] = _KINDS.get(kind, "a file with an odd name")

    def _read(self, folder: int, name: str, path: str) -> None:
        # Not blocking: what was a file may be a pipe by now.
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with os.fdopen(opened, "rb") as file:
            about = os.fstat(opened)
            limit = min(self.max_bytes, self.left)
            if not stat.S_ISREG(about.st_mode):
                self.odd[path] = "no regular file"
            elif about.st_size > limit:
                self.files[path] = None
            else:
                data = file.read(limit + 1)
                self.files[path] = data if len(data) <= limit else None
                self.left -= len(data)

    def claim(self, path: str) -> bytes | None:
        """Take a file out."""
        return self.files.pop(path)

    def note(self, path: str, text: str, kind: str = "file") -> None:
        """Add a finding."""
        self.findings.append(Finding(kind, _readable(path), text))

    def read_others(self) -> dict[str, bytes]:
        """Return what is left, for the student's side; name what cannot be taken."""
        kept: dict[str, bytes] = {}
        room = self.max_bytes
        for path, data in self.files.items():
            if data is None or len(data) > room:
                self.note(path, f"{_readable(path)} is too large and was left out.")
            elif path.endswith(".ipynb"):
                self.note(path, f"{_readable(path)} is a notebook that was not asked for.", "added")
            else:
                kept[path] = data
                room -= len(data)
        for path, what in self.odd.items():
            self.note(path, f"{_readable(path)} is {what} and was left out.")
        return kept


def _claim_notebooks(inbox: _Inbox, source: Source) -> dict[str, NotebookNode]:
    found: dict[str, NotebookNode] = {}
    missing = []
    for expected in source.notebooks:
        path = _find(inbox, expected)
        if path is None:
            missing.append(expected)
        else:
            found[expected] = _read_claimed(inbox, path, expected)
    for expected in list(missing):
        notebook = _recognise(inbox, source, expected)
        if notebook is not None:
            found[expected] = notebook
            missing.remove(expected)
    if not found:
        raise _no_notebook(inbox, missing)
    for expected in missing:
        inbox.note(expected, f"The notebook {expected} is missing from the hand-in.", "deleted")
        found[expected] = nbformat.v4.new_notebook()
    return {expected: found[expected] for expected in source.notebooks}


def _find(inbox: _Inbox, expected: str) -> str | None:
    """Find the file of an expected notebook: by its name, then by what tools make of it."""
    if expected in inbox.odd:
        raise Rejected(
            f"The notebook {expected} is {inbox.odd[expected]}, not a file",
            remedy="Hand in the notebook itself.",
        )
    if expected in inbox.files:
        return expected
    alike = [path for path in inbox.files if "/" not in path and _stands_for(path, expected)]
    if len(alike) > 1:
        names = " and ".join(_readable(path) for path in sorted(alike)[:3])
        raise Rejected(
            f"Several files could be the notebook {expected}: {names}",
            remedy=f"Hand in one, named {expected}.",
        )
    return alike[0] if alike else None


def _stands_for(path: str, expected: str) -> bool:
    stem, wanted = (_plain_stem(name) for name in (path, expected))
    return path.lower().endswith(".ipynb") and (stem == wanted or stem.endswith(f"_{wanted}"))


def _plain_stem(name: str) -> str:
    stem = unicodedata.normalize("NFKC", name).strip()
    while stem.lower().endswith(".ipynb"):
        stem = stem[: -len(".ipynb")]
    return _COPY.sub("", stem).strip().lower().replace(" ", "_")


def _read_claimed(inbox: _Inbox, path: str, expected: str) -> NotebookNode:
    data = inbox.claim(path)
    if data is None:
        raise Rejected(
            f"The notebook {_readable(path)} is larger than {inbox.max_bytes / 2**20:g} MiB",
            remedy="Clear all outputs, save, and hand it in again.",
        )
    notebook = read_notebook(_readable(path), data)
    if path != expected:
        inbox.note(path, f"{_readable(path)} was handed in as {expected}.", "renamed")
    return notebook


def _recognise(inbox: _Inbox, source: Source, expected: str) -> NotebookNode | None:
    """Recognise a notebook under a name of the student's own, by the cells that are in it."""
    wanted = _grade_ids(source.notebooks[expected])
    for path, data in inbox.files.items():
        if "/" in path or not path.lower().endswith(".ipynb") or data is None:
            continue
        try:
            notebook = read_notebook(_readable(path), data)
        except Rejected:
            continue
        if wanted & _grade_ids(notebook):
            inbox.claim(path)
            inbox.note(path, f"{_readable(path)} was recognised as {expected}.", "renamed")
            return notebook
    return None


def _grade_ids(notebook: NotebookNode) -> set[str]:
    return {marks.id for cell in notebook.cells if (marks := marks_of(cell))}


def _no_notebook(inbox: _Inbox, missing: list[str]) -> Rejected:
    wanted = " and ".join(missing)
    there = [_readable(path) for path in (*inbox.files, *inbox.odd)][:5]
    return Rejected(
        f"The hand-in has no notebook named {wanted}; it holds {', '.join(there) or 'nothing'}",
        remedy=f"Hand in {wanted} under this name.",
    )


@contextmanager
def _opened_folder(folder: Path | str, within: int | None = None) -> Iterator[int]:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=within)
    try:
        yield opened
    finally:
        os.close(opened)


def _printable(path: str) -> bool:
    return path.isprintable() and len(path.encode("utf-8", "replace")) < 1024


def _readable(path: str) -> str:
    """A path as it can be shown: no control characters, not endless."""
    text = "".join(character if character.isprintable() else "?" for character in path)
    return text if len(text) <= 100 else f"{text[:97]}..."
