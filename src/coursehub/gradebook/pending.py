"""What of an assignment waits for a person, by the gradebook."""

from nbgrader.api import Assignment, Grade, SubmittedAssignment, SubmittedNotebook
from sqlalchemy import select

from coursehub.course.model import Course
from coursehub.gradebook.edits import edited, opened


def without_points(url: str, course: Course, assignment: str) -> list[str]:
    """The students whose hand-ins have cells that a person has to give points, by user name.

    Args:
        url: SQLAlchemy URL of the gradebook.
        course: The course.
        assignment: The assignment's name.
    """
    query = (
        select(SubmittedAssignment.student_id)
        .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .where(Assignment.name == assignment, Grade.needs_manual_grade)
        .distinct()
    )
    with opened(url, course) as gradebook:
        return sorted(gradebook.db.execute(query).scalars())


def undecided(url: str, course: Course, assignment: str) -> list[str]:
    """The students whose edits outside the answers nobody has decided about, by user name."""
    with opened(url, course) as gradebook:
        return [each.student for each in edited(gradebook, course, assignment) if each.open]
