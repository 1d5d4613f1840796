"""What hand-ins earned, as the gradebook has it: a class, or one student, in a few queries.

nbgrader keeps what is taken off as a number, which is settled before feedback; between an
extension or a decision and the next feedback it is old. Here it is derived anew, by the same rules
(`penalty`, `edits`), from points, the hand-in's time and what was decided. Points are floats in the
database; each is read as the decimal that it is written as, and from there on nothing is rounded.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    DateTime,
    Engine,
    Row,
    Select,
    TableClause,
    and_,
    column,
    inspect,
    select,
    table,
)

from coursehub.course.deduction import exact_deduction
from coursehub.course.late import credit, lateness
from coursehub.course.model import Assignment, Course
from coursehub.course.schedule import Window

# nbgrader's tables, by the columns that are needed: the course service reads no others, and has no
# nbgrader to import.
assignment = table("assignment", column("id"), column("name"))
notebook = table("notebook", column("id"), column("assignment_id"))
base_cell = table("base_cell", column("id"), column("notebook_id"))
grade_cells = table("grade_cells", column("id"), column("max_score"))
task_cells = table("task_cells", column("id"), column("max_score"))
submitted = table(
    "submitted_assignment",
    column("id"), column("assignment_id"), column("student_id"), column("timestamp", DateTime()),
)  # fmt: skip
of_notebook = table(
    "submitted_notebook", column("id"), column("assignment_id"), column("notebook_id")
)
grade = table(
    "grade",
    column("cell_id"), column("notebook_id"), column("auto_score"), column("manual_score"),
    column("extra_credit"), column("needs_manual_grade"),
)  # fmt: skip
report = table("hand_in_report", column("assignment"), column("student"), column("edits"))
decision = table(
    "edit_decision",
    column("assignment"), column("student"), column("edits"), column("percent"),
)  # fmt: skip

TABLES = (
    assignment, notebook, base_cell, grade_cells, task_cells, submitted, of_notebook, grade,
    report, decision,
)  # fmt: skip

# Far more digits than any sum of points has.
_EXACT = Context(prec=100)
_NOTHING = Decimal(0)

Key = tuple[str, str]
"""A student's user name and an assignment's name."""


@dataclass(frozen=True)
class Score:
    """What one hand-in earned.

    Attributes:
        score: The points, after what is taken off.
        most: The points that could be earned.
        received: When the hand-in that was graded was received, in UTC.
        review: Whether a person still has to look: at a cell, or at edits outside the answers.
    """

    score: Fraction
    most: Fraction
    received: datetime | None
    review: bool


def scores(
    engine: Engine,
    course: Course,
    window: Callable[[str, Assignment], Window],
    student: str | None = None,
) -> dict[Key, Score]:
    """What every hand-in of the class earned, or every one of `student`; in five queries.

    What was never graded, and what is no assignment of the course, is left out.
    """
    if not _is_there(engine):
        return {}
    with engine.connect() as connection:
        edits = _edits(connection, course, student)
        hand_ins = _hand_ins(connection, student)
        points = _points(connection, None if student is None else hand_ins)
        most = _most(connection)
    names = {each.name: each for each in course.assignments}
    notebooks: defaultdict[Key, list[Row[Any]]] = defaultdict(list)
    for row in hand_ins:
        if row.assignment in names and row.notebook in points:
            notebooks[row.student_id, row.assignment].append(row)
    return {
        key: _score(course, window(key[0], names[key[1]]), rows, points, most, edits.get(key))
        for key, rows in notebooks.items()
    }


def most_of(engine: Engine) -> dict[str, Fraction]:
    """The points that can be earned in each assignment of the gradebook, by its name."""
    if not _is_there(engine):
        return {}
    query = select(assignment.c.name, notebook.c.id).select_from(
        notebook.join(assignment, assignment.c.id == notebook.c.assignment_id)
    )
    with engine.connect() as connection:
        most = _most(connection)
        found: defaultdict[str, Fraction] = defaultdict(Fraction)
        for name, number in connection.execute(query):
            found[name] += Fraction(most.get(number, _NOTHING))
    return dict(found)


class _Points(NamedTuple):
    """A notebook's points, and whether a cell of it waits for a person."""

    earned: Decimal
    review: bool


class _Edits(NamedTuple):
    """What edits outside the answers cost, in percent, and whether somebody has to decide."""

    percent: Fraction
    open: bool


