"""What the gradebook says of people's work, for the course pages: read only, in a few queries.

nbgrader's own objects ask the database anew for every cell; here a student costs five queries and
so does a class. It needs no nbgrader, which the course service does not have, and it reads the
columns of `COLUMNS` alone: in the deployed form the role `course` may read no others, so that no
source, and with it no hidden test, can reach a page.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    TableClause,
    Text,
    and_,
    case,
    cast,
    column,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
    table,
)

from coursehub.instant import Instant

COLUMNS = {
    "assignment": ("id", "name"),
    "notebook": ("id", "name", "assignment_id"),
    "base_cell": ("id", "name", "notebook_id"),
    "grade_cells": ("id", "max_score", "cell_type"),
    "task_cells": ("id", "max_score"),
    "submitted_assignment": ("id", "assignment_id", "student_id", "timestamp"),
    "submitted_notebook": ("id", "assignment_id", "notebook_id"),
    "grade": (
        "cell_id", "notebook_id", "auto_score", "manual_score", "extra_credit",
        "needs_manual_grade",
    ),
    "hand_in_report": ("assignment", "student", "edits", "notebook"),
    "edit_decision": ("assignment", "student", "edits", "verb", "percent", "reason", "who", "at"),
}  # fmt: skip
"""What is read, by table; `access` lets the role `course` read exactly this."""


def _table(name: str) -> TableClause:
    return table(name, *(column(each) for each in COLUMNS[name]))


assignment, notebook, base_cell = _table("assignment"), _table("notebook"), _table("base_cell")
grade_cells, task_cells, grade = _table("grade_cells"), _table("task_cells"), _table("grade")
submitted, of_notebook = _table("submitted_assignment"), _table("submitted_notebook")
report, decision = _table("hand_in_report"), _table("edit_decision")


@dataclass(frozen=True)
class CellScore:
    """One cell that earns points.

    Attributes:
        name: nbgrader's grade id.
        score: What counts: a person's points where there are any, else the tests'.
        most: The points that could be earned.
        open: Whether a person still has to look.
    """

    name: str
    score: float
    most: float
    open: bool


@dataclass(frozen=True)
class Found:
    """One edit outside the answers: its kind, its cell, a sentence and maybe a diff below it."""

    kind: str
    cell: str
    text: str


@dataclass(frozen=True)
class Edits:
    """The edits outside the answers of one hand-in, and what was decided about these very edits.

    Attributes:
        found: The edits.
        verb: ``accepted``, ``waived`` or ``other``; None while nobody has decided.
        percent: What is taken off, of the assignment's marks.
        reason: Why, for the student.
        who: Who decided.
        at: When.
        again: Whether somebody decided about other edits, before it was graded anew.
        digest: Of the edits; a decision names it.
    """

    found: tuple[Found, ...]
    verb: str | None = None
    percent: float = 0.0
    reason: str = ""
    who: str = ""
    at: datetime | None = None
    again: bool = False
    digest: str = ""


NO_EDITS = Edits(())


@dataclass(frozen=True)
class Standing:
    """What the gradebook has of one student's hand-in of one assignment.

    Attributes:
        student: User name.
        assignment: Its name.
        received: The stamp of the hand-in that was graded, in UTC.
        notebook: nbgrader's id of the graded notebook; the formgrader's address ends in it.
        score: The points earned, before anything is taken off.
        most: The points that could be earned.
        graded: Whether the tests have given points.
        open: Whether a person still has to look at a cell.
        cells: The cells; empty where a whole class was asked for.
        edits: Edits outside the answers.
    """

    student: str
    assignment: str
    received: datetime | None
    notebook: str
    score: float
    most: float
    graded: bool
    open: bool
    cells: tuple[CellScore, ...] = ()
    edits: Edits = NO_EDITS


@dataclass(frozen=True)
class CellFigures:
    """How a class did on one cell.

    Attributes:
        name: nbgrader's grade id.
        most: The points that could be earned.
        mean: The mean of what was earned.
        graded: How many hand-ins have points for it.
        full: How many earned all of them.
        none: How many earned nothing.
    """

    name: str
    most: float
    mean: float
    graded: int
    full: int
    none: int


class Scores:
    """Reads a gradebook.

    The joins are made here: a planner that knows nothing of the tables' sizes, like SQLite's, would
    go through all grades of all assignments.
    """

    def __init__(self, url: str) -> None:
        """Read the gradebook at `url` (SQLAlchemy's); SQLite's need not be there yet."""
        self._engine = reader(url)
        self._complete = False

    def of(self, student: str) -> dict[str, Standing]:
        """A student's standings, cell by cell, by assignment. Five queries."""
        if not self._there():
            return {}
        with self._engine.connect() as connection:
            mine = _hand_ins(connection, submitted.c.student_id == student)
            cells = _cells(connection, [row.source for row in mine])
            grades: dict[str, list[Row[Any]]] = {row.notebook: [] for row in mine}
            query = select(*_GRADE, grade.c.notebook_id, grade.c.cell_id).where(
                grade.c.cell_id.in_(cells), grade.c.notebook_id.in_(grades)
            )
            for row in connection.execute(query):
                grades[row.notebook_id].append(row)
            edits = _edits(connection, student=student)
        return {
            row.assignment: _standing(
                row, cells, grades[row.notebook], edits.get((row.assignment, student), NO_EDITS)
            )
            for row in mine
        }

    def of_class(self, name: str) -> dict[str, Standing]:
        """The standings of all hand-ins of an assignment, by user name. Five queries."""
        if not self._there():
            return {}
        with self._engine.connect() as connection:
            rows = _hand_ins(connection, assignment.c.name == name)
            cells = _cells(connection, {row.source for row in rows})
            sums = (
                grade.c.notebook_id,
                func.sum(_SCORE).label("score"),
                func.count(grade.c.auto_score).label("graded"),
                func.count(case((_OPEN, 1))).label("open"),
            )
            query = select(*sums).where(grade.c.cell_id.in_(cells)).group_by(grade.c.notebook_id)
            summed = {row.notebook_id: row for row in connection.execute(query)}
            edits = _edits(connection, assignment=name)
        most = sum(cell.most for cell in cells.values())
        return {
            row.student_id: Standing(
                row.student_id, name, _aware(row.timestamp), row.notebook,
                float(found.score), most, found.graded > 0, found.open > 0,
                edits=edits.get((name, row.student_id), NO_EDITS),
            )
            for row in rows
            if (found := summed.get(row.notebook))
        }  # fmt: skip

    def of_cells(self, name: str) -> list[CellFigures]:
        """How the class did on each cell of an assignment. Two queries."""
        if not self._there():
            return []
        with self._engine.connect() as connection:
            cells = _cells(connection, select(notebook.c.id).select_from(_NOTEBOOKS).where(
                assignment.c.name == name))  # fmt: skip
            most = case({key: cell.most for key, cell in cells.items()}, value=grade.c.cell_id)
            sums = (
                grade.c.cell_id,
                func.avg(_SCORE).label("mean"),
                func.count().label("graded"),
                func.count(case((most <= _SCORE, 1))).label("full"),
                func.count(case((_SCORE <= 0, 1))).label("none"),
            )
            query = select(*sums).where(grade.c.cell_id.in_(cells), _GIVEN.is_not(None))
            rows = connection.execute(query.group_by(grade.c.cell_id)).all() if cells else []
        return [
            CellFigures(
                cells[row.cell_id].name, cells[row.cell_id].most, float(row.mean), row.graded,
                row.full, row.none,
            )
            for row in rows
        ]  # fmt: skip

    def graded(self) -> dict[str, int]:
        """How many hand-ins have points from tests, by assignment. Two queries.

        It looks at one test of each notebook: grading gives points to all of them or none.
        """
        if not self._there():
            return {}
        tests = (
            select(assignment.c.name, func.min(base_cell.c.id).label("cell"))
            .select_from(_NOTEBOOKS.join(base_cell, base_cell.c.notebook_id == notebook.c.id).join(
                grade_cells, grade_cells.c.id == base_cell.c.id))
            .where(cast(grade_cells.c.cell_type, Text) == "code").group_by(assignment.c.name)
        )  # fmt: skip
        with self._engine.connect() as connection:
            cells = {row.cell: row.name for row in connection.execute(tests)}
            query = (
                select(grade.c.cell_id, func.count().label("hand_ins"))
                .where(grade.c.cell_id.in_(cells), grade.c.auto_score.is_not(None))
                .group_by(grade.c.cell_id)
            )
            return {cells[row.cell_id]: row.hand_ins for row in connection.execute(query)}

    def _there(self) -> bool:
        """Whether there is a gradebook with all of its tables: before a release there is none."""
        if not self._complete:
            if self._engine.dialect.name == "sqlite" and not _exists(self._engine):
                return False
            self._complete = set(COLUMNS) <= set(inspect(self._engine).get_table_names())
        return self._complete


_GIVEN: Any = func.coalesce(grade.c.manual_score, grade.c.auto_score)
_SCORE: Any = case(
    (_GIVEN.is_not(None), _GIVEN + func.coalesce(grade.c.extra_credit, 0.0)), else_=0.0
)
"""As nbgrader counts (`Grade.score`)."""

_OPEN: Any = grade.c.needs_manual_grade.is_(True)
_GRADE = (_SCORE.label("score"), grade.c.auto_score, grade.c.needs_manual_grade)
_NOTEBOOKS = notebook.join(assignment, assignment.c.id == notebook.c.assignment_id)


class _Cell(NamedTuple):
    name: str
    most: float


def _hand_ins(connection: Connection, which: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """Graded hand-ins: whose, of what, when, the id of the graded notebook and of its source."""
    query = select(
        submitted.c.student_id,
        assignment.c.name.label("assignment"),
        submitted.c.timestamp,
        of_notebook.c.id.label("notebook"),
        of_notebook.c.notebook_id.label("source"),
    ).select_from(
        submitted
        .join(assignment, assignment.c.id == submitted.c.assignment_id)
        .join(notebook, notebook.c.assignment_id == assignment.c.id)
        .join(
            of_notebook,
            and_(
                of_notebook.c.notebook_id == notebook.c.id,
                of_notebook.c.assignment_id == submitted.c.id,
            ),
        )
    )  # fmt: skip
    return connection.execute(query.where(which)).all()


def _cells(connection: Connection, notebooks: Any) -> dict[str, _Cell]:
    """nbgrader's id -> the cells that earn points, of the notebooks of these ids."""
    worth = func.coalesce(grade_cells.c.max_score, task_cells.c.max_score)
    query = (
        select(base_cell.c.id, base_cell.c.name, worth.label("most"))
        .select_from(
            base_cell
            .outerjoin(grade_cells, grade_cells.c.id == base_cell.c.id)
            .outerjoin(task_cells, task_cells.c.id == base_cell.c.id)
        )
        .where(base_cell.c.notebook_id.in_(notebooks), worth.is_not(None))
    )  # fmt: skip
    return {row.id: _Cell(row.name, float(row.most)) for row in connection.execute(query)}


def _standing(
    row: Row[Any], cells: Mapping[str, _Cell], grades: Sequence[Row[Any]], edits: Edits
) -> Standing:
    scores = tuple(
        CellScore(
            cells[each.cell_id].name, float(each.score), cells[each.cell_id].most,
            bool(each.needs_manual_grade),
        )
        for each in grades
    )  # fmt: skip
    return Standing(
        row.student_id, row.assignment, _aware(row.timestamp), row.notebook,
        score=sum(each.score for each in scores),
        most=sum(each.most for each in scores),
        graded=any(each.auto_score is not None for each in grades),
        open=any(each.open for each in scores),
        cells=scores,
        edits=edits,
    )  # fmt: skip


def _edits(
    connection: Connection, *, assignment: str | None = None, student: str | None = None
) -> dict[tuple[str, str], Edits]:
    """What was found and decided, by assignment and student; of those that are named."""

    def chosen(of: TableClause) -> Select[Any]:
        query = select(*of.c)
        for name, value in (("assignment", assignment), ("student", student)):
            query = query if value is None else query.where(of.c[name] == value)
        return query

    found = connection.execute(chosen(report).where(report.c.edits != "[]")).all()
    decided = {row[:2]: row for row in connection.execute(chosen(decision))}
    return {row[:2]: _decided(row.edits, decided.get(row[:2])) for row in found}


def _decided(text: str, last: Row[Any] | None) -> Edits:
    found = tuple(Found(**each) for each in json.loads(text))
    digest = hashlib.sha256(text.encode()).hexdigest()
    if last is None:
        return Edits(found, digest=digest)
    if last.edits != digest:
        return Edits(found, again=True, digest=digest)
    said = (last.verb, last.percent, last.reason, last.who, _instant(last.at))
    return Edits(found, *said, digest=digest)


def _instant(value: Any) -> datetime | None:
    """An instant of an untyped column: SQLite gives text."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return Instant().process_result_value(moment, None)  # type: ignore[arg-type]


def _aware(value: Any) -> datetime | None:
    """nbgrader keeps naive UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment and moment.replace(tzinfo=UTC)


def reader(url: str) -> Engine:
    """Open the gradebook at `url` (SQLAlchemy's) to read it; in SQLite nothing can be written."""
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    engine = create_engine(url)
    event.listen(engine, "connect", _read_only)
    return engine


def _read_only(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()


def _exists(engine: Engine) -> bool:
    """Whether SQLite's file is there: opening it would make one."""
    return Path(str(engine.url.database)).exists()


def as_grants() -> Mapping[str, str]:
    """Table -> the SQL that lets the role `course` read what is read here."""
    return {
        name: f'GRANT SELECT ({", ".join(columns)}) ON "{name}" TO course;'
        for name, columns in COLUMNS.items()
    }
