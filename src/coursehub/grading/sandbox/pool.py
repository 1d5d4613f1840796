"""Zygotes shared by the workers of a sandbox: what they import is imported once."""

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

from coursehub.grading.limits import Limits


class Door(Protocol):
    """One way into a zygote."""

    connection: socket.socket

    def plain(self, data: bytes) -> bytes:
        """The zygote's own bytes in what the connection brought."""

    def close(self) -> None:
        """Go out for good."""


class Zygote(Protocol):
    """A started zygote: a container, or a local process."""

    place: str

    def open_door(self) -> Door:
        """One more way in; the zygote greets when it is warm."""

    def left(self) -> int:
        """How many processes there are beside the zygote itself."""

    def adapt(self, limits: Limits, doors: int) -> None:
        """Have room for so many hand-ins at a time, each with these limits."""

    def post_mortem(self) -> str:
        """After it ended: ``memory`` if that was the reason, else what it said."""

    def kill(self) -> None:
        """End it and all that came from it; returns when it is gone."""


@dataclass(eq=False)
class _Shared:
    zygote: Zygote
    doors: int = 0


@dataclass
class Pool:
    """Zygotes of one kind; one serves all who come, unless each hand-in needs its own.

    Attributes:
        start: Starts a zygote, without waiting until it is warm.
        alone: A zygote takes one at a time.
    """

    start: Callable[[], Zygote]
    alone: bool = False
    _all: list[_Shared] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def enter(self) -> "Entrance":
        """Open a door of a zygote that takes one more, or of a new one."""
        with self._lock:
            shared = next((each for each in self._all if not (self.alone and each.doors)), None)
            if shared is None:
                shared = _Shared(self.start())
                self._all.append(shared)
            shared.doors += 1
        try:
            return Entrance(self, shared, shared.zygote.open_door())
        except BaseException:
            self.leave(shared)
            raise

    def takes(self, shared: _Shared) -> bool:
        """Whether this zygote still takes others in."""
        with self._lock:
            return shared in self._all

    def leave(self, shared: _Shared) -> None:
        """Let nobody else into this zygote, and end it when everybody has left."""
        with self._lock:
            shared.doors -= 1
            with suppress(ValueError):
                self._all.remove(shared)
            last = not shared.doors
        if last:
            shared.zygote.kill()


class Entrance:
    """A door of a zygote in a pool, as a `Link` uses it."""

    def __init__(self, pool: Pool, shared: _Shared, door: Door) -> None:
        """Hold what `Pool.enter` has opened."""
        self._pool, self._shared, self._door = pool, shared, door
        self.connection = door.connection
        self.plain = door.plain
        self.place = shared.zygote.place
        self.left = shared.zygote.left
        self.post_mortem = shared.zygote.post_mortem

    def outdated(self) -> bool:
        """Whether the zygote takes nobody in any more: it broke for somebody."""
        return not self._pool.takes(self._shared)

    def crowded(self) -> bool:
        """Whether others have doors too; from now on nobody shares one."""
        self._pool.alone = True
        return self._shared.doors > 1

    def adapt(self, limits: Limits) -> None:
        """Have the zygote's whole fit for this hand-in and its neighbours."""
        self._shared.zygote.adapt(limits, self._shared.doors)

    def kill(self) -> None:
        """Go; see `Pool.leave`."""
        self._door.close()
        self._pool.leave(self._shared)
