"""Sends what waits in the queue to the LMS, one course there after another (AGS 2.0, §3.4)."""

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from sqlalchemy import Engine

from coursehub.errors import PassbackError, PlatformAway, PlatformRefused
from coursehub.lti.courses import LmsCourse, LmsCourses
from coursehub.lti.lineitems import LineItem, LineItems, number
from coursehub.lti.queue import Queue, Row, Score
from coursehub.lti.services import Services
from coursehub.lti.tokens import Signer
from coursehub.lti.turns import Turn, Turns

log = logging.getLogger(__name__)

SCOPE = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
MEDIA_TYPE = "application/vnd.ims.lis.v1.score+json"

AWAY_AFTER = 3
"""After so many failures in a row an LMS counts as away, and is left alone for a while."""

_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0  # seconds


class Sender:
    """One sender; several, also on other machines, may use the same database."""

    def __init__(
        self,
        engine: Engine,
        keys: Signer,
        comment: str | None = None,
        *,
        private: bool = False,
    ) -> None:
        """Send what waits in the course database.

        Args:
            engine: The course database.
            keys: The tool's.
            comment: What stands beside every score, for its student.
            private: Whether an LMS may do without TLS.
        """
        self.queue, self.turns = Queue(engine), Turns(engine)
        self._courses = LmsCourses(engine)
        self._items = LineItems(engine)
        self._keys, self._comment, self._private = keys, comment, private
        self._who = secrets.token_hex(8)
        self._services: dict[int, Services] = {}
        self._failures: dict[int, int] = {}
        self._refused: dict[tuple[int, str], LineItem] = {}

    def send(
        self,
        wanted: Mapping[str, LineItem],
        seen: Callable[[LmsCourse], Iterable[Score]] | None = None,
        stopped: Event | None = None,
        said: Callable[[Row], None] | None = None,
    ) -> int:
        """Queue what is new, and send what is due now; return how many scores the LMS took.

        Both happen in the turn for a course of the LMS: nobody looks at scores meanwhile who
        could queue older ones after newer ones.

        Args:
            wanted: Columns by assignment; those of all that is released are seen to.
            seen: Looks what the students of a course see now; None: nothing new is queued.
            stopped: Nothing more is begun once it is set.
            said: Told each row that was taken.
        """
        stopped = stopped or Event()
        paused = self.turns.pauses(datetime.now(UTC))
        count = 0
        for course in self._courses.all():
            if stopped.is_set():
                break
            with self.turns.turn(course.number, self._who, datetime.now(UTC)) as turn:
                if turn is None:
                    continue
                if seen:
                    begun = datetime.now(UTC)
                    self.queue.put(course.number, seen(course), begun)
                if course.number not in paused and self._see_to_columns(course, wanted):
                    count += self._send_all(course, wanted, turn, stopped, said)
        return count

    def close(self) -> None:
        """Drop the connections."""
        for each in self._services.values():
            each.close()

    def _see_to_columns(self, course: LmsCourse, wanted: Mapping[str, LineItem]) -> bool:
        """Make and correct columns; say whether the LMS can be spoken to."""
        for each in wanted.values():
            key = (course.number, each.assignment)
            if self._refused.get(key) == each:  # its scores say so, and are what is tried again
                continue
            try:
                self._items.url(course, self._of(course), each)
            except PlatformAway as error:
                return not self._failed(course, error)
            except PlatformRefused as error:
                self._refused[key] = each
                log.warning("no column for %s: %s", each.assignment, error)
        return True

    def _send_all(
        self,
        course: LmsCourse,
        wanted: Mapping[str, LineItem],
        turn: Turn,
        stopped: Event,
        said: Callable[[Row], None] | None,
    ) -> int:
        count = 0
        while not stopped.is_set() and turn.holds():
            row = self.queue.next(course.number, datetime.now(UTC))
            if row is None:
                break
            try:
                self._send(course, wanted, row)
            except PlatformAway as error:
                self.queue.postpone(row, datetime.now(UTC), str(error), error.pause)
                if self._failed(course, error):
                    break
            except PassbackError as error:
                self._failures.pop(course.number, None)  # it does answer
                self.queue.park(row, str(error))
            else:
                self._failures.pop(course.number, None)
                self.queue.sent(row)
                count += 1
                if said:
                    said(row)
        return count

    def _send(self, course: LmsCourse, wanted: Mapping[str, LineItem], row: Row) -> None:
        item = wanted.get(row.assignment)
        if item is None:
            raise PlatformRefused(
                f"course.yml has no {row.assignment} that is released", remedy="Correct it"
            )
        services = self._of(course)
        url = self._items.url(course, services, item)
        try:
            self._post(services, url, row)
        except PlatformRefused as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise
            self._items.forget(course, row.assignment)
            again = self._items.url(course, services, item)
            if again == url:  # so it is not the column that is missing
                raise
            self._post(services, again, row)

    def _post(self, services: Services, url: str, row: Row) -> None:
        try:
            services.send("POST", scores_url(url), SCOPE, MEDIA_TYPE, self._message(row))
        except PlatformRefused as error:
            if error.status != httpx.codes.CONFLICT:  # it has this very one, or a newer one
                raise

    def _message(self, row: Row) -> dict[str, Any]:
        message = {
            "userId": row.sub,
            "timestamp": row.at.isoformat(timespec="milliseconds"),
            "scoreGiven": max(number(row.score), 0),
            "scoreMaximum": number(row.most),
            "activityProgress": "Completed",
            "gradingProgress": "FullyGraded",
        }
        if self._comment:
            message["comment"] = self._comment
        if row.received:
            received = row.received.isoformat(timespec="milliseconds")
            message["submission"] = {"submittedAt": received}
        return message

    def _failed(self, course: LmsCourse, error: PlatformAway) -> bool:
        """Count a failure; say whether the LMS is left alone for a while because of it."""
        failures = self._failures[course.number] = self._failures.get(course.number, 0) + 1
        pause = error.pause or 0.0
        if failures >= AWAY_AFTER:
            pause = max(pause, min(_FIRST_PAUSE * 2 ** min(failures - AWAY_AFTER, 10),
                                   _LONGEST_PAUSE))  # fmt: skip
        if not pause:
            return False
        until = datetime.now(UTC) + timedelta(seconds=pause)
        self.turns.pause(course.number, until, str(error))
        return True

    def _of(self, course: LmsCourse) -> Services:
        number_ = course.platform.number
        known = self._services.get(number_)
        if known is None or known.platform != course.platform:  # it was registered anew
            known = Services(course.platform, self._keys, private=self._private)
            self._services[number_] = known
        return known


def scores_url(item: str) -> str:
    """Where the scores of a line item go: its path and `/scores`, before any query."""
    parts = urlsplit(item)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/scores"))
