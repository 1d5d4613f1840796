"""Checks of reports that nobody waits for: one after another, beside the answers of a service."""

import logging
from datetime import UTC, datetime
from queue import Queue
from threading import Lock, Thread

from coursehub.project.reports import Reports

log = logging.getLogger(__name__)


class Checks:
    """The reports that wait for their check.

    One is checked at a time, so that a deadline does not take the machine's cores. A service that
    ends does not wait: what it leaves is unchecked, and is looked for at its next start.
    """

    def __init__(self, reports: Reports) -> None:
        """Check those of `reports`."""
        self._reports = reports
        self._waiting: Queue[int] = Queue()
        self._starting = Lock()
        self._thread: Thread | None = None

    def ask(self, *numbers: int) -> None:
        """Have these reports checked, in this order; returns at once."""
        for number in numbers:
            self._waiting.put(number)
        with self._starting:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="report-checks", daemon=True)
                self._thread.start()

    def done(self) -> None:
        """Wait until none is left."""
        self._waiting.join()

    def _run(self) -> None:
        while True:
            number = self._waiting.get()
            try:
                if number in self._reports.unchecked():  # sent twice, it is checked once
                    self._reports.check(number, datetime.now(UTC))
            except Exception:  # whatever is wrong with one, the others are checked
                log.exception("report %s could not be checked; it is kept and counts", number)
            finally:
                self._waiting.task_done()
