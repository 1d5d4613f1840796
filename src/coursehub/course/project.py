"""The sections of course.yml about the project: teams, their presentations, their reports."""

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from coursehub.course.fields import DateAndTime, Number, Percent, Text
from coursehub.course.section import Section
from coursehub.course.wallclock import Fault


class Teams(Section):
    """How many students make a team.

    Attributes:
        smallest: Fewest students.
        largest: Most students.
        until: Until when students form teams themselves; without it always.
    """

    smallest: Number
    largest: Number
    until: DateAndTime | None = None

    @model_validator(mode="after")
    def _smallest_first(self) -> Self:
        if self.largest < self.smallest:
            raise Fault(f"largest {self.largest} is below smallest {self.smallest}", "Swap them.")
        return self


class Criterion(Section):
    """What graders look at, and how much of the score it is.

    Attributes:
        criterion: What, in a word or two.
        weight: Percent of the score.
    """

    criterion: Text
    weight: Percent


def _whole_rubric(rubric: tuple[Criterion, ...]) -> tuple[Criterion, ...]:
    """Let through criteria of different names whose weights are the whole score."""
    names = [each.criterion for each in rubric]
    total = sum(each.weight for each in rubric)
    if len(set(names)) < len(names):
        raise Fault("two criteria have one name", "Give each a name of its own.")
    if total != 100:
        raise Fault(f"the weights sum to {total}, not to 100", "Correct one of them.")
    return rubric


Rubric = Annotated[tuple[Criterion, ...], Field(min_length=1), AfterValidator(_whole_rubric)]
OVERALL = (Criterion(criterion="Overall", weight=100),)
"""The rubric where course.yml has none."""


class Breaks(Section):
    """The pauses between presentations.

    Attributes:
        after: So many presentations in a row, then a pause.
        minutes: How long.
    """

    after: Number
    minutes: Number


class Presentation(Section):
    """The team's talk or poster.

    Attributes:
        kinds: What a team may choose from; the first unless it chooses.
        minutes: The time of a team.
        week: The teaching week in whose classes they are; the last unless written.
        breaks: The pauses.
        rubric: What graders look at.
    """

    kinds: Annotated[tuple[Text, ...], Field(min_length=1)]
    minutes: Number
    week: Number | None = None
    breaks: Breaks = Breaks(after=10, minutes=10)
    rubric: Rubric = OVERALL


class Report(Section):
    """The team's written report, handed in by any member.

    Attributes:
        format: The style that it is written in.
        max_pages: Most pages.
        due: The deadline.
        references_beyond: Whether what follows the heading "References" is not counted.
        rubric: What graders look at.
    """

    format: Text
    max_pages: Number
    due: DateAndTime
    references_beyond: bool = False
    rubric: Rubric = OVERALL

    name: ClassVar[str] = "report"
    title: ClassVar[str] = "Project report"
    files: ClassVar[tuple[str, ...]] = ("report.pdf",)
