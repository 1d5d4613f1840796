"""When assignments are open, and how times are said."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursehub.course.load import load_course, read_course
from coursehub.course.model import Course
from coursehub.course.schedule import (
    Window,
    is_released,
    say,
    say_short,
    time_left,
    week_of,
    window,
)

FILE = Path(__file__).parents[2] / "course.yml"
COURSE = load_course(FILE)
FIRST = COURSE.assignment("assignment_1")
SGT = timezone(timedelta(hours=8))
GRAIN = timedelta.resolution


def course_with(*, zone: str, own: str) -> Course:
    """Return the shipped course in a timezone, with a line of assignment 1's own."""
    text = FILE.read_text(encoding="utf-8").replace(COURSE.timezone, zone)
    notebook = "notebook: assignment_1.ipynb"
    return read_course(text.replace(notebook, f"{notebook}\n    {own}"))


def test_the_eight_windows() -> None:
    assert [
        [instant.isoformat() for instant in window(COURSE, each)] for each in COURSE.assignments
    ] == [
        ["2021-01-29T20:30:00+08:00", "2021-02-05T23:59:00+08:00", "2021-02-06T00:00:00+08:00"],
        ["2021-02-05T20:30:00+08:00", "2021-02-12T23:59:00+08:00", "2021-02-13T00:00:00+08:00"],
        ["2021-02-19T20:30:00+08:00", "2021-02-26T23:59:00+08:00", "2021-02-27T00:00:00+08:00"],
        ["2021-03-05T20:30:00+08:00", "2021-03-12T23:59:00+08:00", "2021-03-13T00:00:00+08:00"],
        ["2021-03-12T20:30:00+08:00", "2021-03-19T23:59:00+08:00", "2021-03-20T00:00:00+08:00"],
        ["2021-03-19T20:30:00+08:00", "2021-03-26T23:59:00+08:00", "2021-03-27T00:00:00+08:00"],
        ["2021-03-26T20:30:00+08:00", "2021-04-02T23:59:00+08:00", "2021-04-03T00:00:00+08:00"],
        ["2021-04-09T20:30:00+08:00", "2021-04-16T23:59:00+08:00", "2021-04-17T00:00:00+08:00"],
    ]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("due: Sat 2021-02-06 12:00", ("20:30:00", "12:00:00", "12:01:00")),
        ("due: Fri 2021-02-05 23:59:30", ("20:30:00", "23:59:30", "23:59:31")),
        ("due: Fri 2021-02-05 23:59:59", ("20:30:00", "23:59:59", "00:00:00")),
        ("release: Mon 2021-01-25 08:00", ("08:00:00", "23:59:00", "00:00:00")),
        ("release: Mon 2021-01-25 08:00:05", ("08:00:05", "23:59:00", "00:00:00")),
    ],
)
def test_an_assignment_may_have_times_of_its_own(own: str, expected: tuple[str, str, str]) -> None:
    course = course_with(zone="Asia/Singapore", own=own)
    opened = window(course, course.assignment("assignment_1"))
    assert tuple(f"{instant:%H:%M:%S}" for instant in opened) == expected


def test_release_can_be_at_the_lecture() -> None:
    course = read_course(FILE.read_text(encoding="utf-8").replace("at: tutorial", "at: lecture"))
    assert window(course, course.assignments[0]).release.isoformat() == "2021-01-29T18:30:00+08:00"


def test_a_tutorial_on_another_day_is_in_the_same_calendar_week() -> None:
    text = FILE.read_text(encoding="utf-8").replace(
        "tutorial: {day: Friday", "tutorial: {day: Tuesday"
    )
    opened = window(read_course(text), FIRST)
    assert opened.release.isoformat() == "2021-01-26T20:30:00+08:00"
    assert opened.due.isoformat() == "2021-02-05T23:59:00+08:00"


def test_an_extension_moves_the_deadline_and_what_is_shown() -> None:
    until = datetime(2021, 2, 8, 4, 0, tzinfo=UTC)
    opened = window(COURSE, FIRST, until)
    assert opened.on_time_before.isoformat() == "2021-02-08T12:00:00+08:00"
    assert opened.due.isoformat() == "2021-02-08T11:59:00+08:00"
    assert opened.release == window(COURSE, FIRST).release
    odd = window(COURSE, FIRST, until + timedelta(seconds=31))
    assert odd.due.isoformat() == "2021-02-08T12:00:30+08:00"


