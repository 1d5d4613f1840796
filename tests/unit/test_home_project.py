"""What the pages say of teams, slots, reports and marks."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursehub.course.leftovers import Proposal
from coursehub.course.load import load_course
from coursehub.course.marks import Homework, State, final_marks
from coursehub.course.rubric import combine
from coursehub.course.schedule import window
from coursehub.course.slots import slots
from coursehub.errors import CourseHubError
from coursehub.gradebook.marks import as_the_student_sees
from coursehub.home import project
from coursehub.home.forms import Filled, first_late
from coursehub.home.project_sources import Own
from coursehub.home.project_staff import field, form_rows, proposal_lines, scored
from coursehub.project.reports import Report
from coursehub.project.teams import Team
from coursehub.settings import CHECKOUT

COURSE = load_course(CHECKOUT / "course.yml")
UNTIL = datetime(2021, 3, 12, 16, tzinfo=UTC)  # 23:59 in Singapore is over
OPEN, OVER = UNTIL - timedelta(days=1), UNTIL
DUE = window(COURSE, COURSE.report)
NAMES = {"alice": "Wang, Wenjie", "bob": "Bob Tan", "carol": "Carol O'Neil", "tara": "Tara Lim"}
NOTHING = final_marks(COURSE, [])


def team(*members: str, number: int = 1, invited: tuple[str, ...] = ()) -> Team:
    return Team(number, f"Team {number}", None, members, invited)


def own(of: Team | None = None, **about: Any) -> Own:
    return Own(DUE, of, names=NAMES, **about)


def report(received: datetime, **about: Any) -> Report:
    usual = {"late": False, "counts": True, "credit": Decimal(1), "findings": ()}
    return Report(7, "bob", received, **{**usual, **about})


def told(of: Own, now: datetime = OPEN, marks: Any = NOTHING) -> dict[str, str]:
    """The four sections as text, by title."""
    return {
        each.title: " ".join(
            [each.text, *(part for line in each.lines for part in (line.label, line.value,
                                                                   line.remark) if part)]
        )
        for each in project.sections(COURSE, now, of, marks)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("of", "now", "says"),
    [
        (own(), OPEN, "Invite somebody, and you have a team by it."),
        (own(), OVER, "Staff place those who are left; ask them."),
        (own(invitations=(team("bob"),)), OPEN, "You are invited Team 1: Bob Tan"),
        (own(team("alice")), OPEN, "Too small: teams have 2 students at least"),
        (own(team("alice")), OPEN, "room for 3 more"),
        (own(team("alice", "bob", invited=("carol",))), OPEN, "Invited Carol O'Neil No answer yet"),
        (own(team("alice", "bob", "x", "y")), OPEN, "full with 4 students"),
        (own(team("alice", "bob")), OVER, "if yours has to change, ask the course staff"),
        (own(), OVER, "Friday 12 March 2021, 23:59 It is over"),
    ],
)
def test_a_student_reads_what_can_be_done_about_teams(of: Own, now: datetime, says: str) -> None:
    assert says in told(of, now)["Team"]


def test_the_whole_of_the_last_minute_is_open() -> None:
    assert project.forming(COURSE, UNTIL - timedelta(microseconds=1))
    assert not project.forming(COURSE, UNTIL)


def test_slot_and_swaps_are_told() -> None:
    mine = team("alice", "bob")
    assert "not drawn yet Presentations are in week 13" in told(own(mine))["Presentation"]
    slot = slots(COURSE)[1]
    others = {"asked": (team("carol", number=2),), "asks": (team("carol", number=3),)}
    text = told(own(mine, slot=slot, **others))["Presentation"]
    assert "Your slot Fri 16 Apr 18:35 to 18:40 Number 2 in the order" in text
    assert "Asked to swap slots Team 2" in text and "You asked to swap Team 3" in text
    assert "What talk" in text


def test_the_report_that_counts_is_told_with_its_check() -> None:
    mine = team("alice", "bob")
    at = DUE.on_time_before - timedelta(hours=3)
    assert "Nothing is handed in yet." in told(own(mine))["Report"]
    assert "Due Friday 30 April 2021, 23:59" in told(own(mine))["Report"]
    assert "you are in none" in told(own())["Report"]
    text = told(own(mine, reports=(report(at, counts=False), report(at))), at)["Report"]
    assert "by Bob Tan, on time The check found nothing wrong." in text
    assert "1 other hand-in" in text
    late = report(DUE.on_time_before + timedelta(hours=2), late=True, findings=("Too long.",))
    assert "2 h late Too long." in told(own(mine, reports=(late,)))["Report"]


def test_a_check_that_is_under_way_is_not_one_that_found_nothing() -> None:
    waiting = report(OPEN, findings=None)
    assert "is being checked" in project.check_text(waiting, OPEN)[0]
    assert "not checked yet" in project.check_text(waiting, OPEN + timedelta(hours=1))[0]


def test_the_mark_so_far_names_every_part_and_what_is_missing() -> None:
    names = [each.name for each in COURSE.assignments]
    done = Homework(names[0], State.SETTLED, Fraction(9), Fraction(10), feedback=True)
    held = Homework(names[1], State.SETTLED, Fraction(10), Fraction(10))
    absent = Homework(names[2], State.ABSENT)
    marks = final_marks(COURSE, [done, held, absent], Fraction(3, 4))
    text = told(own(), marks=as_the_student_sees(COURSE, marks))["Mark so far"]
    assert "40 % homework, 20 % presentation, 40 % report" in text
    assert "Homework 4.5 of 40 1 of 8 assignments are given back" in text
    assert "Presentation 15.0 of 20 75.0 %" in text and "Report nothing yet" in text
    assert "Together so far 19.5 of 100" in text
    assert "assignment 2: handed in, not graded yet; assignment 3: not handed in" in text
    assert text.endswith("assignments 4, 5, 6, 7, 8: not due yet; report: no score yet")


@given(st.lists(st.integers(0, 100), min_size=8, max_size=8), st.integers(0, 10), st.booleans())
def test_what_is_not_given_back_changes_nothing_on_the_page(
    points: list[int], other: int, back: bool
) -> None:
    """Whatever an assignment earned, the page says the same until it is given back."""

    def page(first: int) -> str:
        homework = [
            Homework(each.name, State.SETTLED, Fraction(earned), Fraction(100), feedback=index > 0)
            for index, (each, earned) in enumerate(
                zip(COURSE.assignments, [first, *points[1:]], strict=True)
            )
        ]
        marks = as_the_student_sees(COURSE, final_marks(COURSE, homework, Fraction(1), Fraction(1)))
        return told(own(), marks=marks)["Mark so far"]

    assert page(points[0]) == page(other)
    assert "Final mark" not in page(points[0])


# --- staff --------------------------------------------------------------------------------------


def test_graders_are_told_apart_and_rounded_as_marks_are() -> None:
    rubric = COURSE.presentation.rubric
    given = {
        "tara": {each.criterion: Decimal("7.2") for each in rubric},
        "ines": {"Idea": Decimal(4)},
    }
    given["tara"]["Idea"] = Decimal("7.35")  # 72.45 %: a half is rounded up
    all_of_it = combine(rubric, given)
    text = scored(all_of_it, NAMES)
    assert text.share == "72.5 %" and text.graders == ["Tara Lim 72.5 %"]
    assert text.unfinished == ["ines: Results, Delivery, Answers"]
    assert text.apart == ["Idea: 4 to 7.35"]
    rows = form_rows(rubric, given, "ines", NAMES, all_of_it.apart, {field("Results"): "11"})
    assert [(row.own, row.apart) for row in rows[:2]] == [("4", True), ("11", False)]
    assert rows[0].others == ["Tara Lim 7.35"]
    assert scored(None, NAMES).share == ""


def test_every_part_of_a_proposal_is_a_sentence() -> None:
    proposal = Proposal({1: ("alice",)}, {2: 1}, (("bob", "carol"),), ("tara",), (3,))
    lines = list(proposal_lines(proposal, {1: "Adam", 2: "Eve", 3: "Abel"}, NAMES))
    assert lines[:3] == [
        "Wang, Wenjie: into Adam",
        "Eve joins Adam",
        "Bob Tan; Carol O'Neil: a new team",
    ]
    assert "Tara Lim: no team has room" in lines[3] and "Abel stays too small" in lines[4]


# --- forms --------------------------------------------------------------------------------------


def test_a_refused_form_keeps_what_was_typed_and_others_do_not() -> None:
    filled = Filled("move", "no", {"who": "alice"})
    assert filled.typed("move", "who") == "alice" and filled.typed("create", "who") == ""
    assert filled.said("create", "move") == "no" and filled.said("create") == ""


def test_the_minute_that_was_written_is_whole() -> None:
    late = first_late("2021-04-30T23:59", COURSE)
    assert late.astimezone(UTC) == datetime(2021, 4, 30, 16, tzinfo=UTC)
    with pytest.raises(CourseHubError, match="is no time"):
        first_late("soon", COURSE)
