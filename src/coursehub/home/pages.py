"""The course pages put together: what they are told by others, and their routes."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple

from jupyterhub.services.auth import HubOAuth

from coursehub.course.model import Assignment
from coursehub.course.schedule import window
from coursehub.home import (
    project_pages,
    project_staff_pages,
    similar_pages,
    staff,
    staff_pages,
    student,
)
from coursehub.home.points import points_of
from coursehub.home.project_sources import Project
from coursehub.home.regrades import Regrades
from coursehub.home.sources import (
    Clock,
    Records,
    Scores,
    Section,
    Sections,
    Similar,
    Staffroom,
)
from coursehub.home.student_pages import (
    AskForRegradeHandler,
    FeedbackPageHandler,
    ReceiptHandler,
    StudentPageHandler,
)
from coursehub.home.web import STATIC, CallbackHandler, NoPageHandler

FRESH = timedelta(seconds=60)
"""How old the class's scores may be on a student's page."""

LIVE = timedelta(seconds=5)
"""How old what staff see of all assignments at once may be."""


def no_sections(username: str, now: datetime) -> Sequence[Section]:
    """Where nobody fills sections there are none."""
    return ()


@dataclass(frozen=True)
class Progress:
    """How far autograding is: hand-ins graded, of how many, and what is left in words."""

    graded: int
    of: int
    text: str


class Routes(NamedTuple):
    """Tornado's routes, and what they need in the application's settings."""

    handlers: Sequence[tuple[Any, ...]]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Home:
    """What the pages ask.

    Attributes:
        records: The exchange.
        scores: The gradebook.
        regrades: Requests to grade anew.
        staffroom: What staff are told besides, and what is done for them.
        clock: What happens by itself.
        project: Teams, talks, reports, and the final marks.
        similar: Hand-ins that are alike.
        sections: Fills more sections of a student's page.
    """

    records: Records
    scores: Scores
    regrades: Regrades
    staffroom: Staffroom
    clock: Clock
    project: Project
    similar: Similar
    sections: Sections = no_sections
    _class_scores: "Recent" = field(default_factory=lambda: Recent(FRESH))
    _live: "Recent" = field(default_factory=lambda: Recent(LIVE))
    _pace: staff.Pace = field(default_factory=staff.Pace)

    def timeline(self, username: str, now: datetime) -> list[student.WeekOnPage]:
        """The term as one student sees it; a fixed number of queries."""
        course = self.records.course
        work = self.records.work(username, now)
        standings = self.scores.of(username)
        out = [name for name, each in work.items() if any(one.feedback for one in each.hand_ins)]
        told = out if course.show.distribution else []
        return student.timeline(
            course,
            now,
            released=self.records.released(),
            work=work,
            standings=standings,
            regrades=self.regrades.of(username),
            class_scores={name: self.class_scores(name, now) for name in told},
        )

    def class_scores(self, name: str, now: datetime) -> list[float]:
        """All scores of an assignment, as they were a moment ago."""

        def add_up() -> list[float]:
            course = self.records.course
            assignment = course.assignment(name)
            usual = window(course, assignment)
            own = {
                username: window(course, assignment, until)
                for username, until in self.records.extensions(name).items()
            }
            return [
                points_of(course, own.get(username, usual), standing).score
                for username, standing in self.scores.of_class(name).items()
                if standing.graded
            ]

        return self._class_scores.get(name, now, add_up)

    def class_rows(self, assignment: Assignment, now: datetime) -> list[staff.Row]:
        """How it stands with each student; a fixed number of queries."""
        name, room = assignment.name, self.staffroom
        return list(
            staff.rows(
                self.records.course, assignment, now, room.students(), room.class_work(name),
                self.scores.of_class(name), room.problems(name),
            )
        )  # fmt: skip

    def classes(self, now: datetime) -> list[tuple[Assignment, Mapping[str, int]]]:
        """The assignments that are out, the newest first: how many students are in which state."""

        def count() -> list[tuple[Assignment, Mapping[str, int]]]:
            released = self.records.released()
            out = [each for each in self.records.course.assignments if each.name in released]
            return [
                (each, staff.class_list(self.class_rows(each, now), staff.Wanted()).counts)
                for each in reversed(out)
            ]

        return self._live.get("classes", now, count)

    def progress(self, now: datetime) -> dict[str, Progress]:
        """How far autograding is, by assignment that anybody handed in."""

        def look() -> dict[str, Progress]:
            graded = self.scores.graded()
            found = {}
            for name, of in self.staffroom.handed_in().items():
                done = min(graded.get(name, 0), of)
                left = self._pace.left(name, done, of, now)
                text = f"{done:,} of {of:,} graded" + (f", about {left} left" if left else "")
                found[name] = Progress(done, of, text)
            return found

        return self._live.get("progress", now, look)


class Recent:
    """Remembers answers for a while."""

    def __init__(self, length: timedelta) -> None:
        """Remember for `length`."""
        self._length = length
        self._known: dict[str, tuple[datetime, Any]] = {}
        self._lock = Lock()

    def get(self, key: str, now: datetime, make: Callable[[], Any]) -> Any:
        """The answer to `key`, made anew when it is old; those who come meanwhile wait."""
        with self._lock:
            known = self._known.get(key)
            if known is None or now - known[0] > self._length:
                known = self._known[key] = (now, make())
            return known[1]


def routes(home: Home, auth: HubOAuth) -> Routes:
    """The pages below the service's prefix, all but what begins with ``api/``."""
    told = {"home": home}
    prefix = auth.base_url
    number, name = r"(\d{1,9})", r"([A-Za-z0-9_.-]{1,128})"
    pages = [
        ("", StudentPageHandler),
        (rf"receipts/{number}\.txt", ReceiptHandler),
        (rf"feedback/{number}/{name}", FeedbackPageHandler),
        (rf"regrades/{name}", AskForRegradeHandler),
        (r"project", project_pages.ProjectPageHandler),
        (r"project/report", project_pages.HandInReportHandler),
        (rf"project/({'|'.join(project_pages.DEEDS)})", project_pages.ProjectPageHandler),
        (rf"project/reports/{number}\.txt", project_pages.ReportReceiptHandler),
        (rf"project/reports/{number}\.pdf", project_pages.ReportFileHandler),
        *project_staff_pages.ROUTES,
        (r"staff/?", staff_pages.OverviewHandler),
        (r"staff/progress", staff_pages.ProgressHandler),
        (rf"staff/assignments/{name}", staff_pages.ClassHandler),
        (rf"staff/assignments/{name}/figures", staff_pages.FiguresHandler),
        (rf"staff/assignments/{name}/edits", staff_pages.EditsHandler),
        (rf"staff/assignments/{name}/feedback", staff_pages.FeedbackHandler),
        (rf"staff/assignments/{name}/similar", similar_pages.PairsHandler),
        (rf"staff/assignments/{name}/similar/([0-9a-f]{{20}})", similar_pages.PairHandler),
        (r"staff/extensions", staff_pages.ExtensionsHandler),
        (r"staff/regrades", staff_pages.RegradesHandler),
        (rf"staff/regrades/{number}/rerun", staff_pages.RerunHandler),
        (rf"staff/regrades/{number}/answer", staff_pages.AnswerHandler),
        (r"staff/clock", staff_pages.ClockHandler),
        (r"staff/gpus", staff_pages.GpusHandler),
        (r"staff/journal", staff_pages.JournalHandler),
    ]
    return Routes(
        [
            (prefix + r"oauth_callback", CallbackHandler),
            *((prefix + path, handler, told) for path, handler in pages),
            (prefix + r"(?!api/|static/).*", NoPageHandler, told),
        ],
        {
            "page_auth": auth,
            # Threads of their own: no hand-in waits for a page.
            "page_threads": ThreadPoolExecutor(4, thread_name_prefix="pages"),
            # Cookies are signed with it: it lasts as long as the service's own token does.
            "cookie_secret": hashlib.sha256(f"pages {auth.api_token}".encode()).digest(),
            "static_path": str(STATIC),
            "static_url_prefix": f"{prefix}static/",
        },
    )
