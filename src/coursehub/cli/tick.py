"""`coursehub tick`: what is due is done, once; `coursehub approve`: what feedback waits for."""

import getpass
import logging
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from coursehub.cli.course import WRONG, answering, one_line_errors
from coursehub.cli.steps import Steps
from coursehub.course.due import (
    KINDS,
    Action,
    Key,
    Kind,
    coming_actions,
    due_actions,
    ready_actions,
)
from coursehub.course.schedule import say, say_short
from coursehub.errors import CourseHubError
from coursehub.exchange.clock import Deed
from coursehub.exchange.deadlines import CourseFile
from coursehub.settings import Settings, load_settings

log = logging.getLogger(__name__)
app = typer.Typer()

QUICK: tuple[Kind, ...] = ("release", "remind", "settle")
"""What never waits for a class to be autograded."""

_ROUND = timedelta(seconds=10)
_SHORTEST = 0.2  # seconds between two rounds
_COMING = 8


@app.command()
def tick(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what is due, why, and what comes next.")
    ] = False,
) -> None:
    """Do what is due by course.yml, and nothing twice.

    Assignments are released at their time; at the deadline, and when more time
    ends, what counts is collected and autograded; feedback goes out when nobody
    has more time and staff have approved it. The grader does all this by itself.

    What is stopped, even with kill -9, is taken up again; several may run at
    once. Exit code 2 when something that is due could not be done.
    """
    with one_line_errors(), answering():
        settings = load_settings()
        settings.make_state()
        steps = Steps(settings, CourseFile(settings.course))
        if dry_run:
            show(steps, datetime.now(UTC))
            return
        failed = run(steps, insist=True, said=typer.echo)
    if failed:
        raise typer.Exit(WRONG)


@app.command()
def approve(
    assignment: Annotated[str, typer.Argument(help="The assignment, e.g. assignment_1.")],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Although something still needs a person.")
    ] = False,
    by: Annotated[
        str | None, typer.Option(help="Who approves; by default the user of this machine.")
    ] = None,
) -> None:
    """Approve an assignment's feedback: the clock lets it go out.

    Refused while something needs a person: hand-ins that could not be graded,
    points by hand, edits that nobody decided about, time that somebody still has.
    With --anyway it goes out as it is, once nobody has more time.
    """
    with one_line_errors(), answering():
        settings = load_settings()
        steps = Steps(settings, CourseFile(settings.course))
        now = datetime.now(UTC)
        waiting = steps.pending(assignment, now)
        if waiting and not anyway:
            raise CourseHubError(
                f"{assignment} is not ready: {'; '.join(waiting)}",
                remedy="See to it, or say --anyway",
            )
        who = by or getpass.getuser()
        last = steps.approval.approve(steps.course, assignment, waiting, who, now)
        when = f"from {say(last, steps.course)}" if last > now else "at the next tick"
        typer.echo(f"{assignment}: approved; feedback goes out {when}")


def run(
    steps: Steps,
    *,
    kinds: Collection[Kind] = KINDS,
    insist: bool = False,
    said: Callable[[str], None] = log.info,
    stopped: Event | None = None,
) -> list[Key]:
    """Do what is due, and what becomes due by it; return what failed.

    Args:
        steps: Whose.
        kinds: Only these.
        insist: Try what has failed without its pause.
        said: Told each thing that was done or failed.
        stopped: Begin nothing more once it is set.
    """
    who = secrets.token_hex(8)
    tried: set[Key] = set()
    failed = []
    while not (stopped and stopped.is_set()):
        waiting = [action for action in ready_actions(due(steps)) if action.kind in kinds]
        action = next((each for each in waiting if each.key not in tried), None)
        if action is None:
            break
        tried.add(action.key)
        deed = steps.clock.take(action.key, who, datetime.now(UTC), insist=insist)
        if deed and not _do(steps, action, deed, who, said):
            failed.append(action.key)
    return failed


def due(steps: Steps) -> list[Action]:
    """What is due now and not done."""
    clock, now = steps.clock, datetime.now(UTC)
    granted, approvals = steps.roster.grants(), clock.approvals()
    return due_actions(steps.course, now, clock.done(), granted, approvals, clock.decided())


