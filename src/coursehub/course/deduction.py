"""What is taken off a hand-in's points, for lateness and for edits outside the answers.

The one place that puts both together. It is derived whenever points are, never kept as a number of
its own: points given by hand, an extension or a decision may change it at any time.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction


@dataclass(frozen=True)
class Deduction:
    """Points that are taken off.

    Attributes:
        late: For lateness.
        edits: For edits outside the answers.
    """

    late: float
    edits: float

    @property
    def total(self) -> float:
        """Both."""
        return self.late + self.edits


def deduction(
    score: float, max_score: float, *, credit: Decimal, percent: float, cap: float
) -> Deduction:
    """Return what is taken off, as nbgrader keeps points.

    Args and rule are those of `exact_deduction`.
    """
    late, edits = exact_deduction(
        Fraction(score), Fraction(max_score), credit=credit, percent=Fraction(percent), cap=cap
    )
    return Deduction(float(late), float(edits))


def exact_deduction(
    score: Fraction, max_score: Fraction, *, credit: Decimal, percent: Fraction, cap: float
) -> tuple[Fraction, Fraction]:
    """Return what is taken off for lateness and for edits, without rounding.

    Lateness costs a share of what was earned, edits a share of what could be earned. Together they
    cost no more than was earned.

    Args:
        score: The points earned.
        max_score: The points that could be earned.
        credit: The share that a late hand-in keeps (see `late.credit`).
        percent: What staff decided that the edits cost; 0 where they waived it or have not decided.
        cap: The most that edits may cost, in percent.
    """
    if credit == 1 and percent <= 0:
        return Fraction(0), Fraction(0)
    earned = max(score, Fraction(0))
    late = earned * (1 - Fraction(credit))
    share = min(max(percent, Fraction(0)), Fraction(cap)) / 100
    return late, min(max(max_score, Fraction(0)) * share, earned - late)
