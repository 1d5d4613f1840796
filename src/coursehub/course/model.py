"""The course as course.yml describes it: frozen models, one class a section.

Each class checks its own section; what spans sections is in `checks`. The
comments of course.yml say what the fields mean to the person who writes them.
The project's sections are in `project`.
"""

from datetime import timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from coursehub.course.fields import (
    Clock,
    CourseCode,
    DateAndTime,
    Day,
    DayAndDate,
    Duration,
    Email,
    FileName,
    Fraction,
    NotebookName,
    Number,
    Percent,
    Text,
    Timezone,
)
from coursehub.course.project import Presentation, Report, Teams
from coursehub.course.section import Section
from coursehub.course.wallclock import Fault
from coursehub.errors import NotFound


class Person(Section):
    """Someone, or some desk, that students can write to."""

    name: Text
    role: Text
    email: Email

    def __str__(self) -> str:
        """Return the name and address as mail programs write them."""
        return f"{self.name} <{self.email}>"


class Meeting(Section):
    """A weekly class: the lecture or the tutorial."""

    day: Day
    start: Clock
    end: Clock
    from_week: Number = 1

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end.time <= self.start.time:
            raise Fault(
                f"ends at {self.end}, which is not after {self.start}", "Correct start or end."
            )
        return self


class Meetings(Section):
    """The weekly classes."""

    lecture: Meeting
    tutorial: Meeting | None = None


class Week(Section):
    """A teaching week, named by the date of its lecture; a recess is no week."""

    number: Number
    date: DayAndDate
    lecture: Text | None = None
    tutorial: Text | None = None
    holiday: Text | None = None

    @model_validator(mode="after")
    def _class_or_holiday(self) -> Self:
        if (self.lecture is None) == (self.holiday is None):
            raise Fault(
                "has neither a lecture nor a holiday"
                if self.holiday is None
                else "has both a lecture and a holiday",
                "Write `lecture:` with its topic, or `holiday:` with its name.",
            )
        if self.tutorial and self.holiday:
            raise Fault("has both a tutorial and a holiday", "Remove one of them.")
        return self


class ReleaseRule(Section):
    """When assignments come out: as that class of their week starts."""

    at: Literal["lecture", "tutorial"]


class DueRule(Section):
    """When assignments are due: so many calendar weeks on, that day, that time."""

    weeks_later: Annotated[int, Field(ge=0, le=52)]
    day: Day
    time: Clock


class Rules(Section):
    """The rule for all assignments that say nothing else."""

    release: ReleaseRule
    due: DueRule


class GradingLimits(Section):
    """What one hand-in may use while it is graded; what is left out is as usual.

    Attributes:
        memory_mb: Memory of its processes together; there is no swap beyond it.
        disk_mb: What it may write.
        output_mb: What its cells may print.
        processes: How many processes and threads it may have at once.
        cpus: How many cores it may use.
        cell: The time of one cell.
        call: The time of one call that a test makes.
        total: The time of the whole notebook.
        gpu: Whether its answers run with a GPU of their own.
    """

    memory_mb: Number | None = None
    disk_mb: Number | None = None
    output_mb: Number | None = None
    processes: Number | None = None
    cpus: Number | None = None
    cell: Duration | None = None
    call: Duration | None = None
    total: Duration | None = None
    gpu: bool = False

    @model_validator(mode="after")
    def _time_for_a_cell(self) -> Self:
        if self.cell and self.total and self.total < self.cell:
            raise Fault(
                f"total {self.total} is less than one cell's {self.cell}", "Allow more in total."
            )
        return self


class Assignment(Section):
    """A weekly notebook.

    `release` and `due` are set only where the assignment departs from the
    rules; `schedule.window` has the instants that hold.
    """

    number: Number
    week: Number
    title: Text
    notebook: NotebookName
    extra_files: tuple[FileName, ...] = ()
    release: DateAndTime | None = None
    due: DateAndTime | None = None
    limits: GradingLimits = GradingLimits()

    @property
    def name(self) -> str:
        """The name that nbgrader knows it by: ``assignment_1``."""
        return f"assignment_{self.number}"

    @property
    def files(self) -> tuple[str, ...]:
        """What students receive and hand in, the notebook first."""
        return (self.notebook, *self.extra_files)


class Band(Section):
    """A stretch of lateness and the credit that it leaves.

    Attributes:
        within: The lateness up to which the band holds.
        credit: The share of the marks that counts, from 0 to 1.
    """

    within: Duration
    credit: Fraction


