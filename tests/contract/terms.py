"""A whole term in miniature: all of the course's assignments, small, with times of one's own."""

import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from sqlalchemy import update

from coursehub import journal
from coursehub.cli.steps import Steps
from coursehub.course.load import load_course
from coursehub.exchange.database import clock, connect
from coursehub.exchange.deadlines import CourseFile
from coursehub.exchange.exchange import Exchange
from coursehub.settings import CHECKOUT
from tests.contract.miniature import source_notebook
from tests.deployment import PEOPLE, Deployment, prepare

NAMES = [f"assignment_{number}" for number in range(1, 9)]
RIGHT, WRONG = "def double(x):\n    return 2 * x", "def double(x):\n    return x + 2"
POINTS = {RIGHT: 5.0, WRONG: 2.0}

Window = tuple[datetime, datetime]


def windows(*open_: str) -> dict[str, Window]:
    """Some assignments are open for two more days, the others will be."""
    now, day = datetime.now(UTC), timedelta(days=1)
    return {
        name: (now - day, now + 2 * day) if name in open_ else (now + day, now + 3 * day)
        for name in NAMES
    }


def course_text(windows: Mapping[str, Window], policy: Mapping[str, str]) -> str:
    """The shipped course.yml with other times, and without what else has to be handed in.

    Args:
        windows: assignment -> its release and its deadline, whose whole second is in time.
        policy: key -> what stands in its line.
    """
    text = (CHECKOUT / "course.yml").read_text()
    tz = load_course(CHECKOUT / "course.yml").tz
    text = re.sub(r"\n    extra_files: .*", "", text)
    for name, window in windows.items():
        release, due = (at.astimezone(tz).strftime("%a %Y-%m-%d %H:%M:%S") for at in window)
        line = f"  - number: {name[-1]}\n    week: "
        assert line in text
        own = f"    release: {release}\n    due: {due}\n    week: "
        text = text.replace(line, line.replace("    week: ", own))
    for key, value in policy.items():
        text, count = re.subn(rf"(?m)^{key}: .*$", f"{key}: {value}", text)
        assert count == 1, key
    return text


class Term:
    """A deployment with a source for each assignment, and nothing done yet."""

    def __init__(
        self,
        state: Path,
        windows: Mapping[str, Window],
        *,
        names: Iterable[str] = NAMES,
        written: bool = False,
        policy: Mapping[str, str] | None = None,
        people: str = PEOPLE,
        **settings: object,
    ) -> None:
        """Prepare it; with `written` a person has to give points for one cell."""
        site = state / "site"
        for name in names:
            notebook = source_notebook()
            if not written:
                notebook.cells.pop()
            folder = site / "source" / name
            folder.mkdir(parents=True)
            nbformat.write(notebook, folder / f"{name}.ipynb")
        self.policy = policy or {}
        text = course_text(windows, self.policy)
        self.deployment: Deployment = prepare(state, text, people, site=site, **settings)
        self.settings = self.deployment.settings
        self.exchange = Exchange(self.settings)
        self.engine = connect(str(self.settings.database))
        self.folder = Path(str(self.settings.course_dir))

    def move(self, windows: Mapping[str, Window]) -> None:
        """Give the assignments other times, as staff do who edit course.yml."""
        self.settings.course.write_text(course_text(windows, self.policy))

    def close(self, *names: str, every: Mapping[str, Window]) -> datetime:
        """Let the deadline of some be now; return the first instant that is late."""
        now = datetime.now(UTC).replace(microsecond=0)
        self.move(every | {name: (every[name][0], now) for name in names})
        over = now + timedelta(seconds=1)
        while datetime.now(UTC) < over:
            time.sleep(0.02)
        return over

    @property
    def steps(self) -> Steps:
        """What the clock does here."""
        return Steps(self.settings, CourseFile(self.settings.course))

    def hand_in(self, student: str, name: str, answer: str, key: str = "") -> None:
        """Hand in what was released, with an answer."""
        person, now = self.exchange.person(student), datetime.now(UTC)
        released = self.exchange.files(person, name, now)[f"{name}.ipynb"]
        notebook = nbformat.reads(released.decode(), as_version=4)
        notebook.cells[0].source = answer
        if notebook.cells[-1].cell_type == "markdown":
            notebook.cells[-1].source = "Because."
        files = {f"{name}.ipynb": nbformat.writes(notebook).encode()}
        key = key or f"{student} hands in {name}"
        done = self.exchange.hand_in(person, name, files, key, now)
        self.exchange.run_visible_tests(person, done, now)

    def points(self, student: str, name: str) -> float:
        """What is left of the points once the penalty is off."""
        with Gradebook(self.settings.gradebook, "cs5260") as gradebook:
            found = gradebook.find_submission(name, student)
            return float(found.score - (found.late_submission_penalty or 0))

    def pages(self, student: str) -> dict[str, set[str]]:
        """Assignment -> the files of the feedback that a student can fetch."""
        person = self.exchange.person(student)
        return {
            each.assignment: set(self.exchange.feedback(person, each.number))
            for each in self.exchange.hand_ins(person).hand_ins
            if each.feedback
        }

    def told(self) -> list[tuple[str, str]]:
        """What the clock wrote into the journal, the oldest first."""
        entries = reversed(journal.entries(self.engine))
        return [(each.did, str(each.assignment)) for each in entries if each.who == "clock"]

    def end_leases(self) -> None:
        """What some seconds would do."""
        with self.engine.begin() as connection:
            connection.execute(update(clock).values(taken_until=datetime.now(UTC)))
