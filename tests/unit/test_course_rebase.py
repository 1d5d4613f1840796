"""A term moves to other dates, and nothing else of the file does."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursehub.course.load import read_course
from coursehub.course.rebase import rebase
from coursehub.course.schedule import window
from coursehub.errors import CourseFileError, CourseHubError

TEXT = (Path(__file__).parents[2] / "course.yml").read_text(encoding="utf-8")
OWN_TIMES = TEXT.replace(
    "notebook: assignment_1.ipynb",
    "notebook: assignment_1.ipynb  # \U0001f600 wide\n"
    '    release: "Thu 2021-01-28 08:00:01"   # keep me\n'
    "    due:   'Sun 2021-02-07   12:00'",
)
START = date(2021, 1, 15)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
weeks = st.integers(-52 * 15, 52 * 60)


def test_the_file_moves_and_its_holidays_are_to_review() -> None:
    moved, holidays = rebase(TEXT, date(2027, 1, 15))
    assert holidays == [
        "week 5, Fri 2027-02-12: was Chinese New Year on Fri 2021-02-12",
        "week 11, Fri 2027-04-02: was Good Friday on Fri 2021-04-02",
    ]
    course = read_course(moved)
    assert course.weeks[0].date == date(2027, 1, 15)
    assert course.weeks[12].date == date(2027, 4, 16)
    assert str(course.report.due) == "Fri 2027-04-30 23:59"
    assert str(course.teams.until) == "Fri 2027-03-12 23:59"


@pytest.mark.parametrize("text", [TEXT, OWN_TIMES, OWN_TIMES.replace("\n", "\r\n")])
def test_only_the_dates_change(text: str) -> None:
    moved, _ = rebase(text, date(2022, 1, 14))
    assert DATE.sub("", moved) == DATE.sub("", text)
    comments = [line.partition("#")[2] for line in text.splitlines()]
    assert [line.partition("#")[2] for line in moved.splitlines()] == comments


def test_to_where_it_is_changes_nothing() -> None:
    assert rebase(OWN_TIMES, START)[0] == OWN_TIMES


@settings(max_examples=10, deadline=None)
@given(weeks)
def test_there_and_back_is_the_same_file(count: int) -> None:
    moved, _ = rebase(OWN_TIMES, START + timedelta(weeks=count))
    assert rebase(moved, START)[0] == OWN_TIMES


@settings(max_examples=10, deadline=None)
@given(weeks)
def test_windows_shift_by_whole_weeks(count: int) -> None:
    before = read_course(OWN_TIMES)
    after = read_course(rebase(OWN_TIMES, START + timedelta(weeks=count))[0])
    for old, new in zip(before.assignments, after.assignments, strict=True):
        for then, now in zip(window(before, old), window(after, new), strict=True):
            assert now - then == timedelta(weeks=count)
            assert now.timestamp() - then.timestamp() == count * 7 * 24 * 3600


@settings(max_examples=10, deadline=None)
@given(weeks)
def test_where_clocks_change_the_wall_clock_is_kept(count: int) -> None:
    text = OWN_TIMES.replace("Asia/Singapore", "Europe/London")
    before = read_course(text)
    after = read_course(rebase(text, START + timedelta(weeks=count))[0])
    for old, new in zip(before.assignments, after.assignments, strict=True):
        for then, now in zip(window(before, old), window(after, new), strict=True):
            assert now.replace(tzinfo=None) - then.replace(tzinfo=None) == timedelta(weeks=count)


@pytest.mark.parametrize(
    ("start", "nearest"),
    [
        (date(2027, 1, 14), "The nearest are Fri 2027-01-08 and Fri 2027-01-15."),
        (date(2027, 1, 16), "The nearest are Fri 2027-01-15 and Fri 2027-01-22."),
    ],
)
def test_another_weekday_is_refused_with_the_nearest_right_dates(start: date, nearest: str) -> None:
    with pytest.raises(CourseHubError, match=r"^start: .* and week 1 starts on a Friday") as caught:
        rebase(TEXT, start)
    assert caught.value.remedy == nearest


@pytest.mark.parametrize("year", [1, 1999, 3000, 9999])
def test_a_year_that_cannot_be_meant_is_refused(year: int) -> None:
    with pytest.raises(CourseHubError, match=f"the year {year} cannot be meant"):
        rebase(TEXT, date(year, 12, 31))


def test_a_term_that_would_meet_a_change_of_clocks_is_refused() -> None:
    # Sundays at 01:30 exist in London from January to mid-March, and on 28 March 2021 do not.
    text = OWN_TIMES.replace("Asia/Singapore", "Europe/London").replace(
        "Sun 2021-02-07   12:00", "Sun 2021-02-07 01:30"
    )
    with pytest.raises(CourseFileError, match="Sun 2021-03-28 01:30 does not exist"):
        rebase(text, START + timedelta(weeks=7))


def test_a_wrong_file_is_not_moved() -> None:
    with pytest.raises(CourseFileError, match=r"c\.yml:.*weights"):
        rebase(TEXT.replace("homework: 40", "homework: 41"), START, file="c.yml")
