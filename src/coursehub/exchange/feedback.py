"""Which hand-ins have been given back: the pages of feedback that staff released."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from coursehub.course.model import Course
from coursehub.exchange.folders import PLACES, SECRET_FILE, FolderName


def page_name(secret: str, notebook: str) -> str:
    """The file name of a notebook's feedback.

    nbgrader names it by the MD5 of the hand-in's secret and the notebook's name without its end.
    """
    digest = hashlib.md5(f"{secret}{notebook}".encode(), usedforsecurity=False)
    return f"{digest.hexdigest()}.html"


def given_back(root: Path, course: Course) -> set[tuple[str, str, datetime]]:
    """The hand-ins with feedback, of a whole class at once: user name, assignment, when received.

    Args:
        root: nbgrader's exchange root.
        course: The course.
    """
    folder = root / course.id
    pages = {page.name for page in (folder / "feedback").glob("*.html")}
    return set(_with_pages(folder, course, pages)) if pages else set()


def _with_pages(
    folder: Path, course: Course, pages: set[str]
) -> Iterator[tuple[str, str, datetime]]:
    notebooks = {each.name: each.notebook.removesuffix(".ipynb") for each in course.assignments}
    for hand_in in (path for place in PLACES for path in (folder / place).glob("*")):
        with suppress(ValueError, OSError):  # what is no hand-in has no feedback
            name = FolderName.read(hand_in.name)
            notebook = notebooks.get(name.assignment)
            if notebook is None:
                continue
            if page_name((hand_in / SECRET_FILE).read_text(), notebook) in pages:
                yield name.username, name.assignment, name.received
