"""Staff's way to the grader: hand-ins are graded there, and written down here."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from traitlets.log import get_logger

from coursehub.errors import SandboxError, SandboxUnavailable
from coursehub.exchange.database import connect
from coursehub.exchange.desk import Desk, Grading
from coursehub.grading import reply
from coursehub.grading.marking import Grade
from coursehub.grading.pipeline import Graded
from coursehub.settings import Settings

PATIENCE = timedelta(seconds=30)
"""How long to wait while nobody grades; a grader that is started anew is back by then."""

_AWAITED = timedelta(seconds=60)
_POLL_SECONDS = 0.5


class Asking:
    """Has hand-ins graded by the grading service, as `Marking` grades them in this process.

    A request names an assignment and a student; the service reads the files itself.
    """

    def __init__(self, settings: Settings, patience: timedelta = PATIENCE) -> None:
        """Ask on the course database of `settings`; answers lie in the course folder."""
        self._desk = Desk(connect(str(settings.database)))
        self._course_dir = Path(str(settings.course_dir))
        self._patience = patience

    def __deepcopy__(self, memo: dict[int, Any]) -> "Asking":
        """Stay one: nbgrader's configuration copies what it hands to its parts."""
        return self

    def __call__(self, source: Path, handed_in: Path) -> Graded:
        """Have a hand-in graded, and wait for it; from any thread.

        Args:
            source: the instructor's folder, named as the assignment.
            handed_in: what was collected, SUBMITTED/STUDENT/ASSIGNMENT.

        Raises:
            SandboxUnavailable: nobody grades.
            SandboxError: grading itself could not run.
        """
        try:
            return self._graded(source.name, handed_in.parent.name)
        except SQLAlchemyError as error:
            raise SandboxError(
                "the course database does not answer", remedy="Autograde again in a minute."
            ) from error

    @contextmanager
    def several(self, workers: int, source: Path) -> Iterator[Grade]:
        """So many at a time, as far as the service has room for them."""
        yield self

    def _graded(self, assignment: str, student: str) -> Graded:
        number = self._desk.ask(assignment, student, _now(), _now() + _AWAITED)
        get_logger().info("%s of %s: the grader is asked", assignment, student)
        try:
            done = self._done(number)
        finally:
            self._desk.await_until(number, _now())
        if done.problem:
            raise SandboxError(done.problem)
        path = reply.place(self._course_dir, number)
        graded = reply.read(path)
        path.unlink(missing_ok=True)
        return graded

    def _done(self, number: int) -> Grading:
        """The request once it is done; as long as somebody grades there is hope."""
        last_hope = renewed = _now()
        told = ""
        while True:
            row = self._desk.look(number)
            if row is None:
                raise SandboxError("the request is gone", remedy="Autograde once more.")
            if row.done_at:
                return row
            now = _now()
            obstacle = self._desk.obstacle(now)
            if obstacle is None:
                last_hope = now
            elif now - last_hope > self._patience:
                raise SandboxUnavailable(
                    f"nothing is graded now: {obstacle}",
                    remedy="No points were changed; autograde again when the grader is back.",
                )
            if now - renewed > _AWAITED / 4:
                self._desk.await_until(number, now + _AWAITED)
                renewed = now
            if (news := obstacle or self._place(row, now)) != told:
                # With nbgrader's own messages, which staff see beside its answer.
                get_logger().info("%s of %s: %s", row.assignment, row.username, news)
                told = news
            time.sleep(_POLL_SECONDS)

    def _place(self, row: Grading, now: datetime) -> str:
        if row.taken_until and row.taken_until > now:
            return "it is being graded"
        return f"{self._desk.before(row.id, now)} are graded before it"


def _now() -> datetime:
    return datetime.now(UTC)
