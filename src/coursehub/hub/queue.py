"""Who waits for a GPU, in which order, and for about how long. Pure: no engine, no clock."""

import asyncio
import heapq
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import NamedTuple

Favours = Callable[[str], bool]
"""Whether somebody goes before others now, such as on the night before a deadline."""

_MINUTE = timedelta(minutes=1)


class Place(NamedTuple):
    """Where somebody stands in the queue.

    Attributes:
        number: from 1, the next to be served.
        of: how many wait.
        expected: about how long, if everybody keeps a GPU to the end; None when unknown.
    """

    number: int
    of: int
    expected: timedelta | None


class Turn:
    """Somebody who waits; `answer` is what they wait for, None if they go on without."""

    def __init__(self, username: str, number: int, length: timedelta) -> None:
        """Join.

        Args:
            username: who.
            number: counts those who came, first come first served.
            length: how long they may have a GPU.
        """
        self.username = username
        self.number = number
        self.length = length
        self.answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()


class Queue:
    """First come, first served, but those in favour before all others."""

    def __init__(self, favours: Favours) -> None:
        """Start empty.

        Args:
            favours: asked anew whenever the order matters, since it changes with time.
        """
        self._favours = favours
        self._turns: list[Turn] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._turns)

    def join(self, username: str, length: timedelta) -> Turn:
        """Enter somebody at the end."""
        turn = Turn(username, next(self._numbers), length)
        self._turns.append(turn)
        return turn

    def drop(self, turn: Turn) -> None:
        """Take somebody out; nothing happens if they are out already."""
        if turn in self._turns:
            self._turns.remove(turn)

    def find(self, username: str) -> Turn | None:
        """The turn of somebody who waits."""
        return next((turn for turn in self._turns if turn.username == username), None)

    def order(self) -> list[Turn]:
        """Everybody who waits, the next to be served first."""
        return sorted(self._turns, key=lambda turn: (not self._favours(turn.username), turn.number))


def expected_wait(
    number: int, ends: Iterable[datetime], places: int, length: timedelta, now: datetime
) -> timedelta | None:
    """How long until the `number`-th who waits is served, if everybody keeps theirs to the end.

    Args:
        number: their place, from 1.
        ends: when each lease ends, one for each place that is taken.
        places: how many can be served at once.
        length: how long those before them will keep theirs.
        now: aware.

    Returns:
        None when there is no place at all.
    """
    if not places:
        return None
    taken = sorted(max(end, now) for end in ends)[-places:]  # where fewer are shared than before
    free_from = [now] * (places - len(taken)) + taken
    for _ in range(number - 1):
        heapq.heappush(free_from, heapq.heappop(free_from) + length)
    return free_from[0] - now


def choose(names: Sequence[str], taken: Iterable[str], shared: int) -> str | None:
    """The device to lend next: the least loaded, the first of equals; None when all are full.

    Args:
        names: all devices.
        taken: the device of each lease, once for each lease.
        shared: how many leases a device takes.
    """
    load = dict.fromkeys(names, 0)
    for name in taken:
        if name in load:
            load[name] += 1
    least = min(names, key=lambda name: load[name], default=None)
    return None if least is None or load[least] >= shared else least


def say_length(span: timedelta) -> str:
    """Say about how long: `a minute`, `25 minutes`, `3 hours`; rounded up."""
    minutes = max(1, -(-span // _MINUTE))
    if minutes == 1:
        return "a minute"
    if minutes > 10:
        minutes = -(-minutes // 5) * 5
    if minutes < 120:
        return f"{minutes} minutes"
    hours = -(-minutes // 60)
    return f"{hours} hours"
