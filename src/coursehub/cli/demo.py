"""`coursehub demo`: the whole course on this machine, brought up, filled and left running."""

import json
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import nbformat
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from coursehub.cli.compose import nbgrader_config
from coursehub.cli.course import one_line_errors
from coursehub.cli.tick import ticking
from coursehub.course.load import load_course, read_text
from coursehub.course.rebase import rebase, set_due
from coursehub.course.schedule import window
from coursehub.errors import SpawnError
from coursehub.exchange.client import Client
from coursehub.exchange.deadlines import CourseFile
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.person import Person
from coursehub.exchange.roster import Extension
from coursehub.grading import runner
from coursehub.grading.handin import as_bytes, fill, read_notebook, reference_answers
from coursehub.hub.process import require_free_ports, running_hub
from coursehub.hub.session import Session
from coursehub.settings import Settings, load_settings

app = typer.Typer()
console = Console()

ASSIGNMENT, NUMBER = "assignment_1", 1
WEEK = 4


@dataclass(frozen=True)
class Story:
    """One student of the demo, and what they hand in.

    `cases` names folders of tests/submissions/assignment_1 whose answers replace right ones; None
    hands in nothing, and `untouched` the notebook as it was fetched.
    """

    username: str
    number: str
    name: str
    cases: tuple[str, ...] | None = ()
    untouched: bool = False
    late: bool = False
    lms_name: bool = False
    about: str = "all right"


STORIES = (
    Story("wenjie", "A0100000J", "Wang Wenjie", lms_name=True, about="right, named as in the LMS"),
    Story("aisha", "A0100001H", "Aisha Rahman"),
    Story("ben", "A0100002L", "Tan, Ben", ("t2-no-projection",), about="task 2 wrong"),
    Story("chloe", "A0100003U", "Chloe Lim", ("t3-norm-over-batch", "t5-no-abstention"),
          about="tasks 3 and 5 wrong"),
    Story("devi", "A0100004X", "Devi Nair", ("t1-raw-gradient", "t2-projects-on-previous",
          "t3-squared-norm", "t4-kl-swapped", "t5-sigma-missing"), about="every task wrong"),
    Story("emil", "A0100005B", "Emil Novak", untouched=True, about="untouched"),
    Story("farah", "A0100006N", "Farah Aziz", late=True, about="all right, but late"),
    Story("goh", "A0100007W", "Goh Jun Jie", ("crash-t3",), about="task 3 crashes"),
    Story("hana", "A0100008M", "Hana Sato", None, about="nothing"),
    Story("ivan", "A0100009R", "Ivan Petrov", None, about="nothing"),
    Story("jia", "A0100010Y", "Jia Hui Ng", None, about="nothing yet: has an extension"),
    Story("kumar", "A0100011E", "Kumar Pillai", None, about="nothing yet: has an extension"),
)  # fmt: skip
EXTENDED = ("jia", "kumar")
STAFF = (
    Person("tara", "T0000001A", "Tara Tan", "tara@example.edu", "ta"),
    Person("tom", "T0000002B", "Tom Lee", "tom@example.edu", "ta"),
    Person("ines", "T0000003C", "Ines Ang", "ines@example.edu", "instructor"),
)


@app.command()
def demo() -> None:
    """Bring the course up on this machine, with people, hand-ins and grades, until Ctrl-C.

    The term is moved so that today lies in week 4. A second run continues
    where the first was; nothing done is done again.
    """
    # Also SIGINT: a shell script starts what runs in the background with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with one_line_errors():
            _run(load_settings())
    except KeyboardInterrupt:
        console.print("Stopped; `make demo` continues, `make demo-clean` removes it.")


def _run(settings: Settings) -> None:
    require_free_ports(settings)
    settings.make_state()
    with Steps() as steps:
        steps.begin("Moving the term to this week")
        _write_course_file(settings)
        steps.begin("Enrolling 12 students and 3 staff")
        passwords = _enrol(settings)
        steps.begin("Starting the hub")
        # The clock would release, collect and grade as well: it begins once all that is there.
        with running_hub(settings.model_copy(update={"clock": False})) as hub:
            steps.begin("Releasing assignment 1")
            _release(settings)
            steps.begin("Handing in")
            _hand_in(settings, passwords)
            steps.begin("Collecting")
            ungraded = _collect(settings)
            steps.begin("Autograding", parts=len(ungraded))
            _autograde(settings, ungraded, steps.part)
            steps.stop()
            _welcome(settings, passwords)
            with ticking(settings, CourseFile(settings.course)):
                hub.wait()
            raise SpawnError("the hub ended by itself", remedy=f"See {settings.state / 'hub.log'}")


class Steps(Progress):
    """A progress bar over the steps of the demo."""

    def __init__(self) -> None:
        """Show nothing yet."""
        super().__init__(
            TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), console=console,
        )  # fmt: skip
        self._current: TaskID | None = None

    def begin(self, name: str, parts: int = 1) -> None:
        """Finish the step before and begin the next, which has so many parts."""
        self._finish()
        self._current = self.add_task(name, total=parts or 1)

    def part(self) -> None:
        """Advance within the step."""
        if self._current is not None:
            self.update(self._current, advance=1)

    def stop(self) -> None:
        """Finish the last step and leave the screen to others."""
        self._finish()
        super().stop()

    def _finish(self) -> None:
        if self._current is not None:
            self.update(self._current, completed=self.tasks[self._current].total)


def _write_course_file(settings: Settings) -> None:
    """The shipped course, moved so that today lies in week 4."""
    if settings.course.exists():
        return
    shipped = settings.site / "course.yml"
    today = datetime.now(load_course(shipped).tz).date()
    text, _ = rebase(read_text(shipped), first_class(today), file=str(shipped))
    settings.course.write_text(text)


