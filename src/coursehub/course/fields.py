"""The kinds of single values in course.yml, and how each is read."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from coursehub.course.wallclock import (
    ClockTime,
    Fault,
    Moment,
    Weekday,
    read_clock,
    read_date,
    read_duration,
    read_moment,
    read_weekday,
)


def _timezone(key: str) -> str:
    """Let through the key of a timezone that this machine knows."""
    try:
        ZoneInfo(key)
    except (KeyError, ValueError, OSError):
        raise Fault(
            f"unknown timezone {key!r}", "Use a name of the IANA list, like Asia/Singapore."
        ) from None
    return key


def _plain_name(name: str) -> str:
    """Let through a file name that stays in the assignment's folder on every system."""
    if not name.strip(".") or not all(c.isalnum() or c in "._-" for c in name):
        raise Fault(
            f"{name!r} is no plain file name",
            "Use letters, digits, '.', '_' and '-' alone, without a folder.",
        )
    return name


def _notebook_name(name: str) -> str:
    """Let through the name of a notebook."""
    if not _plain_name(name).endswith(".ipynb") or name == ".ipynb":
        raise Fault(f"{name!r} is no notebook", "Write a name that ends in .ipynb.")
    return name


def _course_code(code: str) -> str:
    """Let through a code that can be part of a path and of a URL."""
    if not code.isascii() or not code.isalnum():
        raise Fault(f"{code!r} is no course code", "Use letters and digits alone, like CS5260.")
    return code


def _email(address: str) -> str:
    """Let through what looks like an address; only sending to it could tell more."""
    name, at, host = address.partition("@")
    if not (name and at and host) or " " in address or "@" in host:
        raise Fault(f"{address!r} is no email address", "Write it like cs5260@example.edu.")
    return address


def _fraction(value: object) -> Decimal:
    """Read a share of the marks, from 0 for none to 1 for all."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= 1:
        raise Fault(f"{value} is no share of the marks", "Write a number from 0 to 1, like 0.8.")
    return Decimal(value)


Text = Annotated[str, Field(min_length=1)]
Number = Annotated[int, Field(ge=1)]
Percent = Annotated[int, Field(ge=0, le=100)]
CourseCode = Annotated[Text, AfterValidator(_course_code)]
Timezone = Annotated[Text, AfterValidator(_timezone)]
Email = Annotated[Text, AfterValidator(_email)]
Fraction = Annotated[Decimal, BeforeValidator(_fraction)]
FileName = Annotated[Text, AfterValidator(_plain_name)]
NotebookName = Annotated[Text, AfterValidator(_notebook_name)]
Day = Annotated[Weekday, BeforeValidator(read_weekday)]
Clock = Annotated[ClockTime, BeforeValidator(read_clock)]
DayAndDate = Annotated[date, BeforeValidator(read_date)]
DateAndTime = Annotated[Moment, BeforeValidator(read_moment)]
Duration = Annotated[timedelta, BeforeValidator(read_duration)]
