"""Files as JupyterLab saves them: whole, or as they were before.

Jupyter Server's own `atomic_writing` copies the file aside, empties it and writes it anew. What it
flushes and syncs at the end lies outside of its `try`: where the copy still fits and the new text
does not, a notebook that fits the buffer (8 KB) is left cut short, and any notebook where a file
server tells of a quota only then. Here the new text is written beside the file, and takes its place
once all of it is on the disk.
"""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import HTTPError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_FULL = (
    "Your home is full: {} was not saved, and is on the disk as it was before. Make room on the "
    "page “Room in your home” (JupyterLab, at the bottom), then save again."
)


def configure_contents(c: Any) -> None:
    """In a server's configuration `c`: save this way."""
    c.ServerApp.contents_manager_class = f"{__name__}.WholeFiles"


class WholeFiles(AsyncLargeFileManager):
    """Jupyter Server's files, none of which a full disk cuts short."""

    @contextmanager
    def atomic_writing(self, os_path: str, *args: Any, **named: Any) -> Iterator[IO[Any]]:
        """Write a file; it is replaced only if the whole write is successful.

        Raises:
            HTTPError: 507 when there is no room, 403 when it may not be written.
        """
        with (
            self.perm_to_403(os_path),
            in_words(os_path),
            replacing(os_path, *args, **named) as new,
        ):
            yield new

    async def _save_large_file(self, os_path: str, content: str, format: str) -> None:
        with in_words(os_path):
            await super()._save_large_file(os_path, content, format)


@contextmanager
def in_words(os_path: str) -> Iterator[None]:
    """Turn a lack of room into what the person can do about it."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise HTTPError(507, _FULL.format(Path(os_path).name)) from error


@contextmanager
def replacing(
    path: str, text: bool = True, encoding: str = "utf-8", **named: Any
) -> Iterator[IO[Any]]:
    """A file to write to, which becomes `path` at the end; links to it are followed.

    Args:
        path: what to replace, or make.
        text: whether text or bytes are written.
        encoding: of text.
        named: more of what `open` takes.
    """
    target = Path(os.path.realpath(path))
    number, name = tempfile.mkstemp(prefix=".saving-", dir=target.parent)
    if text:
        named = {"newline": "\n"} | named | {"encoding": encoding}
    named.pop("log", None)
    try:
        with os.fdopen(number, "w" if text else "wb", **named) as new:
            os.fchmod(number, _mode(target))
            yield new
            new.flush()
            os.fsync(number)  # quotas of a file server are told of here
        Path(name).replace(target)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _mode(target: Path) -> int:
    try:
        return target.stat().st_mode & 0o777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
