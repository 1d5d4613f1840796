"""What a student's page says: states, which hand-in counts, and when scores are told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursehub.course.load import load_course
from coursehub.course.model import Show
from coursehub.course.schedule import window
from coursehub.gradebook.standing import CellScore, Edits, Found, Standing
from coursehub.home import student
from coursehub.home.chart import BINS, HEIGHT, histogram
from coursehub.home.points import points_of
from coursehub.home.sources import HandIn, Work
from coursehub.home.words import in_order, points, task_of, tasks
from coursehub.settings import CHECKOUT

COURSE = load_course(CHECKOUT / "course.yml")
FIRST = COURSE.assignments[0]
USUAL = window(COURSE, FIRST)
OPENS, _, LATE_FROM = USUAL
NOON = OPENS + timedelta(hours=1)
ON_TIME = LATE_FROM - timedelta(hours=5)
HOUR = timedelta(hours=1)


def standing(received: datetime = ON_TIME, **changes: Any) -> Standing:
    cells = (
        CellScore("a1_t1_test", 4, 4, False),
        CellScore("a1_t1_test_2", 0, 6, False),
        CellScore("a1_written", 5, 10, False),
    )
    made = Standing(
        "alice", "assignment_1", received.astimezone(UTC), "n", 9, 20, True, False, cells
    )
    return replace(made, **changes)


def card(now: datetime = NOON, work: Work = student.NOTHING, **named: Any) -> student.Card:
    return student.card(COURSE, FIRST, now, **{"released": True, "work": work, **named})


def handed_in(*received: datetime, feedback: bool = False) -> Work:
    pages = ("assignment_1.html",) if feedback else ()
    return Work(tuple(HandIn(index, at, (), pages) for index, at in enumerate(received, start=1)))


@pytest.mark.parametrize(
    ("now", "work", "named", "key", "says"),
    [
        (OPENS - HOUR, Work(), {}, "later", "Opens Fri 29 Jan 20:30."),
        (NOON, Work(), {"released": False}, "waiting", "Staff have not released it yet."),
        (NOON, Work(), {}, "open", "Fetch it in JupyterLab"),
        (NOON, Work(fetched=NOON), {}, "working", "nothing is handed in yet"),
        (LATE_FROM, Work(fetched=NOON), {}, "missing", "It closed just now."),
        (LATE_FROM + 30 * HOUR, Work(), {}, "missing", "It closed 1 day ago."),
        (NOON, handed_in(ON_TIME), {}, "handed-in", "Handed in Fri 5 Feb 19:00, on time."),
        (NOON, handed_in(LATE_FROM + 2 * HOUR), {}, "late", "2 h late"),
        (NOON, handed_in(ON_TIME), {"standing": standing()}, "graded", "release feedback next"),
        (
            NOON, handed_in(ON_TIME, feedback=True), {"standing": standing()},
            "feedback", "9 of 20 points",
        ),
    ],
)  # fmt: skip
def test_each_state_has_its_words(
    now: datetime, work: Work, named: dict[str, Any], key: str, says: str
) -> None:
    status = card(now, work, **named).status
    assert status.key == key
    assert says in status.text


def test_no_score_is_told_before_feedback_is_out() -> None:
    assert card(work=handed_in(ON_TIME), standing=standing()).result is None


def test_no_score_is_told_of_another_hand_in_than_the_feedback_is_about() -> None:
    other = standing(received=ON_TIME - HOUR)
    found = card(work=handed_in(ON_TIME, feedback=True), standing=other)
    assert found.result is None
    assert found.status.text == "Read it below."


def test_tasks_are_added_up_and_in_order() -> None:
    found = card(work=handed_in(ON_TIME, feedback=True), standing=standing()).result
    assert found is not None
    assert [(task.name, task.score, task.most) for task in found.tasks] == [
        ("Task 1", 4, 10),
        ("Written", 5, 10),
    ]
    assert (found.points.score, found.points.most) == (9, 20)


def test_an_extension_makes_it_the_own_deadline() -> None:
    more = Work(handed_in(LATE_FROM + HOUR).hand_ins, until=LATE_FROM + 2 * HOUR)
    found = card(LATE_FROM + HOUR, more)
    assert (found.extended, found.status.key) == (True, "handed-in")
    assert found.left == "1 h left"
    without = card(LATE_FROM + HOUR, handed_in(LATE_FROM + HOUR))
    assert (without.extended, without.status.key, without.left) == (False, "late", "")


def test_the_newest_hand_in_is_first_and_the_right_one_counts() -> None:
    found = card(work=handed_in(ON_TIME, ON_TIME + HOUR, LATE_FROM + HOUR))
    assert [(one.hand_in.number, one.counts, one.late) for one in found.hand_ins] == [
        (3, False, "1 h late"),
        (2, True, ""),
        (1, False, ""),
    ]


@pytest.mark.parametrize(("size", "shown"), [(4, False), (5, True)])
def test_a_class_of_few_sees_no_distribution(size: int, shown: bool) -> None:
    work = handed_in(ON_TIME, feedback=True)
    found = card(work=work, standing=standing(), class_scores=[9.0] * size).result
    assert found is not None
    assert (found.distribution is not None) == shown


def test_staff_may_keep_the_distribution_to_themselves() -> None:
    course = COURSE.model_copy(update={"show": Show(distribution=False)})
    work = handed_in(ON_TIME, feedback=True)
    found = student.card(
        course, FIRST, NOON, released=True, work=work, standing=standing(),
        class_scores=[9.0] * 50,
    ).result  # fmt: skip
    assert found is not None
    assert found.distribution is None


def test_what_a_person_decided_about_edits_is_taken_off_and_a_proposal_is_not() -> None:
    found = (Found("edited", "setup", "An edit."),)
    decided = standing(edits=Edits(found, "accepted", 10.0))
    assert points_of(COURSE, USUAL, decided).score == 7
    assert points_of(COURSE, USUAL, standing(edits=Edits(found))).score == 9


def test_a_late_hand_in_earns_nothing_without_bands_unless_extended() -> None:
    late = standing(received=LATE_FROM + HOUR)
    extended = window(COURSE, FIRST, LATE_FROM + 2 * HOUR)
    assert points_of(COURSE, USUAL, late).score == 0
    assert points_of(COURSE, extended, late).score == 9


@pytest.mark.parametrize(
    ("cell", "task"),
    [
        ("a1_t3_test_2", "Task 3"),
        ("t12", "Task 12"),
        ("a8_plot", "Plot"),
        ("a8_written", "Written"),
        ("reflection_on_bias", "Reflection on bias"),
        ("cell-0a1b", "Cell-0a1b"),
    ],
)
def test_grade_ids_become_tasks(cell: str, task: str) -> None:
    assert task_of(cell) == task


def test_tasks_are_ordered_by_number() -> None:
    assert in_order(["Written", "Task 10", "Task 2", "Plot"]) == [
        "Task 2", "Task 10", "Plot", "Written",
    ]  # fmt: skip
    assert tasks([]) == []


@pytest.mark.parametrize(
    ("number", "said"), [(98.0, "98"), (97.5, "97.5"), (100 / 3, "33.33"), (0.0, "0")]
)
def test_points_are_said_shortly(number: float, said: str) -> None:
    assert points(number) == said


@given(st.lists(st.floats(-5, 130), min_size=1), st.floats(1, 120))
def test_a_histogram_holds_every_score_once_and_stays_in_its_frame(
    scores: list[float], most: float
) -> None:
    figure = histogram(scores, most, own=scores[0])
    assert sum(bar.count for bar in figure.bars) == len(scores) == figure.size
    assert len(figure.bars) == BINS
    assert [bar.own for bar in figure.bars].count(True) == 1
    assert all(0 <= bar.y <= HEIGHT and 0 <= bar.height <= HEIGHT for bar in figure.bars)
    assert min(scores) <= figure.median <= max(scores)
