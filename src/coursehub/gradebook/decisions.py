"""What staff look at and do when they decide about edits, in the formgrader or a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from nbgrader.api import MissingEntry

from coursehub.course.model import Course
from coursehub.course.schedule import say
from coursehub.errors import NotFound
from coursehub.gradebook.edits import (
    Edited,
    assignments_edited,
    checked,
    decide,
    edited,
    opened,
)
from coursehub.gradebook.penalty import settle
from coursehub.gradebook.sync import Students


@dataclass(frozen=True)
class CourseDecisions:
    """A course's edits outside the answers, and what was decided about them.

    Args:
        course: The course.
        url: SQLAlchemy URL of the gradebook.
        students: The roster.
    """

    course: Course
    url: str
    students: Students

    @property
    def cap(self) -> int:
        """The most that edits may cost, in percent."""
        return self.course.edits.cap

    def overview(self) -> list[tuple[str, int, int]]:
        """Assignments with edited hand-ins: name, how many, how many of them are open."""
        with opened(self.url, self.course) as gradebook:
            found = {
                name: edited(gradebook, self.course, name) for name in assignments_edited(gradebook)
            }
        return [
            (name, len(hand_ins), sum(each.open for each in hand_ins))
            for name, hand_ins in found.items()
        ]

    def hand_ins(self, assignment: str) -> Sequence[Edited]:
        """The edited hand-ins of an assignment, by user name."""
        with opened(self.url, self.course) as gradebook:
            return edited(gradebook, self.course, assignment)

    def hand_in(self, assignment: str, student: str) -> Edited:
        """One of them.

        Raises:
            NotFound: The student has none.
        """
        for each in self.hand_ins(assignment):
            if each.student == student:
                return each
        raise NotFound(f"{student} has no edits outside the answers in {assignment}")

    def decide(
        self, assignment: str, student: str, digest: str, verb: str, percent: float,
        reason: str, who: str,
    ) -> None:  # fmt: skip
        """Store a decision about the edits of that digest, and settle the points.

        Raises:
            NotFound: There are no edits.
            CourseHubError: They are others by now, or this cannot be decided.
        """
        checked(verb)
        with opened(self.url, self.course) as gradebook:
            try:
                gradebook.find_submission(assignment, student)
            except MissingEntry:
                raise NotFound(f"{student} has no hand-in of {assignment} any more") from None
            decide(
                gradebook, self.course, assignment, student, digest, checked(verb),
                percent=percent, reason=reason, who=who,
            )  # fmt: skip
            settle(gradebook, self.course, assignment, student, self.students)

    def name(self, username: str) -> str:
        """A person's full name, or the user name."""
        found = self.students.find(username)
        return found.name if found else username

    def say(self, moment: datetime) -> str:
        """A moment in the course's timezone, with its weekday."""
        return say(moment, self.course)
