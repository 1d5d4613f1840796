"""Assignment 1, graded by nbgrader itself: right answers earn all points, wrong ones lose some."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from coursehub.grading.handin import read_notebook, reference_answers
from tests.submissions.handin import expectation
from tests.submissions.pipeline import Graded, Pipeline

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "source" / "assignment_1"
CASES = sorted(path.parent for path in (HERE / SOURCE.name).glob("*/expect.yml"))
TASKS = {"t1": 12.0, "t2": 18.0, "t3": 15.0, "t4": 22.0, "t5": 18.0}
BY_HAND = {"a1_plot": 5.0, "a1_written": 10.0}


def task_of(cell: str) -> str:
    """Return the task that a test cell belongs to: ``a1_t2_test_3`` is of ``t2``."""
    return cell.split("_")[1]


def worth() -> dict[str, float]:
    """Return the points of every automatically graded cell of the source."""
    cells = [cell.metadata.nbgrader for cell in read_notebook(SOURCE).cells]
    return {c.grade_id: c.points for c in cells if c.grade and c.grade_id not in BY_HAND}


def table(graded: dict[str, Graded]) -> str:
    """Return one line a case: points of each task, cells without points, seconds."""
    lines = [f"\n{'case':32s}" + "".join(f"{task:>6s}" for task in TASKS) + "  no points for"]
    for case, result in sorted(graded.items()):
        sums = {t: sum(p for c, p in result.points.items() if task_of(c) == t) for t in TASKS}
        failed = [cell for cell in worth() if not result.points.get(cell)]
        lines.append(
            f"{case:32s}"
            + "".join(f"{value:6g}" for value in sums.values())
            + f"  {' '.join(failed)}"
        )
    mutants = [c for c in CASES if expectation(c)["kind"] == "mutant" and c.name in graded]
    total = sum(worth().values())
    missed = [c.name for c in mutants if sum(graded[c.name].points.values()) >= total]
    lines.append(
        f"mutants caught: {len(mutants) - len(missed)} of {len(mutants)}; missed: {missed}"
    )
    return "\n".join(lines)


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A course whose release nbgrader has generated from the source."""
    return Pipeline(tmp_path_factory.mktemp("course"), SOURCE.name)


@pytest.fixture(scope="module")
def graded(
    course: Pipeline, request: pytest.FixtureRequest, printed_at_end: list[str]
) -> dict[str, Graded]:
    """Every selected case, autograded; the table of all of them is printed at the end."""
    names = {
        item.callspec.params["case"].name
        for item in request.session.items
        if item.path == request.path and hasattr(item, "callspec")
    }
    results = course.grade([case for case in CASES if case.name in names])
    printed_at_end.append(table(results))
    return results


@pytest.fixture(scope="module")
def printed_at_end(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Print what is collected here after the module's last test, past pytest's capture."""
    lines: list[str] = []
    yield lines
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n".join(lines))


def test_points_as_specified() -> None:
    """85 points by tests in five tasks, 15 by hand, 2 to 4 test cells a task."""
    points = worth()
    sums = {task: sum(p for c, p in points.items() if task_of(c) == task) for task in TASKS}
    assert sums == TASKS
    for task in TASKS:
        assert 2 <= sum(task_of(cell) == task for cell in points) <= 4
    cells = [cell.metadata.nbgrader for cell in read_notebook(SOURCE).cells]
    assert {c.grade_id: c.points for c in cells if c.grade and c.solution} == BY_HAND


def test_release_shows_no_solution_and_no_hidden_test(course: Pipeline) -> None:
    """Nothing between the markers reaches the students, and every answer cell has its snippet."""
    release = read_notebook(course.release)
    text = "\n".join(cell.source for cell in release.cells)
    for secret in ("BEGIN SOLUTION", "HIDDEN TESTS", "_ref_", "Rubric", "beta.ppf(alpha"):
        assert secret not in text
    answers = reference_answers(read_notebook(SOURCE))
    for cell in release.cells:
        if cell.id in answers and cell.cell_type == "code":
            assert cell.source.count(">>> your code starts here") == cell.source.count(
                "raise NotImplementedError()"
            )


def test_documented_example_is_verbatim() -> None:
    """What docs/writing-assignments.md shows as its example stands in the notebook."""
    text = (SOURCE.parents[1] / "docs" / "writing-assignments.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)\n```", text, flags=re.DOTALL)
    cells = [cell.source for cell in read_notebook(SOURCE).cells]
    assert len(blocks) == 5
    assert [block for block in blocks if not any(block in cell for cell in cells)] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Path, graded: dict[str, Graded]) -> None:
    """The case's tasks lose points, exactly as its expectation says, and no other task does."""
    expect, result, points = expectation(case), graded[case.name], worth()
    assert result.problem is None
    lost = [cell for cell in points if result.points.get(cell, 0.0) < points[cell]]
    assert sorted({task_of(cell) for cell in lost}) == sorted(expect["loses"]), lost
    if "fails" in expect:
        assert lost == expect["fails"]
    if expect["kind"] == "untouched":
        assert lost == list(points)
    if expect["kind"] in ("reference", "alternative"):
        assert result.stderr == {}
