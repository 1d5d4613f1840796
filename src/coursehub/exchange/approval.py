"""Approving feedback: what waits for it, and who gave it; a command and a page ask here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from coursehub.course.due import Approval, Granted, last_close, own_close, unapproved
from coursehub.course.late import counting
from coursehub.course.model import Assignment, Course
from coursehub.exchange.clock import Clock
from coursehub.exchange.ledger import HandIn, Ledger
from coursehub.exchange.roster import Roster
from coursehub.exchange.store import Store


class Unapproved(NamedTuple):
    """An assignment whose feedback nobody approved, though nobody has more time.

    Attributes:
        assignment: Its name.
        out: Whether staff released the feedback themselves; its solution alone waits.
    """

    assignment: str
    out: bool


@dataclass(frozen=True)
class FeedbackApproval:
    """What stands in the course database about it, and where released feedback lies.

    Args:
        clock: The clock's tables.
        roster: Extensions.
        ledger: Hand-ins.
        store: Their folders and pages of feedback.
    """

    clock: Clock
    roster: Roster
    ledger: Ledger
    store: Store

    def waiting(self, course: Course, now: datetime) -> list[Unapproved]:
        """What was handed in, waits for approval alone, and is not out in another way."""
        granted = self.roster.grants()
        found = []
        for name in unapproved(course, now, granted, self.clock.approvals()):
            assignment = course.assignment(name)
            rows = self.ledger.for_assignment(name)
            if not rows:
                continue
            out = self._is_out(course, assignment, granted, rows)
            if not out or self._solution_waits(course, name):
                found.append(Unapproved(name, out))
        return found

    def last(self, course: Course, name: str) -> datetime:
        """When nobody has any more time for an assignment.

        Raises:
            NotFound: There is no such assignment.
        """
        return last_close(course, course.assignment(name), self.roster.grants())

    def is_approved(self, course: Course, name: str) -> bool:
        """Whether somebody approved it, knowing of all the time that was granted since."""
        approval = self.clock.approvals().get(name)
        return approval is not None and approval.close >= self.last(course, name)

    def approve(
        self, course: Course, name: str, although: Sequence[str], by: str, now: datetime
    ) -> datetime:
        """Enter that somebody approves; return when nobody has any more time.

        Args:
            course: The course.
            name: The assignment's.
            although: What still needs a person, in sentences; kept with the approval.
            by: Who.
            now: The time.
        """
        last = self.last(course, name)
        passed = f"although {'; '.join(although)}" if although else None
        self.clock.approve(name, Approval(last, now), by, passed)
        return last

    def _is_out(
        self, course: Course, assignment: Assignment, granted: Granted, rows: Sequence[HandIn]
    ) -> bool:
        """Whether everybody has feedback whose hand-in counts, was in time and could be graded."""
        last = last_close(course, assignment, granted)
        grants = granted.get(assignment.name, ())
        own = {each.username: own_close(course, assignment, each) for each in grants}
        counts = counting_hand_ins(course, assignment, own, rows)
        failed = self.clock.not_graded(assignment.name)
        asked = [row for name, row in counts.items() if name not in failed and row.received < last]
        return bool(asked) and all(self.store.feedback_pages(row) for row in asked)

    def _solution_waits(self, course: Course, name: str) -> bool:
        done = {key[:2] for key in self.clock.done()}
        return course.solution.after == "feedback" and ("solution", name) not in done


def counting_hand_ins(
    course: Course,
    assignment: Assignment,
    own: Mapping[str, datetime],
    rows: Sequence[HandIn],
) -> dict[str, HandIn]:
    """Return the hand-in that counts of each student.

    Args:
        course: The course.
        assignment: What was handed in.
        own: When it closes for those with an extension.
        rows: All hand-ins of that assignment.
    """
    theirs: dict[str, list[HandIn]] = {}
    for row in rows:
        theirs.setdefault(row.username, []).append(row)
    usual = own_close(course, assignment)
    found = {}
    for username, handed_in in theirs.items():
        close = own.get(username, usual)
        index = counting([row.received for row in handed_in], close)
        if index is not None:
            found[username] = handed_in[index]
    return found
