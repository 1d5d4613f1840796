"""The notebook that is graded holds the student's answers and nothing else of the student's."""

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import nbgrader.tests.preprocessors
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.preprocessors import ClearHiddenTests, ClearMarkScheme, ClearSolutions

from coursehub.grading.marks import marks_of, released_text
from coursehub.grading.rebuild import Rebuilt, rebuild
from coursehub.grading.snippets import take_answer
from coursehub.grading.source import load_source
from coursehub.settings import CHECKOUT
from tests.unit.notebooks import (
    SETUP,
    STUB,
    TEST,
    as_handed_in,
    assignment,
    cell,
    marked,
    release,
    solved,
)

FILES = Path(nbgrader.tests.preprocessors.__file__).parent / "files"
# Those called bad-... are refused by nbgrader when it releases them.
STOCK = sorted(path for path in FILES.glob("*.ipynb") if not path.name.startswith("bad-"))


def rebuilt(handed_in: NotebookNode, source: NotebookNode | None = None) -> Rebuilt:
    return rebuild(source or assignment(), as_handed_in(handed_in))


def text_of(result: Rebuilt, name: str) -> str:
    return next(step.source for step in result.steps if step.cell == name)


def kinds(result: Rebuilt) -> list[tuple[str, str]]:
    return [(finding.kind, finding.cell) for finding in result.findings]


def test_right_hand_in() -> None:
    result = rebuilt(solved())
    assert result.findings == ()
    assert [(s.cell, s.kind, s.points, s.manual) for s in result.steps] == [
        ("title", "text", 0, False),
        ("setup", "setup", 0, False),
        ("square", "answer", 0, False),
        ("square_test", "test", 3, False),
        ("area", "answer", 0, False),
        ("area_test", "test", 2, False),
        ("plain", "setup", 0, False),
        ("why", "text", 4, True),
    ]
    assert text_of(result, "square") == "def square(x):\n    return x ** 2"
    assert "3.0 * r" in text_of(result, "area") and "SOLUTION" not in text_of(result, "area")
    assert text_of(result, "square_test") == TEST
    assert text_of(result, "why") == "I know."
    assert {s.cell: s.defines for s in result.steps if s.kind == "answer"} == {
        "square": {"square"},
        "area": {"area", "ring"},
    }
    nbformat.validate(result.notebook)


def test_nothing_done_and_nothing_there() -> None:
    for handed_in in (as_handed_in(release()), None, nbformat.v4.new_notebook()):
        result = rebuild(assignment(), handed_in)
        assert result.findings == ()
        assert STUB.split("\n")[1] in text_of(result, "square")
        assert "x * x" not in text_of(result, "square").replace("x * x.", "")
        assert text_of(result, "why") == "YOUR ANSWER HERE"


@pytest.mark.parametrize("path", STOCK, ids=lambda path: path.stem)
def test_released_text_is_nbgraders(path: Path) -> None:
    """Compare with what nbgrader's own steps leave, on nbgrader's own notebooks."""
    try:
        notebook = nbformat.read(path, as_version=4)
        theirs = copy.deepcopy(notebook)
        for step in (ClearSolutions, ClearHiddenTests, ClearMarkScheme):
            theirs, _ = step().preprocess(theirs, {})
    except Exception as error:  # some of them are made to be wrong
        pytest.xfail(f"nbgrader cannot release it: {error}")
    assert [released_text(c) for c in notebook.cells] == [c.source for c in theirs.cells]


@pytest.mark.parametrize("path", STOCK, ids=lambda path: path.stem)
def test_any_notebook_of_nbgraders_is_rebuilt(path: Path) -> None:
    """A hand-in that is a copy of the source comes back as it was, whatever schema it has."""
    try:
        source = nbformat.read(path, as_version=4)
        [released_text(c) for c in source.cells]
    except Exception as error:
        pytest.xfail(f"no source: {error}")
    for number, each in enumerate(source.cells):
        each.setdefault("id", f"c{number}")
    result = rebuild(source, as_handed_in(source))
    assert [c.cell_type for c in result.notebook.cells] == [c.cell_type for c in source.cells]
    names = [marks.id for c in source.cells if (marks := marks_of(c))]
    if len(set(names)) == len(names):
        assert [s.source for s in result.steps] == [c.source for c in source.cells]