@given(st.datetimes(datetime(2021, 1, 1), datetime(2021, 12, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_an_extension_never_hurts(until: datetime) -> None:
    usual, extended = window(COURSE, FIRST), window(COURSE, FIRST, until)
    assert extended.on_time_before == max(usual.on_time_before, until.astimezone(UTC))
    assert extended.due >= usual.due
    assert extended.release == usual.release
    assert all(instant.tzinfo is COURSE.tz for instant in extended)
    assert timedelta(0) < extended.on_time_before - extended.due <= timedelta(minutes=1, seconds=1)


def test_release_begins_on_the_second() -> None:
    opened = window(COURSE, FIRST)
    assert is_released(opened, opened.release)
    assert not is_released(opened, opened.release - GRAIN)
    assert is_released(opened, datetime(2021, 1, 29, 12, 30, tzinfo=UTC))


def test_naive_datetimes_are_refused() -> None:
    naive = datetime(2021, 1, 29, 12, 30)  # noqa: DTZ001
    opened = window(COURSE, FIRST)
    for use in (
        lambda: is_released(opened, naive),
        lambda: time_left(opened, naive),
        lambda: week_of(COURSE, naive),
        lambda: say(naive, COURSE),
        lambda: window(COURSE, FIRST, naive),
    ):
        with pytest.raises(ValueError, match="naive"):
            use()


@pytest.mark.parametrize(
    ("zone", "own", "due", "late_from"),
    [
        # The minute before the clocks change lasts a minute of real time, whatever they show next.
        ("Europe/London", "due: Sun 2021-03-28 00:59", "00:59+00:00", "02:00+01:00"),
        ("Europe/London", "due: Sun 2021-10-31 00:59", "00:59+01:00", "01:00+01:00"),
        ("America/New_York", "due: Sun 2021-03-14 01:59", "01:59-05:00", "03:00-04:00"),
        ("America/New_York", "due: Sun 2021-11-07 00:59", "00:59-04:00", "01:00-04:00"),
    ],
)
def test_the_last_minute_beside_a_change_of_clocks(
    zone: str, own: str, due: str, late_from: str
) -> None:
    course = course_with(zone=zone, own=own)
    opened = window(course, course.assignment("assignment_1"))
    shown = [instant.isoformat(timespec="minutes")[11:] for instant in opened[1:]]
    assert shown == [due, late_from]


def test_an_extension_into_the_hour_that_comes_twice() -> None:
    # 01:30 comes twice on 31 October: a deadline in the first, an extension to the second.
    london = ZoneInfo("Europe/London")
    course = course_with(zone="Europe/London", own="due: Sun 2021-10-31 00:59")
    second = datetime(2021, 10, 31, 1, 30, tzinfo=UTC)
    opened = window(course, course.assignment("assignment_1"), second)
    assert opened.on_time_before.astimezone(UTC) == second
    assert opened.on_time_before.fold == 1
    assert opened.due.astimezone(UTC) == second - timedelta(minutes=1)
    first = datetime(2021, 10, 31, 1, 45, tzinfo=london)  # 00:45 UTC, though the clock says more
    assert time_left(opened, first) == "45 min left"


@pytest.mark.parametrize(
    ("now", "number"),
    [
        (datetime(2021, 1, 10, 23, 59, 59, tzinfo=SGT), None),
        (datetime(2021, 1, 11, 0, 0, tzinfo=SGT), 1),
        (datetime(2021, 1, 17, 23, 59, 59, tzinfo=SGT), 1),
        (datetime(2021, 1, 17, 16, 0, tzinfo=UTC), 2),  # Monday in Singapore
        (datetime(2021, 2, 12, 12, 0, tzinfo=SGT), 5),
        (datetime(2021, 2, 26, 12, 0, tzinfo=SGT), None),  # recess
        (datetime(2021, 3, 1, 0, 0, tzinfo=SGT), 7),
        (datetime(2021, 4, 18, 23, 59, tzinfo=SGT), 13),
        (datetime(2021, 4, 19, 0, 0, tzinfo=SGT), None),
    ],
)
def test_week_of(now: datetime, number: int | None) -> None:
    week = week_of(COURSE, now)
    assert (week.number if week else None) == number


def test_times_are_said_in_the_courses_timezone() -> None:
    moment = datetime(2021, 2, 5, 15, 59, tzinfo=UTC)
    assert say(moment, COURSE) == "Friday 5 February 2021, 23:59"
    assert say_short(moment, COURSE) == "Fri 5 Feb 23:59"
    assert say(moment + timedelta(seconds=30), COURSE) == "Friday 5 February 2021, 23:59:30"


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=3, hours=4, minutes=59), "3 days 4 h left"),
        (timedelta(days=1), "1 day left"),
        (timedelta(days=1, minutes=5), "1 day 5 min left"),
        (timedelta(hours=2, minutes=5, seconds=59), "2 h 5 min left"),
        (timedelta(hours=2), "2 h left"),
        (timedelta(minutes=25, seconds=59), "25 min left"),
        (timedelta(seconds=59, milliseconds=999), "59 s left"),
        (timedelta(seconds=45), "45 s left"),
        (GRAIN, "1 s left"),
        (timedelta(0), "closed just now"),
        (-timedelta(seconds=10), "closed 10 s ago"),
        (-timedelta(minutes=59, seconds=59), "closed 59 min ago"),
        (-timedelta(hours=5, minutes=20), "closed 5 h ago"),
        (-timedelta(days=2, hours=23), "closed 2 days ago"),
    ],
)
def test_time_left(left: timedelta, said: str) -> None:
    opened = window(COURSE, FIRST)
    assert time_left(opened, opened.on_time_before - left) == said


@given(st.timedeltas(-timedelta(days=400), timedelta(days=400)))
def test_time_left_says_open_exactly_while_it_is_open(left: timedelta) -> None:
    opened = Window(*window(COURSE, FIRST))
    said = time_left(opened, opened.on_time_before.astimezone(UTC) - left)
    assert said.endswith(" left") == (left > timedelta(0))
