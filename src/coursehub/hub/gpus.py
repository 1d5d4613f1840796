"""Who holds which GPU: lent for a time, to one or to a few at once, waited for in turn.

A lease *is* the labels on a user's running container. Nothing else remembers it, so a hub that
crashes or restarts neither loses a GPU nor lends it twice. Between the choice of a device and the
existence of the container a reservation stands in for the labels, and a lock on a file keeps a
second hub of the same deployment from choosing meanwhile.

The grader waits in the same queue (`coursehub.hub.requests`). Its lease is a row in the database
that it renews, and the labels on its container for as long as that runs: both count. It has a GPU
for itself, also where students share.

Several servers on one GPU each get a share of its memory by PyTorch's own limit. That is a
courtesy: a process can lift it. What nobody can lift is a GPU cut into MIG slices, which are
devices of their own here.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

import docker

from coursehub.course.model import Course
from coursehub.errors import SpawnError
from coursehub.hub.devices import Device
from coursehub.hub.labels import Lease, lease_of, leases_of
from coursehub.hub.leases import Held, LeaseHistory, is_grading
from coursehub.hub.queue import Favours, Place, Queue, Turn, choose, expected_wait
from coursehub.hub.requests import GpuRequests
from coursehub.hub.turnstile import Turnstile
from coursehub.settings import Settings

__all__ = ["Device", "GpuPool", "Lease", "Place", "Standing"]

_LOOK_SECONDS = 2.0
_SHORTEST = timedelta(minutes=1)

log = logging.getLogger(__name__)


class Standing(NamedTuple):
    """How things stand for somebody who thinks of asking for a GPU.

    Attributes:
        free: places that are free, counting those for whom others wait already as taken.
        places: places in all; as many as GPUs, or a multiple where they are shared.
        waiting: how many wait.
        expected: about how long a newcomer waits; None when unknown.
    """

    free: int
    places: int
    waiting: int
    expected: timedelta | None


@dataclass
class _Reservation:
    """A lease between its choice and its container; settled once the spawner let go of it."""

    lease: Lease
    settled: bool = False


class GpuPool:
    """Lends devices: fairly, one turn after another, and never twice."""

    def __init__(
        self,
        client: docker.DockerClient,
        settings: Settings,
        course: Course,
        devices: tuple[Device, ...],
        history: LeaseHistory,
        *,
        requests: GpuRequests | None = None,
        favours: Favours = lambda username: False,
        unlimited: Callable[[str], bool] = is_grading,
    ) -> None:
        """Lend `devices`; look at the engine only when somebody asks.

        Args:
            client: the engine.
            settings: `gpu_shared`, `gpu_lease_minutes`, `gpu_weekly_minutes`, project and state.
            course: its timezone.
            devices: what `coursehub.hub.devices.find_devices` found.
            history: where used minutes are kept.
            requests: where the grader's leases are kept.
            favours: who of the people goes before others now; asked often, so it must be quick.
            unlimited: to whom the weekly minutes do not apply.
        """
        self.devices = devices
        self.settings = settings
        self.course = course
        self._client = client
        self._history = history
        self._requests = requests
        self._unlimited = unlimited
        self._queue = Queue(lambda name: not is_grading(name) and favours(name))
        self._leases: list[Lease] = []
        self._observed: set[Held] | None = None
        self._in_flight: dict[str, _Reservation] = {}
        self._looking = asyncio.Lock()
        self._turnstile = Turnstile(settings.make_state() / "gpus.lock")
        self._woken = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    def __deepcopy__(self, memo: object) -> Self:
        """There is one pool: traitlets copies what configuration holds, for each spawner."""
        return self

    @asynccontextmanager
    async def take(self, username: str) -> AsyncIterator[Lease | None]:
        """Wait for a GPU in turn; the lease is reserved inside the context.

        The container with the lease's labels is made inside; afterwards its labels are what
        counts. Without a container the device is free again. For the grader it is the row.

        Yields:
            The lease, or None for somebody who chose to start without a GPU after all.

        Raises:
            SpawnError: there is no GPU, the week's minutes are used up, or they left the queue.
        """
        turn = self._queue.join(username, await self._length(username))
        self._wake()
        try:
            yield await turn.answer
        finally:
            self._queue.drop(turn)
            if username in self._in_flight:
                self._in_flight[username].settled = True
            self._wake()

    def place(self, username: str) -> Place | None:
        """Where somebody stands in the queue; None when they do not wait."""
        order = [turn.username for turn in self._queue.order()]
        if username not in order:
            return None
        number = order.index(username) + 1
        return Place(number, len(order), self._expected(number))

    def skip(self, username: str) -> bool:
        """Let somebody who waits go on without a GPU; tell whether they waited."""
        return self._answer(username, lambda answer: answer.set_result(None))

    def leave(self, username: str) -> bool:
        """Take somebody out of the queue; their `take` raises. Tell whether they waited."""
        left = SpawnError("You left the queue for a GPU", remedy="Nothing was started.")
        return self._answer(username, lambda answer: answer.set_exception(left))

    def release(self, username: str) -> None:
        """Hear that somebody's container is gone; whoever waits is served at once."""
        self._wake()

    async def free(self) -> int:
        """How many places are free, by what the engine says now."""
        await self.look()
        return self._free()

    async def standing(self) -> Standing:
        """How things stand, by what the engine says now."""
        free, waiting = await self.free(), self.waiting
        return Standing(max(0, free - waiting), self.places, waiting, self._expected(waiting + 1))

    @property
    def places(self) -> int:
        """How many servers can have a GPU at once."""
        return len(self.devices) * self.settings.gpu_shared

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    def lent(self) -> dict[str, int]:
        """Device -> how many places of it are lent, by the last look."""
        load = Counter(held.device for held in self._places_taken())
        return {device.name: load[device.name] for device in self.devices}

    async def left_this_week(self, username: str) -> timedelta | None:
        """How long somebody may still have a GPU this week; None without a limit."""
        if not self.settings.gpu_weekly_minutes or self._unlimited(username):
            return None
        used = await asyncio.to_thread(self._history.used_this_week, username, datetime.now(UTC))
        return max(timedelta(minutes=self.settings.gpu_weekly_minutes) - used, timedelta(0))

    async def expired(self, now: datetime) -> list[Lease]:
        """The leases whose time is over at `now`, by what the engine says now."""
        await self.look()
        return [lease for lease in self._leases if lease.until <= now]

    async def look(self) -> None:
        """Read the labels now, for the history too."""
        async with self._looking:
            await self._look()
            self._open()

    async def _length(self, username: str) -> timedelta:
        """How long somebody may have a GPU if they get it now."""
        if not self.devices:
            raise SpawnError("This course has no GPU to lend", remedy="Start without one.")
        length = timedelta(minutes=self.settings.gpu_lease_minutes)
        left = await self.left_this_week(username)
        if left is not None and left < _SHORTEST:
            raise SpawnError(
                f"Your {self.settings.gpu_weekly_minutes} minutes of GPU for this week are used up",
                remedy="Start without a GPU; the week begins anew on Monday.",
            )
        return length if left is None else min(length, left)

    def _wake(self) -> None:
        """Serve those who wait, soon: by the one task that looks while somebody waits."""
        self._woken.set()
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while self._queue or self._settled():
            self._woken.clear()
            try:
                await self._serve()
            except Exception:  # the engine may be away for a while; those who wait keep waiting
                log.exception("The GPUs' leases could not be read.")
            if self._queue or self._settled():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._woken.wait()

    async def _serve(self) -> None:
        """Give what is free to those whose turn it is."""
        async with self._looking:
            if not self._turnstile.enter():
                return
            try:
                await self._look()
                for turn in self._queue.order():
                    if not turn.answer.done() and not self._lend(turn):
                        break
            finally:
                self._open()

    def _lend(self, turn: Turn) -> bool:
        """Reserve a device for somebody; False when none is free."""
        names = [device.name for device in self.devices]
        taken = [held.device for held in self._places_taken()]
        name = choose(names, taken, 1 if is_grading(turn.username) else self.settings.gpu_shared)
        if name is None:
            return False
        until = (datetime.now(UTC) + turn.length).replace(microsecond=0)
        lease = lease_of(Held(turn.username, name, until), self.settings, self.course)
        self._in_flight[turn.username] = _Reservation(lease)
        self._queue.drop(turn)
        turn.answer.set_result(lease)
        return True

    async def _look(self) -> None:
        """Read the labels, and let go of reservations that were settled before; under the lock."""
        settled = self._settled()
        self._leases = await asyncio.to_thread(self._read)
        for name in settled:
            del self._in_flight[name]
        held = {lease.held for lease in self._leases}
        if held != self._observed:
            await asyncio.to_thread(self._history.observe, held, datetime.now(UTC))
            self._observed = held

    def _read(self) -> list[Lease]:
        """The leases that rows and labels are (blocking).

        Rows come first: the grader makes its container, and then makes sure of its row. If that
        succeeds while the row is read too late here, the container is there when labels are read.
        """
        rows = self._requests.lent(datetime.now(UTC)) if self._requests else []
        leases = leases_of(self._client, self.settings, self.course)
        known = {lease.held for lease in leases}
        new = [lease_of(held, self.settings, self.course) for held in rows if held not in known]
        return [*leases, *new]

    def _open(self) -> None:
        """Let another hub choose, unless a reservation of ours stands."""
        if not self._in_flight:
            self._turnstile.leave()

    def _settled(self) -> list[str]:
        """Whose reservations the next look may let go of."""
        return [name for name, each in self._in_flight.items() if each.settled]

    def _held(self) -> set[Held]:
        """All leases, in containers or in flight."""
        held = {lease.held for lease in self._leases}
        return held | {each.lease.held for each in self._in_flight.values()}

    def _places_taken(self) -> list[Held]:
        """The lease of each place that is taken; the grader takes all places of its device."""
        shared = self.settings.gpu_shared
        return [
            held for held in self._held() for _ in range(shared if is_grading(held.username) else 1)
        ]

    def _free(self) -> int:
        shared = self.settings.gpu_shared
        return sum(max(0, shared - lent) for lent in self.lent().values())

    def _expected(self, number: int) -> timedelta | None:
        names = {device.name for device in self.devices}
        return expected_wait(
            number,
            [held.until for held in self._places_taken() if held.device in names],
            self.places,
            timedelta(minutes=self.settings.gpu_lease_minutes),
            datetime.now(UTC),
        )

    def _answer(self, username: str, reply: Callable[[asyncio.Future[object]], None]) -> bool:
        turn = self._queue.find(username)
        if turn is None or turn.answer.done():
            return False
        self._queue.drop(turn)
        reply(turn.answer)
        return True
