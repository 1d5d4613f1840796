"""The visible tests alone: what a student may know of a hand-in before the deadline."""

import copy
from dataclasses import replace
from typing import Any

from nbformat import NotebookNode

from coursehub.course.tasks import tests_something
from coursehub.grading.marks import marks_of, released_text
from coursehub.grading.outcome import cell_key
from coursehub.grading.pipeline import Graded
from coursehub.grading.plan import kind_of, name_of, parse
from coursehub.grading.source import Source, language_of

SEED = 0
"""Of `fresh_seed`, as in the student's own notebook."""

_LONGEST = 2000  # characters of a message


def visible_part(source: Source) -> Source:
    """The assignment without hidden tests: the test cells are those that students received.

    Raises:
        CourseHubError: A region of the source is opened twice, or never closed.
    """
    parts = {name: _visible_notebook(notebook) for name, notebook in source.notebooks.items()}
    return replace(source, notebooks=parts)


def report(source: Source, graded: Graded) -> dict[str, Any]:
    """What a student is told; plain values.

    Args:
        source: The instructor's version, hidden tests included: by it alone is known what is
            hidden. Nothing of its text is in the report.
        graded: What grading against `visible_part(source)` gave.

    Returns:
        ``status`` and ``reason`` as in a verdict; ``tests``, one a test cell with something
        visible: ``name``, ``passed``, ``message``, and ``points`` of ``max_points``, which are
        None where a part is hidden; ``hidden``, the points that hidden tests decide.
    """
    key = cell_key(graded.notebooks)
    results = {
        key(name, cell.cell): cell for name, cells in graded.results.items() for cell in cells
    }
    tests, hidden = [], 0.0
    for name, notebook in source.notebooks.items():
        for cell in notebook.cells:
            if kind_of(cell) != "test":
                continue
            shown = released_text(cell, language_of(notebook))
            part = shown != cell.source
            marks = marks_of(cell)
            worth = marks.points if marks else 0.0
            hidden += worth if part else 0.0
            result = results.get(key(name, name_of(cell)))
            if result is None or (part and not tests_something(parse(shown))):
                continue
            passed = result.points is not None and result.points >= result.max_points
            tests.append(
                {
                    "name": result.cell,
                    "passed": passed,
                    "message": "" if passed or result.private else result.message[:_LONGEST],
                    "points": None if part else result.points,
                    "max_points": None if part else worth,
                }
            )
    verdict = graded.verdict
    reason = verdict.reason if verdict.status == "rejected" else ""
    return {"status": verdict.status, "reason": reason, "tests": tests, "hidden": hidden}


def _visible_notebook(notebook: NotebookNode) -> NotebookNode:
    visible = copy.deepcopy(notebook)
    for cell in visible.cells:
        # Answers are replaced by the student's; what they define is known by the solution.
        if kind_of(cell) != "answer":
            cell.source = released_text(cell, language_of(notebook))
    return visible
