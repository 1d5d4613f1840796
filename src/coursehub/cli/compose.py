"""Where the parts meet: nbgrader's configuration from settings, course and roster."""

from typing import Any

from traitlets.config import Config

from coursehub.cli.asking import Asking
from coursehub.course.load import load_course
from coursehub.exchange.database import connect
from coursehub.exchange.roster import Roster
from coursehub.exchange.staff import configure_staff
from coursehub.gradebook.configure import configure_gradebook
from coursehub.gradebook.decisions import CourseDecisions
from coursehub.grading.configure import configure_nbgrader
from coursehub.settings import Settings


def fill_nbgrader_config(c: Any, settings: Settings) -> None:
    """Fill nbgrader's configuration `c` for staff of the course that `settings` names."""
    course = load_course(settings.course)
    roster = Roster(connect(str(settings.database)))
    configure_nbgrader(c, settings, course)
    if settings.form == "containers":  # the grader alone holds a sandbox there
        c.RecordedExporter.grade = Asking(settings)
    configure_staff(c)
    configure_gradebook(c, course, roster)
    c.EditsPage.decisions = CourseDecisions(course, str(settings.gradebook), roster)


def nbgrader_config(settings: Settings) -> Config:
    """nbgrader's configuration for staff, as an object."""
    c = Config()
    fill_nbgrader_config(c, settings)
    return c