def first_class(today: date) -> date:
    """The Friday of week 1 in a term in whose week 4 (Monday to Sunday) `today` lies."""
    friday = today + timedelta(days=4 - today.weekday())
    return friday - timedelta(weeks=WEEK - 1)


def _enrol(settings: Settings) -> dict[str, str]:
    """People with passwords, kept in a private file for the next run."""
    kept = settings.state / "passwords.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    exchange = Exchange(settings)
    lines = ["username,number,name,email,role"]
    people = [_person(story) for story in STORIES] + list(STAFF)
    lines += [f'{p.username},{p.number},"{p.name}",{p.email},{p.role}' for p in people]
    exchange.roster.import_csv("\n".join(lines))
    passwords = {person.username: secrets.token_urlsafe(6) for person in people}
    for username, password in passwords.items():
        exchange.roster.set_password(username, password)
    kept.touch(mode=0o600)
    kept.write_text(json.dumps(passwords))
    return passwords


def _person(story: Story) -> Person:
    email = f"{story.username}@example.edu"
    return Person(story.username, story.number, story.name, email, "student")


def _release(settings: Settings) -> None:
    runner.add_source(Path(str(settings.course_dir)), settings.site / "source", ASSIGNMENT)
    runner.release(partial(nbgrader_config, settings), ASSIGNMENT)


def _hand_in(settings: Settings, passwords: dict[str, str]) -> None:
    """Everybody hands in through the real exchange; the deadline passes; one is late."""
    exchange = Exchange(settings)
    done = {row.username for row in exchange.ledger.all()}
    waiting = [s for s in STORIES if s.cases is not None and s.username not in done]
    for story in waiting:
        if not story.late:
            _hand_in_one(settings, story, passwords[story.username])
    if any(story.late for story in waiting):
        _close_assignment(settings, exchange)
        for story in waiting:
            if story.late:
                _hand_in_one(settings, story, passwords[story.username])
        _extend(exchange)


def _hand_in_one(settings: Settings, story: Story, password: str) -> None:
    session = Session(settings.public_url, story.username, password, settings.bind_url)
    with Client(settings.exchange_url, session.token()) as client:
        name = f"{ASSIGNMENT}.ipynb"
        content = client.files(ASSIGNMENT)[name]
        if not story.untouched:
            content = _solve(settings, content, story.cases or ())
        lms_name = f"{story.number}_{story.name.replace(' ', '-')}_{name}"
        client.hand_in(ASSIGNMENT, {lms_name if story.lms_name else name: content})
    session.close()


def _solve(settings: Settings, released: bytes, cases: Sequence[str]) -> bytes:
    """The released notebook with right answers, but those of `cases`."""
    answers = reference_answers(read_notebook(settings.site / "source" / ASSIGNMENT))
    for case in cases:
        folder = settings.site / "tests" / "submissions" / ASSIGNMENT / case
        answers |= {path.stem: path.read_text() for path in folder.glob("*.py")}
    return as_bytes(fill(nbformat.reads(released.decode(), as_version=4), answers))


def _close_assignment(settings: Settings, exchange: Exchange) -> None:
    """Move the deadline to this very second and wait until it is over."""
    now = datetime.now(UTC).replace(microsecond=0)
    settings.course.write_text(set_due(read_text(settings.course), NUMBER, now))
    assignment = exchange.deadlines.course.assignment(ASSIGNMENT)
    over = window(exchange.deadlines.course, assignment).on_time_before
    while datetime.now(UTC) < over:
        time.sleep(0.05)


def _extend(exchange: Exchange) -> None:
    """Give two students time until the end of the next Friday, so that they can try it all."""
    course = exchange.deadlines.course
    now = datetime.now(course.tz)
    friday = now.date() + timedelta(days=(4 - now.weekday()) % 7 or 7)
    until = datetime.combine(friday + timedelta(days=1), datetime.min.time(), course.tz)
    for username in EXTENDED:
        exchange.roster.extend(
            Extension(username, ASSIGNMENT, until, "joined the class late", "ines", now)
        )


def _collect(settings: Settings) -> list[str]:
    """Collect; return who is not graded yet."""
    collected = runner.collect(partial(nbgrader_config, settings), ASSIGNMENT)
    course_dir = Path(str(settings.course_dir))
    return [name for name in collected if not runner.is_graded(course_dir, ASSIGNMENT, name)]


def _autograde(settings: Settings, students: list[str], part: Callable[[], None]) -> None:
    """Grade through nbgrader's pipeline; a failure is shown, not hidden."""
    make_config = partial(nbgrader_config, settings)
    log = settings.state / "autograde.log"
    for graded in runner.autograde(make_config, ASSIGNMENT, students, log=log):
        part()
        if not graded.done:
            console.print(f"{graded.student}: not graded: {graded.problem}", style="red")


def _welcome(settings: Settings, passwords: dict[str, str]) -> None:
    course = load_course(settings.course)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("Name", "Password", "Who", "Assignment 1"):
        table.add_column(column)
    for person in STAFF:
        who = f"{person.name}, {person.role}"
        table.add_row(person.username, passwords[person.username], who, "grades it")
    for story in STORIES:
        table.add_row(story.username, passwords[story.username], story.name, story.about)
    console.print(table)
    console.print(f"{course.code} {course.title}: today is in week {WEEK} of the term.")
    console.print(f"Open [bold]{settings.public_url}[/bold] and sign in as any of them. To try it:")
    console.print(
        "  jia    fetches, solves, validates and submits assignment 1 in the Assignment List\n"
        "  tara   opens the formgrader (menu Nbgrader), grades the written question, releases "
        "feedback\n"
        "  aisha  then fetches her feedback"
    )
    console.print("Servers are ordinary processes here and isolate nothing. Ctrl-C stops it all.")
