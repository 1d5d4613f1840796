"""What all course pages share: who asks, what a browser may do with them, how they look.

People sign in at the hub (OAuth); a server's token opens no page, so that a notebook cannot act for
the person who runs it. Every page is for the browser's own window, runs the scripts of this folder
alone and keeps nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from tornado.web import HTTPError, RequestHandler

from coursehub.course.model import Course
from coursehub.course.schedule import say, say_short, time_left
from coursehub.errors import HTTP_STATUS, CourseHubError, ExchangeError, NotEnrolled
from coursehub.headers import headers
from coursehub.home import words
from coursehub.home.sources import Person

log = logging.getLogger(__name__)
T = TypeVar("T")

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

# Feedback holds what a student wrote. In a sandbox it has an origin of its own: no script runs, no
# cookie and no other page is within its reach.
FEEDBACK_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {"points": words.points, "task": words.task_of}
_TEMPLATES.globals |= {"counted": words.count}


class _Guarded(RequestHandler):
    """Whatever a browser shows of ours."""

    def set_default_headers(self) -> None:
        """What a browser may do with it; it keeps nothing."""
        self.set_header("Cache-Control", "no-store")
        for name, value in (headers(POLICY) | self.settings["transport"]).items():
            self.set_header(name, value)


class PageHandler(HubOAuthenticated, _Guarded):  # type: ignore[misc]
    """A page for a member of the course, who is found out before anything else."""

    person: Person
    now: datetime
    for_people = True
    """Whether to lead whoever is not signed in to the sign-in page; scripts get a 403."""

    def initialize(self, home: Any) -> None:
        """Answer for `home` (`pages.Home`)."""
        self.home = home
        self.hub_auth = self.settings["page_auth"]

    async def prepare(self) -> None:
        """Set `person` and `now`, or lead to the sign-in page, or refuse."""
        self.now = datetime.now(UTC)
        await self.hub_auth.get_user(self, sync=False)
        if getattr(self, "_token_authenticated", False):
            raise HTTPError(403, reason="The course pages are for browsers")
        user = self.current_user
        if user is None:
            if self.for_people and self.request.method in ("GET", "HEAD"):
                self.redirect(self.get_login_url())
                return
            raise HTTPError(403, reason="Reload the page and try again: you are not signed in")
        person = await self.ask(self.home.records.person, str(user["name"]))
        if person is None:
            raise NotEnrolled(
                f"{user['name']} is not on the roster of {self.course.code}",
                remedy="Ask the course staff to add you",
            )
        self.person = person
        self.admit()

    def admit(self) -> None:
        """Refuse whoever may not see this page; here nobody."""

    @property
    def course(self) -> Course:
        """The course as it stands now."""
        course: Course = self.home.records.course
        return course

    async def ask(self, step: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Run a step that waits for disk or database beside the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self.settings["page_threads"], partial(step, *arguments, **named)
        )

    def show(self, template: str, **names: Any) -> None:
        """Answer with a page."""
        self.finish(self.page(template, **names))

    def page(self, template: str, **names: Any) -> str:
        """Render a page; everything in it is escaped."""
        course = self.course
        return _TEMPLATES.get_template(template).render(
            course=course,
            person=getattr(self, "person", None),
            now=self.now,
            home=self.hub_auth.base_url,
            xsrf=self.xsrf_token.decode() if hasattr(self, "person") else "",
            static_url=self.static_url,
            short=partial(say_short, course=course),
            long=partial(say, course=course),
            left=lambda window: time_left(window, self.now),
            **names,
        )

    def go(self, path: str) -> None:
        """Lead to another of the pages, after a form was taken."""
        self.redirect(self.hub_auth.base_url + path, status=303)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say in a sentence what is wrong, on a page or to a script."""
        error = kwargs.get("exc_info", (None, None))[1]
        message, remedy = "This page could not be shown", "Try again; if it stays, tell the staff"
        if isinstance(error, CourseHubError):
            kind = type(error)
            status_code = HTTP_STATUS[kind] if isinstance(error, ExchangeError) else 409
            message, remedy = error.message, error.remedy or ""
        elif isinstance(error, HTTPError) and status_code < 500:
            message, remedy = error.reason or self._reason, ""
        self.set_status(status_code)
        if self.for_people:
            title = HTTPStatus(status_code).phrase
            self.show("error.html", title=title, message=message, remedy=remedy)
        else:
            self.finish({"message": message, "remedy": remedy})

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """A refusal is one line in the log, a fault is a traceback."""
        if isinstance(value, CourseHubError):
            log.info("%s: %s", self._request_summary(), value)
        else:
            super().log_exception(typ, value, tb)


class CallbackHandler(HubOAuthCallbackHandler, _Guarded):  # type: ignore[misc]
    """Where the hub leads back to after somebody signed in."""

    def initialize(self) -> None:
        """Use the service's own credentials."""
        self.hub_auth = self.settings["page_auth"]

    def _request_summary(self) -> str:
        """For the log: without the code that the hub sent along."""
        return f"{self.request.method} {self.request.path} ({self.request.remote_ip})"


class NoPageHandler(PageHandler):
    """What is not there."""

    async def prepare(self) -> None:
        """Say so, to members of the course; others are asked to sign in first."""
        await super().prepare()
        if not self._finished:
            raise HTTPError(404, reason="There is nothing here")
