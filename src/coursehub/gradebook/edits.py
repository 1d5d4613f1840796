"""Edits outside the answers, and what staff decided about them.

Autograding writes down what was found; `course.yml` says what it proposes to take off; a person
decides. A decision is about the very edits that the person saw: when a hand-in is graded anew and
they are others, it has to be decided again. Until then nothing is taken off.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, get_args

from sqlalchemy import Column, Engine, Float, MetaData, Row, Table, Text, insert, select, update

from coursehub.course.model import Course
from coursehub.errors import CourseHubError, NotFound
from coursehub.instant import Instant

Verb = Literal["accepted", "waived", "other"]
VERBS: tuple[Verb, ...] = get_args(Verb)

metadata = MetaData()

hand_in_report = Table(
    "hand_in_report",
    metadata,
    Column("assignment", Text, primary_key=True),
    Column("notebook", Text, primary_key=True),
    Column("student", Text, primary_key=True),
    Column("answers", Text, nullable=False),  # a digest
    Column("edits", Text, nullable=False),  # of the whole hand-in, as JSON
)

edit_decision = Table(
    "edit_decision",
    metadata,
    Column("assignment", Text, primary_key=True),
    Column("student", Text, primary_key=True),
    Column("edits", Text, nullable=False),  # a digest of what was decided about
    Column("verb", Text, nullable=False),
    Column("percent", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", Instant, nullable=False),
)


@dataclass(frozen=True)
class Edit:
    """One edit: its kind, the cell that it is about, a sentence and maybe a diff below it."""

    kind: str
    cell: str
    text: str


@dataclass(frozen=True)
class Decision:
    """What a person decided.

    Attributes:
        verb: The proposal was accepted, the edits were waived, or another percentage was set.
        percent: What is taken off, of the assignment's marks.
        reason: Why, for the student; may be empty.
        who: User name.
        at: When.
        edits: The digest of the edits that it is about.
    """

    verb: Verb
    percent: float
    reason: str
    who: str
    at: datetime
    edits: str


@dataclass(frozen=True)
class Edited:
    """A hand-in with edits outside the answers.

    Attributes:
        student: User name.
        edits: What was found.
        digest: Of the edits.
        proposal: What course.yml proposes to take off, in percent of the assignment's marks.
        last: The last decision, be it about these edits or about others.
    """

    student: str
    edits: tuple[Edit, ...]
    digest: str
    proposal: float
    last: Decision | None

    @property
    def decision(self) -> Decision | None:
        """The decision about these very edits."""
        return self.last if self.last and self.last.edits == self.digest else None

    @property
    def open(self) -> bool:
        """Whether somebody has to decide: something is proposed, or was decided for others."""
        return self.decision is None and (self.proposal > 0 or self.last is not None)

    @property
    def percent(self) -> float:
        """What is taken off: what was decided, else nothing."""
        return self.decision.percent if self.decision else 0.0


class Opened(Protocol):
    """nbgrader's gradebook, or what else has a session of its database."""

    @property
    def db(self) -> Any:
        """The session."""


def create_tables(engine: Engine) -> None:
    """Make the tables where they are not there; in PostgreSQL `database.upgrade` does."""
    if engine.dialect.name == "sqlite":
        metadata.create_all(engine)


@contextmanager
def opened(url: str, course: Course) -> Any:
    """nbgrader's gradebook with these tables beside its own."""
    from nbgrader.api import Gradebook  # the course service decides without nbgrader

    with Gradebook(url, course.id) as gradebook:
        create_tables(gradebook.engine)
        yield gradebook


def same_answers(gradebook: Opened, names: Sequence[str], answers: str) -> bool:
    """Whether it was these answers (a digest) that were graded the last time.

    Args:
        gradebook: The gradebook.
        names: Assignment, notebook, student.
        answers: A digest of them.
    """
    query = select(hand_in_report.c.answers).where(*_at(hand_in_report, names))
    return bool(gradebook.db.execute(query).scalar() == answers)


def keep_report(
    gradebook: Opened, names: Sequence[str], answers: str, edits: Sequence[dict[str, str]]
) -> None:
    """Write down what was found in a hand-in that was just graded; arguments as `same_answers`."""
    values = {"answers": answers, "edits": json.dumps(edits)}
    _put(gradebook, hand_in_report, names, values)


