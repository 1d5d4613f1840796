"""What lateness and edits take off together."""

from datetime import UTC, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coursehub.course.deduction import Deduction, deduction
from coursehub.course.late import credit, lateness
from coursehub.course.load import load_course
from coursehub.course.model import Band, LatePolicy
from coursehub.course.schedule import window

COURSE = load_course(Path(__file__).parents[2] / "course.yml")
FIRST = COURSE.assignment("assignment_1")
CLOSE = window(COURSE, FIRST).on_time_before.astimezone(UTC)

points = st.floats(0, 1000, allow_nan=False)
percents = st.floats(0, 100, allow_nan=False)
credits_ = st.integers(0, 100).map(lambda hundredths: Decimal(hundredths) / 100)


@pytest.mark.parametrize(
    ("score", "credit", "percent", "late", "edits"),
    [
        (80, "1", 0, 0, 0),
        (80, "1", 10, 0, 10),
        (80, "0.5", 10, 40, 10),
        (80, "0.5", 45, 40, 30),  # capped at 30
        (15, "0.5", 10, 7.5, 7.5),  # no more than there is
        (80, "0", 10, 80, 0),
        (-3, "0.5", 10, 0, 0),
    ],
)
def test_both_together(
    score: float, credit: str, percent: float, late: float, edits: float
) -> None:
    found = deduction(score, 100, credit=Decimal(credit), percent=percent, cap=30)
    assert found == Deduction(late, edits)
    assert found.total == late + edits


@given(points, points, credits_, percents, percents)
def test_never_negative_and_capped(
    score: float, most: float, credit: Decimal, percent: float, cap: float
) -> None:
    found = deduction(score, most, credit=credit, percent=percent, cap=cap)
    assert found.late >= 0
    assert 0 <= found.edits <= float(Fraction(most) * Fraction(cap) / 100)
    assert found.total <= score * (1 + 1e-12)


@given(points, points, credits_, percents)
def test_what_is_waived_costs_nothing(
    score: float, most: float, credit: Decimal, cap: float
) -> None:
    found = deduction(score, most, credit=credit, percent=0, cap=cap)
    assert found.edits == 0
    assert found.late == pytest.approx(score - score * float(credit), abs=1e-9)


@given(points, points, credits_, credits_, percents, percents, percents)
def test_more_percent_or_less_credit_never_costs_less(
    score: float,
    most: float,
    credit: Decimal,
    less: Decimal,
    percent: float,
    more: float,
    cap: float,
) -> None:
    assume(less <= credit and more >= percent)
    mild = deduction(score, most, credit=credit, percent=percent, cap=cap)
    hard = deduction(score, most, credit=less, percent=more, cap=cap)
    assert hard.total >= mild.total - 1e-9
    assert deduction(score, most, credit=credit, percent=more, cap=cap).edits >= mild.edits


@given(points, points, points, credits_, percents, percents)
def test_who_earned_more_keeps_at_least_as_much(
    score: float, extra: float, most: float, credit: Decimal, percent: float, cap: float
) -> None:
    low = deduction(score, most, credit=credit, percent=percent, cap=cap)
    high = deduction(score + extra, most, credit=credit, percent=percent, cap=cap)
    assert score + extra - high.total >= score - low.total - 1e-6


@given(points, points, percents, percents, st.timedeltas(*[timedelta(days=9) * n for n in (-1, 1)]),
       st.timedeltas(*[timedelta(days=9) * n for n in (-1, 1)]))  # fmt: skip
def test_more_time_never_takes_more_off(
    score: float, most: float, percent: float, cap: float, received: timedelta, until: timedelta
) -> None:
    """From the stamp to the points, as the gradebook derives them."""
    policy = LatePolicy(
        bands=(Band(within="24h", credit=Decimal("0.8")), Band(within="72h", credit=Decimal("0.5")))
    )
    stamp = CLOSE + received
    kept = [
        score
        - deduction(
            score, most, credit=credit(policy, lateness(own, stamp)), percent=percent, cap=cap
        ).total
        for own in (window(COURSE, FIRST), window(COURSE, FIRST, CLOSE + until))
    ]
    assert kept[1] >= kept[0] - 1e-9
