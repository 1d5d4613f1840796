"""A class's marks: what the gradebook has, and what else is known, by the rules of the course."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine

from coursehub.course.marks import Exact, Homework, Marks, State, final_marks
from coursehub.course.model import Assignment, Course
from coursehub.course.schedule import Window
from coursehub.gradebook.scores import Key, Score, scores


class Project(NamedTuple):
    """What a student has of the project: shares from 0 to 1, or None where there is none yet."""

    presentation: Exact | None = None
    report: Exact | None = None


def no_project(student: str) -> Project:
    """Nobody's project has a score."""
    return Project()


@dataclass(frozen=True)
class Facts:
    """What is known outside the gradebook.

    Attributes:
        now: The instant at which it is looked at.
        window: When an assignment is open for a student, extensions included.
        counts: When the hand-in that counts was received, of whoever handed in.
        excused: Who is excused from what.
        feedback: Which hand-ins have been given back: user name, assignment, when received.
        project: What each student has of the project.
    """

    now: datetime
    window: Callable[[str, Assignment], Window]
    counts: Mapping[Key, datetime] = field(default_factory=dict)
    excused: Collection[Key] = ()
    feedback: Collection[tuple[str, str, datetime]] = ()
    project: Callable[[str], Project] = no_project


def class_marks(
    engine: Engine, course: Course, students: Iterable[str], facts: Facts
) -> dict[str, Marks]:
    """The marks of some students, as staff see them.

    Args:
        engine: The gradebook's database; it may have no tables yet.
        course: The course.
        students: Their user names.
        facts: What else is known.
    """
    wanted = list(students)
    found = scores(engine, course, facts.window, wanted[0] if len(wanted) == 1 else None)
    made = {}
    for student in wanted:
        homework = [_homework(course, student, each, found, facts) for each in course.assignments]
        made[student] = final_marks(course, homework, *facts.project(student))
    return made


def as_the_student_sees(course: Course, marks: Marks) -> Marks:
    """The same marks without what the student has not been given back yet."""
    homework = [
        each
        if each.feedback or each.state not in (State.SETTLED, State.REVIEW)
        else Homework(each.assignment, State.UNGRADED)
        for each in marks.homework
    ]
    return final_marks(
        course, homework, marks.part("presentation").share, marks.part("report").share
    )


def _homework(
    course: Course, student: str, each: Assignment, found: Mapping[Key, Score], facts: Facts
) -> Homework:
    key = (student, each.name)
    if course.homework.excuse and key in facts.excused:
        return Homework(each.name, State.EXCUSED)
    score, counts = found.get(key), facts.counts.get(key)
    # What was graded may be another hand-in than the one that counts by now.
    if score and counts in (None, score.received):
        state = State.REVIEW if score.review else State.SETTLED
        return Homework(
            each.name, state, score.score, score.most, (*key, score.received) in facts.feedback
        )
    if counts:
        return Homework(each.name, State.UNGRADED)
    late = facts.now >= facts.window(student, each).on_time_before
    return Homework(each.name, State.ABSENT if late else State.OPEN)
