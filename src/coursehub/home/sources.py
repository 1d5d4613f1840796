"""What the pages are told, and by whom: the parts that know are put in by the command line.

Each of these may be asked by several threads at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from coursehub.course.model import Course


class Person(Protocol):
    """A member of the course; `exchange.roster.Person` is one."""

    username: str
    number: str
    name: str
    role: str

    @property
    def staff(self) -> bool:
        """Whether they are a TA or an instructor."""


@dataclass(frozen=True)
class HandIn:
    """A hand-in as its student sees it.

    Attributes:
        number: Its number in the ledger.
        received: When it came.
        files: What was in it.
        feedback: The pages of feedback that are released for it.
        tests: What the visible tests said (`exchange.protocol.VisibleTests`), or None.
    """

    number: int
    received: datetime
    files: tuple[str, ...] = ()
    feedback: tuple[str, ...] = ()
    tests: Any = None


@dataclass(frozen=True)
class Work:
    """What one student did for one assignment.

    Attributes:
        hand_ins: Oldest first.
        fetched: Since when they have its files.
        until: The first late instant, where they have an extension.
    """

    hand_ins: tuple[HandIn, ...] = ()
    fetched: datetime | None = None
    until: datetime | None = None


class Records(Protocol):
    """The exchange, as far as a student's page goes."""

    @property
    def course(self) -> Course:
        """The course as it stands now."""

    def person(self, username: str) -> Person | None:
        """The member of the course of that name."""

    def released(self) -> frozenset[str]:
        """The assignments that staff have put into the exchange."""

    def work(self, username: str, now: datetime) -> Mapping[str, Work]:
        """What a student did, by assignment."""

    def extensions(self, assignment: str) -> Mapping[str, datetime]:
        """User name -> the first late instant, of those with an extension of an assignment."""

    def receipt(self, username: str, number: int) -> str:
        """The receipt of one of their own hand-ins.

        Raises:
            NotFound: They have none of that number.
        """

    def feedback(self, username: str, number: int, page: str) -> bytes:
        """A released page of feedback for one of their own hand-ins.

        Raises:
            NotFound: They have none.
        """


class Scores(Protocol):
    """The gradebook; `gradebook.standing.Scores` is it."""

    def of(self, student: str) -> Mapping[str, Any]:
        """A student's standings (`gradebook.standing.Standing`), by assignment."""

    def of_class(self, assignment: str) -> Mapping[str, Any]:
        """All standings of an assignment, by user name."""


@dataclass(frozen=True)
class Line:
    """A line of a section: what it is about, what holds, and a remark below."""

    label: str
    value: str
    remark: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a student's page that others fill: the team, the talk, the report, the mark.

    Attributes:
        title: Its heading.
        lines: What holds now.
        text: A sentence above them.
        links: What the student can do: words and address.
    """

    title: str
    lines: Sequence[Line] = ()
    text: str = ""
    links: Sequence[tuple[str, str]] = field(default=())


class Sections(Protocol):
    """Whoever fills sections of a student's page."""

    def __call__(self, username: str, now: datetime) -> Sequence[Section]:
        """The sections for a student, in order; none that say nothing."""
