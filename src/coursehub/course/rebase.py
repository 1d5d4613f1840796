"""Moving a term to other dates, in the text of course.yml itself."""

import re
from datetime import date, datetime, timedelta

from coursehub.course.document import Document, Key
from coursehub.course.load import read_course
from coursehub.course.wallclock import YEARS, Weekday, in_utc, say_date
from coursehub.errors import CourseHubError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_WEEK = timedelta(weeks=1)


def rebase(text: str, start: date, *, file: str = "course.yml") -> tuple[str, list[str]]:
    """Move every date of a course by the same whole number of weeks.

    Weekdays and clock times stay, and so does every character that is not of a
    date: comments, also where they speak of dates, order and layout.

    Args:
        text: The text of a course.yml.
        start: The date of week 1 in the new term, of the same weekday as now.
        file: The name that errors give the file.

    Returns:
        The new text, and one line for each holiday: public holidays are not
        where they were, so a person has to review these weeks.

    Raises:
        CourseFileError: The text is no right course, or would not be at the new
            dates, where the clocks may change on another day.
        CourseHubError: Week 1 cannot start on that date.
    """
    course = read_course(text, file=file)
    first = course.weeks[0].date
    _check_start(start, first)
    moved_by = start - first

    moved = text
    # One date is as long as another, so the positions stay right.
    for key, scalar in Document(text, file=file).scalars.items():
        if _holds_date(key):
            written = text[scalar.start : scalar.end]
            shifted = _DATE.sub(lambda match: _shifted(match, moved_by), written)
            moved = moved[: scalar.start] + shifted + moved[scalar.end :]

    holidays = [
        f"week {week.number}, {say_date(week.date)}: "
        f"was {week.holiday} on {say_date(week.date - moved_by)}"
        for week in read_course(moved, file=file).weeks
        if week.holiday
    ]
    return moved, holidays


def set_due(text: str, number: int, due: datetime, *, file: str = "course.yml") -> str:
    """Give one assignment a deadline of its own, in place of the rule's.

    Args:
        text: The text of a course.yml.
        number: The assignment's number.
        due: The deadline; the whole second counts as on time. Must be aware.
        file: The name that errors give the file.

    Returns:
        The new text; everything else stays as it was written.

    Raises:
        CourseFileError: The text is no right course, or would not be with this
            deadline, as when it is before the release.
    """
    course = read_course(text, file=file)
    index = next(i for i, each in enumerate(course.assignments) if each.number == number)
    local = in_utc(due).astimezone(course.tz)
    wall_clock = f"{say_date(local.date())} {local:%H:%M:%S}"
    scalars = Document(text, file=file).scalars
    own = scalars.get(("assignments", index, "due"))
    if own:
        changed = text[: own.start] + wall_clock + text[own.end :]
    else:
        title = scalars["assignments", index, "title"]
        indent = " " * (title.start - text.rindex("\n", 0, title.start) - len("title: ") - 1)
        changed = f"{text[: title.end]}\n{indent}due: {wall_clock}{text[title.end :]}"
    read_course(changed, file=file)
    return changed


def _check_start(start: date, first: date) -> None:
    """Refuse a date on which week 1 cannot start."""
    if start.year not in YEARS:
        raise CourseHubError(
            f"the year {start.year} cannot be meant", key="start", remedy="Correct the date."
        )
    if start.weekday() != first.weekday():
        weekday = Weekday(first.weekday())
        later = start + timedelta(days=(weekday - start.weekday()) % 7)
        raise CourseHubError(
            f"{start} is a {Weekday(start.weekday()).word}, and week 1 starts on a {weekday.word}",
            key="start",
            remedy=f"The nearest are {say_date(later - _WEEK)} and {say_date(later)}.",
        )


def _holds_date(key: Key) -> bool:
    """Tell whether the model reads a date at this key."""
    return key[-1] in ("date", "release", "due", "until")


def _shifted(match: re.Match[str], by: timedelta) -> str:
    return (date.fromisoformat(match[0]) + by).isoformat()
