"""How the pages say numbers, tasks and names."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from coursehub.course.late import ON_TIME, lateness
from coursehub.course.schedule import Window
from coursehub.course.tasks import task_of


class Scored(Protocol):
    """A cell that earns points."""

    name: str
    score: float
    most: float
    open: bool


@dataclass(frozen=True)
class Task:
    """The cells of one task together.

    Attributes:
        name: Such as ``Task 3`` or ``Written answer``.
        score: Points earned.
        most: Points that could be earned.
        open: Whether a person still has to look at a cell of it.
    """

    name: str
    score: float
    most: float
    open: bool


def in_order(tasks: Iterable[str]) -> list[str]:
    """Task names as a notebook has them: tasks by number, then the others by name."""

    def key(name: str) -> tuple[bool, int, str]:
        number = name.removeprefix("Task ")
        numbered = number.isdigit()
        return (not numbered, int(number) if numbered else 0, name)

    return sorted(set(tasks), key=key)


def tasks(cells: Sequence[Scored]) -> list[Task]:
    """The cells, task by task."""
    by_task: dict[str, list[Scored]] = {}
    for cell in cells:
        by_task.setdefault(task_of(cell.name), []).append(cell)
    return [
        Task(
            name,
            sum(cell.score for cell in by_task[name]),
            sum(cell.most for cell in by_task[name]),
            any(cell.open for cell in by_task[name]),
        )
        for name in in_order(by_task)
    ]


def points(number: float) -> str:
    """Points with at most two decimals: ``98``, ``97.5``, ``33.33``."""
    return f"{number:.2f}".rstrip("0").rstrip(".") if number % 1 else f"{number:.0f}"


def count(number: int, noun: str, nouns: str = "") -> str:
    """Count in words: ``1 hand-in``, ``2 hand-ins``."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def a_few(names: Sequence[str], most: int = 8) -> str:
    """Name some, and say how many more there are: ``alice, bob and 30 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def say_late(window: Window, received: datetime) -> str:
    """By how much a hand-in is late: ``1 day 2 h late``; empty when it is on time."""
    by = lateness(window, received)
    return f"{say_span(by) or 'less than a minute'} late" if by > ON_TIME else ""


def say_span(span: timedelta) -> str:
    """A span in its two largest units, to the minute: ``2 h 5 min``; empty below a minute."""
    minutes = span // timedelta(minutes=1)
    days, hours = minutes // 1440, minutes // 60 % 24
    parts = [(days, "day" if days == 1 else "days"), (hours, "h"), (minutes % 60, "min")]
    return " ".join([f"{number} {unit}" for number, unit in parts if number][:2])
