"""Deciding about edits where there is no nbgrader: what the course pages do it with.

The rule is `edits.decide`, as in the formgrader and in a terminal. In the deployed form the role
`course` may write decisions and nothing else, so that points are settled later: by the clock, and
before feedback in any case. The gradebook's audit says that it was this role, and for whom.
"""

from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from coursehub.course.model import Course
from coursehub.errors import NotFound
from coursehub.gradebook.edits import Decision, Edited, checked, decide, edited


@dataclass(frozen=True)
class _Opened:
    db: Session


@dataclass
class DecisionsApart:
    """Decisions about edits in a gradebook.

    Args:
        url: SQLAlchemy URL of the gradebook, whose tables are there.
    """

    url: str

    @cached_property
    def _engine(self) -> Engine:
        return create_engine(self.url, pool_pre_ping=True)

    def decide(
        self, course: Course, assignment: str, student: str, digest: str, verb: str,
        percent: float, reason: str, who: str,
    ) -> tuple[Decision | None, Decision]:  # fmt: skip
        """Store a decision about the edits of that digest; return the last one and this one.

        Raises:
            NotFound: There are no edits.
            CourseHubError: They are others by now, or this cannot be decided.
        """
        with Session(self._engine) as session:
            gradebook = _Opened(session)
            before = _only(edited(gradebook, course, assignment, student), student, assignment)
            decide(
                gradebook, course, assignment, student, digest, checked(verb),
                percent=percent, reason=reason, who=who,
            )  # fmt: skip
            after = _only(edited(gradebook, course, assignment, student), student, assignment)
        assert after.last  # it was just stored
        return before.last, after.last


def _only(found: list[Edited], student: str, assignment: str) -> Edited:
    if not found:
        raise NotFound(f"{student} has no edits outside the answers in {assignment}")
    return found[0]
