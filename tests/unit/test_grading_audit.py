"""What is told about a hand-in, in which words, and what a policy makes of it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from coursehub.course.model import EditPolicy
from coursehub.grading.audit import COUNTED, proposed_penalty
from coursehub.grading.rebuild import rebuild
from coursehub.grading.verdict import Finding
from tests.unit.notebooks import SETUP, as_handed_in, assignment, cell, release, solved

WARN = EditPolicy()
PENALISE = EditPolicy(action="penalise", penalty=5, cap=20)


def findings(notebook: NotebookNode) -> list[Finding]:
    return list(rebuild(assignment(), as_handed_in(notebook)).findings)


def test_edit_is_shown_as_a_diff() -> None:
    notebook = solved()
    cell(notebook, "setup").source = SETUP.replace("isclose(a, b)", "isclose(1, 1)")
    (found,) = findings(notebook)
    assert (found.kind, found.cell) == ("edited", "setup")
    assert "-    return math.isclose(a, b)\n+    return math.isclose(1, 1)" in found.text
    assert found.text.startswith("The text of setup was edited; the original was used.\n")


def test_edit_of_a_plain_cell() -> None:
    notebook = solved()
    next(c for c in notebook.cells if c.id == "plain").source = "print(square(4))"
    assert [(f.kind, f.cell) for f in findings(notebook)] == [("edited", "plain")]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n\n",
        lambda text: text.replace(" ", "  "),
        lambda text: "\n" + text.replace("\n", "  \n\n"),
        lambda text: text.replace("    ", "\t"),
    ],
)
def test_white_space_is_no_finding(change) -> None:
    notebook = release()
    for each in notebook.cells:
        each.source = change(each.source)
    assert findings(notebook) == []


def test_hidden_tests_are_not_told() -> None:
    notebook = solved()
    cell(notebook, "square_test").source = "pass"
    (found,) = findings(notebook)
    assert "-7" not in found.text and "-assert square(3) == 9" in found.text


def test_one_moved_cell_is_one_finding() -> None:
    notebook = solved()
    moved = cell(notebook, "area_test")
    notebook.cells.remove(moved)
    notebook.cells.insert(1, moved)
    assert [(f.kind, f.cell) for f in findings(notebook)] == [("moved", "area_test")]


def test_texts_stay_readable() -> None:
    """No escape sequences, no endless lines, no endless lists; and it takes no time."""
    notebook = solved()
    cell(notebook, "setup").source = "\x1b[2J" + "x" * 10_000 + "\n" + "\n".join("ab" * 20_000)
    cell(notebook, "setup").metadata["tags"] = ["t" * 10_000, 5]
    for number in range(1000):
        notebook.cells.append(new_code_cell(f"x = {number}"))
    found = findings(notebook)
    assert len(found) == 101 and "more changes" in found[-1].text
    for each in found:
        assert len(each.text) < 6_000
        assert all(line.isprintable() for line in each.text.split("\n"))


@pytest.mark.timeout(60)
def test_hostile_sizes_take_no_time() -> None:
    """Many, long and alike cells without ids, where comparing everything would take hours."""
    notebook = solved()
    for name in ("square", "area", "why"):
        notebook.cells.remove(cell(notebook, name))
    text = "\n".join(random.Random(1).choice("ab") * 30 for _ in range(20_000))
    notebook.cells += [new_code_cell(text) for _ in range(300)]
    cell(notebook, "setup").source = text
    assert findings(notebook)
    notebook = solved()
    area = cell(notebook, "area")
    area.source = area.source.replace("# >>> your code starts here", text)
    assert findings(notebook)


def kinds(*names: str) -> list[Finding]:
    return [Finding(name, "c", "") for name in names]


def test_proposed_penalty() -> None:
    assert proposed_penalty(kinds("edited", "added"), WARN) == 0
    assert proposed_penalty([], PENALISE) == 0
    assert proposed_penalty(kinds("deleted", "moved", "renamed", "recognised"), PENALISE) == 0
    assert proposed_penalty(kinds("edited", "added", "deleted"), PENALISE) == 10


@given(st.lists(st.sampled_from(["edited", "added", "deleted", "moved", "metadata", "file"])))
def test_penalty_grows_with_findings_up_to_the_cap(names: list[str]) -> None:
    found = kinds(*names)
    penalties = [proposed_penalty(found[:n], PENALISE) for n in range(len(found) + 1)]
    assert penalties == sorted(penalties) and penalties[-1] <= PENALISE.cap
    assert (penalties[-1] > 0) == any(name in COUNTED for name in names)
