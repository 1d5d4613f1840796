"""A miniature course in nbgrader's own layout: one small notebook, many students, no hub."""

import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook

from coursehub.cli.compose import nbgrader_config
from coursehub.exchange.exchange import Exchange
from coursehub.grading import runner
from tests.deployment import Deployment

ASSIGNMENT = "assignment_1"
HIDDEN = "assert double(21) == 42, 'twice 21 is 42'"

ANSWER = """def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION"""
TEST = "assert double(2) == 4\nprint('passed')"
HIDDEN_TEST = (
    f"print('more')\n### BEGIN HIDDEN TESTS\n{HIDDEN}\n### END HIDDEN TESTS\nprint('passed')"
)


def marks(grade_id: str, *, points: int = 0, solution: bool = False) -> dict[str, object]:
    return {
        "nbgrader": {
            "grade": points > 0,
            "grade_id": grade_id,
            "locked": not solution,
            "points": points,
            "schema_version": 3,
            "solution": solution,
            "task": False,
        }
    }


def source_notebook() -> NotebookNode:
    """An answer, a visible test (2 points), a hidden one (3), a written question (5)."""
    cells = [
        new_code_cell(ANSWER, metadata=marks("answer", solution=True)),
        new_code_cell(TEST, metadata=marks("visible", points=2)),
        new_code_cell(HIDDEN_TEST, metadata=marks("hidden", points=3)),
        new_markdown_cell("Why?", metadata=marks("written", points=5, solution=True)),
    ]
    for cell in cells:
        cell.id = cell.metadata.nbgrader.grade_id
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return new_notebook(cells=cells, metadata=kernel)


class Miniature:
    """The course folder of a deployment, with hand-ins put where `collect` would put them."""

    def __init__(self, deployment: Deployment, notebook: NotebookNode | None = None) -> None:
        """Release `notebook`, or the small one."""
        self.outcome: dict[str, runner.Graded] = {}
        self.settings = deployment.settings
        self.roster = deployment.roster
        self.make_config = partial(nbgrader_config, self.settings)
        self.folder = Path(str(self.settings.course_dir))
        Exchange(self.settings)
        source = self.folder / "source" / ASSIGNMENT
        source.mkdir(parents=True)
        nbformat.write(notebook or source_notebook(), source / f"{ASSIGNMENT}.ipynb")
        runner.release(self.make_config, ASSIGNMENT)

    def released(self) -> NotebookNode:
        """The students' version."""
        path = self.folder / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        return nbformat.read(path, as_version=4)

    def collected(
        self,
        student: str,
        change: Callable[[NotebookNode], None] | None = None,
        *,
        answer: str = "def double(x):\n    return 2 * x",
        received: datetime | None = None,
        raw: bytes | None = None,
    ) -> None:
        """Put a hand-in of `student` into submitted/."""
        notebook = self.released()
        notebook.cells[0].source = answer
        if change:
            change(notebook)
        folder = self.folder / "submitted" / student / ASSIGNMENT
        folder.mkdir(parents=True)
        content = raw if raw is not None else nbformat.writes(notebook).encode()
        (folder / f"{ASSIGNMENT}.ipynb").write_bytes(content)
        stamp = (received or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
        (folder / "timestamp.txt").write_text(stamp)
        (folder / "submission_secret.txt").write_text(f"secret of {student}")

    def collected_again(self, student: str, *args: Any, **options: Any) -> None:
        """Put another hand-in of `student` in place of the one before."""
        shutil.rmtree(self.folder / "submitted" / student)
        self.collected(student, *args, **options)

    def autograde(self, students: Iterable[str]) -> dict[str, runner.Graded]:
        """Grade them, as `coursehub autograde` does."""
        log = self.settings.state / "autograde.log"
        graded = runner.autograde(self.make_config, ASSIGNMENT, list(students), log=log)
        return {each.student: each for each in graded}

    def points(self, student: str) -> dict[str, float | None]:
        """Grade id -> automatic points."""
        with self.gradebook() as gradebook:
            notebook = gradebook.find_submission_notebook(ASSIGNMENT, ASSIGNMENT, student)
            return {grade.name: grade.auto_score for grade in notebook.grades}

    def gradebook(self) -> Gradebook:
        """nbgrader's gradebook."""
        return Gradebook(self.settings.gradebook, "cs5260")
