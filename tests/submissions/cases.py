"""The assignments of source/, their cases, and what of a verdict is not as a case expects."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from coursehub.grading.handin import read_notebook
from coursehub.grading.verdict import CellResult, Finding, Verdict
from coursehub.settings import CHECKOUT
from tests.submissions.handin import expectation

BY_TASK = ("alternative", "mutant")
"""The kinds of cases that are about one task, which their name begins with."""


@dataclass(frozen=True)
class Case:
    """A hand-in of an assignment, and what grading it must give.

    Attributes:
        folders: where its answers are; several when one hand-in has what is written for several
            tasks, all of one kind, or the reference and edits outside of it.
    """

    folders: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Its folders' names: what it is about."""
        return "+".join(folder.name for folder in self.folders)

    @cached_property
    def expect(self) -> dict[str, Any]:
        """Its ``expect.yml``; of several, the first one's kind, all that they lose, all edits."""
        each = [expectation(folder) for folder in self.folders]
        if len(each) == 1:
            return each[0]
        return {
            "kind": each[0]["kind"],
            "loses": [task for e in each for task in e["loses"]],
            "edits": [edit for e in each for edit in e.get("edits", [])],
        }

    @property
    def kind(self) -> str:
        """As in `handin`."""
        return self.expect["kind"]

    @property
    def task(self) -> str:
        """The task that it is about; empty when it is about the whole."""
        return self.name.split("-")[0] if self.kind in BY_TASK else ""

    @property
    def files(self) -> set[str]:
        """The names of its answers and modules."""
        return {path.name for folder in self.folders for path in folder.glob("*.py")}


@dataclass(frozen=True)
class Assignment:
    """An assignment, by its name; its folders are those of the checkout."""

    name: str

    @property
    def source(self) -> Path:
        """The instructor's version."""
        return CHECKOUT / "source" / self.name

    @property
    def release(self) -> Path:
        """The students' version."""
        return CHECKOUT / "release" / self.name

    @property
    def solutions(self) -> Path:
        """Solved modules and the rubric of the written question."""
        return CHECKOUT / "solutions" / self.name

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """All cases, by name."""
        folder = Path(__file__).with_name(self.name)
        return tuple(Case((path.parent,)) for path in sorted(folder.glob("*/expect.yml")))

    @cached_property
    def worth(self) -> dict[str, float]:
        """Test cell -> points, in the notebook's order."""
        return {m.grade_id: m.points for m in self._graded if not m.solution}

    @cached_property
    def by_hand(self) -> dict[str, float]:
        """Cell that a person grades -> points."""
        return {m.grade_id: m.points for m in self._graded if m.solution}

    @cached_property
    def tasks(self) -> dict[str, float]:
        """Task -> points."""
        sums: dict[str, float] = {}
        for cell, points in self.worth.items():
            sums[task_of(cell)] = sums.get(task_of(cell), 0.0) + points
        return sums

    @cached_property
    def _graded(self) -> list[Any]:
        marks = [cell.metadata.get("nbgrader") for cell in read_notebook(self.source).cells]
        return [m for m in marks if m and m.grade]


ASSIGNMENTS = tuple(
    Assignment(path.name) for path in sorted((CHECKOUT / "source").glob("assignment_*"))
)


def task_of(cell: str) -> str:
    """Return the task that a test cell belongs to: ``a1_t2_test_3`` is of ``t2``."""
    return cell.split("_")[1]


def chosen(cases: Sequence[Case]) -> list[Case]:
    """Return the cases that every run of the tests grades.

    Of each task's alternatives and mutants, and of the crashes, only the first by name; of the
    others (reference, untouched release, edits) all. Alternatives of several tasks are graded in
    one hand-in, and so are mutants: as few hand-ins as the files allow. Edits that cost nothing are
    made to the reference: it earns all points although, and nothing else is found in it.
    """
    first: dict[object, Case] = {}
    for case in sorted(cases, key=lambda case: case.kind == "edits"):
        key = (case.kind, case.task) if case.kind in (*BY_TASK, "crash") else case.name
        first.setdefault(key, case)
    together: list[Case] = []
    for case in first.values():
        for index, other in enumerate(together):
            if _in_one(other, case):
                together[index] = Case((*other.folders, *case.folders))
                break
        else:
            together.append(case)
    return together


def _in_one(case: Case, other: Case) -> bool:
    """Whether one hand-in can be both, and what either is about still shows."""
    if case.kind == "reference":
        return other.kind == "edits" and not other.expect["loses"]
    return case.kind in BY_TASK and case.kind == other.kind and not case.files & other.files


def lost(assignment: Assignment, verdict: Verdict) -> list[str]:
    """Return the test cells that gave less than all their points."""
    return [c for c, most in assignment.worth.items() if verdict.points.get(c, 0.0) < most]


def problems(assignment: Assignment, case: Case, verdict: Verdict) -> list[str]:
    """Return what is not as the case expects, as sentences; empty when all is."""
    expect, less = case.expect, lost(assignment, verdict)
    tasks = sorted({task_of(cell) for cell in less})
    found = []
    if verdict.status == "rejected":
        found.append(f"rejected: {verdict.reason}")
    if tasks != sorted(expect["loses"]):
        found.append(f"points lost in {tasks}, not in {expect['loses']}{_why(verdict, less)}")
    if "fails" in expect and less != expect["fails"]:
        found.append(f"points lost by {less}, not by {expect['fails']}")
    if case.kind == "untouched" and sum(verdict.points.values()) != 0:
        found.append(f"points without an answer: {verdict.points}")
    if case.kind in ("reference", "alternative"):
        found += [f"{cell} writes to stderr: {text}" for cell, text in stderr(verdict).items()]
        more = _findings(verdict) - Counter(map(_kind_and_cell, expect.get("edits", [])))
        found += [
            f"{each.kind} {each.cell}: {each.text}"
            for each in verdict.findings
            if _at(each) in more
        ]
    return found + _unseen(expect.get("edits", []), verdict)


def stderr(verdict: Verdict) -> dict[str, str]:
    """Return cell -> what it wrote to stderr, for cells that did."""
    return {each.cell: text for each in verdict.cells if (text := printed(each, "stderr"))}


def printed(result: CellResult, stream: str = "stdout") -> str:
    """Return what a cell printed."""
    return "".join(
        "".join(output["text"]) for output in result.outputs if output.get("name") == stream
    )


def _why(verdict: Verdict, cells: Sequence[str]) -> str:
    """The messages of failed tests."""
    return "".join(
        f"\n  {each.cell}: {each.message}" for each in verdict.cells if each.cell in cells
    )


def _unseen(edits: Sequence[dict[str, str]], verdict: Verdict) -> list[str]:
    """The edits outside the answers that the audit did not find."""
    found = _findings(verdict)
    return [f"not found: {edit}" for edit in edits if _kind_and_cell(edit) not in found]


def _findings(verdict: Verdict) -> Counter[tuple[str, str]]:
    """The kind and cell of each finding, as an edit has them."""
    return Counter(map(_at, verdict.findings))


def _at(finding: Finding) -> tuple[str, str]:
    return finding.kind, "" if finding.kind == "added" else finding.cell


def _kind_and_cell(edit: dict[str, str]) -> tuple[str, str]:
    if "add_after" in edit:
        return "added", ""
    return ("edited", edit["cell"]) if "cell" in edit else ("deleted", edit["delete"])
