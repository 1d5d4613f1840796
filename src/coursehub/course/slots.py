"""When which team presents: the slots of the presentations' week, and the draw for them."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from coursehub.course.model import Course, Week
from coursehub.course.wallclock import Moment, in_utc


class Slot(NamedTuple):
    """The time of one presentation.

    Attributes:
        number: Its place in the running order, counted from 1.
        starts: When, in the course's timezone.
        ends: The first instant after it.
    """

    number: int
    starts: datetime
    ends: datetime


def slots(course: Course) -> tuple[Slot, ...]:
    """Return the slots of the presentations' week, in order.

    They fill the lecture, then the tutorial if that meets. In each class they follow one another
    from its start, with a pause after every `breaks.after`, as long as a whole one fits in.

    Raises:
        NotFound: The course lacks the week.
        Fault: A class starts at a time that the clocks skip or show twice.
    """
    times = [time for starts, ends in _classes(course) for time in _fill(course, starts, ends)]
    return tuple(Slot(number, *time) for number, time in enumerate(sorted(times), start=1))


def presentation_week(course: Course) -> Week:
    """Return the week of the presentations: the one written, or the last.

    Raises:
        NotFound: The course lacks it.
    """
    return course.week(course.presentation.week or len(course.weeks))


def draw(seed: str, teams: Iterable[int]) -> list[int]:
    """Return teams in the order that a seed draws.

    Each team's lot is SHA-256 of the seed, a colon and the team's number; the smallest comes first.
    So every order is as likely as any other, whoever knows the seed can draw again and compare, and
    a team that comes or goes leaves the others in their order.

    Args:
        seed: Any text; kept with the result.
        teams: The teams' numbers, in any order.
    """
    return sorted(teams, key=lambda team: (sha256(f"{seed}:{team}".encode()).digest(), team))


def _classes(course: Course) -> Iterator[tuple[datetime, datetime]]:
    """Yield when the week's classes start and end, in UTC."""
    week = presentation_week(course)
    for meeting in (course.meetings.lecture, course.meetings.tutorial):
        if meeting is not None and week.number >= meeting.from_week:
            day = meeting.day.in_week_of(week.date)
            starts, ends = (Moment(day, clock) for clock in (meeting.start, meeting.end))
            yield in_utc(starts.starts(course.tz)), in_utc(ends.starts(course.tz))


def _fill(course: Course, starts: datetime, ends: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the slots of one class, in the course's timezone."""
    rule = course.presentation
    length, pause = timedelta(minutes=rule.minutes), timedelta(minutes=rule.breaks.minutes)
    done = 0
    while starts + length <= ends:
        yield starts.astimezone(course.tz), (starts + length).astimezone(course.tz)
        done += 1
        starts += length if done % rule.breaks.after else length + pause
