"""What the clock has to do: nothing before its time, nothing twice, everything in the end."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursehub.course.due import (
    NEEDS,
    Action,
    Approval,
    Grant,
    Granted,
    Key,
    coming_actions,
    due_actions,
    last_close,
    own_close,
    ready_actions,
    unapproved,
)
from coursehub.course.load import load_course
from coursehub.course.model import Band, Course, FeedbackPolicy, LatePolicy, SolutionPolicy
from coursehub.course.schedule import window
from coursehub.errors import CourseFileError

SHIPPED = load_course(Path(__file__).parents[2] / "course.yml")
NAME = "assignment_1"
FIRST = SHIPPED.assignment(NAME)
RELEASE, _, CLOSE = (at.astimezone(UTC) for at in window(SHIPPED, FIRST))
DAY, GRAIN = timedelta(days=1), timedelta.resolution
BEGIN, END = RELEASE - 7 * DAY, RELEASE + 140 * DAY

instants = st.datetimes(BEGIN.replace(tzinfo=None), END.replace(tzinfo=None)).map(
    lambda naive: naive.replace(tzinfo=UTC)
)
grants = st.builds(Grant, st.sampled_from("abc"), instants, instants)
all_grants = st.dictionaries(
    st.sampled_from([each.name for each in SHIPPED.assignments]), st.lists(grants, max_size=3)
)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    bands = (Band(within="48h", credit=Decimal("0.5")),)
    return SHIPPED.model_copy(
        update={
            "late": LatePolicy(bands=bands if draw(st.booleans()) else ()),
            "feedback": FeedbackPolicy(approve=False),
            "solution": SolutionPolicy(after=draw(st.sampled_from(["feedback", "never"]))),
            "reminder": draw(st.timedeltas(timedelta(seconds=1), 9 * DAY)),
        }
    )


def kinds(actions: list[Action], name: str = NAME) -> list[str]:
    return [each.kind for each in actions if each.assignment == name]


def keys(actions: list[Action]) -> list[Key]:
    return [each.key for each in actions]


def test_a_week_of_the_first_assignment() -> None:
    done: set[Key] = set()
    told = []
    for at in (RELEASE - GRAIN, RELEASE, CLOSE - DAY - GRAIN, CLOSE - DAY, CLOSE - GRAIN, CLOSE):
        found = [each for each in due_actions(SHIPPED, at, done) if each.assignment == NAME]
        told.append(kinds(found))
        done |= set(keys(found))
    assert told == [[], ["release"], [], ["remind"], [], ["collect", "autograde"]]
    again = due_actions(SHIPPED, CLOSE, done - {Key("collect", NAME, CLOSE)})
    assert [each.why for each in again if each.assignment == NAME] == [
        "its deadline, Fri 5 Feb 23:59"
    ]


def test_feedback_waits_for_staff_and_for_who_has_more_time() -> None:
    course = SHIPPED.model_copy(update={"solution": SolutionPolicy(after="feedback")})
    later = CLOSE + 2 * DAY
    granted = {NAME: [Grant("alice", later, CLOSE - DAY)]}
    assert "feedback" not in kinds(due_actions(course, END, (), granted))
    early = {NAME: Approval(CLOSE, CLOSE)}
    assert "feedback" not in kinds(due_actions(course, END, (), granted, early))
    approved = {NAME: Approval(later, CLOSE + DAY)}
    assert "feedback" not in kinds(due_actions(course, later - GRAIN, (), granted, approved))
    assert kinds(due_actions(course, later, (), granted, approved))[-2:] == ["feedback", "solution"]


def test_more_time_granted_afterwards_is_collected_and_settled() -> None:
    done = set(keys(due_actions(SHIPPED, CLOSE + DAY, ())))
    granted = CLOSE + 3 * DAY
    over = {NAME: [Grant("alice", CLOSE + DAY, granted)]}
    found = due_actions(SHIPPED, granted, done, over)
    assert kinds(found) == ["collect", "autograde"] and found[0].at == granted
    still = {NAME: [Grant("alice", granted + DAY, granted)]}
    assert kinds(due_actions(SHIPPED, granted, done, still)) == ["remind", "settle"]
    afterwards = kinds(due_actions(SHIPPED, granted + DAY, done, still))
    assert afterwards == ["settle", "collect", "autograde"]


def test_more_time_that_is_taken_back_is_looked_at_again() -> None:
    later = CLOSE + 2 * DAY
    before = {NAME: [Grant("alice", later, CLOSE - DAY)]}
    done = set(keys(due_actions(SHIPPED, later, (), before)))
    back = {NAME: [Grant("alice", CLOSE, later + DAY)]}
    assert kinds(due_actions(SHIPPED, later + DAY, done, back)) == ["collect", "autograde"]


def test_more_time_that_ends_before_the_deadline_changes_nothing() -> None:
    granted = {NAME: [Grant("alice", CLOSE - DAY, RELEASE)]}
    assert due_actions(SHIPPED, END, (), granted) == due_actions(SHIPPED, END, ())
    assert last_close(SHIPPED, FIRST, granted) == CLOSE


def test_a_decision_about_edits_is_settled_once() -> None:
    now, at = CLOSE + 3 * DAY, CLOSE + 2 * DAY
    settle = Key("settle", NAME, at)
    assert settle in keys(due_actions(SHIPPED, now, (), decided={NAME: at}))
    assert settle not in keys(due_actions(SHIPPED, now, {settle}, decided={NAME: at}))
    again = {NAME: at + DAY}
    found = due_actions(SHIPPED, now, {settle}, decided=again)
    assert [each.why.split(",")[0] for each in found if each.kind == "settle"]
    assert settle._replace(close=at + DAY) in keys(found)


def test_feedback_waits_for_approval_once_nobody_has_more_time() -> None:
    for now, approvals, waits in (
        (CLOSE - GRAIN, {}, False),
        (CLOSE, {}, True),
        (CLOSE, {NAME: Approval(CLOSE, CLOSE)}, False),
    ):
        assert (NAME in unapproved(SHIPPED, now, {}, approvals)) == waits
    granted = {NAME: [Grant("alice", CLOSE + DAY, CLOSE)]}
    assert NAME not in unapproved(SHIPPED, CLOSE, granted, {})
    assert NAME in unapproved(SHIPPED, CLOSE + DAY, granted, {NAME: Approval(CLOSE, CLOSE)})
    by_itself = SHIPPED.model_copy(update={"feedback": FeedbackPolicy(approve=False)})
    assert unapproved(by_itself, CLOSE, {}, {}) == []


def test_credit_for_late_hand_ins_keeps_it_open() -> None:
    course = SHIPPED.model_copy(
        update={"late": LatePolicy(bands=(Band(within="72h", credit=Decimal("0.5")),))}
    )
    assert last_close(course, FIRST, {}) == CLOSE + 3 * DAY
    done = set(keys(due_actions(course, CLOSE, ())))
    assert kinds(due_actions(course, CLOSE + 3 * DAY, done)) == ["collect", "autograde"]


@settings(deadline=None)
@given(courses(), all_grants, instants)
def test_nothing_before_its_time_and_in_order(
    course: Course, granted: Granted, now: datetime
) -> None:
    found = due_actions(course, now, (), granted)
    assert all(each.at <= now for each in found)
    assert [each.at for each in found] == sorted(each.at for each in found)
    assert len(set(keys(found))) == len(found)
    later = coming_actions(course, now, (), granted)
    assert all(each.at > now for each in later)
    for assignment in course.assignments:
        release = window(course, assignment).release
        own = [each for each in found if each.assignment == assignment.name]
        assert not own or own[0].kind == "release" or "settle" in kinds(own, assignment.name)
        for each in own:
            assert each.kind in ("release", "remind", "settle") or each.at > release
            assert each.kind != "feedback" or each.at >= last_close(course, assignment, granted)


@settings(deadline=None)
@given(courses(), all_grants, st.lists(instants, min_size=1, max_size=6).map(sorted))
def test_done_at_any_moments_it_is_all_done_once(
    course: Course, granted: Granted, moments: list[datetime]
) -> None:
    """A clock that looks now and then does each thing once, and at the end nothing is left."""
    done: list[Key] = []
    for now in (*moments, END + 365 * DAY):
        known = {
            name: [each for each in theirs if each.granted <= now]
            for name, theirs in granted.items()
        }
        while ready := ready_actions(due_actions(course, now, done, known)):
            done.append(ready[0].key)
        assert len(set(done)) == len(done)
    for assignment in course.assignments:
        last = last_close(course, assignment, granted)
        of_it = {key for key in done if key.assignment == assignment.name}
        assert {key.kind for key in of_it} >= {"release", "collect", "autograde", "feedback"}
        assert Key("autograde", assignment.name, last) in of_it
        assert Key("feedback", assignment.name, last) in of_it


@settings(deadline=None)
@given(courses(), all_grants, instants, st.integers(0, 60))
def test_it_goes_on_from_any_prefix(
    course: Course, granted: Granted, now: datetime, length: int
) -> None:
    everything = keys(due_actions(course, now, (), granted))
    assert keys(due_actions(course, now, everything[:length], granted)) == everything[length:]


@settings(deadline=None)
@given(courses(), all_grants, instants)
def test_what_is_ready_waits_for_nothing(course: Course, granted: Granted, now: datetime) -> None:
    found = due_actions(course, now, (), granted)
    ready = ready_actions(found)
    assert bool(ready) == bool(found)
    for each in ready:
        due = {other.kind for other in found if other.assignment == each.assignment}
        assert not due & set(NEEDS.get(each.kind, ()))


@settings(deadline=None)
@given(all_grants, instants)
def test_more_time_never_hurries_anybody(granted: Granted, now: datetime) -> None:
    for assignment in SHIPPED.assignments:
        usual = own_close(SHIPPED, assignment)
        assert last_close(SHIPPED, assignment, granted) >= usual
        for grant in granted.get(assignment.name, ()):
            assert own_close(SHIPPED, assignment, grant) == max(usual, grant.until)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("reminder: 24h", "reminder: soon", "reminder: 'soon' is no duration"),
        ("{approve: true}", '{approve: "yes"}', "feedback.approve: wants true or false"),
        ("{after: never}", "{after: always}", "solution.after: 'always' is not a choice"),
        ("{after: never}", "{before: never}", "solution.before: unknown key"),
    ],
)
def test_a_wrong_policy_is_said_in_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (Path(__file__).parents[2] / "course.yml").read_text()
    assert old in text
    (tmp_path / "course.yml").write_text(text.replace(old, new, 1))
    with pytest.raises(CourseFileError) as error:
        load_course(tmp_path / "course.yml")
    assert said in str(error.value)


def test_an_older_course_file_stays_right(tmp_path: Path) -> None:
    lines = (Path(__file__).parents[2] / "course.yml").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("reminder:", "feedback:", "solution:"))]
    assert len(kept) == len(lines) - 3
    (tmp_path / "course.yml").write_text("".join(kept))
    assert load_course(tmp_path / "course.yml") == SHIPPED
