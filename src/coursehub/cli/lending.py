"""The grader's way to a GPU: it asks the hub, and waits among students."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

from sqlalchemy.exc import SQLAlchemyError

from coursehub.errors import NoGpu, SandboxError
from coursehub.exchange.database import connect
from coursehub.grading.sandbox import Gpu
from coursehub.hub.devices import Device
from coursehub.hub.labels import grading_labels
from coursehub.hub.leases import Held, for_grading
from coursehub.hub.requests import AWAITED, GpuRequests, Request
from coursehub.settings import Settings

log = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=2)
"""How long to wait while no hub answers; one that is started anew is back by then."""

WAITS_FOR = timedelta(hours=6)
"""How long to wait in the hub's queue at most."""

_POLL_SECONDS = 0.5
_RENEWALS = 4  # in the time that a request lives by itself


class GpuLender:
    """Lends GPUs to a `Grader`: `GpuLender(...)` is its `lend`.

    Each is waited for in the hub's queue, among students, and is this grader's alone until the
    context ends. Should this process be killed, the hub takes it back once the container is gone
    and nothing was renewed for a minute.
    """

    def __init__(
        self,
        settings: Settings,
        service: str,
        *,
        patience: timedelta = PATIENCE,
        waits_for: timedelta = WAITS_FOR,
    ) -> None:
        """Ask on the course database of `settings`, in the name of `service`."""
        self._requests = GpuRequests(connect(str(settings.database)))
        self._settings = settings
        self._service = service
        self._patience = patience
        self._waits_for = waits_for
        self._closed = Event()

    @contextmanager
    def __call__(self) -> Iterator[Gpu]:
        """Wait for a GPU, and have it while the context lasts.

        Raises:
            NoGpu: there is none to lend, none became free, or no hub answers.
            SandboxError: the lender was closed.
        """
        number = self._requests.ask(self._service, _now())
        log.info("GPU request %s: waits in the hub's queue", number)
        try:
            with self._renewed(number):
                held = self._lent(number)
                log.info("GPU request %s: has %s until %s", number, held.device, held.until)
                yield Gpu(
                    Device(held.device).request,
                    grading_labels(held, number, self._settings),
                    lambda: _now() < held.until and self._renew(number) is not None,
                )
        finally:
            with suppress(SQLAlchemyError):  # what is not renewed ends by itself
                self._requests.withdraw(number)

    def close(self) -> None:
        """Whoever waits for a GPU waits no longer."""
        self._closed.set()

    def _renew(self, number: int) -> Request | None:
        return self._requests.renew(number, _now())

    @contextmanager
    def _renewed(self, number: int) -> Iterator[None]:
        """Renew the request while the context lasts."""
        over = Event()

        def renew() -> None:
            while not over.wait(AWAITED.total_seconds() / _RENEWALS):
                try:
                    self._renew(number)
                except SQLAlchemyError as error:
                    log.warning("GPU request %s was not renewed: %s", number, error)

        thread = Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _lent(self, number: int) -> Held:
        """What the hub lends, once it does."""
        asked = _now()
        while not self._closed.wait(_POLL_SECONDS):
            row, now = self._renew(number), _now()
            if row is None:
                raise SandboxError("the request for a GPU was not renewed in time")
            if row.device and row.until:
                return Held(for_grading(number), row.device, row.until)
            if problem := self._problem(row, asked, now):
                raise problem
        raise SandboxError("grading was stopped while it waited for a GPU")

    def _problem(self, row: Request, asked: datetime, now: datetime) -> NoGpu | None:
        """Why there is no more hope."""
        if row.problem:
            return NoGpu(
                f"the assignment's hand-ins need a GPU: {row.problem}",
                remedy="Take `gpu: true` out of its limits in course.yml, or see where "
                "`coursehub gpus` looks for one.",
            )
        if now - (row.seen or asked) > self._patience:
            return NoGpu(
                "the assignment's hand-ins need a GPU, and no hub answers that could lend one",
                remedy="Start it (`make up`), and grade again.",
            )
        if now - asked > self._waits_for:
            return NoGpu(
                f"no GPU became free for grading within {self._waits_for}",
                remedy="Grade again when fewer are in use; `coursehub gpus` shows who has which.",
            )
        return None


def _now() -> datetime:
    return datetime.now(UTC)
