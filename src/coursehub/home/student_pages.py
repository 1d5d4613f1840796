"""The pages of one student: the own standing, receipts, feedback, and asking for a regrade."""

from typing import Any

from coursehub.errors import CourseHubError, NotFound
from coursehub.home import student
from coursehub.home.web import FEEDBACK_POLICY, PageHandler


class StudentPageHandler(PageHandler):
    """Where the person who asks stands."""

    async def get(self) -> None:
        """Show it; staff see what there is to do instead."""
        if self.person.staff:
            self.go("staff/")
            return
        weeks = await self.ask(self.home.timeline, self.person.username, self.now)
        sections = await self.ask(self.home.sections, self.person.username, self.now)
        self.show(
            "student.html",
            weeks=weeks,
            due=student.due_next(weeks),
            sections=sections,
            said=self.get_query_argument("said", ""),
        )


class ReceiptHandler(PageHandler):
    """The receipt of one of the own hand-ins."""

    async def get(self, number: str) -> None:
        """Send it as a file."""
        text = await self.ask(self.home.records.receipt, self.person.username, int(number))
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="receipt {number}.txt"')
        self.finish(text)


class FeedbackPageHandler(PageHandler):
    """A page of feedback for one of the own hand-ins, in a sandbox."""

    async def get(self, number: str, name: str) -> None:
        """Send it."""
        page = await self.ask(self.home.records.feedback, self.person.username, int(number), name)
        self.set_header("Content-Security-Policy", FEEDBACK_POLICY)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(page)


class AskForRegradeHandler(PageHandler):
    """Where a student asks for a regrade."""

    async def post(self, assignment: str) -> None:
        """Enter the request, and lead back to the assignment."""
        await self.ask(self._enter, assignment, self.get_body_argument("reason", "", strip=False))
        self.go(f"?said=asked#{assignment}")

    def _enter(self, assignment: str, reason: str) -> None:
        name = self.person.username
        weeks = self.home.timeline(name, self.now)
        found: Any = [
            card for week in weeks for card in week.cards if card.assignment.name == assignment
        ]
        if not found or not found[0].counted:
            raise NotFound(f"you handed in nothing for {assignment}")
        if not found[0].result:
            raise CourseHubError(
                f"the feedback for {assignment} is not out yet",
                remedy="Read it first; then you can ask",
            )
        number = found[0].counted.number
        self.home.regrades.ask(name, assignment, number, reason, self.now)
