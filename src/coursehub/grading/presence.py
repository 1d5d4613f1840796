"""Who has which hand-in open in the formgrader, so that two graders do not work on the same one.

Each open page says so every half minute. What it says lies as a small file in the course folder,
where the servers of all graders see it, and counts for a while; nothing depends on it.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nbgrader.api import MissingEntry
from nbgrader.server_extensions.formgrader.base import (
    BaseApiHandler,
    check_notebook_dir,
    check_xsrf,
)
from tornado import web

from coursehub.grading.edits import decisions_of

_FOLDER = ".open"
COUNTS = 90.0
"""Seconds for which a page that says nothing any more counts as open: browsers let pages in the
background say so once a minute."""


@dataclass(frozen=True)
class Open:
    """A hand-in that somebody has open.

    Attributes:
        submission: nbgrader's id of the graded notebook.
        assignment: Its assignment.
        student: Whose it is.
        who: User name of who has it open.
        name: Their full name.
    """

    submission: str
    assignment: str
    student: str
    who: str
    name: str


def note(course_dir: Path, opened: Open, now: float) -> None:
    """Write down that it is open now (seconds since the epoch)."""
    file = _file(course_dir, opened.submission, opened.who)
    file.parent.mkdir(exist_ok=True)
    unfinished = file.with_name(f".{file.name}")  # others read at any time
    unfinished.write_text(json.dumps(asdict(opened)))
    os.utime(unfinished, (now, now))
    unfinished.replace(file)


def forget(course_dir: Path, submission: str, who: str) -> None:
    """Write down that somebody has closed it."""
    _file(course_dir, submission, who).unlink(missing_ok=True)


def open_now(course_dir: Path, now: float) -> list[Open]:
    """Everything that is open, by who has it; what does not count any more is removed."""
    return sorted(_read(course_dir / _FOLDER, now), key=lambda each: (each.name, each.submission))


def _read(folder: Path, now: float) -> Iterator[Open]:
    for file in folder.glob("[!.]*"):
        with suppress(FileNotFoundError):  # closed at this moment
            if now - file.stat().st_mtime > COUNTS:
                file.unlink()
            else:
                yield Open(**json.loads(file.read_text()))


def _file(course_dir: Path, submission: str, who: str) -> Path:
    return course_dir / _FOLDER / f"+{quote(submission, safe='')}+{quote(who, safe='')}"[:200]


class _PresenceHandler(BaseApiHandler):
    """What the handlers share."""

    waits_for_turn = False

    @property
    def course_dir(self) -> Path:
        return Path(self.coursedir.root)

    def tell(self, found: list[Open]) -> None:
        self.finish({"open": [asdict(each) for each in found]})


class OpenHandler(_PresenceHandler):
    """Where the page of a hand-in says that it is open, or was closed."""

    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    def post(self, submission: str) -> None:
        """Note it; answer who else has this hand-in open."""
        try:
            found = self.gradebook.find_submission_notebook_by_id(submission)
        except MissingEntry:
            raise web.HTTPError(404, "There is no such hand-in") from None
        who, now = self.current_user.username, time.time()
        here = [each for each in open_now(self.course_dir, now) if each.submission == submission]
        own = next((each for each in here if each.who == who), None)
        if own is None:
            names = (submission, found.assignment.assignment.name, found.student.id)
            own = Open(*names, who, decisions_of(self.settings).name(who))
        note(self.course_dir, own, now)
        self.tell([each for each in here if each.who != who])

    @web.authenticated
    @check_xsrf
    def delete(self, submission: str) -> None:
        """Forget it."""
        forget(self.course_dir, submission, self.current_user.username)
        self.set_status(204)


class OpenListHandler(_PresenceHandler):
    """Where the lists ask who has which hand-in of an assignment open."""

    @web.authenticated
    @check_xsrf
    def get(self, assignment: str) -> None:
        """Say it."""
        found = open_now(self.course_dir, time.time())
        self.tell([each for each in found if each.assignment == assignment])


HANDLERS: list[tuple[str, Any]] = [
    (r"/formgrader/api/open/submission/([^/]+)", OpenHandler),
    (r"/formgrader/api/open/assignment/([^/]+)", OpenListHandler),
]
