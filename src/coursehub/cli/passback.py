"""`coursehub passback`: the scores that students see go back to the LMS; the grader sees to it."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, NamedTuple

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from coursehub.cli.course import one_line_errors
from coursehub.cli.marks import facts
from coursehub.cli.progress import progress
from coursehub.course.marks import written
from coursehub.course.model import Course
from coursehub.course.schedule import say_short, window
from coursehub.exchange.database import connect
from coursehub.exchange.deadlines import CourseFile
from coursehub.exchange.roster import Roster
from coursehub.gradebook.scores import most_of, scores
from coursehub.lti.courses import LmsCourse, LmsCourses
from coursehub.lti.deep_linking import LINE_ITEM_TAG
from coursehub.lti.keys import Keys
from coursehub.lti.lineitems import LineItem
from coursehub.lti.queue import PARKED, SENT, WAITING, Queue, Row, Score
from coursehub.lti.scores import Sender
from coursehub.lti.turns import Turns
from coursehub.settings import Settings, load_settings

log = logging.getLogger(__name__)
app = typer.Typer()
passback_app = typer.Typer(no_args_is_help=True, help="Scores on their way to the LMS.")
app.add_typer(passback_app, name="passback")

_LOOK = timedelta(minutes=1)
_SHORTEST = 1.0  # seconds between two rounds
_MOST_NAMES = 6

OfAssignment = Annotated[
    str | None, typer.Option("--assignment", help="Only this one, e.g. assignment_1.")
]
OfStudent = Annotated[
    str | None, typer.Option("--student", metavar="USERNAME", help="Only this student.")
]


class Seen(NamedTuple):
    """A score as its student sees it: of what, whose, the points, of how many, when handed in."""

    assignment: str
    username: str
    score: str
    most: str
    received: datetime | None


class Passback:
    """The gradebook, the exchange and the roster, as the LMS is told of them."""

    def __init__(self, settings: Settings, course_file: CourseFile) -> None:
        """Tell the LMS of the deployment of `settings`."""
        self.engine = connect(str(settings.database))
        self.courses = LmsCourses(self.engine)
        self.queue, self.turns = Queue(self.engine), Turns(self.engine)
        self._settings, self._file = settings, course_file
        self._roster = Roster(self.engine)
        self._sender = Sender(
            self.engine,
            Keys(Path(str(settings.lti_keys))),
            comment=f"Feedback is on the course page of {course_file.course.code}.",
            private=settings.lti_private,
        )

    @property
    def course(self) -> Course:
        """The course as it stands now."""
        return self._file.course

    def send(
        self,
        *,
        look: bool = True,
        stopped: Event | None = None,
        said: Callable[[Row], None] | None = None,
    ) -> int:
        """Queue what students see by now, and send what is due; return how many were taken.

        Args:
            look: Whether to look at the gradebook, or only to send what is queued.
            stopped: Nothing more is begun once it is set.
            said: Told each row that was taken.
        """
        seen = self.seen_in if look else None
        columns = self.columns(datetime.now(UTC))
        return self._sender.send(columns, seen, stopped, said)

    def columns(self, now: datetime) -> dict[str, LineItem]:
        """The columns of the LMS's gradebook: one for each assignment that is released."""
        most = most_of(self._gradebook())
        found = {}
        for each in self.course.assignments:
            times = window(self.course, each)
            if times.release <= now and most.get(each.name):
                label = f"Assignment {each.number}: {each.title}"
                found[each.name] = LineItem(
                    each.name, LINE_ITEM_TAG, label, written(most[each.name]), times.release,
                    times.due,
                )  # fmt: skip
        return found

    def seen_in(self, lms: LmsCourse) -> list[Score]:
        """What the students of a course of the LMS see of their scores now."""
        accounts = {name: sub for sub, name in self._roster.accounts(lms.platform.issuer).items()}
        members = self.courses.members(lms.number)
        return [
            Score(each.assignment, each.username, accounts[each.username], *each[2:])
            for each in self.seen()
            if each.username in accounts and (not members or accounts[each.username] in members)
        ]

    def seen(self) -> list[Seen]:
        """What students see of their scores now: of hand-ins that were given back."""
        course = self.course
        exchange = Path(str(self._settings.exchange))
        known = facts(course, self.engine, datetime.now(UTC), exchange, {})
        students = {each.username for each in self._roster.everyone() if not each.staff}
        found = []
        for (username, assignment), score in scores(
            self._gradebook(), course, known.window
        ).items():
            key = (username, assignment)
            given_back = (*key, score.received) in known.feedback
            counts = known.counts.get(key) in (None, score.received)
            excused = course.homework.excuse and key in known.excused
            if username in students and given_back and counts and not excused and score.most:
                points = written(score.score), written(score.most)
                found.append(Seen(assignment, username, *points, score.received))
        return found

    def waiting(self) -> int:
        """How many scores the LMS does not have as their students see them."""
        sent = {row.key: row.score for row in self.queue.rows() if row.state == SENT}
        return sum(
            sent.get((lms.number, each.assignment, each.username)) != each.score
            for lms in self.courses.all()
            for each in self.seen_in(lms)
        )

    def without_account(self) -> dict[str, list[str]]:
        """Whose scores cannot be sent, since no LMS has told who they are; by assignment."""
        linked = {
            username
            for lms in self.courses.all()
            for username in self._roster.accounts(lms.platform.issuer).values()
        }
        found: defaultdict[str, list[str]] = defaultdict(list)
        for each in self.seen():
            if each.username not in linked:
                found[each.assignment].append(each.username)
        return dict(found)

    def close(self) -> None:
        """Drop the connections to the LMS."""
        self._sender.close()

    def _gradebook(self) -> Engine:
        return create_engine(str(self._settings.gradebook), poolclass=NullPool)


