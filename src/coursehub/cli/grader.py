"""`coursehub grader`: what happens by the clock and on demand, beside the staff's commands."""

import logging
import os
import signal
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Event

import typer

from coursehub.cli.course import one_line_errors
from coursehub.cli.gradings import GradingService
from coursehub.cli.passback import passing_back
from coursehub.cli.tick import ticking
from coursehub.exchange.database import connect
from coursehub.exchange.deadlines import CourseFile
from coursehub.exchange.desk import Desk
from coursehub.floors import require_floors
from coursehub.metrics import telling
from coursehub.settings import METRICS_PORT, load_settings

app = typer.Typer()

_ROUND_SECONDS = 10
_NICENESS = 10


@app.command()
def grader() -> None:
    """Grade what is asked for, do what is due by course.yml, and tell the LMS, until stopped.

    Hand-ins are graded in containers; without an engine, or where a limit is not
    real, nothing is graded and `coursehub desk` says why. What is due and cannot be
    done is logged and tried again; it holds up no other assignment. `coursehub
    tick --dry-run` shows how it stands.

    In the embedded form the hub starts it, and hand-ins are graded in processes.
    """
    form = "[%(levelname).1s %(asctime)s grader] %(message)s"
    logging.basicConfig(level=logging.INFO, format=form)
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with one_line_errors():
        require_floors()
        settings = load_settings()
        course_file = CourseFile(settings.course)
    if settings.form == "embedded":
        os.nice(_NICENESS)  # the hub and everybody's server run on the same cores
    with GradingService(settings, course_file) as service, ExitStack() as beside:
        if settings.clock:
            beside.enter_context(ticking(settings, course_file, service))
            beside.enter_context(passing_back(settings, course_file))
        if settings.form == "containers":
            beside.enter_context(telling(settings.secret("metrics_token"), METRICS_PORT))
        while not stopped.is_set():
            service.tend()
            # The image's health check looks at its age.
            (settings.make_state() / "heartbeat").touch()
            stopped.wait(_ROUND_SECONDS)


@app.command()
def desk() -> None:
    """Show whether somebody grades, and what waits to be graded; exit with 1 if nobody does."""
    with one_line_errors():
        found = Desk(connect(str(load_settings().database)))
    now = datetime.now(UTC)
    obstacle = found.obstacle(now)
    waiting = found.waiting(now)
    typer.echo(f"Nothing is graded: {obstacle}" if obstacle else "Hand-ins are graded.")
    typer.echo(
        f"Waiting: {waiting['full']} of staff's, {waiting['rerun']} regrade requests, "
        f"{waiting['visible']} of students'."
    )
    if obstacle:
        raise typer.Exit(1)
