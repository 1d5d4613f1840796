"""Due dates, extensions and late penalties of nbgrader's gradebook, from the course's one rule.

nbgrader reads lateness from its gradebook: a due date that is not there means "never late", and a
penalty is what it was when a notebook was last graded. So the dates are written whenever a
students' version is generated and before every autograding and feedback, and the penalty is
derived anew each time.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from nbformat.notebooknode import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Any as AnyTrait

from coursehub.course.late import credit
from coursehub.course.model import Course
from coursehub.course.schedule import window
from coursehub.errors import NotFound


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


def configure_gradebook(c: Any, course: Course, students: Students) -> None:
    """Add the seams to nbgrader's configuration `c`, before its own steps.

    Args:
        c: nbgrader's configuration, already filled for the pipeline.
        course: the course.
        students: who they are, and who has more time.
    """
    c.SyncDueDates.course = course
    c.SyncDueDates.students = students
    c.CoursePenalty.course = course
    c.AssignLatePenalties.plugin_class = CoursePenalty
    c.GenerateAssignment.preprocessors.prepend([SyncDueDates])
    for converter, steps in ((c.Autograde, "sanitize_preprocessors"),
                             (c.GenerateFeedback, "preprocessors")):  # fmt: skip
        converter[steps] = [SyncDueDates, *converter[steps]]


class SyncDueDates(NbGraderPreprocessor):
    """Writes the course's due date, the student's extension and name into the gradebook."""

    course: Course = AnyTrait(help="The course.").tag(config=True)
    students: Students = AnyTrait(help="The roster.").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Write them; the notebook stays as it is."""
        names = resources["nbgrader"]
        assignment, student = names["assignment"], names["student"]
        with Gradebook(names["db_url"]) as gradebook:
            sync_due_date(gradebook, self.course, assignment, student, self.students)
            sync_name(gradebook, student, self.students)
        return nb, resources


class CoursePenalty(LateSubmissionPlugin):
    """The points that a late hand-in loses, by the course's late policy."""

    course: Course = AnyTrait(help="The course.").tag(config=True)

    def late_submission_penalty(
        self, student_id: str, score: float, total_seconds_late: float
    ) -> float:
        """Points to take off `score`."""
        share = credit(self.course.late, timedelta(seconds=total_seconds_late))
        return score - score * float(share)


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
