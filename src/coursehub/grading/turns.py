"""Several graders at once: whoever works on the same thing takes turns, and keeps nothing open.

nbgrader looks first whether something is there and makes it then, and its formgrader keeps one
database session for as long as the server runs: what another grader gave is not seen, and after one
error every later request fails. Here each request leaves its session behind, and each that changes
something waits until nobody else changes the same.
"""

import asyncio
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from nbgrader.server_extensions.formgrader import apihandlers, handlers
from nbgrader.server_extensions.formgrader.base import BaseHandler
from sqlalchemy.exc import SQLAlchemyError

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


def formgrader_handlers() -> list[tuple[Any, ...]]:
    """nbgrader's own handlers of the formgrader, in order, made fit for several graders."""
    stock = [*handlers.default_handlers, *apihandlers.default_handlers]
    return [(path, _taking_turns(handler), *rest) for path, handler, *rest in stock]


def _taking_turns(handler: type) -> type:
    if not issubclass(handler, BaseHandler):
        return handler  # static files
    return type(handler.__name__, (_TakesTurns, handler), {})


class _TakesTurns:
    """What the formgrader's handlers do beside their own work."""

    _turn: IO[bytes] | None = None

    async def prepare(self: Any) -> None:
        """Before a change, wait for the turn; meanwhile the server answers others."""
        await super().prepare()  # type: ignore[misc]
        if self.current_user and self.request.method in ("POST", "PUT"):
            # POST is a step for an assignment, or for one student's; PUT writes a few rows.
            what = self.path_args if self.request.method == "POST" else ["gradebook"]
            self._turn = await _when_free(Path(self.coursedir.root), *what)

    def on_finish(self: Any) -> None:
        """Close the database session, and let the next one have the turn."""
        super().on_finish()  # type: ignore[misc]
        try:
            if gradebook := self.settings["nbgrader_gradebook"]:
                gradebook.close()  # it opens itself again when it is used
        except SQLAlchemyError as error:  # the database went away meanwhile
            self.log.warning("the gradebook could not be closed: %s", error)
            self.settings["nbgrader_gradebook"] = None
        finally:
            if self._turn:
                self._turn.close()


async def _when_free(course_dir: Path, *what: str) -> IO[bytes]:
    file = _file(course_dir, what)
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        await asyncio.sleep(_POLL)


def _file(course_dir: Path, what: Any) -> IO[bytes]:
    folder = course_dir / _FOLDER
    folder.mkdir(exist_ok=True)
    return (folder / f"{quote('+'.join(what), safe='+')[:200]}.lock").open("wb")
