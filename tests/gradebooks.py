"""A synthetic class in nbgrader's gradebook, written past its objects: a thousand are quick."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook
from sqlalchemy import Engine, MetaData, NullPool, create_engine

from coursehub.course.model import Course
from coursehub.gradebook.edits import metadata as edit_tables

DAY = datetime(2021, 2, 1, 12, tzinfo=UTC)
"""When everybody handed in, unless told otherwise: before the first deadline."""


def new_gradebook(url: str, course: Course) -> Engine:
    """An empty gradebook; nbgrader calls alembic to make one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        Gradebook(url, course.id).close()
    engine = create_engine(url, poolclass=NullPool)
    edit_tables.create_all(engine)
    return engine


class Class:
    """Writes a class's hand-ins into a gradebook; each assignment has some cells of equal worth."""

    def __init__(self, engine: Engine, course: Course, cells: int = 10, points: float = 1) -> None:
        """Write the assignments of `course`."""
        self.engine, self.course, self.cells = engine, course, cells
        self._tables = MetaData()
        self._tables.reflect(engine)
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in self._tables.tables}
        for each in course.assignments:
            name = each.name
            rows["assignment"].append({"id": name, "name": name, "course_id": course.id})
            rows["notebook"].append({"id": f"n-{name}", "name": name, "assignment_id": name})
            for cell in range(cells):
                key = {"id": f"c-{name}-{cell}"}
                rows["base_cell"].append(
                    {**key, "name": f"c{cell}", "notebook_id": f"n-{name}", "type": "GradeCell"}
                )
                rows["grade_cells"].append({**key, "max_score": points, "cell_type": "code"})
        self._write(rows)

    def hand_in(
        self,
        students: list[str],
        names: list[str],
        score: Callable[[str, str, int], dict[str, Any]],
        received: datetime = DAY,
    ) -> None:
        """Write graded hand-ins; `score` says the columns of each cell's grade."""
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in self._tables.tables}
        stamp = received.astimezone(UTC).replace(tzinfo=None)
        rows["student"] = [{"id": student} for student in students]
        for student in students:
            for name in names:
                hand_in, notebook = f"s-{student}-{name}", f"sn-{student}-{name}"
                rows["submitted_assignment"].append(
                    {"id": hand_in, "assignment_id": name, "student_id": student,
                     "timestamp": stamp}
                )  # fmt: skip
                rows["submitted_notebook"].append(
                    {"id": notebook, "assignment_id": hand_in, "notebook_id": f"n-{name}"}
                )
                for cell in range(self.cells):
                    usual = {"auto_score": None, "manual_score": None, "extra_credit": None,
                             "needs_manual_grade": False}  # fmt: skip
                    rows["grade"].append(
                        {"id": f"g-{student}-{name}-{cell}", "notebook_id": notebook,
                         "cell_id": f"c-{name}-{cell}", **usual, **score(student, name, cell)}
                    )  # fmt: skip
        self._write(rows)

    def write(self, table: str, **values: object) -> None:
        """Write one row of any table."""
        self._write({table: [values]})

    def _write(self, rows: dict[str, list[dict[str, Any]]]) -> None:
        with self.engine.begin() as connection:
            for name in (table.name for table in self._tables.sorted_tables):
                if rows.get(name):
                    connection.execute(self._tables.tables[name].insert(), rows[name])
