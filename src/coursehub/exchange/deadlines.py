"""One student's deadlines: the course's rule, and what staff granted on top of it."""

import logging
from datetime import datetime
from pathlib import Path

from coursehub.course.idle import NEAR
from coursehub.course.load import load_course
from coursehub.course.model import Assignment, Course, Work
from coursehub.course.schedule import Window, window
from coursehub.errors import CourseFileError
from coursehub.exchange.roster import Roster

log = logging.getLogger(__name__)


class CourseFile:
    """`course.yml` as it stands now: an edited file takes effect without a restart."""

    def __init__(self, path: Path) -> None:
        """Read `path`.

        Raises:
            CourseFileError: when the file is wrong. Later on a wrong edit is only logged, and the
                last good version stays in force: a slip of the pen must not close the exchange.
        """
        self._path = path
        self._version = self._stat()
        self._course = load_course(path)

    @property
    def course(self) -> Course:
        """The last good version of the file."""
        version = self._stat()
        if version != self._version:
            self._version = version
            try:
                self._course = load_course(self._path)
                log.info("%s was read again", self._path)
            except CourseFileError as error:
                log.error("%s The last good version stays in force.", error)
        return self._course

    def _stat(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_size


class Deadlines:
    """The effective window of any student and assignment."""

    def __init__(self, course_file: CourseFile, roster: Roster) -> None:
        """Combine the rule in `course_file` with the extensions in `roster`."""
        self._course_file = course_file
        self._roster = roster

    @property
    def course(self) -> Course:
        """The course as it stands now."""
        return self._course_file.course

    def window(self, username: str, assignment: Work) -> Window:
        """Release and due times of `assignment` for `username`."""
        until = self._roster.extended_until(username, assignment.name)
        return window(self.course, assignment, until)

    def pressing(self, username: str, now: datetime) -> list[Assignment]:
        """The assignments that are due for `username` within the next day."""
        return [
            assignment
            for assignment in self.course.assignments
            if now < self.on_time_before(username, assignment) <= now + NEAR
        ]

    def on_time_before(self, username: str, assignment: Work) -> datetime:
        """The first instant that is late for `username`."""
        return self.window(username, assignment).on_time_before
