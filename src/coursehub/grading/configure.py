"""nbgrader's configuration, one function a section; `nbgrader_config.py` only calls it."""

from typing import Any

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.preprocessors import GetGrades, LimitOutput

from coursehub.course.model import Course
from coursehub.grading.feedback import DropOutputMetadata, HideTests, markdown_to_html
from coursehub.grading.marking import Marking
from coursehub.grading.record import RecordedExporter
from coursehub.grading.regular import take_regular_files_only
from coursehub.grading.scoring import SaveVerdicts
from coursehub.settings import Settings


def configure_nbgrader(c: Any, settings: Settings, course: Course) -> None:
    """Fill nbgrader's configuration `c` for staff: folders, pipeline, feedback."""
    _folders(c, settings, course)
    _autograde(c, settings, course)
    _feedback(c)


def _folders(c: Any, settings: Settings, course: Course) -> None:
    c.CourseDirectory.course_id = course.id
    c.CourseDirectory.root = str(settings.course_dir)
    c.CourseDirectory.db_url = settings.gradebook
    c.Exchange.root = str(settings.exchange)
    # The course service owns every hand-in; who handed it in is proven by the hub's token.
    c.ExchangeCollect.check_owner = False


def _autograde(c: Any, settings: Settings, course: Course) -> None:
    # nbgrader's first reading of a hand-in already grades it: what it calls sanitising and
    # executing is done by then, outside this process.
    take_regular_files_only()
    c.Autograde.exporter_class = RecordedExporter
    c.RecordedExporter.grade = Marking(course, settings)
    c.Autograde.sanitize_preprocessors = []
    c.Autograde.autograde_preprocessors = [LimitOutput, SaveVerdicts]
    # The student's own module is kept, not the stub in source/.
    c.Autograde.exclude_overwriting = {
        assignment.name: list(assignment.extra_files)
        for assignment in course.assignments
        if assignment.extra_files
    }


def _feedback(c: Any) -> None:
    c.GenerateFeedback.preprocessors = [GetGrades, HideTests, CSSHTMLHeaderPreprocessor]
    # What a student wrote is read by staff, in the formgrader too; none of it may run there.
    c.HTMLExporter.sanitize_html = True
    c.HTMLExporter.preprocessors = [DropOutputMetadata]
    c.HTMLExporter.filters = {"markdown2html": markdown_to_html}
