"""What the pages are told, and by whom: the parts that know are put in by the command line.

Each of these may be asked by several threads at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from coursehub.course.model import Course


class Person(Protocol):
    """A member of the course; `exchange.person.Person` is one."""

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

    def of_cells(self, assignment: str) -> Sequence[Any]:
        """How the class did on each cell (`gradebook.standing.CellFigures`)."""

    def graded(self) -> Mapping[str, int]:
        """How many hand-ins have points from tests, by assignment."""


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


# What staff's pages are told.


@dataclass(frozen=True)
class ClassWork:
    """What a class did for one assignment, by user name.

    Attributes:
        hand_ins: Number in the ledger and stamp of each hand-in, oldest first.
        fetched: Since when they have its files.
        until: The first late instant of those with an extension.
    """

    hand_ins: Mapping[str, Sequence[tuple[int, datetime]]]
    fetched: Mapping[str, datetime]
    until: Mapping[str, datetime]


@dataclass(frozen=True)
class Grader:
    """How it stands with grading.

    Attributes:
        waiting: How many hand-ins wait or are being graded, by kind of grading.
        obstacle: Why nothing is graded now; None when something is.
    """

    waiting: Mapping[str, int]
    obstacle: str | None


@dataclass(frozen=True)
class Rerun:
    """What came of grading a hand-in once more.

    Attributes:
        done: Whether it is over.
        points: Points by grade id.
        problem: Why nothing came of it, for staff.
    """

    done: bool
    points: Mapping[str, float] = field(default_factory=dict)
    problem: str | None = None


class Lease(NamedTuple):
    """A GPU that somebody has: who, which, and until when."""

    username: str
    device: str
    until: datetime


class Staffroom(Protocol):
    """What the exchange and the hub tell staff, and do for them."""

    def students(self) -> Sequence[Person]:
        """All students, by user name."""

    def name(self, username: str) -> str:
        """A person's full name, or the user name."""

    def teams(self) -> Mapping[str, str]:
        """User name -> the team, of those who are in one."""

    def class_work(self, assignment: str) -> ClassWork:
        """What the class did for an assignment."""

    def handed_in(self) -> Mapping[str, int]:
        """How many students handed in, by assignment."""

    def problems(self, assignment: str) -> Mapping[str, str]:
        """User name -> why the hand-in could not be graded when it was tried last."""

    def grader(self, now: datetime) -> Grader:
        """How it stands with grading."""

    def extend(
        self, usernames: Sequence[str], assignment: str, until: datetime, reason: str, by: str,
        now: datetime,
    ) -> None:  # fmt: skip
        """Give students more time: hand-ins before `until` are on time."""

    def decide(
        self, assignment: str, student: str, digest: str, verb: str, percent: float, reason: str,
        by: str, now: datetime,
    ) -> None:  # fmt: skip
        """Enter what somebody decides about the edits of that digest, in the gradebook."""

    def rerun(self, assignment: str, username: str, by: str, now: datetime) -> int:
        """Have what was collected of a student graded once more; return the grading's number."""

    def rerun_result(self, number: int) -> Rerun:
        """What came of it."""

    def leases(self, now: datetime) -> Sequence[Lease]:
        """Who has a GPU, the first to end first."""

    def journal(self, **wanted: Any) -> Sequence[Any]:
        """Entries of the journal, newest first; arguments as `coursehub.journal.entries`."""


@dataclass(frozen=True)
class Deed:
    """Something that the clock did or will do.

    Attributes:
        at: When.
        what: What, in words.
        why: Why, or what came of it.
    """

    at: datetime
    what: str
    why: str = ""


class Unapproved(Protocol):
    """An assignment whose feedback nobody approved; `exchange.approval.Unapproved` is one."""

    assignment: str
    out: bool


class Clock(Protocol):
    """What happens by itself; whoever runs the course's clock tells it."""

    def coming(self, now: datetime) -> Sequence[Deed]:
        """What time alone will bring, the earliest first."""

    def done(self) -> Sequence[Deed]:
        """What was done, the newest first."""

    def waiting(self, now: datetime) -> Sequence[Unapproved]:
        """Whose feedback waits for somebody to approve it."""

    def last(self, assignment: str) -> datetime:
        """When nobody has any more time for an assignment."""

    def is_approved(self, assignment: str) -> bool:
        """Whether somebody approved its feedback, knowing of all the time that was granted."""

    def approve(self, assignment: str, although: Sequence[str], by: str, now: datetime) -> None:
        """Enter that somebody approves it, although these sentences hold."""


class Similar(Protocol):
    """Hand-ins that are alike; `similarity.table.Similarities` tells of them."""

    def run(self, assignment: str) -> Any:
        """When an assignment was compared last (`similarity.table.Run`); None if it never was."""

    def pairs(self, assignment: str) -> Sequence[Any]:
        """Its pairs (`similarity.table.Found`), the most alike first."""

    def pair(self, assignment: str, key: str) -> Any:
        """One pair, with its answers.

        Raises:
            NotFound: There is none.
        """

    def mark_seen(self, assignment: str, key: str, remark: str, who: str, now: datetime) -> None:
        """Write down that staff have looked at a pair.

        Raises:
            NotFound: There is no such pair.
            CourseHubError: The remark is too long.
        """
