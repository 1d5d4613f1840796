"""Due dates, extensions and names of nbgrader's gradebook, from the course and its roster.

nbgrader reads lateness from its gradebook: a due date that is not there means "never late". So the
dates are written whenever a students' version is generated and before every autograding and
feedback.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from nbformat.notebooknode import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Any as AnyTrait

from coursehub.course.model import Course
from coursehub.course.schedule import window
from coursehub.errors import NotFound
from coursehub.gradebook.edits import create_tables


class Student(Protocol):
    """A person as the gradebook shows them."""

    @property
    def name(self) -> str:
        """Full name, in whatever order they write it."""

    @property
    def number(self) -> str:
        """Student number."""

    @property
    def email(self) -> str:
        """Address."""

    @property
    def role(self) -> str:
        """`student`, `ta` or `instructor`."""


class Students(Protocol):
    """The roster as the gradebook needs it; `exchange.roster.Roster` is one."""

    def find(self, username: str) -> Student | None:
        """The active person of that name."""

    def extended_until(self, username: str, assignment: str) -> datetime | None:
        """The first late instant of an extension, or None."""


# nbgrader asks whether a hand-in came *after* the due date; the course says which instant is the
# first that is late. The last instant that is not late is one tick before.
_TICK = timedelta(microseconds=1)

_NOBODY = "."


class CourseStep(NbGraderPreprocessor):
    """A step of nbgrader's that knows the course; `c.CourseStep` configures all of them."""

    course: Course = AnyTrait(help="The course.").tag(config=True)
    students: Students = AnyTrait(help="The roster.").tag(config=True)

    def gradebook(self, resources: dict[str, Any]) -> Gradebook:
        """nbgrader's gradebook, with our tables beside its own; to be closed again."""
        gradebook = Gradebook(resources["nbgrader"]["db_url"])
        create_tables(gradebook.engine)
        return gradebook


class SyncDueDates(CourseStep):
    """Writes the course's due date, the student's extension and name into the gradebook."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Write them; the notebook stays as it is."""
        names = resources["nbgrader"]
        assignment, student = names["assignment"], names["student"]
        with self.gradebook(resources) as gradebook:
            sync_due_date(gradebook, self.course, assignment, student, self.students)
            sync_name(gradebook, student, self.students)
        return nb, resources


def sync_due_date(
    gradebook: Gradebook,
    course: Course,
    assignment: str,
    student: str,
    students: Students,
) -> None:
    """Write an assignment's due date, and a student's extension of it.

    An assignment that the course does not schedule is left alone. While the students' version is
    generated there is no student: nbgrader then calls them ".".
    """
    try:
        scheduled = course.assignment(assignment)
    except NotFound:
        return
    usual = window(course, scheduled)
    gradebook.update_or_create_assignment(assignment, duedate=_naive(usual.on_time_before - _TICK))
    if student != _NOBODY:
        own = window(course, scheduled, students.extended_until(student, assignment))
        extension = own.on_time_before.astimezone(UTC) - usual.on_time_before.astimezone(UTC)
        gradebook.update_or_create_submission(assignment, student, extension=extension)


def sync_name(gradebook: Gradebook, username: str, students: Students) -> None:
    """Write who a student is.

    nbgrader shows "last name, first name". Which part of a name is which differs between peoples,
    so it gets the whole name and the student number.
    """
    found = students.find(username)
    if found:
        gradebook.update_or_create_student(
            username, last_name=found.name, first_name=found.number, email=found.email
        )


def _naive(instant: datetime) -> datetime:
    """nbgrader keeps naive UTC."""
    return instant.astimezone(UTC).replace(tzinfo=None)
