"""What is late, what it earns, and which of several hand-ins counts.

The one place that decides. It looks at the service's stamp and nothing else.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from coursehub.course.model import LatePolicy
from coursehub.course.schedule import Window
from coursehub.course.wallclock import in_utc

ON_TIME = timedelta(0)
FULL_CREDIT = Decimal(1)
NO_CREDIT = Decimal(0)


def lateness(window: Window, received: datetime) -> timedelta:
    """Return by how much a hand-in is late.

    Lateness counts from the last instant that was on time, one microsecond (the
    clock's grain) before `Window.on_time_before`. So the first late hand-in is
    late by more than nothing, and "within 24h" of 23:59 means the whole of
    23:59 the next day.

    Args:
        window: The assignment's window, the student's extension included.
        received: The service's stamp.

    Returns:
        Elapsed time, zero when on time.
    """
    last_on_time = in_utc(window.on_time_before) - timedelta.resolution
    return max(in_utc(received) - last_on_time, ON_TIME)


def credit(policy: LatePolicy, lateness: timedelta) -> Decimal:
    """Return the share of the marks that a hand-in keeps.

    Args:
        policy: The course's late policy.
        lateness: What `lateness` returned.

    Returns:
        1 when on time, the credit of the first band that reaches, otherwise 0.
    """
    if lateness <= ON_TIME:
        return FULL_CREDIT
    for band in policy.bands:
        if lateness <= band.within:
            return band.credit
    return NO_CREDIT


def counting(received: Sequence[datetime], on_time_before: datetime) -> int | None:
    """Return which hand-in counts: the last that is on time, otherwise the first.

    A late one never displaces one that was on time.

    Args:
        received: The stamps of a student's hand-ins, in any order; of equal
            stamps the later in the list is the later hand-in.
        on_time_before: The first instant that is late for the student.

    Returns:
        Its index in `received`, or None if there are no hand-ins.
    """
    stamps = [in_utc(stamp) for stamp in received]
    in_order = sorted(range(len(stamps)), key=stamps.__getitem__)
    on_time = [index for index in in_order if stamps[index] < in_utc(on_time_before)]
    if on_time:
        return on_time[-1]
    return in_order[0] if in_order else None
