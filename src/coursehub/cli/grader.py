"""`coursehub grader`: what the deployed form does by the clock, beside the staff's commands."""

import logging
import signal
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import typer

from coursehub.cli.course import one_line_errors
from coursehub.cli.grading import release_assignment
from coursehub.course.model import Course
from coursehub.course.schedule import is_released, window
from coursehub.errors import CourseHubError
from coursehub.exchange.deadlines import CourseFile
from coursehub.settings import Settings, load_settings

log = logging.getLogger(__name__)
app = typer.Typer()

_ROUND_SECONDS = 10


@app.command()
def grader() -> None:
    """Release each assignment at its time, until stopped.

    What cannot be released is logged and tried again; it holds up nothing else.
    """
    form = "[%(levelname).1s %(asctime)s grader] %(message)s"
    logging.basicConfig(level=logging.INFO, format=form)
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with one_line_errors():
        settings = load_settings()
        course_file = CourseFile(settings.course)
    released: set[str] = set()
    while not stopped.is_set():
        for name in due(course_file.course, settings.site / "source", datetime.now(UTC)):
            if name not in released and _release(settings, name):
                released.add(name)
        # The image's health check looks at its age.
        (settings.make_state() / "heartbeat").touch()
        stopped.wait(_ROUND_SECONDS)


def due(course: Course, source: Path, now: datetime) -> list[str]:
    """The assignments whose release time has come, of those that `source` holds."""
    return [
        assignment.name
        for assignment in course.assignments
        if is_released(window(course, assignment), now) and (source / assignment.name).is_dir()
    ]


def _release(settings: Settings, name: str) -> bool:
    try:
        release_assignment(settings, name)
    except CourseHubError as error:
        log.error("%s: not released, tried again in a moment: %s", name, error)
        return False
    log.info("%s: released", name)
    return True