def test_assignment_1() -> None:
    name = "assignment_1.ipynb"
    source = load_source(CHECKOUT / "source" / "assignment_1").notebooks[name]
    made = load_source(CHECKOUT / "release" / "assignment_1").notebooks[name]
    result = rebuild(source, as_handed_in(made))
    assert result.findings == ()
    for ours, theirs in zip(result.notebook.cells, made.cells, strict=True):
        if marks_of(ours) and marks_of(ours).solution:
            assert ours.source == theirs.source


# Tampering: whatever is done to the hand-in's metadata, cells and order, the rest is the source's.


def untouched_by_tampering(result: Rebuilt) -> None:
    """Everything but the answers' text is the source's."""
    for ours, theirs in zip(result.notebook.cells, assignment().cells, strict=True):
        assert ours.metadata == theirs.metadata and ours.cell_type == theirs.cell_type
        assert ours.id == theirs.id and not ours.get("outputs")
        if not (marks_of(theirs) and marks_of(theirs).solution):
            assert ours.source == theirs.source


def change(name: str, **changes: Any) -> Callable[[NotebookNode], None]:
    def apply(notebook: NotebookNode) -> None:
        cell(notebook, name).metadata["nbgrader"].update(changes)

    return apply


def tag_tests(notebook: NotebookNode) -> None:
    for each in notebook.cells:
        each.metadata["tags"] = ["skip-execution", "raises-exception"]


def paste_test_twice(notebook: NotebookNode) -> None:
    notebook.cells.append(copy.deepcopy(cell(notebook, "square_test")))


def forge_outputs(notebook: NotebookNode) -> None:
    for each in notebook.cells:
        if each.cell_type == "code":
            each.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "999"})]


def make_tests_text(notebook: NotebookNode) -> None:
    test = cell(notebook, "square_test")
    test.cell_type = "markdown"
    for key in ("outputs", "execution_count"):
        test.pop(key)


def empty_tests(notebook: NotebookNode) -> None:
    cell(notebook, "square_test").source = "1"


def delete_tests(notebook: NotebookNode) -> None:
    notebook.cells = [c for c in notebook.cells if "test" not in c.id]


def reverse(notebook: NotebookNode) -> None:
    notebook.cells.reverse()


def other_kernel(notebook: NotebookNode) -> None:
    notebook.metadata["kernelspec"] = {"name": "bash", "display_name": "x", "language": "bash"}


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (change("square_test", grade=False), ("metadata", "square_test")),
        (change("square_test", points=100), ("metadata", "square_test")),
        (change("square_test", points="NaN"), ("metadata", "square_test")),
        (change("square_test", solution=True, locked=False), ("metadata", "square_test")),
        (change("square", locked=True, solution=False), ("metadata", "square")),
        (change("why", solution=False), ("metadata", "why")),
        (change("square_test", schema_version=1000), ("metadata", "square_test")),
        (change("square_test", schema_version="x"), ("metadata", "square_test")),
        (tag_tests, ("metadata", "square_test")),
        (paste_test_twice, ("duplicated", "square_test")),
        (make_tests_text, ("metadata", "square_test")),
        (empty_tests, ("edited", "square_test")),
        (delete_tests, ("deleted", "square_test")),
        (reverse, ("moved", "square")),
        (forge_outputs, None),
        (other_kernel, None),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_tampering_is_reported_and_changes_nothing(
    tamper: Callable[[NotebookNode], None], found: tuple[str, str] | None
) -> None:
    notebook = solved()
    tamper(notebook)
    result = rebuilt(notebook)
    untouched_by_tampering(result)
    assert text_of(result, "square") == cell(solved(), "square").source
    assert kinds(result) == [] if found is None else found in kinds(result)


