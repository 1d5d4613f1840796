"""What a second autograding changed: points before and after, cell by cell."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from nbgrader.api import Grade, Gradebook, MissingEntry
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Points:
    """What one cell or task has: automatic points, points by hand, extra, and the most."""

    auto: float | None
    manual: float | None
    extra: float
    most: float

    @property
    def by_hand(self) -> bool:
        """Whether a person gave any of it."""
        return self.manual is not None or bool(self.extra)

    def __str__(self) -> str:
        """Say the automatic points."""
        return f"{'none' if self.auto is None else f'{self.auto:g}'} of {self.most:g}"


@dataclass(frozen=True)
class Standing:
    """One student's points: cell by cell, and the total after everything that is taken off."""

    cells: Mapping[str, Points] = field(default_factory=dict)
    total: float = 0.0


Standings = Mapping[str, Standing]
"""Student -> points."""


def standings(gradebook: Gradebook, assignment: str, students: Sequence[str]) -> Standings:
    """The points of some students, as they are now; who has none is left out."""
    found = {}
    for student in students:
        with suppress(MissingEntry):
            submission = gradebook.find_submission(assignment, student)
            several = len(submission.notebooks) > 1
            cells = {
                f"{notebook.name}/{grade.name}" if several else grade.name: _points(grade)
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
            total = submission.score - (submission.late_submission_penalty or 0.0)
            found[student] = Standing(cells, total)
    return found


def changes(before: Standings, after: Standings) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield what changed: student, cell or "total", before, now, and a remark.

    Automatic points count, and the points that there are; what a person gave stays, as the remark
    says.
    """
    for student, now in after.items():
        was = before.get(student, Standing())
        rows = [
            (student, cell, *_said(was.cells.get(cell), now.cells.get(cell)))
            for cell in {**was.cells, **now.cells}
            if was.cells.get(cell) != now.cells.get(cell)
        ]
        moved = abs(was.total - now.total) > _TOLERANCE
        yield from rows
        if rows or moved:
            yield student, "total", f"{was.total:g}", f"{now.total:g}", "" if moved else "same"


def show_changes(before: Standings, after: Standings, console: Console | None = None) -> None:
    """Print them as a table."""
    rows = list(changes(before, after))
    console = console or Console()
    if not rows:
        console.print("No points changed.")
        return
    table = Table("Student", "Cell or task", "Before", "Now", "", box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*map(escape, row), end_section=row[1] == "total")
    console.print(table)


def _points(grade: Grade) -> Points:
    return Points(grade.auto_score, grade.manual_score, grade.extra_credit or 0.0, grade.max_score)


def _said(was: Points | None, now: Points | None) -> tuple[str, str, str]:
    remarks = []
    if now is None:
        remarks.append("no longer in the source")
    elif was is None:
        remarks.append("new in the source")
    elif not now.most and was.most:
        remarks.append("no longer in the source")
    if now and now.by_hand:
        remarks.append(f"kept: set by hand ({_hand(now)})")
    return str(was or "—"), str(now or "—"), "; ".join(remarks)


def _hand(points: Points) -> str:
    given = [f"{points.manual:g}"] if points.manual is not None else []
    return " ".join([*given, f"+ {points.extra:g} extra"] if points.extra else given)
