"""What may go from a home that is full, and its removal. Work is never offered.

What comes again by itself stands first: caches, the trash, checkpoints. Then what takes most room:
folders without any work in them, and single files. Notebooks, programs, reports, receipts and
repositories' histories are work, wherever they lie.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from coursehub.errors import CourseHubError
from coursehub.lab.room import Weight

KNOWN = {
    ".cache": "Programs' caches: filled again when needed",
    ".local/share/Trash": "Deleted files that still take room",
    ".npm": "A program's cache: filled again when needed",
    ".nv": "The GPU's cache: filled again when needed",
    ".local/lib": "Packages that you installed with pip; afterwards they are to be installed again",
}
"""Folders of every home -> what they are."""

KNOWN_ANYWHERE = {
    ".ipynb_checkpoints": "Copies of notebooks as last saved; the notebooks themselves stay",
    "__pycache__": "Compiled programs: made again by themselves",
}
"""Names of folders anywhere -> what they are."""

LEFT_OVER = (".saving-", ".~")
"""How files begin that a save left behind which did not come to its end."""

WORK = frozenset({".ipynb", ".py", ".pdf", ".tex", ".md", ".docx"})
"""Endings of files that are somebody's work."""

KEPT = frozenset({".git", ".ssh", "receipts", "feedback"})
"""Names of folders that are kept whatever lies in them."""

SMALLEST = 256 * 1024
"""Bytes from which something is worth a line."""

MOST = 40
"""Lines of a list."""


@dataclass(frozen=True)
class Offer:
    """Something that may go.

    Attributes:
        path: Below the home.
        size: Bytes on the disk.
        what: What it is, in words.
        again: Whether it comes again by itself.
        folder: Whether it is a folder.
        beside: The folder with work in which it lies; empty when it lies in none.
    """

    path: str
    size: int
    what: str
    again: bool = False
    folder: bool = True
    beside: str = ""


def offers(weight: Weight) -> list[Offer]:
    """What may go, what comes again by itself first, the largest first."""
    known = _known(weight)
    taken = {each.path for each in known}
    rest = {path: size for path, size in weight.files.items() if not _lies_in(path, taken)}
    with_work = {above for path in rest if is_work(path) for above in _folders_of(path)}
    folders = [
        Offer(path, size, "A folder without notebooks or programs", beside=_top(path, with_work))
        for path, size in weight.folders.items()
        if path
        and path not in with_work
        and _parent(path) in {"", *with_work}
        and not _lies_in(path, taken)
        and not is_work(path)
        # What holds something known, such as `.local`, is more than that.
        and not any(each.startswith(f"{path}/") for each in taken)
    ]
    taken |= {each.path for each in folders}
    files = [
        Offer(path, size, "A file", folder=False, beside=_top(path, with_work))
        for path, size in rest.items()
        if not is_work(path) and not _lies_in(path, taken)
    ]
    large = sorted([*folders, *files], key=lambda each: -each.size)
    return [each for each in [*known, *large] if each.size >= SMALLEST][:MOST]


def large_work(weight: Weight, at_least: int = 20 * 1024**2) -> list[tuple[str, int]]:
    """Files of work that take much room, the largest first: they are shown, never offered."""
    found = [
        (path, size)
        for path, size in weight.files.items()
        if is_work(path) and size >= at_least and not _lies_in(path, _known_paths(weight))
    ]
    return sorted(found, key=lambda each: -each[1])[:MOST]


def is_work(path: str) -> bool:
    """Whether it is somebody's work, or kept for another reason."""
    pure = PurePosixPath(path)
    return pure.suffix.lower() in WORK or not KEPT.isdisjoint(pure.parts)


def remove(home: Path, chosen: Sequence[str], offered: Iterable[Offer]) -> int:
    """Remove what was chosen of what is offered; return how many bytes that took.

    Raises:
        CourseHubError: when something was chosen that is not offered; nothing was removed then.
    """
    sizes = {each.path: each.size for each in offered}
    if unknown := [path for path in chosen if path not in sizes]:
        raise CourseHubError(
            f"{unknown[0]} is not on the list",
            remedy="It may be gone already: look at the list again",
        )
    for path in chosen:
        remove_below(home, path)
    return sum(sizes[path] for path in chosen)


def remove_below(home: Path, path: str) -> None:
    """Remove a file or a folder of the home with all in it; a link is removed, never followed.

    Raises:
        CourseHubError: for a path that leads out of the home, or over a link.
    """
    *folders, name = PurePosixPath(path).parts or ("",)
    if not name or path.startswith("/") or ".." in (*folders, name):
        raise CourseHubError(f"{path} is not in your home")
    # From folder to folder by descriptors: what is a link now, or becomes one meanwhile, ends it.
    place = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
            os.close(place)
            place = below
        is_folder = os.stat(name, dir_fd=place, follow_symlinks=False).st_mode & 0o170000 == 0o40000
        if is_folder:
            shutil.rmtree(name, dir_fd=place)
        else:
            os.unlink(name, dir_fd=place)
    except FileNotFoundError:
        return  # it is gone, which is what was wanted
    except OSError as error:
        raise CourseHubError(f"{path} could not be deleted ({error.strerror})") from error
    finally:
        os.close(place)


def _known(weight: Weight) -> list[Offer]:
    words = {path: what for path, what in KNOWN.items() if path in weight.folders}
    for path in weight.folders:
        what = KNOWN_ANYWHERE.get(path.rpartition("/")[2])
        if what and not _lies_in(path, words):
            words[path] = what
    found = [Offer(path, weight.folders[path], what, again=True) for path, what in words.items()]
    found += [
        Offer(path, size, "Left over from a save that did not end", again=True, folder=False)
        for path, size in weight.files.items()
        if path.rpartition("/")[2].startswith(LEFT_OVER) and not _lies_in(path, words)
    ]
    return sorted(found, key=lambda each: -each.size)


def _known_paths(weight: Weight) -> set[str]:
    return {each.path for each in _known(weight)}


def _folders_of(path: str) -> Iterator[str]:
    """The folders in which something lies, without the home itself."""
    while path := _parent(path):
        yield path


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _lies_in(path: str, folders: Iterable[str]) -> bool:
    """Whether it is one of them, or lies in one."""
    return path in folders or any(above in folders for above in _folders_of(path))


def _top(path: str, with_work: set[str]) -> str:
    """The first folder of the path, where that holds work."""
    first = path.partition("/")[0]
    return first if first in with_work else ""
