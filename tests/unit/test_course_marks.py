"""The final mark: what counts, exactness, and the one rounding."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursehub.course.load import load_course, read_course
from coursehub.course.marks import (
    MISSING,
    WAITING,
    Homework,
    Marks,
    State,
    final_marks,
    lowest,
    mean,
    rounded,
    written,
)
from coursehub.course.model import Course
from coursehub.errors import CourseFileError

FILE = Path(__file__).parents[2] / "course.yml"
TEXT = FILE.read_text(encoding="utf-8")
COURSE = load_course(FILE)
NAMES = [each.name for each in COURSE.assignments]
LINE = "homework: {drop_lowest: 0, excuse: true}"


def with_policy(drop: int) -> Course:
    assert LINE in TEXT
    return read_course(TEXT.replace(LINE, f"homework: {{drop_lowest: {drop}}}"))


def settled(*scores: str, most: str = "10") -> list[Homework]:
    return [
        Homework(name, State.SETTLED, Decimal(score), Decimal(most))
        for name, score in zip(NAMES, scores, strict=False)
    ]


points = st.integers(0, 1000).map(lambda hundredths: Decimal(hundredths) / 100)
shares = st.fractions(0, 1, max_denominator=1000)
homeworks = st.tuples(
    *(st.builds(Homework, st.just(name), st.sampled_from(State), points, st.just(Decimal(10)))
      for name in NAMES)
)  # fmt: skip
policies = st.integers(0, len(NAMES) - 1).map(with_policy)


def test_forty_twenty_forty() -> None:
    marks = final_marks(COURSE, settled(*["7.5"] * 8), Decimal("0.8"), Decimal("0.65"))
    assert [(part.name, part.points) for part in marks.parts] == [
        ("homework", 30), ("presentation", 16), ("report", 26)
    ]  # fmt: skip
    assert (marks.mark, marks.missing, marks.final) == (Decimal("72.0"), (), True)


def test_each_assignment_weighs_the_same_whatever_its_points() -> None:
    homework = settled(*["10"] * 8)
    homework[0] = replace(homework[0], score=Decimal(0), most=Decimal(100))
    assert final_marks(COURSE, homework).part("homework").share == Fraction(7, 8)


def test_what_is_missing_is_named_and_counts_as_nothing_so_far() -> None:
    homework = settled(*["10"] * 8)
    homework[1] = Homework(NAMES[1], State.ABSENT)
    homework[2] = Homework(NAMES[2], State.UNGRADED)
    homework[3] = replace(homework[3], state=State.REVIEW)
    marks = final_marks(COURSE, homework[:7], Decimal(1))
    assert marks.missing == (
        "assignment_2: not handed in",
        "assignment_3: handed in, not graded yet",
        "assignment_4: a person has to look at it",
        "assignment_8: not due yet",
        "report: no score yet",
    )
    assert (marks.mark, marks.so_far) == (None, Decimal("45.0"))


def test_not_handing_in_is_final() -> None:
    homework = settled(*["10"] * 8)
    homework[0] = Homework(NAMES[0], State.ABSENT)
    marks = final_marks(COURSE, homework, Decimal(1), Decimal(1))
    assert (marks.mark, marks.missing) == (Decimal("95.0"), ("assignment_1: not handed in",))


def test_the_lowest_are_dropped_and_the_excused_count_neither_way() -> None:
    homework = settled("3", "9", "3", "10", "10", "10", "10", "10")
    homework[1] = Homework(NAMES[1], State.EXCUSED)
    marks = final_marks(with_policy(1), homework)
    assert marks.dropped == ("assignment_1",)
    assert marks.part("homework").share == Fraction(53, 60)


def test_whoever_is_excused_from_nearly_all_keeps_one() -> None:
    homework = [Homework(name, State.EXCUSED) for name in NAMES[1:]]
    only = settled("6")
    assert lowest([*only, *homework], 3) == ()
    assert final_marks(with_policy(3), [*only, *homework]).part("homework").share == Fraction(3, 5)
    none = final_marks(COURSE, [Homework(name, State.EXCUSED) for name in NAMES], Decimal(1))
    assert none.missing == ("homework: no assignment counts", "report: no score yet")
    assert not none.final


def test_what_the_course_no_longer_has_is_left_out() -> None:
    start = TEXT.rindex("  - number: 8\n")
    end = TEXT.index("\n# Late hand-ins", start)
    reduced = read_course(TEXT[:start] + TEXT[end:])
    marks = final_marks(reduced, settled(*["5"] * 7, "0"), Decimal(1), Decimal(1))
    assert [each.assignment for each in marks.homework] == NAMES[:7]
    assert marks.mark == Decimal("80.0")


def test_extra_credit_makes_up_for_others_and_no_more() -> None:
    marks = final_marks(COURSE, settled("14", "6", *["10"] * 6), Decimal(1), Decimal(1))
    assert marks.mark == Decimal("100.0")
    assert final_marks(COURSE, settled(*["14"] * 8)).part("homework").share == 1


def test_an_assignment_without_points_settles_nothing() -> None:
    marks = final_marks(COURSE, settled(*["0"] * 8, most="0"), Decimal(1), Decimal(1))
    assert marks.missing[0] == "assignment_1: no points can be earned"
    assert marks.mark is None


@pytest.mark.parametrize("share", [Decimal("-0.01"), Decimal("1.01")])
def test_a_share_is_a_share(share: Decimal) -> None:
    with pytest.raises(ValueError, match="not from 0 to 1"):
        final_marks(COURSE, [], share)


@pytest.mark.parametrize(
    ("mark", "shown"),
    [("72.25", "72.3"), ("72.2499999999999999999", "72.2"), ("0.05", "0.1"), ("100", "100.0")],
)
def test_halves_are_rounded_up(mark: str, shown: str) -> None:
    assert str(rounded(Fraction(mark))) == shown


def test_thirds_add_up() -> None:
    homework = settled(*["1"] * 8, most="3")
    marks = final_marks(COURSE, homework, Fraction(1, 3), Fraction(1, 3))
    assert marks.exact == Fraction(100, 3)
    assert marks.mark == Decimal("33.3")


@given(st.fractions(0, 100))
def test_rounding_moves_by_half_a_tenth_at_most(mark: Fraction) -> None:
    error = Fraction(rounded(mark)) - mark
    assert -Fraction(1, 20) < error <= Fraction(1, 20)


@given(st.decimals(0, 100, places=4))
def test_written_is_exact(number: Decimal) -> None:
    assert Decimal(written(number)) == number
    assert Fraction(written(Fraction(number) / 3)) == Fraction(number) / 3


def make(course: Course, homework: tuple[Homework, ...], *project: Fraction | None) -> Marks:
    return final_marks(course, homework, *project)


@given(policies, homeworks, st.none() | shares, st.none() | shares)
def test_between_nothing_and_everything_and_final_unless_something_waits(
    course: Course, homework: tuple[Homework, ...], talk: Fraction | None, report: Fraction | None
) -> None:
    marks = make(course, homework, talk, report)
    assert 0 <= marks.exact <= 100
    waiting = any(each.state in WAITING for each in homework)
    everybody_excused = all(each.state == State.EXCUSED for each in homework)
    assert marks.final == (
        not waiting and not everybody_excused and talk is not None and report is not None
    )
    for each in homework:
        named = any(line.startswith(f"{each.assignment}: ") for line in marks.missing)
        assert named == (each.state in MISSING)


@given(homeworks, st.integers(0, len(NAMES) - 2))
def test_dropping_one_more_never_hurts(homework: tuple[Homework, ...], drop: int) -> None:
    fewer, more = (mean(homework, lowest(homework, n)) for n in (drop, drop + 1))
    assert (fewer is None) == (more is None)
    assert fewer is None or more is None or more >= fewer


@given(policies, homeworks, st.data())
def test_more_points_never_hurt(
    course: Course, homework: tuple[Homework, ...], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(NAMES) - 1))
    better = list(homework)
    better[index] = replace(better[index], score=better[index].score + data.draw(points))
    assert make(course, tuple(better)).exact >= make(course, homework).exact


@given(homeworks)
def test_the_order_of_what_is_given_does_not_matter(homework: tuple[Homework, ...]) -> None:
    assert make(COURSE, homework[::-1]) == make(COURSE, homework)


def test_old_course_files_stay_valid() -> None:
    old = read_course(TEXT.replace(LINE, ""))
    assert (old.homework.drop_lowest, old.homework.excuse) == (0, True)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("{drop_lowest: 8}", "homework.drop_lowest: dropping 8 leaves none of 8 assignments"),
        ("{drop_lowest: -1}", "homework.drop_lowest: is -1. Write at least 0"),
        ("{excuse: maybe}", "homework.excuse: wants true or false, not 'maybe'"),
        ("{drop_lowst: 1}", "homework.drop_lowst: unknown key. Did you mean `drop_lowest`?"),
    ],
)
def test_a_wrong_policy_is_refused(policy: str, message: str) -> None:
    with pytest.raises(CourseFileError) as refused:
        read_course(TEXT.replace(LINE, f"homework: {policy}"))
    assert message in str(refused.value)
