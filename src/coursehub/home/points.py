"""What a hand-in is worth after all: points earned, less what lateness and edits cost.

It is derived here from the gradebook's points by the rules of `course`, as the gradebook itself
does whenever it settles penalties: an extension or a decision counts at once.
"""

from dataclasses import dataclass
from typing import Any

from coursehub.course.deduction import deduction
from coursehub.course.late import ON_TIME, credit, lateness
from coursehub.course.model import Course
from coursehub.course.schedule import Window


@dataclass(frozen=True)
class Points:
    """The points of one hand-in.

    Attributes:
        earned: Before anything is taken off.
        late: Taken off for lateness.
        edits: Taken off for edits outside the answers, as a person decided.
        most: What could be earned.
    """

    earned: float
    late: float
    edits: float
    most: float

    @property
    def score(self) -> float:
        """What counts."""
        return self.earned - self.late - self.edits


def points_of(course: Course, own: Window, standing: Any) -> Points:
    """Return the points of a standing (`gradebook.standing.Standing`).

    Args:
        course: The course.
        own: The assignment's window for this student.
        standing: What the gradebook has.
    """
    received = standing.received
    late = lateness(own, received) if received is not None else ON_TIME
    off = deduction(
        standing.score,
        standing.most,
        credit=credit(course.late, late),
        percent=standing.edits.percent,
        cap=course.edits.cap,
    )
    return Points(standing.score, off.late, off.edits, standing.most)
