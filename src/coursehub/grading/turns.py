"""Turns: several graders work at once, but never on the same thing.

nbgrader looks first whether something is there and makes it then; two who do so at the same time
end in errors, or in one's work lost.
"""

import asyncio
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

_FOLDER = ".turns"
_POLL = 0.02  # seconds


@contextmanager
def turn(course_dir: Path, *what: str) -> Iterator[None]:
    """Hold the turn for one thing, such as `assignment_1`, `alice`, in this and any process.

    It is a lock on a file of the course folder; the system lets it go even of a killed process.
    """
    with _file(course_dir, what) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def when_free(course_dir: Path, *what: str) -> IO[bytes]:
    """Wait for the turn without holding up the event loop; closing the file ends it."""
    file = _file(course_dir, what)
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        await asyncio.sleep(_POLL)


def _file(course_dir: Path, what: tuple[str, ...]) -> IO[bytes]:
    folder = course_dir / _FOLDER
    folder.mkdir(exist_ok=True)
    return (folder / f"{quote('+'.join(what), safe='+')[:200]}.lock").open("wb")
