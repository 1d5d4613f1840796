"""How often something may be done: token buckets, kept in memory.

A bucket holds `burst` tokens and gets one back `every` so often. What is kept of it is one instant,
when it will be full again; a full bucket is nothing to remember, so that strangers' names fill no
memory. Who restarts the process has full buckets again.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

NOTHING = timedelta()
_TIDY_AT = 1024


@dataclass(frozen=True)
class Rate:
    """So many at once, and then one every so often.

    Attributes:
        burst: How many tokens a bucket holds.
        every: How long it takes until one is there again.
    """

    burst: int
    every: timedelta


class Buckets:
    """A bucket for each key."""

    def __init__(self, rate: Rate) -> None:
        """Let each key have `rate`."""
        self._rate = rate
        self._full: dict[Hashable, datetime] = {}
        self._tidy_at = _TIDY_AT

    def wait(self, key: Hashable, now: datetime) -> timedelta:
        """How long until the next token is there; nothing when one is there now."""
        return max(self._full_at(key, now) + self._rate.every - self._capacity - now, NOTHING)

    def take(self, key: Hashable, now: datetime) -> timedelta:
        """Take a token, if there is one, and return what `wait` said before."""
        wait = self.wait(key, now)
        if not wait:
            self._full[key] = self._full_at(key, now) + self._rate.every
            self._tidy(now)
        return wait

    def give_back(self, key: Hashable, now: datetime) -> None:
        """Put a token back that was taken, and that shall not count."""
        self._full[key] = self._full_at(key, now) - self._rate.every

    def __len__(self) -> int:
        """How many buckets are remembered."""
        return len(self._full)

    @property
    def _capacity(self) -> timedelta:
        return self._rate.burst * self._rate.every

    def _full_at(self, key: Hashable, now: datetime) -> datetime:
        """When the bucket is full again; a clock that was put back makes nobody wait longer."""
        return min(max(self._full.get(key, now), now), now + self._capacity)

    def _tidy(self, now: datetime) -> None:
        """Forget full buckets, now and then."""
        if len(self._full) >= self._tidy_at:
            self._full = {key: full for key, full in self._full.items() if full > now}
            self._tidy_at = max(_TIDY_AT, 2 * len(self._full))


def whole_seconds(wait: timedelta) -> int:
    """A wait as a Retry-After header has it (RFC 9110, section 10.2.3), at least one second."""
    return max(1, ceil(wait.total_seconds()))


def say_wait(wait: timedelta) -> str:
    """A wait in words: "30 seconds", "2 minutes"."""
    seconds = whole_seconds(wait)
    count, unit = (seconds, "second") if seconds < 100 else (ceil(seconds / 60), "minute")
    return f"{count} {unit}{'' if count == 1 else 's'}"
