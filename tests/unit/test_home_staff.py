"""What staff's list says of each student, and which part of it is shown."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from coursehub.course.load import load_course
from coursehub.course.model import EditPolicy
from coursehub.course.schedule import window
from coursehub.errors import CourseHubError
from coursehub.exchange.person import Person
from coursehub.gradebook.standing import CellFigures, Edits, Found, Standing
from coursehub.home import staff
from coursehub.home.approval import before_feedback
from coursehub.home.sources import ClassWork
from coursehub.settings import CHECKOUT

COURSE = load_course(CHECKOUT / "course.yml")
FIRST = COURSE.assignments[0]
OPENS, _, LATE_FROM = window(COURSE, FIRST)
HOUR = timedelta(hours=1)
OPEN, CLOSED = LATE_FROM - HOUR, LATE_FROM + 48 * HOUR
ON_TIME = (LATE_FROM - 5 * HOUR).astimezone(UTC)
ALICE = Person("alice", "A0100000J", "Wang, Wenjie", "a@example.edu", "student")
BOB = Person("bob", "A0100001H", "Bob Tan", "b@example.edu", "student")
GRADED = Standing("alice", FIRST.name, ON_TIME, "n1", 60, 100, graded=True, open=False)
EDITED = Edits((Found("edited", "setup", "An edit."),))
ANEW = replace(EDITED, again=True)


def row(
    now: datetime = CLOSED,
    received: tuple[datetime, ...] = (),
    *,
    fetched: bool = False,
    until: datetime | None = None,
    standing: Standing | None = None,
    problem: str | None = None,
    course: Any = COURSE,
) -> staff.Row:
    work = ClassWork(
        {"alice": list(enumerate(received, start=1))} if received else {},
        {"alice": OPENS} if fetched else {},
        {"alice": until} if until else {},
    )
    found = staff.rows(
        course, FIRST, now, [ALICE], work,
        {"alice": standing} if standing else {}, {"alice": problem} if problem else {},
    )  # fmt: skip
    return next(iter(found))


@pytest.mark.parametrize(
    ("named", "state", "why"),
    [
        ({"now": OPEN}, "not-fetched", ""),
        ({"now": OPEN, "fetched": True}, "working", ""),
        ({"fetched": True}, "missing", ""),
        ({}, "missing", "never fetched"),
        ({"fetched": True, "until": CLOSED + HOUR}, "working", ""),
        ({"received": (ON_TIME,)}, "handed-in", ""),
        ({"received": (ON_TIME,), "problem": "no memory"}, "failed", "no memory"),
        ({"received": (ON_TIME,), "standing": GRADED}, "graded", ""),
        ({"received": (ON_TIME,), "standing": GRADED, "problem": "old"}, "graded", ""),
        (
            {"received": (ON_TIME,), "standing": replace(GRADED, open=True)},
            "review", "points by hand",
        ),
        ({"received": (ON_TIME,), "standing": replace(GRADED, edits=EDITED)}, "graded", ""),
        ({"received": (ON_TIME,), "standing": replace(GRADED, edits=ANEW)}, "review",
         "edits to decide"),
        ({"received": (ON_TIME, ON_TIME + HOUR), "standing": GRADED}, "handed-in", ""),
    ],
)  # fmt: skip
def test_each_standing_has_its_state(named: dict[str, Any], state: str, why: str) -> None:
    found = row(**named)
    assert (found.state, found.why) == (state, why)


def test_edits_wait_for_a_decision_where_something_is_proposed() -> None:
    penalise = EditPolicy(action="penalise", penalty=5, cap=20)
    course = COURSE.model_copy(update={"edits": penalise})
    waits = row(received=(ON_TIME,), standing=replace(GRADED, edits=EDITED), course=course)
    assert (waits.state, waits.why) == ("review", "edits to decide")
    decided = replace(GRADED, edits=replace(EDITED, verb="accepted", percent=5.0))
    done = row(received=(ON_TIME,), standing=decided, course=course)
    assert (done.state, done.points and done.points.score) == ("graded", 55)


def test_what_still_needs_a_person_is_said_before_feedback() -> None:
    in_hand = {"received": (ON_TIME,)}
    found = [
        row(**in_hand),
        row(**in_hand, problem="no memory"),
        row(**in_hand, standing=replace(GRADED, open=True, edits=ANEW)),
        row(**in_hand, standing=GRADED),
        row(fetched=True),
    ]
    assert before_feedback(found, CLOSED, CLOSED, str) == [
        "not graded: alice", "could not be graded: alice", "points by hand missing: alice",
        "edits undecided: alice",
    ]  # fmt: skip
    assert before_feedback(found[3:], CLOSED, CLOSED, str) == []
    assert before_feedback(found[3:], CLOSED + HOUR, CLOSED, lambda _: "Friday") == [
        "there is time until Friday"
    ]
    many = before_feedback(found[:1] * 30, CLOSED, CLOSED, str)
    assert many[0].endswith("alice, alice and 22 more")


@pytest.mark.parametrize(
    ("amount", "unit", "percent"),
    [("5", "percent", 5), ("5", "points", 5), ("2,5", "percent", 2.5), ("nan", "points", None),
     ("much", "percent", None), ("", "points", None)],
)  # fmt: skip
def test_points_to_take_off_are_percent_of_the_marks(
    amount: str, unit: str, percent: float | None
) -> None:
    graded = row(received=(ON_TIME,), standing=replace(GRADED, most=50.0, edits=EDITED))
    if percent is None:
        with pytest.raises(CourseHubError, match="is no number"):
            staff.percent_of(amount, unit, graded)
        return
    expected = percent * 2 if unit == "points" else percent
    assert staff.percent_of(amount, unit, graded) == expected
    with pytest.raises(CourseHubError, match="no points yet"):
        staff.percent_of("5", "points", row(received=(ON_TIME,)))


def test_late_is_said_beside_the_state_and_an_extension_undoes_it() -> None:
    late = LATE_FROM.astimezone(UTC) + HOUR
    standing = replace(GRADED, received=late)
    found = row(received=(late,), standing=standing)
    assert (found.state, found.late, found.points and found.points.score) == (
        "graded", "1 h late", 0,
    )  # fmt: skip
    extended = row(received=(late,), standing=standing, until=late + HOUR)
    assert (extended.late, extended.extended) == ("", True)
    assert extended.points and extended.points.score == 60


def everybody() -> list[staff.Row]:
    work = ClassWork({"alice": [(1, ON_TIME)]}, {}, {})
    made = staff.rows(COURSE, FIRST, CLOSED, [BOB, ALICE], work, {"alice": GRADED}, {})
    return list(made)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (staff.Wanted(), ["bob", "alice"]),
        (staff.Wanted(state="graded"), ["alice"]),
        (staff.Wanted(state="late"), []),
        (staff.Wanted(text="WENJ"), ["alice"]),
        (staff.Wanted(text="0100001h"), ["bob"]),
        (staff.Wanted(order="score"), ["alice", "bob"]),
        (staff.Wanted(order="received"), ["alice", "bob"]),
        (staff.Wanted(state="nonsense", order="nonsense", page=-3), ["bob", "alice"]),
    ],
)
def test_what_is_wanted_is_shown(wanted: staff.Wanted, names: list[str]) -> None:
    found = staff.class_list(everybody(), wanted)
    assert [each.person.username for each in found.rows] == names
    assert found.found == len(names)
    assert (found.counts["graded"], found.counts["missing"], found.size) == (1, 1, 2)


@pytest.mark.parametrize(
    ("page", "first", "size"), [(1, 0, 100), (3, 200, 50), (9, 200, 50), (0, 0, 100)]
)
def test_a_long_list_has_pages(page: int, first: int, size: int) -> None:
    rows = [
        replace(everybody()[0], person=replace(BOB, username=f"b{index:03}", name=f"B {index:03}"))
        for index in range(250)
    ]
    found = staff.class_list(rows, staff.Wanted(page=page))
    assert (found.pages, len(found.rows), found.found) == (3, size, 250)
    assert found.rows[0].person.username == f"b{first:03}"


def test_cells_are_put_together_by_task() -> None:
    cells = [
        CellFigures("a1_t2_test", 5, 2.5, 10, 5, 5),
        CellFigures("a1_t1_test_2", 5, 5, 10, 10, 0),
        CellFigures("a1_t1_test", 5, 0, 10, 0, 10),
    ]
    found = staff.task_figures(cells)
    assert [(task.name, task.mean, task.most, task.share) for task in found] == [
        ("Task 1", 5, 10, 0.5),
        ("Task 2", 2.5, 5, 0.5),
    ]
    assert [cell.name for cell in found[0].cells] == ["a1_t1_test", "a1_t1_test_2"]


def test_the_time_left_follows_from_the_pace() -> None:
    pace, began = staff.Pace(), datetime(2021, 2, 6, tzinfo=UTC)
    minute = timedelta(minutes=1)
    assert pace.left("a", 10, 100, began) == ""
    assert pace.left("a", 10, 100, began + minute) == ""
    assert pace.left("a", 30, 100, began + 2 * minute) == "7 min"
    assert pace.left("a", 100, 100, began + 3 * minute) == ""
    assert pace.left("a", 0, 100, began + 4 * minute) == "", "graded anew: the pace is unknown"
    assert pace.left("a", 99, 100, began + 5 * minute) == "less than a minute"
    assert pace.left("a", 99, 200, began + 60 * minute) == "", "an old look tells nothing"