class LatePolicy(Section):
    """What late hand-ins earn; past the last band, and without bands, nothing."""

    bands: tuple[Band, ...] = ()


class EditPolicy(Section):
    """What follows from edits outside the marked snippets.

    Attributes:
        action: ``warn`` tells the student before submission and shows the edits
            to staff; ``penalise`` also proposes to take `penalty` off.
        penalty: Percent of the assignment's marks, for each edit.
        cap: Percent of the assignment's marks that all edits together cost at most.
    """

    action: Literal["warn", "penalise"] = "warn"
    penalty: Percent = 0
    cap: Percent = 100

    @model_validator(mode="after")
    def _penalty_when_penalising(self) -> Self:
        if (self.action == "penalise") != (self.penalty > 0):
            raise Fault(
                f"action {self.action} goes ill with penalty {self.penalty}",
                "Write `action: warn` with `penalty: 0`, or `action: penalise` with more.",
            )
        if self.cap < self.penalty:
            raise Fault(
                f"cap {self.cap} is below penalty {self.penalty}", "Correct one of the two."
            )
        return self

    def deduction(self, edits: int) -> int:
        """Percent of the assignment's marks that so many edits cost, if staff agree."""
        return min(edits * self.penalty, self.cap)


class HomeworkPolicy(Section):
    """How the assignments make up the homework: the mean of what was earned of each.

    Attributes:
        drop_lowest: So many of a student's lowest do not count.
        excuse: Whether staff may excuse one student from one assignment.
    """

    drop_lowest: Annotated[int, Field(ge=0)] = 0
    excuse: bool = True


class FeedbackPolicy(Section):
    """When feedback goes out, once the last extension is over.

    Attributes:
        approve: Whether staff approve it first; otherwise it goes out as soon as
            nothing needs a person any more.
    """

    approve: bool = True


class SolutionPolicy(Section):
    """Whether students get the solution: with the feedback, or never."""

    after: Literal["feedback", "never"] = "never"


class Weights(Section):
    """What counts how much towards the final mark, in percent."""

    homework: Percent
    presentation: Percent
    report: Percent

    @model_validator(mode="after")
    def _all_of_it(self) -> Self:
        total = self.homework + self.presentation + self.report
        if total != 100:
            raise Fault(f"the weights sum to {total}, not to 100", "Correct one of them.")
        return self


Work = Assignment | Report
"""What is handed in: a weekly notebook, or the project's report."""


class Show(Section):
    """What students see of the class on their page.

    Attributes:
        distribution: How the scores of an assignment are distributed, once feedback is out.
    """

    distribution: bool = True


class Course(Section):
    """A course, as its course.yml describes it."""

    code: CourseCode
    title: Text
    timezone: Timezone
    staff: Annotated[tuple[Person, ...], Field(min_length=1)]
    meetings: Meetings
    weeks: Annotated[tuple[Week, ...], Field(min_length=1)]
    rules: Rules
    assignments: tuple[Assignment, ...]
    late: LatePolicy
    edits: EditPolicy
    homework: HomeworkPolicy = HomeworkPolicy()
    reminder: Duration = timedelta(hours=24)
    feedback: FeedbackPolicy = FeedbackPolicy()
    solution: SolutionPolicy = SolutionPolicy()
    weights: Weights
    teams: Teams
    presentation: Presentation
    report: Report
    show: Show = Show()

    @property
    def id(self) -> str:
        """The id that nbgrader knows it by: the code in small letters."""
        return self.code.lower()

    @property
    def tz(self) -> ZoneInfo:
        """The timezone in which course.yml is written."""
        return ZoneInfo(self.timezone)

    def assignment(self, name: str) -> Assignment:
        """Return the assignment that nbgrader calls `name`.

        Raises:
            NotFound: The course has none of this name.
        """
        for assignment in self.assignments:
            if assignment.name == name:
                return assignment
        names = ", ".join(assignment.name for assignment in self.assignments)
        raise NotFound(f"no assignment {name!r}", remedy=f"There are {names or 'none yet'}.")

    def work(self, name: str) -> Work:
        """Return what is handed in under `name`: an assignment, or the report.

        Raises:
            NotFound: The course has nothing of this name.
        """
        return self.report if name == self.report.name else self.assignment(name)

    def week(self, number: int) -> Week:
        """Return the teaching week of this number, counted from 1.

        Raises:
            NotFound: The course has no such week.
        """
        for week in self.weeks:
            if week.number == number:
                return week
        raise NotFound(f"no week {number}", remedy=f"Weeks go from 1 to {len(self.weeks)}.")
