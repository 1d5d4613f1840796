"""nbgrader's marks on cells, of any schema version, and the text that students were given."""

import math
import re
from dataclasses import dataclass
from typing import Any

from coursehub.errors import CourseHubError

_CODE_STUBS = {
    "python": "# YOUR CODE HERE\nraise NotImplementedError()",
    "R": "# YOUR CODE HERE\nfail()",
    "matlab": "% YOUR CODE HERE\nerror('No Answer Given!')",
    "octave": "% YOUR CODE HERE\nerror('No Answer Given!')",
    "sas": "/* YOUR CODE HERE */\n %notImplemented;",
    "java": "// YOUR CODE HERE",
}
_TEXT_STUB = "YOUR ANSWER HERE"


@dataclass(frozen=True)
class Marks:
    """What nbgrader knows about a cell.

    Attributes:
        id: The grade id.
        grade: The cell has points.
        solution: Students write in it.
        locked: Students should leave it alone.
        task: A task that a person grades, done in cells of the student's own.
        points: What it can earn; 0 where it has none.
    """

    id: str
    grade: bool
    solution: bool
    locked: bool
    task: bool
    points: float

    @property
    def test(self) -> bool:
        """Whether it is a test cell, which gives points by itself."""
        return self.grade and not self.solution and not self.task

    @property
    def manual(self) -> bool:
        """Whether a person gives its points."""
        return self.task or (self.grade and self.solution)


def grade_id_of(cell: Any) -> str | None:
    """Return the grade id that a cell claims, whatever else its marks say."""
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = marks.get("grade_id") if isinstance(marks, dict) else None
    return name if isinstance(name, str) and name else None


def marks_of(cell: Any) -> Marks | None:
    """Read the marks of a cell, or None where it has no usable ones.

    Never raises: what is of the wrong type counts as absent, as older schemas leave things out.
    """
    name = grade_id_of(cell)
    if name is None:
        return None
    marks = cell["metadata"]["nbgrader"]
    grade, solution, locked, task = (
        marks.get(flag) is True for flag in ("grade", "solution", "locked", "task")
    )
    if not (grade or solution or locked or task):
        return None
    return Marks(
        name,
        grade,
        solution,
        not solution and (grade or locked or task),
        task,
        _points(marks.get("points")) if grade or task else 0.0,
    )


def _points(value: Any) -> float:
    try:
        points = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return points if math.isfinite(points) and points > 0 else 0.0


def released_text(cell: Any, language: str = "python") -> str:
    """Return the text of a source cell as students received it: no solution, no hidden test.

    It is what nbgrader's ClearSolutions, ClearHiddenTests and ClearMarkScheme leave.

    Raises:
        CourseHubError: A region is opened twice, or never closed.
    """
    marks = marks_of(cell)
    stub = _CODE_STUBS.get(language, "") if cell["cell_type"] == "code" else _TEXT_STUB
    text, found = _cut(cell["source"], "SOLUTION", stub)
    if marks and marks.solution and not found:
        text = stub
    text, _ = _cut(text, "HIDDEN TESTS")
    text, _ = _cut(text, "MARK SCHEME")
    return text


def solution_text(cell: Any) -> str:
    """Return the text of a source cell with its solution, but without hidden tests.

    Raises:
        CourseHubError: A region is opened twice, or never closed.
    """
    text, _ = _cut(cell["source"], "HIDDEN TESTS")
    text, _ = _cut(text, "MARK SCHEME")
    return without_region_lines(text)


def without_region_lines(text: str) -> str:
    """Return the text without the lines that open and close solutions and hidden tests."""
    region = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)")
    return "\n".join(line for line in text.split("\n") if not region.search(line))


def _cut(text: str, what: str, stub: str | None = None) -> tuple[str, bool]:
    """Replace each region of a kind by the stub, indented as its opening line is."""
    lines: list[str] = []
    inside = found = False
    for line in text.split("\n"):
        if f"BEGIN {what}" in line:
            if inside:
                raise _region_error(f"BEGIN {what} stands inside another one")
            inside = found = True
            indent = line[: len(line) - len(line.lstrip())]
            lines += [indent + each for each in stub.split("\n")] if stub is not None else []
        elif f"END {what}" in line:
            inside = False
        elif not inside:
            lines.append(line)
    if inside:
        raise _region_error(f"BEGIN {what} has no END {what}")
    return "\n".join(lines), found


def _region_error(problem: str) -> CourseHubError:
    return CourseHubError(problem, remedy="Correct the markers in the source notebook.")
