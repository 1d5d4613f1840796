"""The formgrader's page about edits outside the answers, where staff decide what they cost.

It is server-side HTML with ordinary forms, in the look of nbgrader's own pages: it works without a
mouse and without scripts. What was found and decided belongs to the gradebook; the page asks it
through `Decisions`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from jinja2 import ChoiceLoader, Environment, FileSystemLoader
from nbgrader.server_extensions.formgrader.base import (
    BaseHandler,
    check_notebook_dir,
    check_xsrf,
)
from tornado import web
from traitlets import Any as AnyTrait
from traitlets.config import LoggingConfigurable

from coursehub.errors import CourseHubError, NotFound
from coursehub.grading.additions import templates


class Decisions(Protocol):
    """What the page needs; `gradebook.decisions.CourseDecisions` is it."""

    def overview(self) -> Sequence[tuple[str, int, int]]:
        """Assignments with edited hand-ins: name, how many, how many of them are open."""

    def hand_ins(self, assignment: str) -> Sequence[Any]:
        """Its edited hand-ins (`gradebook.edits.Edited`)."""

    def decide(
        self, assignment: str, student: str, digest: str, verb: str, percent: float,
        reason: str, who: str,
    ) -> None:  # fmt: skip
        """Store a decision about the edits of that digest."""

    def name(self, username: str) -> str:
        """A person's full name, or the user name."""

    def say(self, moment: datetime) -> str:
        """A moment in the course's timezone, with its weekday."""

    @property
    def cap(self) -> int:
        """The most that edits may cost, in percent."""


class EditsPage(LoggingConfigurable):
    """Holds what the page asks; `c.EditsPage` configures it."""

    decisions: Decisions = AnyTrait(help="What was found and decided.").tag(config=True)


def decisions_of(settings: Mapping[str, Any]) -> Decisions:
    """What the formgrader whose settings these are (tornado's) asks."""
    formgrader = settings["nbgrader_formgrader"]
    formgrader.load_config_file()  # course.yml may have been edited
    return EditsPage(parent=formgrader).decisions  # type: ignore[no-any-return]


class _EditsHandler(BaseHandler):
    """What both pages share."""

    @property
    def decisions(self) -> Decisions:
        return decisions_of(self.settings)

    def show(self, template: str, **names: Any) -> None:
        """Answer with a page; everything in it is escaped."""
        page = _ENVIRONMENT.get_template(template)
        token = self.xsrf_token.decode()
        self.finish(page.render(base_url=self.base_url, xsrf_token=token, **names))


class EditedAssignmentsHandler(_EditsHandler):
    """The assignments that have edited hand-ins."""

    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    def get(self) -> None:
        """Show them."""
        self.show("edits_assignments.tpl", assignments=self.decisions.overview())


class EditedHandInsHandler(_EditsHandler):
    """The edited hand-ins of an assignment."""

    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    def get(self, assignment: str) -> None:
        """Show them, what was decided, and a form for each."""
        self.show_hand_ins(assignment)

    def show_hand_ins(self, assignment: str, problem: str = "", student: str = "") -> None:
        """Show the page, with what went wrong on top if something did."""
        decisions = self.decisions
        self.show(
            "edits.tpl",
            assignment=assignment,
            hand_ins=decisions.hand_ins(assignment),
            decisions=decisions,
            problem=problem,
            student=student,
        )


class EditDecisionHandler(EditedHandInsHandler):
    """Where the form of one hand-in is sent to."""

    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    def get(self, assignment: str, student: str) -> None:
        """Lead to the hand-in on its page."""
        self._lead_to(assignment, student)

    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    def post(self, assignment: str, student: str) -> None:
        """Decide, and show the hand-in again."""
        try:
            self.decisions.decide(
                assignment,
                student,
                self.get_body_argument("edits"),
                self.get_body_argument("verb"),
                _percent(self.get_body_argument("percent", "")),
                self.get_body_argument("reason", "")[:2000],
                self.current_user.username,
            )
        except NotFound as error:
            self.set_status(404)
            self.show_hand_ins(assignment, str(error), student)
        except CourseHubError as error:
            self.set_status(409)
            self.show_hand_ins(assignment, str(error), student)
        else:
            self._lead_to(assignment, student)

    def _lead_to(self, assignment: str, student: str) -> None:
        page = f"{self.base_url}/formgrader/edits/{quote(assignment)}"
        self.redirect(f"{page}#{quote(student)}", status=303)


_ENVIRONMENT = Environment(
    loader=ChoiceLoader([FileSystemLoader(Path(__file__).parent / "templates"), templates()]),
    autoescape=True,
)

HANDLERS = [
    (r"/formgrader/edits/?", EditedAssignmentsHandler),
    (r"/formgrader/edits/([^/]+)/?", EditedHandInsHandler),
    (r"/formgrader/edits/([^/]+)/([^/]+)/?", EditDecisionHandler),
]


def _percent(text: str) -> float:
    try:
        return float(text or 0)
    except ValueError:
        raise CourseHubError(f"{text!r} is no number", remedy="Write percent like 5") from None
