"""Where one student stands, week by week: what their page shows, without any HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coursehub.course.late import counting
from coursehub.course.model import Assignment, Course, Week
from coursehub.course.schedule import (
    Window,
    is_released,
    say_short,
    time_left,
    week_of,
    window,
)
from coursehub.home.chart import Histogram, histogram
from coursehub.home.points import Points, points_of
from coursehub.home.regrades import Regrade
from coursehub.home.sources import HandIn, Work
from coursehub.home.words import Task, points, say_late, tasks

SMALLEST = 5
"""Of fewer scores a distribution would tell single people's."""

NOTHING = Work()


@dataclass(frozen=True)
class Status:
    """How it stands with an assignment.

    Attributes:
        key: later, waiting, open, working, handed-in, late, missing, graded or feedback.
        word: In a word or two.
        text: In a sentence.
    """

    key: str
    word: str
    text: str


@dataclass(frozen=True)
class OneHandIn:
    """A hand-in in its student's list.

    Attributes:
        hand_in: What was handed in.
        counts: Whether it is the one that counts.
        late: By how much it is late, in words; empty when it is on time.
    """

    hand_in: HandIn
    counts: bool
    late: str


@dataclass(frozen=True)
class Result:
    """What came of the hand-in, once feedback is released.

    Attributes:
        points: What it is worth.
        tasks: Points task by task.
        edits: Edits outside the answers (`gradebook.standing.Edits`).
        distribution: Of the class's scores; None where it is not shown.
    """

    points: Points
    tasks: Sequence[Task]
    edits: Any
    distribution: Histogram | None


@dataclass(frozen=True)
class Card:
    """One assignment on the page.

    Attributes:
        assignment: Which.
        window: Its times, for this student.
        extended: Whether this student has more time than the class.
        status: How it stands.
        left: How long hand-ins are on time; empty unless it is open.
        hand_ins: Newest first.
        result: None until feedback is released.
        regrades: The student's requests about it.
    """

    assignment: Assignment
    window: Window
    extended: bool
    status: Status
    left: str
    hand_ins: Sequence[OneHandIn]
    result: Result | None
    regrades: Sequence[Regrade]

    @property
    def may_ask(self) -> bool:
        """Whether a regrade can be asked for now."""
        return self.result is not None and not any(each.open for each in self.regrades)

    @property
    def counted(self) -> HandIn | None:
        """The hand-in that counts."""
        return next((each.hand_in for each in self.hand_ins if each.counts), None)


@dataclass(frozen=True)
class WeekOnPage:
    """A week of the timeline: itself, its cards, and whether it is this one."""

    week: Week
    cards: Sequence[Card]
    now: bool


def timeline(
    course: Course,
    now: datetime,
    *,
    released: frozenset[str],
    work: Mapping[str, Work],
    standings: Mapping[str, Any],
    regrades: Sequence[Regrade],
    class_scores: Mapping[str, Sequence[float]],
) -> list[WeekOnPage]:
    """Return the weeks of the term as one student sees them.

    Args:
        course: The course.
        now: The time.
        released: The assignments that are in the exchange.
        work: What the student did, by assignment.
        standings: What the gradebook has of them, by assignment.
        regrades: Their requests.
        class_scores: All scores of the class, by assignment, where they may be shown.
    """
    this_week = week_of(course, now)
    pages = []
    for week in course.weeks:
        cards = [
            card(
                course, assignment, now,
                released=assignment.name in released,
                work=work.get(assignment.name, NOTHING),
                standing=standings.get(assignment.name),
                regrades=[each for each in regrades if each.assignment == assignment.name],
                class_scores=class_scores.get(assignment.name, ()),
            )
            for assignment in course.assignments
            if assignment.week == week.number
        ]  # fmt: skip
        pages.append(WeekOnPage(week, cards, week == this_week))
    return pages


def card(
    course: Course,
    assignment: Assignment,
    now: datetime,
    *,
    released: bool,
    work: Work,
    standing: Any = None,
    regrades: Sequence[Regrade] = (),
    class_scores: Sequence[float] = (),
) -> Card:
    """Return how it stands with one assignment; arguments as `timeline`."""
    own = window(course, assignment, work.until)
    counts = counting([each.received for each in work.hand_ins], own.on_time_before)
    hand_ins = [
        OneHandIn(each, index == counts, say_late(own, each.received))
        for index, each in enumerate(work.hand_ins)
    ]
    counted = hand_ins[counts] if counts is not None else None
    result = _result(course, own, counted, standing, class_scores)
    status = _status(course, own, now, released, work, counted, standing, result)
    is_open = released and own.release <= now < own.on_time_before
    return Card(
        assignment,
        own,
        own.on_time_before > window(course, assignment).on_time_before,
        status,
        time_left(own, now) if is_open else "",
        hand_ins[::-1],
        result,
        regrades,
    )


def due_next(weeks: Sequence[WeekOnPage]) -> list[Card]:
    """What is open for this student, the nearest deadline first."""
    cards = [card for week in weeks for card in week.cards if card.left]
    return sorted(cards, key=lambda card: card.window.on_time_before)


def _result(
    course: Course,
    own: Window,
    counted: OneHandIn | None,
    standing: Any,
    class_scores: Sequence[float],
) -> Result | None:
    """Scores are told once feedback is out, and only of the hand-in that it is about."""
    if counted is None or standing is None or not counted.hand_in.feedback:
        return None
    if standing.received != counted.hand_in.received:
        return None
    worth = points_of(course, own, standing)
    shown = course.show.distribution and len(class_scores) >= SMALLEST and worth.most > 0
    figure = histogram(class_scores, worth.most, worth.score) if shown else None
    return Result(worth, tasks(standing.cells), standing.edits, figure)


def _status(
    course: Course,
    own: Window,
    now: datetime,
    released: bool,
    work: Work,
    counted: OneHandIn | None,
    standing: Any,
    result: Result | None,
) -> Status:
    if result:
        worth = result.points
        text = f"{points(worth.score)} of {points(worth.most)} points"
        return Status("feedback", "Feedback ready", text)
    if counted and counted.hand_in.feedback:
        return Status("feedback", "Feedback ready", "Read it below.")
    if counted:
        return _handed_in(course, counted, standing)
    if not is_released(own, now):
        return Status("later", "Not open yet", f"Opens {say_short(own.release, course)}.")
    if not released:
        return Status("waiting", "Soon", "Staff have not released it yet.")
    if now >= own.on_time_before:
        since = time_left(own, now).replace("closed ", "")
        return Status(
            "missing", "Not handed in",
            f"It closed {since}. A late hand-in is kept and marked as late.",
        )  # fmt: skip
    if work.fetched:
        return Status("working", "In your hands", "You have it; nothing is handed in yet.")
    return Status("open", "Open", "Fetch it in JupyterLab, in the Assignment List.")


def _handed_in(course: Course, counted: OneHandIn, standing: Any) -> Status:
    when = say_short(counted.hand_in.received, course)
    graded = (
        standing is not None and standing.graded and standing.received == counted.hand_in.received
    )
    if graded:
        return Status("graded", "Graded", f"Handed in {when}. Staff release feedback next.")
    if counted.late:
        return Status("late", "Handed in late", f"Handed in {when}, {counted.late}.")
    return Status("handed-in", "Handed in", f"Handed in {when}, on time.")
