"""From what the cells gave to a verdict: points, what people should see, who decides."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from nbformat import NotebookNode

from coursehub.course.model import EditPolicy
from coursehub.grading.audit import proposed_penalty
from coursehub.grading.intake import Submission
from coursehub.grading.rebuild import Rebuilt
from coursehub.grading.verdict import CellResult, Finding, Verdict

TO_REVIEW = {"unprotected", "needed"}
"""Findings for which a person has to look at the hand-in, though its points stand."""


def judged(
    name: str,
    submission: Submission,
    rebuilt: Mapping[str, Rebuilt],
    results: Mapping[str, Sequence[CellResult]],
    policy: EditPolicy,
    seconds: float,
) -> Verdict:
    """Return the verdict on a hand-in that was run.

    Args:
        name: The hand-in's, as it was given.
        submission: What was read.
        rebuilt: Notebook -> what was run.
        results: Notebook -> what its cells gave.
        policy: What follows from edits outside the answers.
        seconds: What it all took.
    """
    key = cell_key({name: each.notebook for name, each in rebuilt.items()})
    tested = {
        key(notebook, result.cell): result
        for notebook, each in results.items()
        for result in each
        if result.kind == "test"
    }
    by_tests = {cell: result for cell, result in tested.items() if result.points is not None}
    left = tuple(cell for cell in tested if cell not in by_tests)
    findings = [*submission.findings]
    for each in rebuilt.values():
        findings += each.findings
    findings += _doubts(results)
    findings += _proposed(findings, policy)
    why = _to_review(findings, left)
    return Verdict(
        submission=name,
        status="needs_review" if why else "graded",
        reason=f"{_passed(by_tests.values())} {why}".rstrip(),
        points={cell: float(result.points or 0) for cell, result in by_tests.items()},
        max_points={cell: float(result.max_points) for cell, result in by_tests.items()},
        manual=(*_manual(rebuilt), *left),
        findings=tuple(findings),
        seconds=seconds,
        cells=tuple(result for each in results.values() for result in each),
    )


def rejected(name: str, blank: Mapping[str, Rebuilt], reason: str, seconds: float) -> Verdict:
    """Return the verdict on a hand-in that cannot be read: no points, and a reason.

    Args:
        name: The hand-in's, as it was given.
        blank: Notebook -> the source's own, as if nothing had been handed in.
        reason: Why, for the student.
        seconds: What finding that out took.
    """
    key = cell_key({name: each.notebook for name, each in blank.items()})
    tests = [(each, step) for each in blank for step in blank[each].steps if step.kind == "test"]
    worth = {key(each, step.cell): float(step.points) for each, step in tests if not step.manual}
    left = [key(each, step.cell) for each, step in tests if step.manual]
    return Verdict(
        submission=name,
        status="rejected",
        reason=reason,
        points=dict.fromkeys(worth, 0.0),
        max_points=worth,
        manual=(*_manual(blank), *left),
        findings=(),
        seconds=seconds,
        cells=(),
    )


def _doubts(results: Mapping[str, Sequence[CellResult]]) -> Iterator[Finding]:
    """What ran beside the answers."""
    for each in results.values():
        for result in each:
            if result.doubt:
                yield Finding("unprotected", result.cell, result.doubt)


def _proposed(findings: Sequence[Finding], policy: EditPolicy) -> list[Finding]:
    """What the policy would take off, for staff to decide."""
    percent = proposed_penalty(findings, policy)
    text = f"For the edits outside the answers, {percent:g} percent of the marks may be taken off."
    return [Finding("penalty", "", text)] if percent else []


def _to_review(findings: Sequence[Finding], left: Sequence[str]) -> str:
    """Why a person has to look at it, or nothing."""
    if left:
        return f"Not judged by the tests alone: {', '.join(left)}. Staff will look at it."
    beside = [each.cell for each in findings if each.kind == "unprotected"]
    if beside:
        what = f"the test {beside[0]}" if len(beside) == 1 else f"the tests {', '.join(beside)}"
        return f"Staff will look at it, since {what} had to be run beside your code."
    doubts = [each.text for each in findings if each.kind in TO_REVIEW]
    return doubts[0] if doubts else ""


def _passed(judged: Collection[CellResult]) -> str:
    """How many tests gave all their points, for the student."""
    passed = sum(result.points == result.max_points for result in judged)
    return f"{passed} of {len(judged)} tests passed."


def _manual(rebuilt: Mapping[str, Rebuilt]) -> tuple[str, ...]:
    """The cells that a person grades: written and free answers, and tasks."""
    notebooks = {name: each.notebook for name, each in rebuilt.items()}
    key = cell_key(notebooks)
    return tuple(
        key(name, marks["grade_id"])
        for name, notebook in notebooks.items()
        for cell in notebook.cells
        if (marks := cell.metadata.get("nbgrader"))
        and ((marks.get("grade") and marks.get("solution")) or marks.get("task"))
    )


def cell_key(notebooks: Mapping[str, NotebookNode]) -> Callable[[str, str], str]:
    """How a verdict names cells: by grade id, with the notebook's name where ids repeat."""
    ids = Counter(
        cell.metadata["nbgrader"]["grade_id"]
        for notebook in notebooks.values()
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade_id")
    )
    return lambda notebook, cell: f"{notebook}/{cell}" if ids[cell] > 1 else cell
