"""Several forms on one page: whatever is wrong with one is said above it, and what was typed stays.

A form is named after what it does; its handler has a table of these deeds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from coursehub.course.model import Course
from coursehub.course.wallclock import ClockTime, Fault, Moment
from coursehub.errors import HTTP_STATUS, CourseHubError, ExchangeError
from coursehub.home.web import PageHandler

Form = Mapping[str, str]
"""What was typed, by the field's name; a field that is missing is empty."""

Deed = Callable[[Any, Form, str, datetime], Any]
"""What a form does: told the project (`project_sources.Project`), the form, who sent it, when."""

LONGEST = 2000
"""Characters of a field."""


@dataclass(frozen=True)
class Filled:
    """A form that was sent and refused; empty on a page that is only looked at.

    Attributes:
        deed: The form's name.
        problem: What is wrong with it, in a sentence.
        form: What was typed.
    """

    deed: str = ""
    problem: str = ""
    form: Form = field(default_factory=dict)

    def said(self, *deeds: str) -> str:
        """What is wrong with one of these forms; empty if nothing is."""
        return self.problem if self.deed in deeds else ""

    def typed(self, deed: str, name: str, usual: str = "") -> str:
        """What a field of a form holds."""
        return self.form.get(name, usual) if self.deed == deed else usual


NOT_FILLED = Filled()


class FormsHandler(PageHandler):
    """A page with forms; whoever derives from it shows the page, and has the deeds."""

    deeds: Mapping[str, Deed]

    async def get(self, *where: str) -> None:
        """Show the page."""
        await self.show_page(NOT_FILLED, *where)

    async def post(self, deed: str) -> None:
        """Do what a form asks for; where that is refused, show the page with the form as it was."""
        form = self.form()
        try:
            await self.ask(
                self.deeds[deed], self.home.project, form, self.person.username, self.now
            )
        except (CourseHubError, Fault) as error:
            await self.refuse(deed, error, form)
            return
        self.go(self.done(deed, form))

    def form(self) -> Form:
        """Everything that was typed, without what surrounds it; PostgreSQL takes no NUL."""
        return {
            name: self.get_body_argument(name).replace("\0", "").strip()[:LONGEST]
            for name in self.request.body_arguments
            if name != "_xsrf"
        }

    async def refuse(self, deed: str, error: Exception, form: Form, *where: str) -> None:
        """Say above a form what is wrong with it."""
        status = HTTP_STATUS[type(error)] if isinstance(error, ExchangeError) else 409
        self.set_status(status)
        await self.show_page(Filled(deed, str(error), form), *where)

    async def show_page(self, filled: Filled, *where: str) -> None:
        """Show the page, one of its forms perhaps as it was filled."""
        raise NotImplementedError

    def done(self, deed: str, form: Form) -> str:
        """The address, below the pages', to go to after a deed."""
        raise NotImplementedError


def first_late(text: str, course: Course) -> datetime:
    """The first instant after the minute that somebody wrote, on the course's clocks.

    Args:
        text: As a browser sends it, such as ``2021-02-06T23:59``.
        course: The course.

    Raises:
        CourseHubError: It is no time.
        Fault: The clocks skip or repeat it.
    """
    try:
        moment = datetime.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        raise CourseHubError(
            f"{text!r} is no time", remedy="Write it like 2021-02-06T23:59"
        ) from None
    clock = ClockTime(moment.time(), timedelta(minutes=1))
    return Moment(moment.date(), clock).ends(course.tz)