def test_metadata_of_any_type() -> None:
    for marks in (None, [], "x", 7, {"grade_id": ["square"]}, {"grade_id": {}}, {"grade": "yes"}):
        notebook = solved()
        for each in notebook.cells:
            each.metadata["nbgrader"] = marks
            each.metadata["tags"] = marks
        result = rebuilt(notebook)
        untouched_by_tampering(result)
        assert text_of(result, "square") == cell(solved(), "square").source


def test_of_copies_the_first_one_worked_on_counts() -> None:
    notebook = solved()
    answer = cell(notebook, "square")
    index = notebook.cells.index(answer)
    blank, later = copy.deepcopy(cell(release(), "square")), copy.deepcopy(answer)
    later.source = "def square(x):\n    return 0"
    notebook.cells[index : index + 1] = [blank, answer, later]
    result = rebuilt(notebook)
    assert text_of(result, "square") == answer.source
    assert kinds(result) == [("duplicated", "square")]


def test_deleted_answer_counts_as_released() -> None:
    notebook = solved()
    notebook.cells.remove(cell(notebook, "square"))
    result = rebuilt(notebook)
    assert text_of(result, "square") == cell(release(), "square").source
    assert kinds(result) == [("deleted", "square")]


def test_metadata_lost_on_the_way() -> None:
    """A tool has dropped all metadata and all ids: answers are recognised, and it is said."""
    notebook = solved()
    for each in notebook.cells:
        each.metadata.clear()
        each.id = f"new-{random.getrandbits(40):x}"
    notebook.cells.insert(3, new_code_cell("scratch = 1"))
    result = rebuilt(notebook)
    for name in ("square", "area", "why"):
        assert text_of(result, name) == cell(solved(), name).source
        assert ("recognised", name) in kinds(result)
    assert [kind for kind, _ in kinds(result) if kind != "recognised"] == ["added"]


def test_renamed_id_is_recognised() -> None:
    notebook = solved()
    cell(notebook, "square").id = "x"
    change("square", grade_id="mine")(notebook)
    result = rebuilt(notebook)
    assert "x ** 2" in text_of(result, "square")
    assert kinds(result) == [("recognised", "square")]


def test_own_cells_are_not_run() -> None:
    notebook = solved()
    notebook.cells.insert(2, new_code_cell("def helper(x):\n    return x * x"))
    notebook.cells.insert(2, new_code_cell("  \n"))
    cell(notebook, "square").source = "def square(x):\n    return helper(x)"
    result = rebuilt(notebook)
    untouched_by_tampering(result)
    assert "def helper" in result.findings[0].text and "not run" in result.findings[0].text
    assert kinds(result) == [("added", ""), ("needed", "square")]
    assert not any("def helper" in step.source for step in result.steps)


def test_work_on_a_task_stays_readable_but_is_not_run() -> None:
    source = assignment()
    source.cells.append(
        marked(new_markdown_cell("Explore."), "explore", task=True, locked=True, points=5)
    )
    notebook = release(source)
    notebook.cells += [new_code_cell("plot()"), new_markdown_cell("I see.")]
    result = rebuild(source, as_handed_in(notebook))
    assert [c.source for c in result.notebook.cells[-2:]] == ["plot()", "I see."]
    assert result.steps[-1].cell == "explore" and result.steps[-1].manual
    assert not any("plot" in step.source for step in result.steps)


def test_older_schemas_of_the_source() -> None:
    source = assignment()
    for each in source.cells:
        marks = each.metadata.get("nbgrader")
        if marks:
            del marks["schema_version"], marks["task"]
    cell(source, "square_test").metadata["nbgrader"]["points"] = "3"
    result = rebuilt(solved(), source)
    assert next(s.points for s in result.steps if s.cell == "square_test") == 3
    assert ("square", "answer") in [(s.cell, s.kind) for s in result.steps]


