"""Every assignment, graded: right answers earn all points, wrong ones lose some of their task.

This grades some cases of each assignment (`cases.chosen`); `make test-notebooks` grades all.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from coursehub.course.load import load_course
from coursehub.grading.handin import read_notebook, reference_answers
from coursehub.grading.lint import problems as not_judged_outside
from coursehub.grading.verdict import Verdict
from coursehub.settings import CHECKOUT
from tests.submissions.cases import ASSIGNMENTS, BY_TASK, Assignment, Case, chosen, problems
from tests.submissions.grading import graders

KINDS = {"reference", "untouched", "alternative", "mutant", "crash", "edits"}
SEED = 5260  # the same in every run; `make test-notebooks` draws others
CHOSEN = [
    pytest.param(assignment, case, id=f"{assignment.name}-{case.name}")
    for assignment in ASSIGNMENTS
    for case in chosen(assignment.cases)
]
each_assignment = pytest.mark.parametrize("assignment", ASSIGNMENTS, ids=lambda each: each.name)


def test_every_assignment_of_the_course_is_there() -> None:
    """Source, release and rubric of each assignment in course.yml."""
    course = load_course(CHECKOUT / "course.yml")
    notebooks = [f"{each.name}.ipynb" for each in ASSIGNMENTS]
    assert notebooks == [each.notebook for each in course.assignments]
    for assignment in ASSIGNMENTS:
        assert assignment.release.is_dir()
        assert (assignment.solutions / "rubric.md").is_file()


@each_assignment
def test_points(assignment: Assignment) -> None:
    """85 points by tests, in tasks of 2 to 4 test cells; 5 for the plot, 10 for the text."""
    assert sum(assignment.worth.values()) == 85
    assert list(assignment.by_hand.values()) == [5, 10]
    for task in assignment.tasks:
        assert 2 <= sum(f"_{task}_" in cell for cell in assignment.worth) <= 4


@each_assignment
def test_every_answer_has_its_snippet(assignment: Assignment) -> None:
    """What students write stands between two marked lines, one pair a function."""
    answers = reference_answers(read_notebook(assignment.source))
    for cell in read_notebook(assignment.release).cells:
        if cell.id in answers and cell.cell_type == "code":
            begins = cell.source.count("# >>> your code starts here")
            assert begins == cell.source.count("# <<< your code ends here")
            assert begins == cell.source.count("raise NotImplementedError()") > 0


@each_assignment
def test_every_test_is_judged_outside(assignment: Assignment) -> None:
    """No test needs more than plain values."""
    assert not_judged_outside(read_notebook(assignment.source)) == ()


@each_assignment
def test_cases_cover_the_assignment(assignment: Assignment) -> None:
    """There is a reference, an untouched release, and for each task what is right and wrong."""
    cases = assignment.cases
    kinds = {case.kind for case in cases}
    assert kinds == KINDS
    for kind in BY_TASK:
        of_kind = [case.task for case in cases if case.kind == kind]
        assert set(of_kind) == set(assignment.tasks)
        assert all(of_kind.count(task) >= 2 for task in assignment.tasks)
    for case in cases:
        right = [case.task] if case.kind == "mutant" and "missed" not in case.expect else []
        if case.kind in BY_TASK:
            assert case.expect["loses"] == right, case.name


def test_documented_example_is_verbatim() -> None:
    """What docs/writing-assignments.md shows as its example stands in the notebook."""
    text = (CHECKOUT / "docs" / "writing-assignments.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)\n```", text, flags=re.DOTALL)
    cells = [cell.source for cell in read_notebook(CHECKOUT / "source" / "assignment_1").cells]
    assert len(blocks) == 5
    assert [block for block in blocks if not any(block in cell for cell in cells)] == []


@pytest.fixture(scope="module")
def verdict_of(
    request: pytest.FixtureRequest,
) -> Iterator[Callable[[Assignment, Case], Verdict]]:
    """The verdict of a case; the first one of an assignment grades all that are selected."""
    selected = [
        (item.callspec.params["assignment"], item.callspec.params["case"])
        for item in request.session.items
        if item.path == request.path and "case" in getattr(item, "fixturenames", ())
    ]

    with graders(list(dict(selected))) as ready:

        @cache
        def verdicts(assignment: Assignment) -> dict[Case, Verdict]:
            cases = [case for each, case in selected if each == assignment]
            return {case: verdict for case, _, verdict in ready.grade(assignment, cases, [SEED])}

        yield lambda assignment, case: verdicts(assignment)[case]


@pytest.mark.parametrize(("assignment", "case"), CHOSEN)
def test_case(
    assignment: Assignment, case: Case, verdict_of: Callable[[Assignment, Case], Verdict]
) -> None:
    """The case's tasks lose points, exactly as its expectation says, and no other task does."""
    assert problems(assignment, case, verdict_of(assignment, case)) == []
