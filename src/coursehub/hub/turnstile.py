"""A lock between processes that a killed holder lets go of."""

import fcntl
from pathlib import Path
from typing import IO


class Turnstile:
    """Lets one hub at a time have reservations; the system opens it when a hub is killed."""

    def __init__(self, path: Path) -> None:
        """Use the file at `path`; it is made when it is needed."""
        self._path = path
        self._file: IO[str] | None = None

    def enter(self) -> bool:
        """Go in, or be in already; False while another hub is."""
        if self._file is None:
            file = self._path.open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
            self._file = file
        return True

    def leave(self) -> None:
        """Let others in."""
        if self._file is not None:
            self._file.close()
            self._file = None