# In the grader.


@contextmanager
def passing_back(settings: Settings, course_file: CourseFile) -> Iterator[None]:
    """Tell the LMS of scores, whenever students see new ones, while the context lasts."""
    stopped = Event()
    thread = Thread(target=_rounds, args=(settings, course_file, stopped), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()


def _rounds(settings: Settings, course_file: CourseFile, stopped: Event) -> None:
    passback: Passback | None = None
    look_at = datetime.min.replace(tzinfo=UTC)
    while not stopped.is_set():
        wait = _LOOK
        try:
            passback = passback or Passback(settings, course_file)
            if passback.courses.any():  # where there is no LMS, this is all that happens
                look = datetime.now(UTC) >= look_at
                look_at = datetime.now(UTC) + _LOOK if look else look_at
                if count := passback.send(look=look, stopped=stopped):
                    log.info("the LMS took %d scores", count)
                wait = min(wait, look_at - datetime.now(UTC), _until_next(passback))
        except SQLAlchemyError as error:
            log.error("a database does not answer, so the LMS is told later: %s", error)
        except Exception:
            log.exception("telling the LMS was cut short; it goes on")
        stopped.wait(max(wait.total_seconds(), _SHORTEST))


def _until_next(passback: Passback) -> timedelta:
    now, at = datetime.now(UTC), passback.queue.next_try()
    pauses = passback.turns.pauses(now).values()
    if at is None:
        return _LOOK
    return max([at, *(each.until for each in pauses)]) - now


# What staff see and do.


@passback_app.command()
def status(assignment: OfAssignment = None) -> None:
    """Show what the LMS has been sent, what waits and until when, and what is parked and why."""
    with one_line_errors():
        passback = _open()
        now = datetime.now(UTC)
        if not passback.courses.any():
            typer.echo("No course of an LMS is linked with this course; nothing is sent.")
            return
        rows = [row for row in passback.queue.rows() if assignment in (None, row.assignment)]
        console = Console()
        titles = {each.number: each.title for each in passback.courses.all()}
        console.print(_overview(passback.course, rows, titles))
        if parked := [row for row in rows if row.state == PARKED]:
            console.print(_problems("Parked, until a newer score or `passback retry`", parked))
        if failed := [row for row in rows if row.state == WAITING and row.tries]:
            console.print(_problems("Tried again by itself", failed, passback.course))
        for number, pause in passback.turns.pauses(now).items():
            until = say_short(pause.until, passback.course)
            typer.echo(f"{titles.get(number, number)}: left alone until {until}: {pause.problem}")
        for name, who in sorted(passback.without_account().items()):
            if assignment in (None, name):
                typer.echo(f"{name}: the LMS has not told the account of {_names(who)}")


@passback_app.command()
def retry(assignment: OfAssignment = None, student: OfStudent = None) -> None:
    """Try again what is parked, and at once what waits for its next try."""
    with one_line_errors():
        passback = _open()
        passback.turns.resume()
        count = passback.queue.retry(assignment, student)
        typer.echo(f"{count} scores are tried again; the grader sends them within a minute")


@passback_app.command()
def send() -> None:
    """Send what is due now, as the grader does by itself."""
    with one_line_errors():
        passback = _open()
        try:
            with progress("Sending", passback.waiting()) as batch:

                def said(row: Row) -> None:
                    batch.start(row.username)
                    batch.finish(row.username)

                count = passback.send(said=said)
        finally:
            passback.close()
        left = sum(row.state == WAITING for row in passback.queue.rows())
        typer.echo(f"{count} scores sent, {left} wait")


def _open() -> Passback:
    settings = load_settings()
    settings.make_state()
    return Passback(settings, CourseFile(settings.course))


def _overview(course: Course, rows: Sequence[Row], titles: Mapping[int, str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("Course of the LMS", "Assignment"):
        table.add_column(column)
    for column in ("Sent", "Waiting", "Parked"):
        table.add_column(column, justify="right")
    table.add_column("Last sent")
    groups: defaultdict[tuple[int, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.context, row.assignment].append(row)
    for (number, name), group in sorted(groups.items()):
        states = [row.state for row in group]
        last = max((row.sent_at for row in group if row.sent_at), default=None)
        counts = (str(states.count(each)) for each in (SENT, WAITING, PARKED))
        title = titles.get(number, f"{number}, no longer ours")
        table.add_row(escape(title), name, *counts, say_short(last, course) if last else "")
    return table


def _problems(title: str, rows: Sequence[Row], course: Course | None = None) -> Table:
    table = Table(
        "Student", "Assignment", "Score", "Why", title=title, title_justify="left",
        box=SIMPLE_HEAD, pad_edge=False,
    )  # fmt: skip
    for row in rows:
        why = row.problem or ""
        if course and row.next_try:
            why = f"{row.tries} times; again {say_short(row.next_try, course)}: {why}"
        table.add_row(*map(escape, (row.username, row.assignment, row.score, why)))
    return table


def _names(who: Sequence[str]) -> str:
    more = len(who) - _MOST_NAMES
    return ", ".join(sorted(who)[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
