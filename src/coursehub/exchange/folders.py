"""The folder of a hand-in: its name says whose it is, of what, when it came, and from where.

    USERNAME+ASSIGNMENT+TIMESTAMP+ID            handed in here, at the service's own time
    USERNAME+ASSIGNMENT+TIMESTAMP+ID.lms.WHO    from the LMS, at the LMS's time; WHO brought it over

nbgrader's exchange reads the first three parts. The ledger seals the whole name, so that where a
time comes from is as safe as the time. ID follows from the idempotency key.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

PLACES = ("inbound", "kept")
"""Where a hand-in may lie in the course's folder; it moves when another one counts."""

TIMESTAMP_FILE = "timestamp.txt"
SECRET_FILE = "submission_secret.txt"  # noqa: S105, a name

_TIMESTAMP = "%Y-%m-%d %H:%M:%S.%f UTC"
_IMPORTED = ".lms."


@dataclass(frozen=True)
class FolderName:
    """What a folder's name says.

    Attributes:
        username: Whose hand-in it is.
        assignment: nbgrader's assignment id.
        received: When it came, aware.
        id: What follows from the idempotency key.
        imported_by: Who brought it over from the LMS, or None where it was handed in here.
    """

    username: str
    assignment: str
    received: datetime
    id: str
    imported_by: str | None = None

    def __str__(self) -> str:
        """The name."""
        source = f"{_IMPORTED}{self.imported_by}" if self.imported_by else ""
        stamp = nbgrader_timestamp(self.received)
        return "+".join((self.username, self.assignment, stamp, f"{self.id}{source}"))

    @classmethod
    def read(cls, name: str) -> "FolderName":
        """Read a name.

        Raises:
            ValueError: when it is none.
        """
        username, assignment, stamp, last = name.rsplit("+", 3)
        received = datetime.strptime(stamp, _TIMESTAMP).replace(tzinfo=UTC)
        folder_id, _, imported_by = last.partition(_IMPORTED)
        return cls(username, assignment, received, folder_id, imported_by or None)


def nbgrader_timestamp(instant: datetime) -> str:
    """An aware instant in the form that nbgrader's exchange uses."""
    return instant.astimezone(UTC).strftime(_TIMESTAMP)


def folder_id(key: str) -> str:
    """The last part of the folder of a hand-in with this idempotency key."""
    digest = hashlib.sha256(key.encode()).digest()[:9]
    return base64.urlsafe_b64encode(digest).decode()


def imported_by(folder: str) -> str | None:
    """Who brought the hand-in in that folder over from the LMS, or None."""
    return folder.rpartition("+")[2].partition(_IMPORTED)[2] or None