def _do(steps: Steps, action: Action, deed: Deed, who: str, said: Callable[[str], None]) -> bool:
    """Do what was taken; whatever goes wrong concerns this action alone."""
    what = f"{action.assignment}: {action.kind}"
    with steps.clock.kept(action.key, who):
        try:
            result = steps.do(action, deed.tries)
        except Exception as error:  # of ours or of the machine's; the rest of the class goes on
            if not isinstance(error, CourseHubError):
                log.exception("%s", what)
            problem = str(error) if isinstance(error, CourseHubError) else repr(error)
            steps.clock.fail(action.key, who, datetime.now(UTC), problem, deed.tries)
            said(f"{what}: not done: {problem}")
            return False
    if steps.clock.finish(action, who, datetime.now(UTC), result):
        said(f"{what}: done ({action.why})")
    return True


# In the grader.


@contextmanager
def ticking(settings: Settings, course_file: CourseFile, marking: Any = None) -> Iterator[None]:
    """Do what is due, whenever it is, while the context lasts.

    What takes long goes beside the rest: an assignment is released also while the class of
    another is autograded.

    Args:
        settings: The deployment's.
        course_file: The course.
        marking: What grades; by default what nbgrader's configuration names.
    """
    jobs = settings.gradings_at_once if marking is not None else None
    steps = Steps(settings, course_file, marking, jobs)
    stopped = Event()
    slow = [kind for kind in KINDS if kind not in QUICK]
    for kinds in (QUICK, slow):
        # A daemon: a class that is being autograded keeps nobody from stopping; it goes on later.
        Thread(target=_rounds, args=(steps, kinds, stopped), daemon=True).start()
    try:
        yield
    finally:
        stopped.set()


def _rounds(steps: Steps, kinds: Collection[Kind], stopped: Event) -> None:
    while not stopped.is_set():
        wait = _ROUND
        try:
            run(steps, kinds=kinds, stopped=stopped)
            wait = min([_ROUND, *(each.at - datetime.now(UTC) for each in coming(steps))])
        except SQLAlchemyError as error:
            log.error("the course database does not answer: %s", error)
        except Exception:
            log.exception("a round of the clock was cut short; the next one goes on")
        stopped.wait(max(wait.total_seconds(), _SHORTEST))


def coming(steps: Steps) -> list[Action]:
    """What time alone will make due."""
    clock, now = steps.clock, datetime.now(UTC)
    return coming_actions(steps.course, now, clock.done(), steps.roster.grants(), clock.approvals())


# What staff see.


def show(steps: Steps, now: datetime, console: Console | None = None) -> None:
    """Print what is due and why, what comes next, and what waits for staff."""
    console = console or Console()
    course = steps.course
    deeds = {deed.key: deed for deed in steps.clock.deeds()}
    found = due(steps)
    if found:
        console.print("Due now:")
        console.print(_table(found, lambda each: _state(deeds.get(each.key), now)))
    else:
        console.print("Nothing is due.")
    for name, out in steps.approval.waiting(steps.course, now):
        what = "the solution" if out else "feedback"
        console.print(f"{name}: {what} waits for `coursehub approve {name}`", highlight=False)
    if later := coming(steps)[:_COMING]:
        console.print("Next:")
        console.print(_table(later, lambda each: say_short(each.at, course)))
    last = [deed for deed in deeds.values() if deed.done_at]
    if last:
        newest = max(last, key=lambda deed: deed.done_at or now)
        when = say_short(newest.done_at or now, course)
        console.print(f"Last: {newest.key.kind} of {newest.key.assignment}, {when}")


def _table(actions: list[Action], last: Callable[[Action], str]) -> Table:
    table = Table("Assignment", "What", "Why", "", box=SIMPLE_HEAD, pad_edge=False)
    for each in actions:
        table.add_row(*map(escape, (each.assignment, each.kind, each.why, last(each))))
    return table


def _state(deed: Deed | None, now: datetime) -> str:
    if deed is None:
        return "not begun"
    if deed.taken_by and deed.taken_until and deed.taken_until > now:
        return "it is being done"
    return f"failed {deed.tries} times: {deed.problem}" if deed.problem else "it was cut short"
