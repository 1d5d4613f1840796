"""When things happen, and how to say so.

Every datetime that comes out is aware and in the course's timezone; every
datetime that goes in must be aware, in any timezone. `now` is a parameter.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from coursehub.course.model import Course, Meeting, Week, Work
from coursehub.course.project import Report
from coursehub.course.wallclock import MONTHS, Fault, Moment, Weekday, in_utc

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)


class Window(NamedTuple):
    """The time in which an assignment is open.

    Attributes:
        release: The first instant at which students may fetch it.
        due: The deadline as people say it, such as 23:59:00.
        on_time_before: The first instant that is late, such as 00:00 the next day.
    """

    release: datetime
    due: datetime
    on_time_before: datetime


def window(course: Course, assignment: Work, extended_until: datetime | None = None) -> Window:
    """Return when an assignment, or the report, is open.

    Args:
        course: The course.
        assignment: One of its assignments, or its report.
        extended_until: The first instant that is late for a student with an
            extension. An earlier one than the course's changes nothing: an
            extension never hurts.

    Raises:
        Fault: A time does not exist in the course's timezone, or there is no
            class at which to release. `load_course` lets no such course through.
    """
    release = release_moment(course, assignment).starts(course.tz)
    moment = due_moment(course, assignment)
    usual = moment.ends(course.tz)
    if extended_until is None or in_utc(extended_until) <= in_utc(usual):
        return Window(release, moment.starts(course.tz), usual)
    extended = extended_until.astimezone(course.tz)
    return Window(release, as_people_say(extended), extended)


def release_moment(course: Course, assignment: Work) -> Moment:
    """Return the release as a wall-clock time: the assignment's own, or the rule's.

    The report is open from the first lecture on.

    Raises:
        NotFound: The course lacks the assignment's week.
        Fault: The week lacks the class at which to release.
    """
    if isinstance(assignment, Report):
        return _starts(course.meetings.lecture, course.weeks[0])
    if assignment.release is not None:
        return assignment.release
    kind, week = course.rules.release.at, course.week(assignment.week)
    meeting = course.meetings.lecture if kind == "lecture" else course.meetings.tutorial
    if meeting is None or week.number < meeting.from_week:
        raise Fault(
            f"week {week.number} has no {kind} at which to release",
            "Give the assignment a `release:` of its own.",
        )
    return _starts(meeting, week)


def due_moment(course: Course, assignment: Work) -> Moment:
    """Return the deadline as a wall-clock time: the assignment's own, or the rule's.

    The rule counts calendar weeks, Monday to Sunday, be they teaching weeks,
    holidays or recess.

    Raises:
        NotFound: The course lacks the assignment's week.
    """
    if isinstance(assignment, Report):
        return assignment.due
    if assignment.due is not None:
        return assignment.due
    rule = course.rules.due
    week_it_is_due = course.week(assignment.week).date + timedelta(weeks=rule.weeks_later)
    return Moment(rule.day.in_week_of(week_it_is_due), rule.time)


def is_released(window: Window, now: datetime) -> bool:
    """Tell whether students may have the assignment."""
    return in_utc(now) >= in_utc(window.release)


def week_of(course: Course, now: datetime) -> Week | None:
    """Return the teaching week whose calendar week, Monday to Sunday, holds `now`.

    Returns:
        The week, or None before the term, after it, and in recess.
    """
    today = in_utc(now).astimezone(course.tz).date()
    for week in course.weeks:
        if Weekday.MONDAY.in_week_of(week.date) == Weekday.MONDAY.in_week_of(today):
            return week
    return None


def as_people_say(on_time_before: datetime) -> datetime:
    """Return the deadline whose whole minute, or else second, ends at an instant."""
    instant = in_utc(on_time_before).replace(microsecond=0)
    unit = _SECOND if instant.second else _MINUTE
    return (instant - unit).astimezone(on_time_before.tzinfo)


def say(moment: datetime, course: Course) -> str:
    """Say an instant in full: ``Friday 5 February 2021, 23:59``."""
    local = in_utc(moment).astimezone(course.tz)
    weekday, month = Weekday(local.weekday()).word, MONTHS[local.month - 1]
    return f"{weekday} {local.day} {month} {local.year}, {_clock(local)}"


def say_short(moment: datetime, course: Course) -> str:
    """Say an instant in short: ``Fri 5 Feb 23:59``."""
    local = in_utc(moment).astimezone(course.tz)
    weekday, month = Weekday(local.weekday()).short, MONTHS[local.month - 1][:3]
    return f"{weekday} {local.day} {month} {_clock(local)}"


def time_left(window: Window, now: datetime) -> str:
    """Say how long hand-ins are still on time, or since when no more.

    Returns:
        Such as ``3 days 4 h left``, ``2 h 5 min left``, ``45 s left`` or
        ``closed 2 days ago``. Rounded down: it never promises time that is not there.
    """
    left = in_utc(window.on_time_before) - in_utc(now)
    if left > timedelta(0):
        return f"{' '.join(_lengths(max(left, _SECOND))[:2])} left"
    lengths = _lengths(-left)
    return f"closed {lengths[0]} ago" if lengths else "closed just now"


def _starts(meeting: Meeting, week: Week) -> Moment:
    """Return when a class of that week starts."""
    return Moment(meeting.day.in_week_of(week.date), meeting.start)


def _clock(local: datetime) -> str:
    """Say a time of day, with seconds only where there are any."""
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def _lengths(span: timedelta) -> list[str]:
    """Return a span in days, hours and minutes, or in seconds below a minute."""
    minutes, seconds = divmod(span // _SECOND, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    said = [f"{days} day{'s' if days > 1 else ''}"] if days else []
    said += [f"{hours} h"] if hours else []
    said += [f"{minutes} min"] if minutes else []
    return said or ([f"{seconds} s"] if seconds else [])
