"""Times as course.yml writes them, and the instants they stand for.

A person writes ``Fri 2021-02-05 23:59`` and means the whole of that minute on
the clock of the lecture room. `Moment` is that; `Moment.starts` and
`Moment.ends` are the two instants it lies between.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from zoneinfo import ZoneInfo

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

# A year outside is a slip of the keyboard; inside, no sum of dates overflows.
YEARS = range(2000, 3000)

_DATE = r"(?:(?P<day>[A-Za-z]+) +)?(?P<date>\d{4}-\d{2}-\d{2})"
_TIME = r"(?P<time>\d{2}:\d{2}(?::\d{2})?)"
_DATE_ONLY = re.compile(_DATE)
_DATE_TIME = re.compile(f"{_DATE} +{_TIME}")
_DURATION = re.compile(r"(\d{1,6}) *(s|min|h|d)")
_UNITS = {
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


class Fault(ValueError):
    """What is wrong with a value, and the remedy.

    Whoever read the value knows the file, the line and the key, and adds them.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        """Say what is wrong.

        Args:
            problem: The problem, without a final full stop.
            remedy: What to do about it, as a sentence.
        """
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


class Weekday(IntEnum):
    """A day of the week, counted as `datetime.date.weekday` counts."""

    MONDAY = 0
    TUESDAY = 1
    WEDNESDAY = 2
    THURSDAY = 3
    FRIDAY = 4
    SATURDAY = 5
    SUNDAY = 6

    @property
    def word(self) -> str:
        """The name in full: ``Friday``."""
        return self.name.capitalize()

    @property
    def short(self) -> str:
        """The name as dates carry it: ``Fri``."""
        return self.word[:3]

    def in_week_of(self, day: date) -> date:
        """Return this weekday's date in the week, Monday to Sunday, that holds `day`."""
        return day + timedelta(days=self - day.weekday())


@dataclass(frozen=True)
class ClockTime:
    """A time on the clock and how much of it was meant.

    Attributes:
        time: The time of day.
        unit: A minute for ``23:59``, a second for ``23:59:30``.
    """

    time: time
    unit: timedelta

    def __str__(self) -> str:
        """Return the time as course.yml writes it."""
        return f"{self.time:%H:%M:%S}" if self.unit < _UNITS["min"] else f"{self.time:%H:%M}"


@dataclass(frozen=True)
class Moment:
    """A date and a clock time, in whatever timezone the course has."""

    date: date
    clock: ClockTime

    def __str__(self) -> str:
        """Return the moment as course.yml writes it: ``Fri 2021-02-05 23:59``."""
        return f"{say_date(self.date)} {self.clock}"

    def starts(self, tz: ZoneInfo) -> datetime:
        """Return the first instant of the moment: 23:59:00.000 for ``23:59``.

        Args:
            tz: The course's timezone.

        Raises:
            Fault: The clocks skip this time, or show it twice.
        """
        local = datetime.combine(self.date, self.clock.time, tzinfo=tz)
        # PEP 495: where clocks change, fold=0 has the offset before and fold=1 the one after.
        before, after = local.utcoffset(), local.replace(fold=1).utcoffset()
        if before != after:
            assert before is not None and after is not None
            skipped = before < after
            raise Fault(
                f"{self} {'does not exist' if skipped else 'comes twice'} in {tz.key}, "
                f"where the clocks go {'forward' if skipped else 'back'} that day",
                "Choose a time outside the change of clocks.",
            )
        return local

    def ends(self, tz: ZoneInfo) -> datetime:
        """Return the first instant after the moment: 00:00 the next day for ``23:59``.

        Args:
            tz: The course's timezone.

        Raises:
            Fault: As `starts`.
        """
        return (in_utc(self.starts(tz)) + self.clock.unit).astimezone(tz)


def in_utc(moment: datetime) -> datetime:
    """Return an aware datetime in UTC, where sums and comparisons mean elapsed time.

    Two datetimes of one timezone are compared by Python as clock readings, which
    goes wrong in the hour that the clocks show twice.

    Raises:
        ValueError: The datetime is naive.
    """
    if moment.utcoffset() is None:
        raise ValueError(f"naive datetime {moment!r}: say which timezone it is in")
    return moment.astimezone(UTC)


def say_date(day: date) -> str:
    """Return a date as course.yml writes it: ``Fri 2021-01-15``."""
    return f"{Weekday(day.weekday()).short} {day.isoformat()}"


def read_weekday(text: object) -> Weekday:
    """Read ``Friday`` or ``Fri``.

    Raises:
        Fault: It is no weekday.
    """
    for weekday in Weekday:
        if text in (weekday.word, weekday.short):
            return weekday
    raise Fault(f"{text!r} is no day of the week", "Write it like Friday.")


def read_clock(text: object) -> ClockTime:
    """Read ``23:59`` or ``23:59:30``.

    Raises:
        Fault: It is no time of day.
    """
    if isinstance(text, str) and re.fullmatch(_TIME, text):
        unit = _UNITS["min"] if text.count(":") == 1 else _UNITS["s"]
        try:
            return ClockTime(time.fromisoformat(text), unit)
        except ValueError:
            pass
    raise Fault(f"{text!r} is no time of day", 'Write it like "23:59"; a day ends at "23:59".')


def read_date(text: object) -> date:
    """Read ``Fri 2021-01-15``; the weekday is there to catch slips.

    Raises:
        Fault: It is no date, or the date is another weekday's.
    """
    match = _DATE_ONLY.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise Fault(f"{text!r} is no date", "Write it like Fri 2021-01-15.")
    return _checked_date(match)


def read_moment(text: object) -> Moment:
    """Read ``Fri 2021-02-05 23:59`` or ``Fri 2021-02-05 23:59:30``.

    Raises:
        Fault: It is no such moment, or the date is another weekday's.
    """
    match = _DATE_TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise Fault(f"{text!r} is no date and time", "Write it like Fri 2021-02-05 23:59.")
    return Moment(_checked_date(match), read_clock(match["time"]))


def read_duration(text: object) -> timedelta:
    """Read ``45s``, ``90min``, ``24h`` or ``3d``.

    Raises:
        Fault: It is no duration, or an empty one.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    length = int(match[1]) * _UNITS[match[2]] if match else timedelta(0)
    if not length:
        raise Fault(f"{text!r} is no duration", "Write it like 24h; the units are s, min, h and d.")
    return length


def _checked_date(match: re.Match[str]) -> date:
    """Return the date of a match, once its weekday agrees."""
    try:
        day = date.fromisoformat(match["date"])
    except ValueError:
        raise Fault(f"{match['date']} is not in the calendar", "Correct the date.") from None
    if day.year not in YEARS:
        raise Fault(f"the year {day.year} cannot be meant", "Correct the date.")
    if match["day"] is None:
        raise Fault(f"{day} lacks its weekday", f"Write {say_date(day)}.")
    if read_weekday(match["day"]) != day.weekday():
        raise Fault(
            f"{day} is a {Weekday(day.weekday()).word}, not a {read_weekday(match['day']).word}",
            f"Write {say_date(day)}, or correct the date.",
        )
    return day
