"""How the final mark is made: exact from the first point to the one rounding at its end.

A share is what was earned of what could be earned, from 0 to 1. Homework is the mean of the
assignments' shares; the final mark is the sum of homework, presentation and report, each by its
weight. Shares are fractions, since a third has no decimal form; `rounded` is applied once, to the
final mark, and to nothing that anything else is made from.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from coursehub.course.model import Course

Exact = Decimal | Fraction
"""A number without rounding; never a float."""

NOTHING = Fraction(0)
ALL = Fraction(1)


class State(StrEnum):
    """How it stands with a student's assignment, in words for people."""

    SETTLED = "graded"
    REVIEW = "a person has to look at it"
    UNGRADED = "handed in, not graded yet"
    ABSENT = "not handed in"
    OPEN = "not due yet"
    EXCUSED = "excused"


MISSING = (State.REVIEW, State.UNGRADED, State.ABSENT, State.OPEN)
"""What is named as missing. Not handing in is final all the same: it counts as nothing."""

WAITING = (State.REVIEW, State.UNGRADED, State.OPEN)
"""With any of these the mark is not final."""


@dataclass(frozen=True)
class Homework:
    """One assignment of one student.

    Attributes:
        assignment: Its name.
        state: How it stands.
        score: The points, after what is taken off; more than `most` with extra credit.
        most: The points that could be earned; 0 where nobody knows yet.
        feedback: Whether the student has been given it back.
    """

    assignment: str
    state: State
    score: Exact = NOTHING
    most: Exact = NOTHING
    feedback: bool = False

    @property
    def share(self) -> Fraction:
        """What was earned of what could be earned: never below 0, above 1 with extra credit."""
        return (
            max(Fraction(self.score) / Fraction(self.most), NOTHING) if self.most > 0 else NOTHING
        )


@dataclass(frozen=True)
class Part:
    """Homework, presentation or report.

    Attributes:
        name: Which.
        weight: Percent of the final mark.
        share: From 0 to 1, or None where there is none yet.
        final: Whether nothing is missing that may still change it.
    """

    name: str
    weight: int
    share: Fraction | None
    final: bool

    @property
    def points(self) -> Fraction:
        """What it adds to the final mark; without a share nothing."""
        return self.weight * (NOTHING if self.share is None else self.share)


@dataclass(frozen=True)
class Marks:
    """One student's final mark, and what it is made from.

    Attributes:
        homework: The assignments, in the course's order.
        dropped: Those of them that do not count, being the lowest.
        parts: Homework, presentation and report.
        missing: What is missing, each by name, with the reason.
    """

    homework: tuple[Homework, ...]
    dropped: tuple[str, ...]
    parts: tuple[Part, ...]
    missing: tuple[str, ...]

    @property
    def final(self) -> bool:
        """Whether nothing is missing that may still change the mark."""
        return all(part.final for part in self.parts if part.weight)

    @property
    def exact(self) -> Fraction:
        """The mark from 0 to 100 as if what is missing stayed away, without rounding."""
        return sum((part.points for part in self.parts), NOTHING)

    @property
    def so_far(self) -> Decimal:
        """`exact`, rounded."""
        return rounded(self.exact)

    @property
    def mark(self) -> Decimal | None:
        """The final mark, rounded; None while something is missing that may change it."""
        return self.so_far if self.final else None

    def part(self, name: str) -> Part:
        """The part of that name."""
        return next(part for part in self.parts if part.name == name)


def final_marks(
    course: Course,
    homework: Iterable[Homework],
    presentation: Exact | None = None,
    report: Exact | None = None,
) -> Marks:
    """Make a student's final mark.

    Args:
        course: Which assignments there are, what is dropped, and the weights.
        homework: The student's; what is not an assignment of the course (any more) is left out,
            and one that is not given is not due yet.
        presentation: The presentation's share, from 0 to 1, or None.
        report: The report's.

    Raises:
        ValueError: A share is not from 0 to 1.
    """
    given = {each.assignment: each for each in homework}
    all_of_it = tuple(
        given.get(each.name, Homework(each.name, State.OPEN)) for each in course.assignments
    )
    dropped = lowest(all_of_it, course.homework.drop_lowest)
    waiting = any(each.state in WAITING or _worthless(each) for each in all_of_it)
    share = mean(all_of_it, dropped)
    weights = course.weights
    parts = (
        Part("homework", weights.homework, share, share is not None and not waiting),
        _project("presentation", weights.presentation, presentation),
        _project("report", weights.report, report),
    )
    missing = (
        *(f"{each.assignment}: {each.state}" for each in all_of_it if each.state in MISSING),
        *(f"{each.assignment}: no points can be earned" for each in all_of_it if _worthless(each)),
        *(f"{part.name}: {_none_of(part)}" for part in parts if part.share is None and part.weight),
    )
    return Marks(all_of_it, dropped, parts, missing)


def lowest(homework: Iterable[Homework], drop: int) -> tuple[str, ...]:
    """Which assignments do not count, being the lowest; of equal ones the earlier.

    One always counts, however many may be dropped: who is excused from the others has that one.

    Args:
        homework: A student's; those that are excused count neither way.
        drop: How many are dropped.
    """
    if not drop:
        return ()
    counted = [each for each in homework if each.state != State.EXCUSED]
    ordered = sorted(counted, key=lambda each: each.share)
    return tuple(each.assignment for each in ordered[: max(min(drop, len(counted) - 1), 0)])


def mean(homework: Iterable[Homework], dropped: Iterable[str] = ()) -> Fraction | None:
    """The homework's share: the mean of the shares that count, at most 1.

    Args:
        homework: A student's.
        dropped: Those that do not count.

    Returns:
        The share, or None where nothing counts.
    """
    left_out = set(dropped)
    shares = [
        each.share
        for each in homework
        if each.state != State.EXCUSED and each.assignment not in left_out
    ]
    return min(sum(shares, NOTHING) / len(shares), ALL) if shares else None


def rounded(mark: Fraction) -> Decimal:
    """Round a mark to one decimal, halves up: 72.25 is 72.3. The only rounding there is.

    Args:
        mark: From 0 on.
    """
    tenths = (mark * 20 + 1) // 2
    return Decimal(tenths).scaleb(-1)


def written(number: Exact) -> str:
    """Write an exact number in decimals, or as a fraction where it has no end."""
    fraction = Fraction(number)
    rest = fraction.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return f"{fraction.numerator}/{fraction.denominator}"
    digits = 0
    while (fraction * 10**digits).denominator != 1:
        digits += 1
    return f"{Decimal((fraction * 10**digits).numerator).scaleb(-digits):f}"


def _worthless(homework: Homework) -> bool:
    return homework.state == State.SETTLED and homework.most <= 0


def _project(name: str, weight: int, share: Exact | None) -> Part:
    if share is None:
        return Part(name, weight, None, final=False)
    if not 0 <= share <= 1:
        raise ValueError(f"the share of the {name} is {share}, not from 0 to 1")
    return Part(name, weight, Fraction(share), final=True)


def _none_of(part: Part) -> str:
    return "no assignment counts" if part.name == "homework" else "no score yet"
