"""Regular files only: what nbgrader itself does with a hand-in, before ours reads it.

Stock autograding copies whatever lies in the folder. It follows links, so that a hand-in can name
any file of the course, and waits for ever at a named pipe. There is no setting for that, and so two
of its functions are replaced here, for whoever uses this configuration: the formgrader, nbgrader's
own commands and ours.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from nbgrader.converters import Autograde
from nbgrader.converters.base import BaseConverter
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import is_ignored

_STOCK_INIT = BaseConverter.init_assignment
_STOCK_TIMESTAMP = CourseDirectory.get_existing_timestamp


def take_regular_files_only() -> None:
    """Replace the two functions."""
    BaseConverter.init_assignment = _init_assignment
    CourseDirectory.get_existing_timestamp = _get_existing_timestamp


def handed_in(coursedir: CourseDirectory, student: str, assignment: str) -> Path:
    """The folder that a student handed in: the way to it resolved, itself not, it may be a link."""
    place = Path(coursedir.format_path(coursedir.submitted_directory, student, assignment))
    return place.parent.resolve() / place.name


def _init_assignment(self: Any, assignment_id: str, student_id: str) -> None:
    """Copy what lies beside the notebooks."""
    if not isinstance(self, Autograde):
        _STOCK_INIT(self, assignment_id, student_id)
        return
    source = handed_in(self.coursedir, student_id, assignment_id)
    target = Path(self._format_dest(assignment_id, student_id))
    for path in regular_files(source):
        if not is_ignored(str(path), [*self.coursedir.ignore, "*.ipynb"]):
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.unlink(missing_ok=True)
            copy.write_bytes(read_regular(path))


def _get_existing_timestamp(self: Any, dest_path: str) -> datetime | None:
    path = Path(dest_path) / "timestamp.txt"
    return _STOCK_TIMESTAMP(self, dest_path) if is_regular(path) else None


def regular_files(folder: Path) -> Iterator[Path]:
    """The regular files of a folder and of the folders in it; no link is followed."""
    if folder.is_symlink():
        return
    for name, _, files in os.walk(folder):
        yield from (path for file in files if is_regular(path := Path(name, file)))


def is_regular(path: Path) -> bool:
    """Whether it is a file itself, and no link to one."""
    with suppress(OSError):
        return stat.S_ISREG(path.lstat().st_mode)
    return False


def read_regular(path: Path) -> bytes:
    """Read a file; waits at no pipe.

    Raises:
        OSError: it is not there, or no regular file.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is no regular file")
        return file.read()
