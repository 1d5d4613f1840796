"""Hand-ins of earlier terms, in a folder or archive: as `export-lms` writes it, or nbgrader's."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from coursehub.course.model import Assignment
from coursehub.errors import BadSubmission, CourseHubError
from coursehub.exchange.lms import archive
from coursehub.grading.intake import Submission, read_submission
from coursehub.grading.source import Source


@dataclass(frozen=True)
class Earlier:
    """One student's hand-in of an earlier term.

    Attributes:
        who: The name that it lies under.
        files: The assignment's own names -> what reads them.
    """

    who: str
    files: Mapping[str, Callable[[], bytes]]

    @property
    def known_as(self) -> frozenset[str]:
        """The student's user name or number, folded."""
        return frozenset({self.who.split(" ")[0].casefold()})

    def read(self, source: Source, scratch: Path) -> Submission:
        """Read it as any hand-in.

        Raises:
            BadSubmission: It cannot be read.
        """
        with TemporaryDirectory(dir=scratch) as folder:
            for name, content in self.files.items():
                Path(folder, name).write_bytes(content())
            return read_submission(Path(folder), source)


@contextmanager
def earlier_term(
    path: Path, assignment: Assignment, timezone: ZoneInfo, limit: int
) -> Iterator[list[Earlier]]:
    """The hand-ins of an assignment in a folder or a ZIP file, by name.

    Known are names as the LMS gives them (``a0100000J_Wang-Wenjie_assignment_1.ipynb``) and
    nbgrader's folders (``STUDENT/assignment_1/assignment_1.ipynb``), however deep they lie.

    Args:
        path: The folder or archive.
        assignment: Which of its assignments.
        timezone: The course's.
        limit: Most bytes of one file.

    Raises:
        CourseHubError: It is neither, or holds no hand-in of the assignment.
    """
    if path.is_dir():
        yield _sorted(path, assignment, dict(_files(path, limit)))
        return
    with archive.opened(path, timezone, limit) as opened:
        found = {
            each.path: partial(opened.read, each) for each in opened.members if not each.refused
        }
        yield _sorted(path, assignment, found)


def label(path: Path, assignment: Assignment) -> str:
    """What people call an earlier term: the folder's or archive's name."""
    name = path.stem if path.suffix.lower() == ".zip" else path.name
    return f"{path.parent.name}/{name}" if name in (assignment.name, "submitted") else name


def _sorted(
    path: Path, assignment: Assignment, files: Mapping[str, Callable[[], bytes]]
) -> list[Earlier]:
    """Whose file each is."""
    found: dict[str, dict[str, Callable[[], bytes]]] = {}
    for name in sorted(files):
        for wanted in assignment.files:
            if who := _owner(PurePosixPath(name.replace("\\", "/")), wanted, assignment.name):
                found.setdefault(who, {})[wanted] = files[name]
    if not found:
        raise CourseHubError(
            f"holds no hand-in of {assignment.name}",
            file=str(path),
            remedy=f"Name a folder or ZIP file with STUDENT_{assignment.notebook} or "
            f"STUDENT/{assignment.name}/{assignment.notebook} in it",
        )
    return [Earlier(who, files) for who, files in sorted(found.items())]


def _owner(path: PurePosixPath, wanted: str, assignment: str) -> str:
    """Whose file it is; empty where it is none of the assignment's."""
    who = ""
    if path.name.casefold().endswith(f"_{wanted.casefold()}"):
        who = path.name[: -len(wanted) - 1].replace("_", " ")
    elif path.name == wanted and len(path.parts) > 2 and path.parts[-2] == assignment:
        who = path.parts[-3]
    return "".join(letter if letter.isprintable() else "?" for letter in who)


def _files(folder: Path, limit: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    count = 0
    for place, _, names in os.walk(folder):  # it follows no link
        for name in names:
            count += 1
            if count > archive.MAX_MEMBERS:
                raise CourseHubError(
                    f"holds more than {archive.MAX_MEMBERS:,} files",
                    file=str(folder),
                    remedy="Name the folder of one assignment",
                )
            path = Path(place, name)
            yield str(path.relative_to(folder)), partial(_content, path, limit)


def _content(path: Path, limit: int) -> bytes:
    """The bytes of a regular file, however the folder came to be."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(opened, "rb") as file:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise BadSubmission("it is no regular file")
            content = file.read(limit + 1)
    except OSError as error:
        raise BadSubmission(f"it cannot be read ({error.strerror})") from error
    if len(content) > limit:
        raise BadSubmission(f"it holds more than {limit:,} bytes")
    return content
