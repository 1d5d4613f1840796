"""The course pages put together: what they are told by others, and their routes."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple

from jupyterhub.services.auth import HubOAuth

from coursehub.home import student
from coursehub.home.points import points_of
from coursehub.home.regrades import Regrades
from coursehub.home.sources import Records, Scores, Section, Sections
from coursehub.home.student_pages import (
    AskForRegradeHandler,
    FeedbackPageHandler,
    ReceiptHandler,
    StudentPageHandler,
)
from coursehub.home.web import STATIC, CallbackHandler, NoPageHandler

FRESH = timedelta(seconds=60)
"""How old the class's scores may be on a student's page."""


def no_sections(username: str, now: datetime) -> Sequence[Section]:
    """Where nobody fills sections there are none."""
    return ()


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
        sections: Fills more sections of a student's page.
    """

    records: Records
    scores: Scores
    regrades: Regrades
    sections: Sections = no_sections
    _class_scores: "Recent" = field(default_factory=lambda: Recent(FRESH))

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
            assignment, until = course.assignment(name), self.records.extensions(name)
            return [
                points_of(course, assignment, standing, until.get(username)).score
                for username, standing in self.scores.of_class(name).items()
                if standing.graded
            ]

        return self._class_scores.get(name, now, add_up)


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
    ]
    return Routes(
        [
            (prefix + r"oauth_callback", CallbackHandler),
            *((prefix + path, handler, told) for path, handler in pages),
            (prefix + r"(?!api/|static/).*", NoPageHandler, told),
        ],
        {
            "page_auth": auth,
            # Cookies are signed with it: it lasts as long as the service's own token does.
            "cookie_secret": hashlib.sha256(f"pages {auth.api_token}".encode()).digest(),
            "static_path": str(STATIC),
            "static_url_prefix": f"{prefix}static/",
        },
    )
