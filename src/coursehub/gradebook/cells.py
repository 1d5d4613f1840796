"""The gradebook's cells kept like the source's, when a source is corrected after grading began.

nbgrader learns of cells when the students' version is generated, and refuses to once there are
hand-ins. Here the points of a test may change, and cells may come and go, at any time: the next
generating or autograding brings the gradebook up to date. What a person gave is never lost.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from nbformat.notebooknode import NotebookNode
from nbgrader import preprocessors, utils
from nbgrader.api import (
    Comment,
    Grade,
    GradeCell,
    MissingEntry,
    Notebook,
    SolutionCell,
    SourceCell,
    TaskCell,
)
from sqlalchemy.exc import IntegrityError

from coursehub.gradebook.edits import same_answers
from coursehub.gradebook.sync import CourseStep
from coursehub.handover import SAME_ANSWERS

Cells = dict[str, NotebookNode]


class SyncCells(CourseStep):
    """Brings the cells up to date, and says whether these answers were graded before."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Do so; the notebook stays as it is."""
        names = resources["nbgrader"]
        where = (names["assignment"], names["notebook"], names["student"])
        with self.gradebook(resources) as gradebook:
            resources[SAME_ANSWERS] = same_answers(gradebook, where, answers_digest(nb))
            notebook = gradebook.find_notebook(names["notebook"], names["assignment"])
            try:
                sync_cells(gradebook.db, notebook, nb)
                gradebook.db.commit()
            except IntegrityError:  # somebody else does it at this very moment
                gradebook.db.rollback()
        return nb, resources


class SaveCells(preprocessors.SaveCells):
    """nbgrader's own step when the students' version is generated, also when there are hand-ins."""

    def _create_notebook(self, nb: NotebookNode) -> None:
        try:
            notebook = self.gradebook.find_notebook(self.notebook_id, self.assignment_id)
        except MissingEntry:
            notebook = None
        if notebook and notebook.submissions:
            sync_cells(self.gradebook.db, notebook, nb)
            self.gradebook.db.commit()
            # With the cells that are kept for what a person gave, all are known to stock.
            for cells, new in (
                (notebook.grade_cells, self.new_grade_cells),
                (notebook.task_cells, self.new_task_cells),
                (notebook.solution_cells, self.new_solution_cells),
            ):
                for cell in cells:
                    new.setdefault(cell.name, {})
        super()._create_notebook(nb)


def answers_digest(nb: NotebookNode) -> str:
    """A digest of what the student wrote."""
    answers = [
        [cell.metadata.nbgrader.grade_id, cell.source]
        for cell in nb.cells
        if utils.is_solution(cell) or utils.is_task(cell)
    ]
    return hashlib.sha256(json.dumps(answers).encode()).hexdigest()


def sync_cells(db: Any, notebook: Notebook, nb: NotebookNode) -> None:
    """Give `notebook` the cells and points that the source `nb` has.

    A cell that is gone goes, with the points that tests gave. Where a person gave points or wrote
    a comment it stays, and is worth nothing any more.
    """
    marked = [cell for cell in nb.cells if utils.is_locked(cell) or _kinds(cell)]
    wanted = {kind: _of_kind(marked, kind) for kind in (GradeCell, TaskCell, SolutionCell)}
    for kind, cells in wanted.items():
        known = {each.name: each for each in notebook._base_cells if type(each) is kind}
        for name in known.keys() - cells.keys():
            _remove(db, known[name])
        for name, cell in cells.items():
            _update(known[name], cell) if name in known else _add(db, notebook, kind, cell)
    _sync_sources(db, notebook, {cell.metadata.nbgrader.grade_id: cell for cell in marked})


def _kinds(cell: NotebookNode) -> list[type]:
    """What nbgrader keeps of a cell, apart from its text."""
    if utils.is_task(cell):
        return [TaskCell]
    graded = [GradeCell] if utils.is_grade(cell) else []
    return graded + ([SolutionCell] if utils.is_solution(cell) else [])


def _of_kind(marked: list[NotebookNode], kind: type) -> Cells:
    return {cell.metadata.nbgrader.grade_id: cell for cell in marked if kind in _kinds(cell)}


def _update(known: Any, cell: NotebookNode) -> None:
    if type(known) is SolutionCell:
        return
    points = float(cell.metadata.nbgrader.points)
    if known.max_score != points:
        known.max_score = points
        for grade in known.grades:
            # What a person gave was out of other points.
            grade.needs_manual_grade |= grade.manual_score is not None


def _add(db: Any, notebook: Notebook, kind: type, cell: NotebookNode) -> None:
    marks = cell.metadata.nbgrader
    worth = {} if kind is SolutionCell else {"max_score": float(marks.points)}
    worth |= {} if kind is SolutionCell else {"cell_type": cell.cell_type}
    added = kind(name=marks.grade_id, notebook=notebook, **worth)
    db.add(added)
    db.flush()
    for submitted in notebook.submissions:
        if kind is not SolutionCell:
            db.add(Grade(cell_id=added.id, notebook=submitted))
        if kind is not GradeCell:
            db.add(Comment(cell_id=added.id, notebook=submitted))


def _remove(db: Any, cell: Any) -> None:
    given = list(_given(cell))
    kept = [each for each in given if _by_hand(each)]
    for each in given:
        if each not in kept:
            db.delete(each)
        elif isinstance(each, Grade):
            each.auto_score = 0.0
    if kept:
        if type(cell) is not SolutionCell:
            cell.max_score = 0
    else:
        db.flush()
        db.delete(cell)


def _given(cell: Any) -> Iterator[Any]:
    """All grades and comments of a cell."""
    yield from cell.grades or ()
    yield from cell.comments or ()


def _by_hand(given: Any) -> bool:
    if isinstance(given, Grade):
        return given.manual_score is not None or bool(given.extra_credit)
    return bool(given.manual_comment)


def _sync_sources(db: Any, notebook: Notebook, marked: Cells) -> None:
    """Which texts there are; those that students were given stay, answers are compared to them."""
    known = {each.name: each for each in notebook.source_cells}
    for name in known.keys() - marked.keys():
        db.delete(known[name])
    for name in marked.keys() - known.keys():
        cell = marked[name]
        about = {"cell_type": cell.cell_type, "locked": utils.is_locked(cell)}
        db.add(SourceCell(name=name, notebook=notebook, source=cell.source, **about))
