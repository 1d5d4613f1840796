"""What the pages are told of the project, and by whom: teams, talks, reports, scores, marks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from coursehub.course.marks import Marks
from coursehub.course.schedule import Window
from coursehub.course.slots import Slot
from coursehub.home.sources import Person


@dataclass(frozen=True)
class Own:
    """One student's project as it stands.

    Attributes:
        window: When a report is on time, for the student's team.
        team: The team (`project.teams.Team`), or None.
        invitations: The teams that ask the student to join.
        slot: When the team presents, or None.
        asked: The teams that ask this one to swap slots.
        asks: The teams that this one has asked.
        reports: The team's (`project.reports.Report`), oldest first.
        names: People's names by user name, of everybody above.
    """

    window: Window
    team: Any = None
    invitations: Sequence[Any] = ()
    slot: Slot | None = None
    asked: Sequence[Any] = ()
    asks: Sequence[Any] = ()
    reports: Sequence[Any] = ()
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassMarks:
    """The marks of all students.

    Attributes:
        people: The students, by user name.
        marks: Their marks, by user name.
    """

    people: Sequence[Person]
    marks: Mapping[str, Marks]


class Project(Protocol):
    """The project and the final marks, for pages; each may be asked by several threads at once.

    Attributes:
        limit: Most bytes of a report.
        teams: What students do about teams (`project.teams.Teams`).
        fixes: What staff do about them (`project.staff.Fixes`).
        talks: Slots (`project.talks.Talks`).
        scores: What graders gave (`project.scores.Scores`).
    """

    limit: int
    teams: Any
    fixes: Any
    talks: Any
    scores: Any

    def recover(self) -> None:
        """Enter and check what a killed service had kept."""

    def own(self, username: str) -> Own:
        """One student's project."""

    def marks(self, username: str, now: datetime) -> Marks:
        """One student's marks, without what they have not been given back."""

    def names(self) -> Mapping[str, str]:
        """Everybody's name, by user name."""

    def running_order(self) -> Sequence[Sequence[str]]:
        """A row for each slot: number, time, team, kind and members; pauses have no number."""

    def hand_in(self, username: str, sent_as: str, content: bytes, key: str, now: datetime) -> int:
        """Keep a report and return its receipt's number; its check comes later.

        Raises:
            ExchangeError: It was not kept.
        """

    def receipt(self, username: str, number: int) -> str:
        """The receipt of a report of one's team.

        Raises:
            NotFound: It has none of that number.
        """

    def report(self, username: str, number: int) -> bytes:
        """A report of one's team, or for staff any.

        Raises:
            NotFound: There is none.
        """

    def reports(self) -> Sequence[tuple[Any, Window, Sequence[Any]]]:
        """Each team, when its report is on time, and its reports, oldest first."""

    def extend(self, team: str, until: datetime, reason: str, by: str, now: datetime) -> None:
        """Give a team more time for its report: what comes before `until` is on time.

        Raises:
            CourseHubError: There is no such team, or no reason.
        """

    def class_marks(self, now: datetime) -> ClassMarks:
        """Everybody's marks, as staff see them."""

    def export(self, form: str, by: str, now: datetime) -> bytes:
        """Everybody's marks as ``csv`` or ``xlsx``; what changed is written into the journal."""
