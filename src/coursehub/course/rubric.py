"""From the scores of several graders to one share of the marks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from coursehub.course.project import Criterion
from coursehub.course.wallclock import Fault

BEST = Decimal(10)
"""A score of one criterion goes from 0 to this."""

APART = Decimal(3)
"""Graders disagree on a criterion when their scores are so far apart, or farther."""

Scores = Mapping[str, Mapping[str, Decimal]]
"""A team's scores: by grader, then by criterion."""


@dataclass(frozen=True)
class Combined:
    """What several graders' scores come to.

    Attributes:
        share: The mean of the shares of all graders who are done, from 0 to 1; None if nobody is.
        graders: Each such grader's share.
        incomplete: What the other graders have not scored yet.
        apart: The criteria on which graders disagree, and their lowest and highest score.
    """

    share: Decimal | None
    graders: Mapping[str, Decimal]
    incomplete: Mapping[str, tuple[str, ...]]
    apart: Mapping[str, tuple[Decimal, Decimal]]


def combine(rubric: Sequence[Criterion], scores: Scores) -> Combined:
    """Combine the scores of a team's work.

    A grader's share is the weighted mean of the criteria. A grader counts once every criterion has
    a score; all who count, count alike. Scores of criteria that the rubric no longer has count for
    nothing. Nothing is rounded here.

    Args:
        rubric: The criteria, with weights that sum to 100.
        scores: What each grader gave.
    """
    graders: dict[str, Decimal] = {}
    incomplete: dict[str, tuple[str, ...]] = {}
    for grader, given in sorted(scores.items()):
        missing = tuple(each.criterion for each in rubric if each.criterion not in given)
        if missing:
            incomplete[grader] = missing
        else:
            points = sum((given[each.criterion] * each.weight for each in rubric), Decimal(0))
            graders[grader] = points / (100 * BEST)
    share = sum(graders.values(), Decimal(0)) / len(graders) if graders else None
    return Combined(share, graders, incomplete, _apart(rubric, scores))


def read_score(text: str) -> Decimal:
    """Read a score such as ``7`` or ``7.5``.

    Raises:
        Fault: It is no number from 0 to 10 with at most one decimal.
    """
    whole, _, part = text.strip().partition(".")
    if whole.isdecimal() and whole.isascii() and len(whole) <= 2 and (
        "." not in text or (part.isdecimal() and part.isascii() and len(part) == 1)
    ):  # fmt: skip
        score = Decimal(text.strip())
        if score <= BEST:
            return score
    raise Fault(
        f"{text!r} is no score", f"Write a number from 0 to {BEST}, with at most one decimal."
    )


def _apart(rubric: Sequence[Criterion], scores: Scores) -> Mapping[str, tuple[Decimal, Decimal]]:
    found = {}
    for each in rubric:
        given = [of[each.criterion] for of in scores.values() if each.criterion in of]
        if given and max(given) - min(given) >= APART:
            found[each.criterion] = (min(given), max(given))
    return found
