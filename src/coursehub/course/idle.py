"""How long a server may be idle before it is stopped."""

from datetime import datetime, timedelta

from coursehub.course.model import Course
from coursehub.course.schedule import window
from coursehub.course.wallclock import in_utc

NEAR = timedelta(hours=24)
"""A deadline is near when it is no farther ahead than this."""
PATIENCE = 2
"""How many times longer a server may be idle when a deadline is near."""


def idle_limit(course: Course, now: datetime, usual: timedelta) -> timedelta:
    """How long a server may be idle: longer in the last day before any deadline.

    Args:
        course: the course.
        now: aware.
        usual: how long at any other time.
    """
    instant = in_utc(now)
    for assignment in course.assignments:
        left = in_utc(window(course, assignment).on_time_before) - instant
        if timedelta(0) <= left <= NEAR:
            return usual * PATIENCE
    return usual
