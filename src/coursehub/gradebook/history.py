"""What became of each student's mark, and who is excused from what: entries of the journal.

Marks are derived, and so have no history of their own. Whoever asks for them has written down what
changed since they were last written down, for whom. The entry names who asked; who gave which
points, or more time, or decided about edits, is in the logs of those.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, func, select

from coursehub.course.marks import Marks, State, rounded, written
from coursehub.course.model import Course
from coursehub.errors import CourseHubError
from coursehub.journal import Entry, entries, journal, record

RECORDED = "marks"
EXCUSED = "excuse"

Snapshot = Mapping[str, str]
"""Name of an assignment, of a part of the mark, or "mark" -> what there is of it, as text."""


def snapshot(marks: Marks) -> dict[str, str]:
    """What there is of a student's mark as plain text, exact; empty where there is nothing yet."""
    there = {
        each.assignment: "excused"
        if each.state == State.EXCUSED
        else f"{written(each.score)} of {written(each.most)}"
        for each in marks.homework
        if each.state in (State.EXCUSED, State.SETTLED, State.REVIEW)
    }
    there |= {
        part.name: written(part.share)
        for part in marks.parts
        if part.name != "homework" and part.share is not None
    }
    return {**there, "mark": str(rounded(marks.exact))} if there else {}


def record_changes(
    engine: Engine, marks: Mapping[str, Marks], *, who: str, now: datetime
) -> list[Entry]:
    """Write down what is new of some students' marks; where nothing is, nothing is written.

    Args:
        engine: The course database.
        marks: The students' marks, by user name.
        who: Who asks.
        now: When.

    Returns:
        What was written, by user name.
    """
    written_down = []
    with engine.begin() as connection:
        _take_turns(connection)
        last = _last(connection)
        for student in sorted(marks):
            before, after = last.get(student, {}), snapshot(marks[student])
            if before != after:
                entry = Entry(now, who, RECORDED, None, student, before, after)
                record(connection, entry)
                written_down.append(entry)
    return written_down


def history(engine: Engine, student: str) -> list[Entry]:
    """What was written down of a student's mark, the oldest first."""
    return entries(engine, did=RECORDED, about=student)[::-1]


def changes(entry: Entry) -> Iterator[tuple[str, str, str]]:
    """What an entry changed, the mark last: name, before and after; empty for nothing."""
    for name in sorted({**entry.after, **entry.before}, key="mark".__eq__):
        before, after = entry.before.get(name, ""), entry.after.get(name, "")
        if before != after:
            yield name, before, after


@dataclass(frozen=True)
class Excuse:
    """A decision that an assignment counts neither way for a student, or does again.

    Attributes:
        student: User name.
        assignment: Its name.
        excused: Whether the student is excused from now on.
        who: Who decided.
        why: The reason.
        at: When.
    """

    student: str
    assignment: str
    excused: bool
    who: str
    why: str
    at: datetime


def excuse(engine: Engine, course: Course, decision: Excuse) -> None:
    """Write a decision down.

    Raises:
        NotFound: The course has no such assignment.
        CourseHubError: course.yml does not allow it, no reason is given, or it is so already.
    """
    course.assignment(decision.assignment)
    if decision.excused and not course.homework.excuse:
        raise CourseHubError(
            "nobody is excused from an assignment in this course",
            key="homework.excuse",
            remedy="Write `excuse: true` in course.yml to allow it",
        )
    if not decision.why.strip():
        raise CourseHubError("a decision needs a reason", remedy="Say why, in a few words")
    with engine.begin() as connection:
        _take_turns(connection)
        before = (decision.student, decision.assignment) in _excused(connection)
        if before == decision.excused:
            raise CourseHubError(
                f"{decision.student} is {'' if before else 'not '}excused from "
                f"{decision.assignment} already"
            )
        entry = Entry(
            decision.at, decision.who, EXCUSED, decision.assignment, decision.student,
            {"excused": before}, {"excused": decision.excused}, decision.why,
        )  # fmt: skip
        record(connection, entry)


def excused(engine: Engine) -> set[tuple[str, str]]:
    """Who is excused from what: user name and assignment."""
    with engine.connect() as connection:
        return _excused(connection)


def _excused(connection: Connection) -> set[tuple[str, str]]:
    query = (
        select(journal.c.about, journal.c.assignment, journal.c.after)
        .where(journal.c.did == EXCUSED)
        .order_by(journal.c.number)
    )
    found: dict[tuple[str, str], bool] = {}
    for student, assignment, after in connection.execute(query):
        found[student, assignment] = after["excused"]
    return {key for key, is_so in found.items() if is_so}


def _last(connection: Connection) -> dict[str, Snapshot]:
    newest = select(func.max(journal.c.number)).where(journal.c.did == RECORDED)
    query = select(journal.c.about, journal.c.after).where(
        journal.c.number.in_(newest.group_by(journal.c.about))
    )
    return {student: after for student, after in connection.execute(query)}


def _take_turns(connection: Connection) -> None:
    """Let two that write the same down do so one after the other.

    PostgreSQL's own lock of a table needs rights that roles who only append do not have.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('coursehub marks'))")
