"""How a class stands: what staff's pages show, without any HTML."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from coursehub.course.late import counting
from coursehub.course.model import Assignment, Course
from coursehub.course.schedule import window
from coursehub.errors import CourseHubError
from coursehub.home.points import Points, points_of
from coursehub.home.sources import ClassWork, Person
from coursehub.home.words import in_order, say_late, say_span, task_of

STATES = {
    "not-fetched": "Not fetched",
    "working": "Working",
    "missing": "Not handed in",
    "handed-in": "Handed in",
    "failed": "Failed",
    "review": "Needs review",
    "graded": "Graded",
}
"""How it may stand with one student; lateness comes on top of it."""

LATE = "late"
BY_HAND, UNDECIDED = "points by hand", "edits to decide"
"""What a hand-in needs that needs review."""
PAGE = 100
"""Students on a page of the list."""


@dataclass(frozen=True)
class Row:
    """One student and one assignment.

    Attributes:
        person: Who.
        state: A key of `STATES`.
        why: What is the matter, where something is.
        received: When the hand-in that counts came.
        hand_ins: How many there are.
        late: By how much it is late, in words; empty when it is on time.
        points: What it is worth; None until it is graded.
        notebook: nbgrader's id of the graded notebook; empty until there is one.
        edits: Edits outside the answers (`gradebook.standing.Edits`); None where there are none.
        extended: Whether they have more time than the class.
    """

    person: Person
    state: str
    why: str
    received: datetime | None
    hand_ins: int
    late: str
    points: Points | None
    notebook: str
    edits: Any
    extended: bool


@dataclass(frozen=True)
class Wanted:
    """What of a list is wanted.

    Attributes:
        state: A key of `STATES`, or ``late``; empty for all.
        text: In a name, user name or student number; empty for all.
        order: ``name``, ``score`` or ``received``.
        page: From 1.
    """

    state: str = ""
    text: str = ""
    order: str = "name"
    page: int = 1


@dataclass(frozen=True)
class ClassList:
    """A page of the list.

    Attributes:
        rows: Those on this page.
        found: How many are wanted, on all pages.
        counts: How many students are in each state, and late; of the whole class.
        size: The class.
        pages: How many pages there are.
    """

    rows: Sequence[Row]
    found: int
    counts: Mapping[str, int]
    size: int
    pages: int


def rows(
    course: Course,
    assignment: Assignment,
    now: datetime,
    students: Sequence[Person],
    work: ClassWork,
    standings: Mapping[str, Any],
    problems: Mapping[str, str],
) -> Iterator[Row]:
    """Yield how it stands with each student.

    Args:
        course: The course.
        assignment: One of its assignments.
        now: The time.
        students: The class.
        work: What they did.
        standings: What the gradebook has (`gradebook.standing.Standing`).
        problems: Why hand-ins could not be graded.
    """
    usual = window(course, assignment)
    for person in students:
        name = person.username
        until = work.until.get(name)
        own = usual if until is None else window(course, assignment, until)
        stamps = [received for _, received in work.hand_ins.get(name, ())]
        counts = counting(stamps, own.on_time_before) if stamps else None
        received = None if counts is None else stamps[counts]
        standing = standings.get(name)
        if standing is not None and (received is None or standing.received != received):
            standing = None  # of another hand-in than the one that counts
        state, why = _state(received, standing, problems.get(name), name in work.fetched,
                            now < own.on_time_before, course)  # fmt: skip
        yield Row(
            person, state, why, received, len(stamps),
            say_late(own, received) if received and received >= own.on_time_before else "",
            points_of(course, own, standing)
            if standing is not None and standing.graded
            else None,
            standing.notebook if standing is not None else "",
            standing.edits if standing is not None and standing.edits.found else None,
            own.on_time_before > usual.on_time_before,
        )  # fmt: skip


def _state(
    received: datetime | None,
    standing: Any,
    problem: str | None,
    fetched: bool,
    is_open: bool,
    course: Course,
) -> tuple[str, str]:
    if received is None:
        if not is_open:
            return "missing", "" if fetched else "never fetched"
        return ("working", "") if fetched else ("not-fetched", "")
    if standing is None or not standing.graded:
        return ("failed", problem) if problem else ("handed-in", "")
    to_do = []
    if standing.open:
        to_do.append(BY_HAND)
    if undecided(course, standing.edits):
        to_do.append(UNDECIDED)
    return ("review", ", ".join(to_do)) if to_do else ("graded", "")


def undecided(course: Course, edits: Any) -> bool:
    """Whether somebody has to decide about edits (`gradebook.standing.Edits`)."""
    proposed = course.edits.deduction(len(edits.found))
    return bool(edits.found) and edits.verb is None and (proposed > 0 or edits.again)


def percent_of(amount: str, unit: str, row: Row) -> float:
    """Return what somebody wrote to take off, in percent of the marks.

    Args:
        amount: A number.
        unit: ``points``, or else it is percent.
        row: Of whom.

    Raises:
        CourseHubError: It is no number, or points of a hand-in that has none.
    """
    try:
        number = float(amount.replace(",", "."))
        if not isfinite(number):
            raise ValueError(amount)
    except ValueError:
        raise CourseHubError(
            f"{amount!r} is no number", remedy="Write how much to take off, like 5"
        ) from None
    if unit != "points":
        return number
    if row.points is None or not row.points.most:
        raise CourseHubError("the hand-in has no points yet", remedy="Write percent of the marks")
    return number * 100 / row.points.most


def class_list(everybody: Sequence[Row], wanted: Wanted) -> ClassList:
    """Return the page that is wanted of a class."""
    counts = Counter(row.state for row in everybody)
    counts[LATE] = sum(bool(row.late) for row in everybody)
    found = [row for row in everybody if _is_wanted(row, wanted)]
    found.sort(key=_ORDERS.get(wanted.order, _by_name))
    pages = max(1, -(-len(found) // PAGE))
    page = min(max(wanted.page, 1), pages)
    here = found[(page - 1) * PAGE : page * PAGE]
    return ClassList(here, len(found), counts, len(everybody), pages)


def _is_wanted(row: Row, wanted: Wanted) -> bool:
    if wanted.state == LATE and not row.late:
        return False
    if wanted.state in STATES and row.state != wanted.state:
        return False
    person, text = row.person, wanted.text.casefold()
    return not text or any(
        text in field.casefold() for field in (person.name, person.username, person.number)
    )


def _by_name(row: Row) -> Any:
    return row.person.name.casefold(), row.person.username


def _by_score(row: Row) -> Any:
    """The lowest first: those with whom something may be the matter."""
    return row.points is None, row.points.score if row.points else 0.0, row.person.username


def _by_received(row: Row) -> Any:
    """The newest first."""
    return -row.received.timestamp() if row.received else 0.0, row.person.username


_ORDERS = {"name": _by_name, "score": _by_score, "received": _by_received}


@dataclass(frozen=True)
class TaskFigures:
    """How a class did on one task.

    Attributes:
        name: Such as ``Task 3``.
        mean: The mean of what was earned.
        most: What could be earned.
        cells: Its cells (`gradebook.standing.CellFigures`), by name.
    """

    name: str
    mean: float
    most: float
    cells: Sequence[Any]

    @property
    def share(self) -> float:
        """The mean, from 0 to 1 of what could be earned."""
        return self.mean / self.most if self.most else 0.0


def task_figures(cells: Sequence[Any]) -> list[TaskFigures]:
    """Cells (`gradebook.standing.CellFigures`), task by task."""
    by_task: dict[str, list[Any]] = {}
    for cell in sorted(cells, key=lambda cell: cell.name):
        by_task.setdefault(task_of(cell.name), []).append(cell)
    return [
        TaskFigures(
            name,
            sum(cell.mean for cell in by_task[name]),
            sum(cell.most for cell in by_task[name]),
            by_task[name],
        )
        for name in in_order(by_task)
    ]


class Pace:
    """How fast an assignment is being graded, by how many were graded when somebody looked."""

    WINDOW = timedelta(minutes=3)

    def __init__(self) -> None:
        """Begin without having looked."""
        self._seen: dict[str, list[tuple[datetime, int]]] = {}

    def left(self, name: str, graded: int, of: int, now: datetime) -> str:
        """Look; say how long the rest will take, such as ``12 min``, or nothing if nobody knows."""
        seen = [each for each in self._seen.get(name, []) if now - each[0] <= self.WINDOW]
        if seen and graded < seen[-1][1]:
            seen = []  # graded anew
        seen.append((now, graded))
        self._seen[name] = seen
        (began, before), rest = seen[0], of - graded
        if rest <= 0 or graded <= before:
            return ""
        span = (now - began) * rest / (graded - before)
        return say_span(span) or "less than a minute"
