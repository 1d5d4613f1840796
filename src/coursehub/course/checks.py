"""What must hold between the sections of course.yml."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

from coursehub.course.document import Key
from coursehub.course.model import Assignment, Course
from coursehub.course.schedule import due_moment, release_moment
from coursehub.course.slots import presentation_week, slots
from coursehub.course.wallclock import Fault, in_utc

T = TypeVar("T")
Finding = tuple[Key, Fault]
"""What is wrong, and the key to blame."""


def findings(course: Course) -> Iterator[Finding]:
    """Yield what is wrong with a course whose sections are right by themselves.

    Later checks may rely on earlier ones: after the first finding, stop.
    """
    yield from _staff(course)
    yield from _weeks(course)
    yield from _meetings(course)
    yield from _bands(course)
    yield from _assignments(course)
    yield from _homework(course)
    for index, assignment in enumerate(course.assignments):
        yield from _window(course, assignment, ("assignments", index))
    yield from _project(course)


def _staff(course: Course) -> Iterator[Finding]:
    for index, email in _repeated([person.email for person in course.staff]):
        yield ("staff", index, "email"), Fault(f"{email} is there already", "Remove one of them.")


def _weeks(course: Course) -> Iterator[Finding]:
    lecture = course.meetings.lecture
    for index, week in enumerate(course.weeks):
        if week.number != index + 1:
            yield (
                ("weeks", index, "number"),
                Fault(f"week {week.number} stands where week {index + 1} should", "Renumber."),
            )
        if week.date.weekday() != lecture.day:
            yield (
                ("weeks", index, "date"),
                Fault(
                    f"the lecture meets on {lecture.day.word}s",
                    "Write that day's date, or correct meetings.lecture.day.",
                ),
            )
    for index, (before, week) in enumerate(pairwise(course.weeks), start=1):
        if week.date <= before.date:
            yield (
                ("weeks", index, "date"),
                Fault(f"not after week {before.number}'s date", "Put the weeks in their order."),
            )


def _meetings(course: Course) -> Iterator[Finding]:
    tutorial = course.meetings.tutorial
    last = len(course.weeks)
    for name, meeting in (("lecture", course.meetings.lecture), ("tutorial", tutorial)):
        if meeting is not None and meeting.from_week > last:
            yield (
                ("meetings", name, "from_week"),
                Fault(f"the course has {last} weeks", f"Write a number from 1 to {last}."),
            )
    for index, week in enumerate(course.weeks):
        if week.tutorial and (tutorial is None or week.number < tutorial.from_week):
            yield (
                ("weeks", index, "tutorial"),
                Fault(
                    f"week {week.number} has no tutorial",
                    "Remove it, or correct meetings.tutorial.",
                ),
            )


def _bands(course: Course) -> Iterator[Finding]:
    for index, (before, band) in enumerate(pairwise(course.late.bands), start=1):
        if band.within <= before.within:
            yield (
                ("late", "bands", index, "within"),
                Fault("not longer than the band before", "Put the shorter band first."),
            )
        if band.credit >= before.credit:
            yield (
                ("late", "bands", index, "credit"),
                Fault("not less than in the band before", "Let credit fall as lateness grows."),
            )


def _assignments(course: Course) -> Iterator[Finding]:
    everything = course.assignments
    for index, number in _repeated([assignment.number for assignment in everything]):
        yield (
            ("assignments", index, "number"),
            Fault(f"number {number} is taken", "Give each assignment a number of its own."),
        )
    for index, notebook in _repeated([assignment.notebook for assignment in everything]):
        yield (
            ("assignments", index, "notebook"),
            Fault(f"{notebook} is another assignment's", "Give each a notebook of its own."),
        )
    for index, assignment in enumerate(everything):
        for position, file in _repeated(assignment.files):
            yield (
                ("assignments", index, "extra_files", position - 1),
                Fault(f"{file} is there already", "Remove one of them."),
            )
        if assignment.week > len(course.weeks):
            yield (
                ("assignments", index, "week"),
                Fault(
                    f"unknown week {assignment.week}", f"Weeks go from 1 to {len(course.weeks)}."
                ),
            )
        elif holiday := course.week(assignment.week).holiday:
            yield (
                ("assignments", index, "week"),
                Fault(f"week {assignment.week} is a holiday, {holiday}", "Choose another week."),
            )
    for index, (before, assignment) in enumerate(pairwise(everything), start=1):
        if assignment.number < before.number:
            yield (
                ("assignments", index, "number"),
                Fault(
                    f"number {assignment.number} follows {before.number}",
                    "Put the assignments in their order.",
                ),
            )


def _homework(course: Course) -> Iterator[Finding]:
    drop, count = course.homework.drop_lowest, len(course.assignments)
    if drop and drop >= count:
        yield (
            ("homework", "drop_lowest"),
            Fault(
                f"dropping {drop} leaves none of {count} assignments to count",
                f"Write at most {max(count - 1, 0)}.",
            ),
        )


def _window(course: Course, assignment: Assignment, key: Key) -> Iterator[Finding]:
    own_release = (*key, "release") if assignment.release else key
    own_due = (*key, "due") if assignment.due else key
    try:
        release = release_moment(course, assignment).starts(course.tz)
    except Fault as fault:
        yield own_release, fault
        return
    try:
        due_moment(course, assignment).ends(course.tz)
        due = due_moment(course, assignment).starts(course.tz)
    except Fault as fault:
        yield own_due, fault
        return
    if in_utc(due) <= in_utc(release):
        yield (
            own_due if assignment.due else own_release,
            Fault(
                f"due {due_moment(course, assignment)}, which is not after its release, "
                f"{release_moment(course, assignment)}",
                "Move one of the two.",
            ),
        )


def _project(course: Course) -> Iterator[Finding]:
    for key, moment in (
        (("teams", "until"), course.teams.until),
        (("report", "due"), course.report.due),
    ):
        try:
            if moment is not None:
                moment.ends(course.tz)
        except Fault as fault:
            yield key, fault
    presentation, last = course.presentation, len(course.weeks)
    week_key = ("presentation", "week") if presentation.week else ("presentation",)
    if presentation.week and presentation.week > last:
        yield week_key, Fault(f"unknown week {presentation.week}", f"Weeks go from 1 to {last}.")
        return
    week = presentation_week(course)
    if presentation.week and week.holiday:
        yield (
            week_key,
            Fault(f"week {week.number} is a holiday, {week.holiday}", "Choose another week."),
        )
        return
    try:
        if not slots(course):
            yield (
                ("presentation", "minutes"),
                Fault(
                    f"{presentation.minutes} minutes do not fit into week {week.number}'s class",
                    "Write fewer.",
                ),
            )
    except Fault as fault:
        yield week_key, fault


def _repeated(values: Sequence[T]) -> Iterator[tuple[int, T]]:
    """Yield each value that is in the list before, with its index."""
    for index, value in enumerate(values):
        if value in values[:index]:
            yield index, value
