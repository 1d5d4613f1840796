"""Points taken off in nbgrader's gradebook, and what students are told about them.

nbgrader keeps one number for a notebook, the late penalty. Here it holds all that is taken off. It
is settled anew after autograding, after a decision about edits, after an extension and before
feedback, since points given by hand change it.
"""

from datetime import timedelta
from typing import Any

from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_markdown_cell
from nbgrader.api import Gradebook, MissingEntry, SubmittedNotebook

from coursehub.course.deduction import Deduction, deduction
from coursehub.course.late import credit
from coursehub.course.model import Course
from coursehub.gradebook.cells import answers_digest
from coursehub.gradebook.edits import Decision, Edited, edited, keep_report, opened
from coursehub.gradebook.sync import CourseStep, Students, sync_due_date
from coursehub.handover import EDITS, PROPOSAL

Result = tuple[NotebookNode, dict[str, Any]]

_ROLES = {"ta": "a teaching assistant", "instructor": "an instructor"}
_STAFF = "the course staff"


def settle(
    gradebook: Gradebook, course: Course, assignment: str, student: str, students: Students
) -> None:
    """Write what is taken off a student's hand-in, notebook by notebook.

    The due date and the student's extension are written first: lateness is read from them.
    """
    sync_due_date(gradebook, course, assignment, student, students)
    percent = _percent(edited(gradebook, course, assignment, student))
    for notebook in gradebook.find_submission(assignment, student).notebooks:
        off = _deduction(course, notebook, percent)
        notebook.late_submission_penalty = off.total or None
    gradebook.db.commit()


def settle_all(url: str, course: Course, assignment: str, students: Students) -> list[str]:
    """Settle the hand-ins of everybody who has one; return whose penalty is another now.

    Args:
        url: SQLAlchemy URL of the gradebook.
        course: The course.
        assignment: The assignment's name; where the gradebook does not know it nothing happens.
        students: The roster.
    """
    changed = []
    with opened(url, course) as gradebook:
        try:
            found = gradebook.assignment_submissions(assignment)
        except MissingEntry:
            return []
        for submission in found:
            before = submission.late_submission_penalty
            settle(gradebook, course, assignment, submission.student_id, students)
            gradebook.db.refresh(submission)
            if submission.late_submission_penalty != before:
                changed.append(str(submission.student_id))
    return sorted(changed)


class KeepEdits(CourseStep):
    """Writes down what was found in a hand-in once its points are saved, and settles them."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> Result:
        """Do so; the notebook stays as it is."""
        names = resources["nbgrader"]
        where = (names["assignment"], names["notebook"], names["student"])
        with self.gradebook(resources) as gradebook:
            keep_report(gradebook, where, answers_digest(nb), resources[EDITS])
            settle(gradebook, self.course, where[0], where[2], self.students)
        return nb, resources


class SettlePenalties(CourseStep):
    """Settles what is taken off, before feedback says it."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> Result:
        """Do so; the notebook stays as it is."""
        names = resources["nbgrader"]
        with self.gradebook(resources) as gradebook:
            settle(gradebook, self.course, names["assignment"], names["student"], self.students)
        return nb, resources


class TellDeductions(CourseStep):
    """Puts into a student's feedback what was taken off for edits, by whom and why."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> Result:
        """Do so, after nbgrader's own step that fetches the points."""
        names = resources["nbgrader"]
        where = (names["assignment"], names["student"])
        with self.gradebook(resources) as gradebook:
            found = edited(gradebook, self.course, *where)
            notebook = gradebook.find_submission_notebook(names["notebook"], *where)
            off = _deduction(self.course, notebook, _percent(found))
        names["late_penalty"] = off.late
        told = [cell for cell in nb.cells if cell.get("id") != PROPOSAL]
        if found:
            hand_in = found[0]
            self._warn(hand_in, names["assignment"])
            if hand_in.decision:
                text = say_decision(hand_in.decision, off.edits, self.students)
                told.insert(1, new_markdown_cell(text, id="coursehub-decision"))
        nb.cells = told
        return nb, resources

    def _warn(self, hand_in: Edited, assignment: str) -> None:
        if hand_in.open:
            self.log.warning(
                "%s: nobody has decided about the edits outside the answers of %s; nothing is "
                "taken off. Decide under Edits, or with `coursehub edits`.",
                hand_in.student, assignment,
            )  # fmt: skip


def say_decision(decision: Decision, points: float, students: Students) -> str:
    """Tell a student what a decision means for them."""
    found = students.find(decision.who)
    by = _ROLES.get(found.role, _STAFF) if found else _STAFF
    if decision.verb == "waived":
        text = f"**Nothing was taken off for the edits outside the answers**, decided by {by}."
    else:
        text = (
            f"**Taken off for the edits outside the answers: {points:.4g} points** "
            f"({decision.percent:g} % of the assignment's marks), decided by {by}."
        )
    return f"{text}\n\nReason: {decision.reason}" if decision.reason else text


def _percent(found: list[Edited]) -> float:
    return found[0].percent if found else 0.0


def _deduction(course: Course, notebook: SubmittedNotebook, percent: float) -> Deduction:
    late = timedelta(seconds=notebook.assignment.total_seconds_late)
    return deduction(
        notebook.score,
        notebook.max_score,
        credit=credit(course.late, late),
        percent=percent,
        cap=course.edits.cap,
    )
