"""A Jupyter Server extension: nbgrader's Assignment List with the course's additions.

- errors of the Assignment List are one plain sentence instead of a traceback or silence;
- deadlines, time left, the standing of each hand-in and what the visible tests said of it for
  `labextensions/`, which writes them into the Assignment List;
- a look at a hand-in when Submit is pressed there;
- an address that opens an assignment's notebook, for links from elsewhere.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import url_path_join
from nbgrader.server_extensions import assignment_list
from nbgrader.server_extensions.assignment_list.handlers import AssignmentList
from tornado import web
from tornado.ioloop import IOLoop

from coursehub.errors import CourseHubError
from coursehub.exchange.beforehand import Beforehand, look
from coursehub.exchange.client import connect_from_server
from coursehub.exchange.plugin import Refusal, say
from coursehub.exchange.protocol import HandInRecord, VisibleTests


class PlainAssignmentList(AssignmentList):
    """nbgrader's manager of the Assignment List; what fails is said in one sentence."""

    _unsaid: str | None = None

    def list_assignments(self, course_id: str | None = None) -> dict[str, Any]:
        """List as nbgrader does, or say why the step before, or the listing itself, failed."""
        sentence, self._unsaid = self._unsaid, None
        if sentence:
            return {"success": False, "value": sentence}
        return self._said(super().list_assignments(course_id=course_id))

    def submit_assignment(self, course_id: str, assignment_id: str) -> dict[str, Any]:
        """Hand in."""
        return self._said(super().submit_assignment(course_id, assignment_id))

    def fetch_assignment(self, course_id: str, assignment_id: str) -> dict[str, Any]:
        """Fetch; the page asks for the list next and ignores this answer."""
        return self._keep(self._said(super().fetch_assignment(course_id, assignment_id)))

    def fetch_feedback(self, course_id: str, assignment_id: str) -> dict[str, Any]:
        """Fetch feedback; the page asks for the list next and ignores this answer."""
        return self._keep(self._said(super().fetch_feedback(course_id, assignment_id)))

    def _said(self, answer: dict[str, Any]) -> dict[str, Any]:
        sentence, Refusal.sentence = Refusal.sentence, None
        if answer["success"]:
            return answer
        return {"success": False, "value": sentence or answer["value"]}

    def _keep(self, answer: dict[str, Any]) -> dict[str, Any]:
        self._unsaid = None if answer["success"] else answer["value"]
        return answer


class DeadlinesHandler(APIHandler):
    """What `labextension/` writes into the Assignment List."""

    @web.authenticated
    def get(self) -> None:
        """Send a line for each assignment and each hand-in."""
        try:
            with connect_from_server() as client:
                assignments, hand_ins = client.assignments(), client.hand_ins()
                tests = {each.hand_in: each for each in client.visible_tests().hand_ins}
        except CourseHubError as error:
            raise web.HTTPError(503, reason=str(error)) from error
        notes = {
            "assignments": {
                record.assignment: ", ".join(
                    part for part in (record.due_text, record.time_left) if part
                )
                for record in assignments.assignments
            },
            "hand_ins": {
                record.timestamp: note(record, tests.get(record.number))
                for record in hand_ins.hand_ins
            },
            "pending": any(not each.done for each in tests.values()),
        }
        self.finish(json.dumps(notes))


class OpenHandler(JupyterHandler):
    """Opens an assignment's notebook, as links in the LMS do; what was not fetched yet, is."""

    @web.authenticated
    async def get(self) -> None:
        """Lead to the notebook."""
        name = self.get_query_argument("assignment")
        notebook = await IOLoop.current().run_in_executor(None, self._place, name)
        path = [quote(part) for part in notebook.parts]
        self.redirect(url_path_join(self.base_url, "lab", "tree", *path))

    def _place(self, name: str) -> Path:
        """Where the notebook lies in the home; the folder, if it was renamed."""
        manager = self.settings["assignment_list_manager"]
        try:
            with connect_from_server() as client:
                found = client.assignments()
        except CourseHubError as error:
            raise web.HTTPError(503, str(error)) from error
        records = [each for each in found.assignments if each.assignment == name]
        if not records:
            raise web.HTTPError(404, f"{name} is not open yet, or no longer there")
        folder = Path(manager.root_dir) / name
        if not folder.exists():
            answer = manager.fetch_assignment(found.course, name)
            if not answer["success"]:
                raise web.HTTPError(503, answer["value"])
        notebook = Path(name) / records[0].notebook
        return notebook if (Path(manager.root_dir) / notebook).exists() else Path(name)


class BeforehandHandler(APIHandler):
    """What a student should know before they hand in."""

    @web.authenticated
    async def get(self) -> None:
        """Say it."""
        name = self.get_query_argument("assignment")
        answer = await IOLoop.current().run_in_executor(None, self._look, name)
        self.finish(json.dumps(answer))

    def _look(self, assignment: str) -> dict[str, Any]:
        remarks = Beforehand(parent=self.serverapp).load()
        home = Path(self.settings["assignment_list_manager"].root_dir)
        try:
            with connect_from_server() as client:
                return look(client, home, assignment, remarks, datetime.now(UTC))
        except CourseHubError as error:
            raise web.HTTPError(503, reason=str(error)) from error


def note(record: HandInRecord, tests: VisibleTests | None) -> str:
    """The lines below a hand-in: when it came, whether it counts, and how its tests went."""
    lines = [f"{record.received_text}: {say(record)}"]
    if tests:
        lines.append(tests.text)
        for test in tests.tests:
            if not test.passed:
                message = " ".join(test.message.split())
                lines.append(f"{test.name}: {message or 'not passed'}")
    return "\n".join(lines)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    assignment_list.load_jupyter_server_extension(app)
    manager = PlainAssignmentList(parent=app)
    manager.root_dir = app.root_dir
    app.web_app.settings["assignment_list_manager"] = manager
    base = app.web_app.settings["base_url"]
    app.web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, "coursehub", "deadlines"), DeadlinesHandler),
            (url_path_join(base, "coursehub", "beforehand"), BeforehandHandler),
            (url_path_join(base, "coursehub", "open"), OpenHandler),
        ],
    )
