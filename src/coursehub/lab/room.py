"""How much room a user's home has, and what fills it. Reads the home; changes nothing.

A limit is enforced where the filesystem has a quota for the home: it then reports the quota as its
own size (ext4 and XFS do for a project's folder, also to NFS). Elsewhere what is there is added up
and compared with the limit, and only the disk itself ever says no.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

RESERVE = 8 * 1024**2
"""Bytes that must be free for a server to start as usual: what it writes, and a save or two."""

NEARLY, ALMOST = 0.8, 0.9
"""Shares of the limit from which a person is told, and told emphatically."""

_TOLERANCE = 1.05  # a filesystem keeps some of its room for itself, or rounds
_AT_START = 2.0  # seconds that a start may take to look; most homes take a hundredth of it


@dataclass(frozen=True)
class Weight:
    """What a folder holds, in bytes on the disk.

    Attributes:
        used: In all.
        complete: Whether everything was looked at.
        folders: Path below the home -> what it holds with all that is below; the home is ``""``.
        files: Path below the home -> what it holds.
    """

    used: int
    complete: bool
    folders: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Room:
    """How much room there is.

    Attributes:
        used: Bytes; 0 where nobody added them up.
        limit: Bytes that the home may hold; 0 where there is no limit but the disk's.
        free: Bytes that can still be written.
        enforced: Whether the filesystem itself holds the home to the limit.
        files_free: Files that can still be made; None where nobody counts them.
    """

    used: int
    limit: int
    free: int
    enforced: bool
    files_free: int | None = None

    @property
    def share(self) -> float:
        """Used of the limit, from 0 to 1 and beyond; 0 without a limit."""
        return self.used / self.limit if self.limit else 0.0

    @property
    def full(self) -> bool:
        """Whether a server could not write what it needs to."""
        reserve = min(RESERVE, self.limit // 20) if self.limit else RESERVE
        return self.free < reserve or self.files_free == 0

    @property
    def level(self) -> str:
        """`full`, `almost`, `nearly` or `fine`."""
        if self.full:
            return "full"
        return "almost" if self.share >= ALMOST else "nearly" if self.share >= NEARLY else "fine"


def say_size(size: int) -> str:
    """Say a size as people write it: `1.5 GB`, `20 MB`, `3 KB`."""
    value, unit = float(size), "bytes"
    for unit in ("bytes", "KB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":  # 1000 MB read worse than 0.98 GB
            break
        value /= 1024
    return f"{value:.0f} {unit}" if value >= 10 or unit == "bytes" else f"{value:.1f} {unit}"


def room_of(home: Path, limit: int, used: int | None = None) -> Room:
    """How much room a home has.

    Args:
        home: The folder.
        limit: Bytes that it may hold; 0: as much as the disk does.
        used: What it holds, where that was added up; it is only looked at where nothing enforces
            the limit.
    """
    disk = os.statvfs(home)
    size, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    files_free = disk.f_favail if disk.f_files else None
    if not limit:
        return Room(used or 0, 0, free, False, files_free)
    if size <= limit * _TOLERANCE:
        return Room(size - disk.f_bfree * disk.f_frsize, size, free, True, files_free)
    left = free if used is None else min(free, max(0, limit - used))
    return Room(used or 0, limit, left, False, files_free)


def look(home: Path, limit: int, seconds: float = _AT_START) -> Room:
    """How much room a home has, adding up what it holds if that is the only way to know.

    Args:
        home: The folder.
        limit: As in `room_of`.
        seconds: How long adding up may take; a home that takes longer counts by what its disk says.
    """
    room = room_of(home, limit)
    if room.enforced or not limit or room.full:
        return room
    found = weigh(home, seconds)
    return room_of(home, limit, found.used) if found.complete else room


def weigh(home: Path, seconds: float | None = None) -> Weight:
    """Add up what a home holds: no link is followed, no other filesystem entered.

    Args:
        home: The folder.
        seconds: How long it may take; None: as long as it takes.
    """
    until = time.monotonic() + seconds if seconds is not None else None
    folders: dict[str, int] = defaultdict(int)
    files: dict[str, int] = {}
    seen: set[int] = set()
    complete = True
    for folder, entry in _entries(home):
        if until is not None and time.monotonic() > until:
            complete = False
            break
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:  # it has just gone
            continue
        is_folder = entry.is_dir(follow_symlinks=False)
        size = 0 if not is_folder and found.st_ino in seen else found.st_blocks * 512
        seen.add(found.st_ino)  # a file of several names takes its room once
        path = f"{folder}/{entry.name}" if folder else entry.name
        if is_folder:
            folders[path] += size
        else:
            files[path] = size
        for above in _above(path):
            folders[above] += size
    return Weight(folders.get("", 0), complete, dict(folders), files)


def _entries(home: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below a home, with the path of the folder it lies in; the home's own device."""
    device = home.stat().st_dev
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(home / folder) as entries:
                found = list(entries)
        except OSError:  # it has just gone, or may not be read
            continue
        for entry in found:
            below = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if _device(entry) != device:  # such as the course folder in a staff member's home
                    continue
                waiting.append(below)
            yield folder, entry


def _device(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_dev
    except OSError:
        return -1


def _above(path: str) -> Iterator[str]:
    """The folders in which something lies: `a/b/c` lies in `a/b`, `a` and ``""``."""
    while path:
        path = path.rpartition("/")[0]
        yield path