def _score(
    course: Course,
    window: Window,
    rows: list[Row[Any]],
    points: Mapping[str, _Points],
    most: Mapping[str, Decimal],
    edits: _Edits | None,
) -> Score:
    received = rows[0].timestamp and rows[0].timestamp.replace(tzinfo=UTC)
    kept = credit(course.late, lateness(window, received)) if received else Decimal(1)
    score = of = Fraction(0)
    for row in rows:
        earned = Fraction(points[row.notebook].earned)
        possible = Fraction(most.get(row.notebook_id, _NOTHING))
        late, off = exact_deduction(
            earned, possible, credit=kept, cap=course.edits.cap,
            percent=edits.percent if edits else Fraction(0),
        )  # fmt: skip
        score += earned - late - off
        of += possible
    review = any(points[row.notebook].review for row in rows) or bool(edits and edits.open)
    return Score(score, of, received, review)


def _hand_ins(connection: Connection, student: str | None) -> list[Row[Any]]:
    query = select(
        submitted.c.student_id, assignment.c.name.label("assignment"), submitted.c.timestamp,
        of_notebook.c.id.label("notebook"), of_notebook.c.notebook_id,
    ).select_from(_SUBMITTED)  # fmt: skip
    return list(connection.execute(_of(query, student)))


def _points(connection: Connection, only: list[Row[Any]] | None) -> dict[str, _Points]:
    """The points of each notebook that was graded at all, counted as nbgrader does.

    Args:
        connection: The gradebook's.
        only: What `_hand_ins` found, where no others are wanted.
    """
    query = select(
        grade.c.notebook_id, grade.c.auto_score, grade.c.manual_score, grade.c.extra_credit,
        grade.c.needs_manual_grade,
    )  # fmt: skip
    if only is not None:
        # By their cells too: with these the table's index begins, and without it a class is read.
        sources = {row.notebook_id for row in only}
        cells = select(base_cell.c.id).where(base_cell.c.notebook_id.in_(sources))
        query = query.where(
            grade.c.cell_id.in_(cells),
            grade.c.notebook_id.in_({row.notebook for row in only}),
        )
    earned: defaultdict[str, Decimal] = defaultdict(lambda: _NOTHING)
    review, graded = set(), set()
    for name, auto, manual, extra, needs_person in connection.execute(query):
        given = auto if manual is None else manual
        if given is not None:
            graded.add(name)
            earned[name] = _EXACT.add(earned[name], _decimal(given))
            if extra:
                earned[name] = _EXACT.add(earned[name], _decimal(extra))
        if needs_person:
            review.add(name)
    return {name: _Points(earned[name], name in review) for name in graded}


def _most(connection: Connection) -> dict[str, Decimal]:
    """The points that each notebook of the source is worth."""
    most: defaultdict[str, Decimal] = defaultdict(lambda: _NOTHING)
    cells = base_cell.outerjoin(grade_cells, grade_cells.c.id == base_cell.c.id).outerjoin(
        task_cells, task_cells.c.id == base_cell.c.id
    )
    query = select(
        base_cell.c.notebook_id, grade_cells.c.max_score, task_cells.c.max_score.label("of_task")
    ).select_from(cells)
    for name, of_grade, of_task in connection.execute(query):
        for points in (of_grade, of_task):
            if points:
                most[name] = _EXACT.add(most[name], _decimal(points))
    return most


def _edits(connection: Connection, course: Course, student: str | None) -> dict[Key, _Edits]:
    """By the rules of `edits.Edited`, of a whole class at once."""
    decided: dict[Key, Row[Any]] = {
        (row.student, row.assignment): row
        for row in connection.execute(_about(select(*decision.c), decision, student))
    }
    found = _about(select(*report.c).where(report.c.edits != "[]"), report, student)
    return {
        (row.student, row.assignment): _decided(
            course, row.edits, decided.get((row.student, row.assignment))
        )
        for row in connection.execute(found)
    }


def _decided(course: Course, text: str, last: Row[Any] | None) -> _Edits:
    if last and last.edits == hashlib.sha256(text.encode()).hexdigest():
        return _Edits(Fraction(_decimal(last.percent)), open=False)
    proposal = course.edits.deduction(len(json.loads(text)))
    return _Edits(Fraction(0), open=proposal > 0 or last is not None)


_SUBMITTED = submitted.join(assignment, assignment.c.id == submitted.c.assignment_id).join(
    of_notebook, and_(of_notebook.c.assignment_id == submitted.c.id)
)


def _of(query: Select[Any], student: str | None) -> Select[Any]:
    return query if student is None else query.where(submitted.c.student_id == student)


def _about(query: Select[Any], of: TableClause, student: str | None) -> Select[Any]:
    return query if student is None else query.where(of.c.student == student)


@lru_cache(maxsize=4096)  # a class has few different ones
def _decimal(points: float) -> Decimal:
    """A float as it is written: 0.1 is a tenth."""
    return Decimal(repr(float(points)))


def _is_there(engine: Engine) -> bool:
    """Whether there is a gradebook with all its tables; asking SQLite must not make a file."""
    url = engine.url
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        return False
    return {each.name for each in TABLES} <= set(inspect(engine).get_table_names())
