"""`coursehub grader`: what happens by the clock and on demand, beside the staff's commands."""

import logging
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import typer

from coursehub.cli.course import one_line_errors
from coursehub.cli.grading import release_assignment
from coursehub.cli.gradings import GradingService
from coursehub.course.model import Course
from coursehub.course.schedule import is_released, window
from coursehub.errors import CourseHubError
from coursehub.exchange.database import connect
from coursehub.exchange.deadlines import CourseFile
from coursehub.exchange.desk import Desk
from coursehub.settings import Settings, load_settings

log = logging.getLogger(__name__)
app = typer.Typer()

_ROUND_SECONDS = 10
_NICENESS = 10


@app.command()
def grader() -> None:
    """Grade what is asked for, and release each assignment at its time, until stopped.

    Hand-ins are graded in containers; without an engine, or where a limit is not
    real, nothing is graded and `coursehub desk` says why. What cannot be released
    is logged and tried again; it holds up nothing else.

    In the embedded form the hub starts it, and it only runs the visible tests of
    what students hand in.
    """
    form = "[%(levelname).1s %(asctime)s grader] %(message)s"
    logging.basicConfig(level=logging.INFO, format=form)
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with one_line_errors():
        settings = load_settings()
        course_file = CourseFile(settings.course)
    releasing = settings.form == "containers"
    if not releasing:
        os.nice(_NICENESS)  # the hub and everybody's server run on the same cores
    released: set[str] = set()
    with GradingService(settings, course_file) as service:
        while not stopped.is_set():
            for name in due(course_file.course, settings.site / "source", datetime.now(UTC)):
                if releasing and name not in released and _release(settings, name):
                    released.add(name)
            service.tend()
            # The image's health check looks at its age.
            (settings.make_state() / "heartbeat").touch()
            stopped.wait(_ROUND_SECONDS)


@app.command()
def desk() -> None:
    """Show whether somebody grades, and what waits to be graded."""
    with one_line_errors():
        found = Desk(connect(str(load_settings().database)))
    now = datetime.now(UTC)
    obstacle = found.obstacle(now)
    waiting = found.waiting(now)
    typer.echo(f"Nothing is graded: {obstacle}" if obstacle else "Hand-ins are graded.")
    typer.echo(f"Waiting: {waiting['full']} of staff's, {waiting['visible']} of students'.")


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
