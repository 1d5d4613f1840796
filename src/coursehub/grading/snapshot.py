"""A private copy of a folder that others may change meanwhile, and fill with links.

The grader reads what staff and the exchange lay down, and holds secrets that they do not. Nothing
here follows a link: not as a file, not as a folder on the way, not if one is put there between two
looks.
"""

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from coursehub.errors import CourseHubError

_PIECE = 1024 * 1024


def snapshot(root: Path, names: Sequence[str], target: Path) -> Path:
    """Copy the regular files of `root`/`names`..., and no others, to a new folder; return that.

    Args:
        root: A folder whose own path is beyond doubt.
        names: The folders below it, one after the other; each a plain name.
        target: Where to put the copy, which is named as the last folder.

    Raises:
        CourseHubError: There is no such folder, or a name is none.
    """
    if any(name in ("", ".", "..") or "/" in name or "\0" in name for name in names):
        raise CourseHubError(f"{list(names)!r} names no folder")
    copy = target / names[-1]
    with ExitStack() as stack:
        try:
            above = _open(stack, str(root))
            for name in names[:-1]:
                above = _open(stack, name, above)
            _open(stack, names[-1], above)
        except OSError as error:
            where = root.joinpath(*names)
            raise CourseHubError(f"is no folder ({error.strerror})", file=str(where)) from error
        for place, _, files, folder in os.fwalk(names[-1], dir_fd=above):
            here = copy / Path(place).relative_to(names[-1])
            here.mkdir(parents=True)
            for name in files:
                _copy(name, folder, here / name)
    return copy


def _open(stack: ExitStack, name: str, above: int | None = None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | (0 if above is None else os.O_NOFOLLOW)
    descriptor = os.open(name, flags, dir_fd=above)
    stack.callback(os.close, descriptor)
    return descriptor


def _copy(name: str, folder: int, target: Path) -> None:
    try:
        # Opening a FIFO must not wait for somebody to write.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:  # a link, or gone meanwhile
        return
    with os.fdopen(descriptor, "rb") as source:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            with target.open("xb") as copy:
                while piece := source.read(_PIECE):
                    copy.write(piece)
