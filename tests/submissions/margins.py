"""How far the thresholds of hidden tests are from what the reference reaches, over several seeds.

    python -m tests.submissions.margins [--assignment 3] [--seeds 10]

Every comparison with a number in an ``assert`` of a hidden test is noted while the reference is
graded. A value that depends on the seed keeps its distance from the threshold in standard
deviations; the narrowest of each assignment stand in docs/notebooks.md. The exit code is 1 when one
is nearer than three.
"""

import ast
import re
import secrets
import shutil
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import nbformat
import typer

from coursehub.grading.handin import read_notebook
from coursehub.grading.verdict import Verdict
from tests.submissions.cases import ASSIGNMENTS, Assignment, lost, printed
from tests.submissions.grading import JOBS, grade
from tests.submissions.report import replace

HIDDEN = "### BEGIN HIDDEN TESTS"
ENOUGH = 3.0
FAR = 100.0
"""A value so many times its limit, or such a part of it, is far from it however much it varies."""
SHOWN = 3

NOTE = """\
def _note(place, value):
    try:
        print("noted", place, float(value))
    except (TypeError, ValueError):
        pass
"""
"""Runs with the judge, before the tests of a cell."""


@dataclass(frozen=True)
class Threshold:
    """A comparison of a hidden test.

    Attributes:
        cell: the test's cell.
        value: what is compared, as it is written.
        limit: with which number.
        above: whether the value must be above it.
    """

    cell: str
    value: str
    limit: float
    above: bool

    def is_near(self, values: Sequence[float]) -> bool:
        """Whether any of the values is of the limit's size; a limit of 0 only asks for a sign."""
        ratios = [abs(value / self.limit) for value in values] if self.limit else []
        return any(1 / FAR < ratio < FAR for ratio in ratios)

    def distance(self, values: Sequence[float]) -> float:
        """Between the mean and the limit, in standard deviations; negative beyond it."""
        gap = statistics.mean(values) - self.limit
        return (gap if self.above else -gap) / statistics.stdev(values)


def main(
    assignment: Annotated[int, typer.Option(help="Its number; 0 for all.")] = 0,
    seeds: Annotated[int, typer.Option(help="How often the reference is graded.")] = 10,
) -> None:
    """Measure, print, and write the page's table when it was all of them."""
    rows, narrow = [], False
    for each in ASSIGNMENTS:
        if assignment not in (0, int(each.name.removeprefix("assignment_"))):
            continue
        varying = measured(each, seeds)
        rows += table(each, varying)
        print("\n".join(rows[-SHOWN:]), flush=True)
        narrow |= any(t.distance(values) < ENOUGH for t, values in varying.items())
    if not assignment:
        replace("margins", "\n".join([*HEADING, *rows]))
    raise typer.Exit(narrow)


HEADING = (
    "| assignment | of thresholds | narrowest | the reference | threshold | standard deviations |",
    "|---|---|---|---|---|---|",
)


def measured(assignment: Assignment, seeds: int) -> Mapping[Threshold, list[float]]:
    """Grade the reference with as many seeds; return the thresholds whose value depends on it.

    Of a comparison that is made several times in one grading the value nearest to the limit counts.
    """
    (reference,) = (case for case in assignment.cases if case.kind == "reference")
    found: dict[Threshold, list[float]] = {}
    with TemporaryDirectory(prefix="coursehub-margins-") as scratch:
        thresholds = with_notes(assignment, Path(scratch, assignment.name))
        noted = Noted(assignment.name, Path(scratch, assignment.name))
        for _, seed, verdict in grade(
            noted, [reference], [secrets.randbits(31) for _ in range(seeds)], JOBS
        ):
            for cell in lost(assignment, verdict):
                print(f"NOT AS EXPECTED: {assignment.name}, seed {seed}: points lost in {cell}")
            for place, values in notes(verdict).items():
                nearest = min(values) if thresholds[place].above else max(values)
                found.setdefault(thresholds[place], []).append(nearest)
    return {
        threshold: values
        for threshold, values in found.items()
        if len(values) > 1 and statistics.stdev(values) > 0 and threshold.is_near(values)
    }


@dataclass(frozen=True)
class Noted(Assignment):
    """An assignment whose source is a copy."""

    folder: Path

    @property
    def source(self) -> Path:
        """The copy."""
        return self.folder


def with_notes(assignment: Assignment, place: Path) -> list[Threshold]:
    """Copy an assignment's source to `place`, its hidden tests noting what they compare."""
    shutil.copytree(assignment.source, place)
    notebook = read_notebook(place)
    thresholds: list[Threshold] = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and HIDDEN in cell.source:
            lines = cell.source.splitlines()
            found = sorted(comparisons(cell.id, cell.source), key=itemgetter(0), reverse=True)
            for line, column, threshold in found:
                note = f"_note({len(thresholds)}, {threshold.value})"
                lines.insert(line - 1, " " * column + note)
                thresholds.append(threshold)
            first = next(i for i, line in enumerate(lines) if line.startswith(HIDDEN))
            cell.source = "\n".join([*lines[: first + 1], *NOTE.splitlines(), *lines[first + 1 :]])
    nbformat.write(notebook, place / f"{assignment.name}.ipynb")
    return thresholds


def comparisons(cell: str, text: str) -> Iterator[tuple[int, int, Threshold]]:
    """The comparisons with a number in a cell's asserts: line, column of the assert, threshold."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Assert):
            continue
        test = node.test
        both = isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And)
        for part in test.values if both else [test]:
            if not isinstance(part, ast.Compare):
                continue
            sides = [part.left, *part.comparators]
            for left, sign, right in zip(sides, part.ops, sides[1:], strict=False):
                for value, limit, above in (
                    (left, right, isinstance(sign, ast.Gt | ast.GtE)),
                    (right, left, isinstance(sign, ast.Lt | ast.LtE)),
                ):
                    number = _number(limit)
                    ordered = isinstance(sign, ast.Gt | ast.GtE | ast.Lt | ast.LtE)
                    if ordered and number is not None and _number(value) is None:
                        written = ast.unparse(value)
                        yield node.lineno, node.col_offset, Threshold(cell, written, number, above)


def _number(node: ast.expr) -> float | None:
    """A plain number; ``0.1 + 1e-6`` is none: a bound that holds exactly, but for rounding."""
    value = node.value if isinstance(node, ast.Constant) else None
    return float(value) if isinstance(value, int | float) else None


def notes(verdict: Verdict) -> dict[int, list[float]]:
    """What was noted while a hand-in was graded, by the threshold's number."""
    found: dict[int, list[float]] = {}
    for result in verdict.cells:
        for place, value in re.findall(r"^noted (\d+) (\S+)$", printed(result), re.MULTILINE):
            found.setdefault(int(place), []).append(float(value))
    return found


def table(assignment: Assignment, varying: Mapping[Threshold, Sequence[float]]) -> list[str]:
    """The narrowest thresholds of an assignment, as rows."""
    narrowest = sorted(varying, key=lambda each: each.distance(varying[each]))[:SHOWN]
    rows = []
    for each in narrowest:
        mean, deviation = statistics.mean(varying[each]), statistics.stdev(varying[each])
        sign = "≥" if each.above else "≤"
        rows.append(
            f"| {assignment.name.removeprefix('assignment_')} | {len(varying)} "
            f"| `{each.cell}`: `{each.value}` | {mean:.3g} ± {deviation:.2g} "
            f"| {sign} {each.limit:g} | {each.distance(varying[each]):.1f} |"
        )
    return rows


if __name__ == "__main__":
    typer.run(main)
