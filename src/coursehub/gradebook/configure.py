"""The gradebook's steps among nbgrader's own."""

from typing import Any

from nbgrader import preprocessors
from nbgrader.converters import GenerateAssignment

from coursehub.course.model import Course
from coursehub.gradebook.cells import SaveCells, SyncCells
from coursehub.gradebook.penalty import KeepEdits, SettlePenalties, TellDeductions
from coursehub.gradebook.sync import Students, SyncDueDates


def configure_gradebook(c: Any, course: Course, students: Students) -> None:
    """Add the seams to nbgrader's configuration `c`, before and after its own steps.

    Args:
        c: nbgrader's configuration, already filled for the pipeline.
        course: the course.
        students: who they are, and who has more time.
    """
    c.CourseStep.course = course
    c.CourseStep.students = students
    stock = GenerateAssignment.class_traits()["preprocessors"].default()
    c.GenerateAssignment.preprocessors = [
        SyncDueDates, *(SaveCells if step is preprocessors.SaveCells else step for step in stock),
    ]  # fmt: skip
    c.Autograde.sanitize_preprocessors = [SyncDueDates, *c.Autograde.sanitize_preprocessors]
    c.Autograde.autograde_preprocessors = [
        SyncCells, *c.Autograde.autograde_preprocessors, KeepEdits,
    ]  # fmt: skip
    c.GenerateFeedback.preprocessors = [
        SyncDueDates, SettlePenalties, *c.GenerateFeedback.preprocessors, TellDeductions,
    ]  # fmt: skip
