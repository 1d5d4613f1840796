"""What a hand-in uses, and whether that is over its limits: the kernel counts, or one looks."""

import os
import time
from contextlib import suppress
from pathlib import Path

from coursehub.grading.limits import Limits, MiB
from coursehub.grading.sandbox import kernel
from coursehub.grading.sandbox.confine import Means
from coursehub.grading.sandbox.groups import Group, kills_in, own_memory

LOOK_SECONDS = 0.1  # between looks at what no control group, no mount holds to its limit


class Meter:
    """The meter of one hand-in."""

    def __init__(self, limits: Limits, means: Means, group: Group | None, folder: str) -> None:
        """Start counting; `folder` is where the hand-in may write."""
        self.looking = not means.group
        self._limits, self._group, self._folder = limits, group, folder
        self._bare = not means.namespaces
        self._baseline = 0
        self._next_look = 0.0
        self._kills = self._count_kills()

    def tare(self, resident: int) -> None:
        """Count from `resident` bytes on, which the process held when it was forked."""
        self._baseline = resident

    def over(self, init: int) -> tuple[str, str, int] | None:
        """Why the processes below `init` are over a limit, in `Ended`'s words, when looked at."""
        if not self.looking or time.monotonic() < self._next_look:
            return None
        self._next_look = time.monotonic() + LOOK_SECONDS
        processes = kernel.descendants(init)
        held = sum(max(0, kernel.bytes_in("RssAnon", p) - self._baseline) for p in processes)
        if held > self._limits.memory:
            return "memory", self.too_much_memory(), held
        if self._bare:
            space, files = _size(self._folder)
            if space > self._limits.disk or files > self._limits.inodes:
                return "killed", "it filled its disk space and was ended", 0
        return None

    def killed_for_memory(self) -> bool:
        """Whether the kernel has killed a process of the hand-in for want of memory."""
        return self._count_kills() > self._kills

    def too_much_memory(self) -> str:
        """The sentence for it."""
        return f"it needed more than {self._limits.memory / MiB:,.0f} MiB of memory"

    def _count_kills(self) -> int:
        return self._group.kills() if self._group else kills_in(own_memory())


def _size(folder: str) -> tuple[int, int]:
    """Bytes and files below `folder`, as far as they can be looked at."""
    space = files = 0
    for path, folders, names in os.walk(folder):
        files += len(folders) + len(names)
        for name in names:
            with suppress(OSError):
                space += os.lstat(Path(path, name)).st_blocks * 512
    return space, files
