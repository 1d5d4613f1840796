"""nbgrader's configuration, one function a section; `nbgrader_config.py` only calls it."""

from typing import Any

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.preprocessors import (
    AssignLatePenalties,
    ClearOutput,
    GetGrades,
    LimitOutput,
    OverwriteCells,
    OverwriteKernelspec,
)

from coursehub.course.model import Course
from coursehub.grading.feedback import DropOutputMetadata, HideTests, markdown_to_html
from coursehub.grading.scoring import CheckCells, DropCopies, RecordReplies, SaveVerdicts
from coursehub.settings import Settings

CELL_SECONDS = 600


def configure_nbgrader(c: Any, settings: Settings, course: Course) -> None:
    """Fill nbgrader's configuration `c` for staff: folders, pipeline, feedback."""
    _folders(c, settings, course)
    _autograde(c, course)
    _feedback(c)


def _folders(c: Any, settings: Settings, course: Course) -> None:
    c.CourseDirectory.course_id = course.id
    c.CourseDirectory.root = str(settings.course_dir)
    c.CourseDirectory.db_url = settings.gradebook
    c.Exchange.root = str(settings.exchange)
    # The course service owns every hand-in; who handed it in is proven by the hub's token.
    c.ExchangeCollect.check_owner = False


def _autograde(c: Any, course: Course) -> None:
    c.Autograde.sanitize_preprocessors = [
        ClearOutput,
        DropCopies,
        CheckCells,
        OverwriteKernelspec,
        OverwriteCells,
        CheckCells,
    ]
    c.Autograde.autograde_preprocessors = [
        RecordReplies,
        LimitOutput,
        SaveVerdicts,
        AssignLatePenalties,
        CheckCells,
    ]
    # An accidentally deleted test cell costs nothing.
    c.OverwriteCells.add_missing_cells = True
    c.Execute.timeout = CELL_SECONDS
    c.Execute.shutdown_kernel = "immediate"
    # The student's own module is graded, not the stub in source/.
    c.Autograde.exclude_overwriting = {
        assignment.name: list(assignment.extra_files)
        for assignment in course.assignments
        if assignment.extra_files
    }


def _feedback(c: Any) -> None:
    # The penalty is settled last, since points given by hand change it.
    c.GenerateFeedback.preprocessors = [
        AssignLatePenalties,
        GetGrades,
        HideTests,
        CSSHTMLHeaderPreprocessor,
    ]
    # What a student wrote is read by staff, in the formgrader too; none of it may run there.
    c.HTMLExporter.sanitize_html = True
    c.HTMLExporter.preprocessors = [DropOutputMetadata]
    c.HTMLExporter.filters = {"markdown2html": markdown_to_html}
