"""The project's page for students: team, slot and report, and what can be done with them."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from tornado.httputil import HTTPInputError, parse_body_arguments
from tornado.web import HTTPError, stream_request_body

from coursehub.errors import BadSubmission, CourseHubError, NotAllowed, TooLarge
from coursehub.home import project
from coursehub.home.forms import Deed, Filled, FormsHandler
from coursehub.home.web import FEEDBACK_POLICY, PageHandler

ENVELOPE = 65_536
"""Bytes of a request beside the report's."""

DRAINED = 8
"""Of a report that is too large, so many times the limit are read before it is refused: a browser
shows the answer only after it has sent everything."""

HAND_IN = "hand-in"

DEEDS: Mapping[str, Deed] = {
    "invite": lambda of, form, who, now: of.teams.invite(form.get("who", "").lower(), who, now),
    "accept": lambda of, form, who, now: of.teams.accept(form.get("team", ""), who, now),
    "decline": lambda of, form, who, now: of.teams.decline(form.get("team", ""), who, now),
    "leave": lambda of, form, who, now: of.teams.leave(who, now),
    "swap": lambda of, form, who, now: of.talks.swap(form.get("team", ""), who, now),
    "refuse": lambda of, form, who, now: of.talks.refuse(form.get("team", ""), who, now),
    "kind": lambda of, form, who, now: of.talks.choose(
        _own_team(of, who), form.get("kind", ""), who, now
    ),
}
"""What the page's forms do; who sends one acts for their own team alone."""

SAID = {
    "invite": "They are invited; they answer on their own page",
    "accept": "You are in the team",
    "decline": "The invitation is declined",
    "leave": "You have left the team",
    "swap": "Done: where the other team has asked for it the slots are swapped, else it is asked",
    "refuse": "Nothing is swapped",
    "kind": "Noted",
    HAND_IN: "Your report is handed in; its receipt is below",
}
"""What was just done, in our words: an address must not put others on the page."""


class ProjectPageHandler(FormsHandler):
    """Everything about one student's project, with its forms."""

    deeds = DEEDS

    def admit(self) -> None:
        """Refuse staff what only students do."""
        if self.person.staff and self.request.method != "GET":
            raise NotAllowed("this is for students", remedy="Use the page Project of staff")

    async def show_page(self, filled: Filled, *where: str) -> None:
        """Show it; staff have pages of their own."""
        if self.person.staff:
            self.go("staff/project")
            return
        told = self.home.project
        own = await self.ask(told.own, self.person.username)
        order = await self.ask(told.talks.order)
        rows = await self.ask(told.running_order)
        self.show(
            "project.html", project=project, own=own, filled=filled, rows=rows,
            starts=order.slots[0][0].starts if order.slots else None,
            others=[team for _, team in order.slots if team and team != own.team],
            said=SAID.get(self.get_query_argument("said", ""), ""),
            key=secrets.token_hex(16), limit=told.limit,
        )  # fmt: skip

    def done(self, deed: str, form: Mapping[str, str]) -> str:
        """Back to the page."""
        return f"{project.PAGE}?said={deed}"


@stream_request_body
class HandInReportHandler(ProjectPageHandler):
    """Takes a report: a form that is larger than others, and read only from those who may send it.

    The token against forged requests stands in the form, so it is compared once the whole is there.
    """

    _whole = False

    def check_xsrf_cookie(self) -> None:
        """Compare the form's token, once it is there; nothing is done before."""
        if self._whole:
            super().check_xsrf_cookie()

    async def prepare(self) -> None:
        """Find out who asks, and let so much through."""
        self._most = self.home.project.limit + ENVELOPE
        connection: Any = self.request.connection
        connection.set_max_body_size(DRAINED * self._most)
        self._body = bytearray()
        await super().prepare()

    def data_received(self, chunk: bytes) -> None:
        """Collect the form; what is too much is read, and not kept."""
        if len(self._body) <= self._most:
            self._body += chunk

    async def post(self, *_: str) -> None:
        """Keep the report; its check begins when this is answered."""
        try:
            sent_as, content = self._read()
            number = await self.ask(
                self.home.project.hand_in,
                self.person.username, sent_as, content, self._key(content), self.now,
            )  # fmt: skip
        except CourseHubError as error:
            await self.refuse(HAND_IN, error, {})
            return
        self.go(f"{project.PAGE}?said={HAND_IN}#report-{number}")

    def _read(self) -> tuple[str, bytes]:
        """The file's name and content.

        Raises:
            HTTPError: The form is none of ours.
            TooLarge, BadSubmission: It holds no report that can be kept.
        """
        limit = self.home.project.limit
        if len(self._body) > self._most:
            raise TooLarge(
                f"the report is larger than the {limit:,} bytes that are allowed",
                remedy="Put large drawings in as images, and try again",
            )
        request, files = self.request, {}
        try:
            kind = request.headers.get("Content-Type", "")
            parse_body_arguments(kind, bytes(self._body), request.arguments, files, request.headers)
        except HTTPInputError as error:
            raise HTTPError(400, reason="The form could not be read: send it again") from error
        request.body_arguments = request.arguments
        self._whole = True
        self.check_xsrf_cookie()
        [file] = files.get("file", [None])
        if file is None or not (file.filename or file.body):
            raise BadSubmission("no file was chosen", remedy="Choose the PDF, then hand it in")
        if not file.body:
            raise BadSubmission(
                f"{file.filename} is empty, and was not kept", remedy="Choose the right file"
            )
        return file.filename, file.body

    def _key(self, content: bytes) -> str:
        """The same for a form that was sent twice, another one for another file."""
        form = self.get_body_argument("key", "") or secrets.token_hex(16)
        return hashlib.sha256(form.encode() + hashlib.sha256(content).digest()).hexdigest()


def _own_team(of: Any, who: str) -> str:
    team = of.teams.of(who)
    if team is None:
        raise NotAllowed(f"{who} is in no team", remedy="Join a team first")
    return str(team.number)


class ReportReceiptHandler(PageHandler):
    """The receipt of a report of one's team."""

    async def get(self, number: str) -> None:
        """Send it as a file."""
        text = await self.ask(self.home.project.receipt, self.person.username, int(number))
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="receipt {number}.txt"')
        self.finish(text)


class ReportFileHandler(PageHandler):
    """A report: what anybody wrote, so it is saved and never opened here."""

    async def get(self, number: str) -> None:
        """Send it as a file."""
        content = await self.ask(self.home.project.report, self.person.username, int(number))
        self.set_header("Content-Security-Policy", FEEDBACK_POLICY)
        self.set_header("Content-Type", "application/pdf")
        self.set_header("Content-Disposition", f'attachment; filename="report {number}.pdf"')
        self.finish(content)
