"""Everything that CourseHub raises on purpose.

::

    CourseHubError
    ├── CourseFileError          course.yml cannot be used as written
    ├── SettingsError            an environment variable is missing or wrong
    ├── SpawnError               a student's server cannot be started
    ├── RosterError              the list of people, or an extension, is wrong
    ├── ReceiptError             a receipt or the ledger does not verify
    ├── ExchangeError            the exchange says no; each has an HTTP status
    │   ├── NotEnrolled          403  not a member of the course
    │   ├── NotAllowed           403  a member, but not with this right
    │   ├── NotReleased          404  the assignment is not out yet
    │   ├── NotFound             404  no such assignment, submission or feedback
    │   ├── DeadlinePassed       409  the course takes no more hand-ins for it
    │   ├── NotPossible          409  not as teams, slots and scores stand now
    │   ├── TooLarge             413  a file or a hand-in over the limit
    │   ├── BadSubmission        422  a hand-in that is not what was asked for
    │   ├── TooOften             429  too many requests of one person
    │   └── ServiceUnavailable   503  try again: nothing was stored
    ├── SandboxError             grading could not run: an error, never a zero
    │   ├── TimedOut
    │   ├── OutOfMemory
    │   ├── NoGpu                a hand-in needs one and gets none
    │   └── SandboxUnavailable
    ├── LtiError                 the connection with the LMS is not as it should be
    └── PassbackError            the LMS did not take the marks, or not tell its people
        ├── PlatformRefused      it says no, and would again
        └── PlatformAway         it does not answer, or not now

``str(error)`` is one line: ``file: key: problem. Remedy.``
"""

from collections.abc import Sequence
from typing import Any


class CourseHubError(Exception):
    """The root: catch this one to catch all that CourseHub raises on purpose."""

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        key: str | None = None,
        remedy: str | None = None,
    ) -> None:
        """Say what is wrong, where, and what to do about it.

        Args:
            message: The problem, in a few words, without a final full stop.
            file: The file to blame, if one is.
            key: The key, variable or option to blame, if one is.
            remedy: What the reader can do about it, as a sentence.
        """
        super().__init__(message)
        self.message = message
        self.file = file
        self.key = key
        self.remedy = remedy

    @property
    def where(self) -> str | None:
        """The place to open, as the line names it; here the file."""
        return self.file

    def __str__(self) -> str:
        """Return the one line that people read."""
        place = [part for part in (self.where, self.key) if part]
        line = ": ".join([*place, self.message])
        if self.remedy:
            line = f"{line.rstrip('.')}. {self.remedy}"
        return " ".join(line.split())


class CourseFileError(CourseHubError):
    """course.yml cannot be used as written."""

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        key: str | None = None,
        remedy: str | None = None,
        line: int | None = None,
    ) -> None:
        """Say what is wrong in the course file.

        Args:
            message: As in `CourseHubError`.
            file: As in `CourseHubError`.
            key: The key's path, such as ``assignments[2].due``; lists count from 0.
            remedy: As in `CourseHubError`.
            line: The line to look at, counted from 1.
        """
        super().__init__(message, file=file, key=key, remedy=remedy)
        self.line = line

    @property
    def where(self) -> str | None:
        """The file and the line, as compilers and editors write them."""
        if self.file and self.line:
            return f"{self.file}:{self.line}"
        return self.file


class SettingsError(CourseHubError):
    """An environment variable is missing or wrong."""


class SpawnError(CourseHubError):
    """A student's server cannot be started."""


class RosterError(CourseHubError):
    """The list of people, or an extension, is wrong."""

    def __init__(
        self, message: str, *, remedy: str | None = None, problems: Sequence[str] = ()
    ) -> None:
        """Say what is wrong with the roster.

        Args:
            message: As in `CourseHubError`.
            remedy: As in `CourseHubError`.
            problems: One line for each wrong line of the roster, where there are several.
        """
        super().__init__(message, remedy=remedy)
        self.problems = tuple(problems)


class ReceiptError(CourseHubError):
    """A receipt or the ledger does not verify."""


class ExchangeError(CourseHubError):
    """The exchange says no; `HTTP_STATUS` has the status of each kind."""


class NotEnrolled(ExchangeError):
    """The person is not a member of the course."""


class NotAllowed(ExchangeError):
    """The person is a member, but does not have this right."""


class NotReleased(ExchangeError):
    """The assignment is not out yet."""


class NotFound(ExchangeError):
    """There is no such assignment, submission or feedback."""


class DeadlinePassed(ExchangeError):
    """The course takes no more hand-ins for the assignment."""


class NotPossible(ExchangeError):
    """Teams, slots or scores stand otherwise than the request would have it."""


class TooOften(ExchangeError):
    """Somebody asks for something more often than one person can want it.

    Attributes:
        seconds: After how many it may be asked again; the answer's Retry-After says it too.
    """

    seconds = 1


class TooLarge(ExchangeError):
    """A file, or a hand-in as a whole, is over the limit."""


class BadSubmission(ExchangeError):
    """The hand-in is not what was asked for."""


class ServiceUnavailable(ExchangeError):
    """The exchange cannot answer now; nothing was stored."""


class SandboxError(CourseHubError):
    """Grading could not run. A student's failing code is a result, not this."""


class TimedOut(SandboxError):
    """The sandbox used up its time."""


class OutOfMemory(SandboxError):
    """The sandbox used up its memory."""


class NoGpu(SandboxError):
    """A hand-in needs a GPU and gets none; the sandbox is well, and trying again is of no use."""


class SandboxUnavailable(SandboxError):
    """No sandbox could be started."""


class LtiError(CourseHubError):
    """A platform, a key or an invitation of the LMS's connection is wrong or missing."""


class PassbackError(CourseHubError):
    """The LMS did not take the marks, or did not tell who its people are."""


class PlatformRefused(PassbackError):
    """A platform says no; the same request would hear the same."""

    def __init__(
        self, message: str, *, remedy: str | None = None, status: int | None = None
    ) -> None:
        """Say what was refused.

        Args:
            message: As in `CourseHubError`.
            remedy: As in `CourseHubError`.
            status: The HTTP status, where there was one.
        """
        super().__init__(message, remedy=remedy)
        self.status = status


class PlatformAway(PassbackError):
    """A platform does not answer, or not now: it is to be asked again later."""

    def __init__(
        self, message: str, *, remedy: str | None = None, pause: float | None = None
    ) -> None:
        """Say what happened.

        Args:
            message: As in `CourseHubError`.
            remedy: As in `CourseHubError`.
            pause: For how many seconds it wants to be left alone, where it said so.
        """
        super().__init__(message, remedy=remedy)
        self.pause = pause


HTTP_STATUS: dict[type[ExchangeError], int] = {
    NotEnrolled: 403,
    NotAllowed: 403,
    NotReleased: 404,
    NotFound: 404,
    DeadlinePassed: 409,
    NotPossible: 409,
    TooLarge: 413,
    BadSubmission: 422,
    TooOften: 429,
    ServiceUnavailable: 503,
}
"""The HTTP status (RFC 9110, section 15) of each kind of `ExchangeError`."""


def as_json(error: CourseHubError) -> dict[str, Any]:
    """Return the one JSON shape in which an error crosses HTTP.

    Args:
        error: Any error of the tree.

    Returns:
        ``{"error": class name, "message": problem, "remedy": sentence or None}``.
    """
    return {"error": type(error).__name__, "message": error.message, "remedy": error.remedy}