def edited(
    gradebook: Opened, course: Course, assignment: str, student: str | None = None
) -> list[Edited]:
    """The hand-ins with edits outside the answers, by user name; of one student only, if named."""
    query = select(hand_in_report.c.student, hand_in_report.c.edits).where(
        hand_in_report.c.assignment == assignment, hand_in_report.c.edits != "[]"
    )
    if student is not None:
        query = query.where(hand_in_report.c.student == student)
    query = query.order_by(hand_in_report.c.student, hand_in_report.c.notebook)
    found = {row.student: row.edits for row in gradebook.db.execute(query)}
    last = _decisions(gradebook, assignment)
    return [_edited(course, name, text, last.get(name)) for name, text in found.items()]


def assignments_edited(gradebook: Opened) -> list[str]:
    """The assignments that have such hand-ins, by name."""
    query = select(hand_in_report.c.assignment).where(hand_in_report.c.edits != "[]").distinct()
    return sorted(gradebook.db.execute(query).scalars())


def decide(
    gradebook: Opened,
    course: Course,
    assignment: str,
    student: str,
    digest: str,
    verb: Verb,
    *,
    percent: float = 0.0,
    reason: str = "",
    who: str,
) -> None:
    """Store what a person decided about a hand-in's edits, in place of what was decided before.

    Args:
        gradebook: The gradebook.
        course: The course, whose policy caps what edits may cost.
        assignment: Its name.
        student: Whose hand-in.
        digest: Of the edits that the person saw.
        verb: What they decided.
        percent: With the verb "other" alone: what is taken off.
        reason: Why, for the student.
        who: Their user name. In PostgreSQL the database itself knows it better.

    Raises:
        NotFound: There are no edits any more.
        CourseHubError: They are others by now, or the percentage cannot be.
    """
    found = edited(gradebook, course, assignment, student)
    if not found:
        raise NotFound(f"{student} has no edits outside the answers in {assignment}")
    if found[0].digest != digest:
        raise CourseHubError(
            f"the hand-in of {student} was graded anew meanwhile, and its edits are others",
            remedy="Look at them, and decide again",
        )
    values = {
        "edits": digest,
        "verb": verb,
        "percent": _percent(course, found[0], verb, percent),
        "reason": reason.strip(),
        "who": who,
        "at": datetime.now(UTC),
    }
    _put(gradebook, edit_decision, (assignment, student), values)


def checked(verb: str) -> Verb:
    """Return the verb.

    Raises:
        CourseHubError: It is none.
    """
    if verb not in VERBS:
        raise CourseHubError(f"{verb!r} is no decision", remedy=f"One of {', '.join(VERBS)}")
    return verb  # type: ignore[return-value]


def _percent(course: Course, hand_in: Edited, verb: Verb, percent: float) -> float:
    if verb == "waived":
        return 0.0
    if verb == "accepted":
        if not hand_in.proposal:
            raise CourseHubError(
                f"nothing is proposed for {hand_in.student}", remedy="Waive it, or name a percent"
            )
        return hand_in.proposal
    if not 0 < percent <= course.edits.cap:
        raise CourseHubError(
            f"{percent:g} percent cannot be taken off",
            remedy=f"Name more than 0 and at most {course.edits.cap}, the cap in course.yml; "
            "to take nothing off, waive it",
        )
    return percent


def _edited(course: Course, student: str, text: str, last: Decision | None) -> Edited:
    edits = tuple(Edit(**each) for each in json.loads(text))
    proposal = float(course.edits.deduction(len(edits)))
    return Edited(student, edits, hashlib.sha256(text.encode()).hexdigest(), proposal, last)


def _decisions(gradebook: Opened, assignment: str) -> dict[str, Decision]:
    query = select(edit_decision).where(edit_decision.c.assignment == assignment)
    return {row.student: _decision(row) for row in gradebook.db.execute(query)}


def _decision(row: Row[Any]) -> Decision:
    return Decision(row.verb, row.percent, row.reason, row.who, row.at, row.edits)


def _put(gradebook: Opened, table: Table, names: Sequence[str], values: dict[str, object]) -> None:
    changed = gradebook.db.execute(update(table).where(*_at(table, names)).values(values))
    if not changed.rowcount:
        keys = dict(zip(table.primary_key.columns.keys(), names, strict=True))
        gradebook.db.execute(insert(table).values({**keys, **values}))
    gradebook.db.commit()


def _at(table: Table, names: Sequence[str]) -> list[Any]:
    return [column == name for column, name in zip(table.primary_key, names, strict=True)]