# Snippets.

AREA = cell(release(), "area").source


def test_only_the_snippet_counts() -> None:
    theirs = AREA.replace("def area(r)", "import os\ndef area(r, x=1)").replace(
        "# YOUR CODE HERE\n    raise NotImplementedError()", "return 1", 1
    )
    notebook = release()
    cell(notebook, "area").source = theirs + "\nprint('end')"
    result = rebuilt(notebook)
    assert "import os" not in text_of(result, "area") and "print" not in text_of(result, "area")
    assert "return 1" in text_of(result, "area")
    assert kinds(result) == [("edited", "area")]
    assert "+import os" in result.findings[0].text and "return 1" not in result.findings[0].text


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("    # >>> your code starts here\n", "", 1),
        lambda text: text.replace("    # <<< your code ends here\n", "", 1),
        lambda text: text.replace("    # >>> your code starts here\n", ""),
        lambda text: text.replace("    # >>> your code starts here\n", "").replace(
            "    # <<< your code ends here", ""
        ),
        lambda text: text.replace("# >>> your code", "# my code"),
        lambda text: text.replace('    """The area of a circle."""\n', "").replace(
            "    # <<< your code ends here\n", "", 1
        ),
        lambda text: text.replace("return 11", "return 11\n    # <<< your code ends here"),
    ],
)
def test_damaged_marks(damage: Callable[[str], str]) -> None:
    stub = "# YOUR CODE HERE\n    raise NotImplementedError()"
    theirs = AREA.replace(stub, "return 11", 1).replace(stub, "return 22", 1)
    answer = take_answer(AREA, damage(theirs))
    space: dict[str, Any] = {}
    exec(answer.text, space)
    assert (space["area"](1), space["ring"](1, 2)) == (11, 22)
    assert answer.marks_lost


def test_all_rewritten() -> None:
    notebook = release()
    cell(notebook, "area").source = "area = lambda r: 3 * r * r"
    result = rebuilt(notebook)
    assert text_of(result, "area") == "area = lambda r: 3 * r * r"
    assert ("markers", "area") in kinds(result)


lines = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(lines, max_size=5), st.lists(lines, max_size=5))
def test_what_stands_in_a_snippet_is_taken_as_it_is(first: list[str], second: list[str]) -> None:
    stub = "    # YOUR CODE HERE\n    raise NotImplementedError()"
    theirs = AREA.replace(stub, "\n".join(first), 1).replace(stub, "\n".join(second), 1)
    answer = take_answer(AREA, theirs)
    if "your code" not in "".join(first + second) and stub not in "\n".join(first):
        assert (answer.text, answer.given) == (theirs, answer.around)


@given(st.randoms(use_true_random=False), st.integers(0, 12))
def test_no_tampering_reaches_what_is_the_sources(chance: random.Random, times: int) -> None:
    """Whatever is deleted, copied, moved, retyped, retagged or edited at random."""
    notebook = solved()
    for _ in range(times):
        cells = notebook.cells
        if not cells:
            break
        index = chance.randrange(len(cells))
        each = cells[index]
        match chance.randrange(7):
            case 0:
                del cells[index]
            case 1:
                cells.insert(chance.randrange(len(cells)), copy.deepcopy(each))
            case 2:
                chance.shuffle(cells)
            case 3:
                each.metadata["nbgrader"] = copy.deepcopy(chance.choice(cells).metadata)
            case 4:
                each.metadata["tags"] = ["skip-execution"]
            case 5:
                each.source = chance.choice(cells).source
            case 6:
                cells.insert(index, new_code_cell("import os; os._exit(0)"))
    result = rebuilt(notebook)
    untouched_by_tampering(result)
    assert [s.cell for s in result.steps] == [s.cell for s in rebuilt(solved()).steps]
    assert text_of(result, "setup") == SETUP and text_of(result, "square_test") == TEST
