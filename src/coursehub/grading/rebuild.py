"""The notebook that is graded: the instructor's, with only the text of the student's answers."""

import copy
import symtable
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nbformat import NotebookNode

from coursehub.grading.audit import audit
from coursehub.grading.pairing import Original, Pairing, originals, pair
from coursehub.grading.plan import Step, names_of, parse_theirs, plan
from coursehub.grading.snippets import Answer, take_answer
from coursehub.grading.verdict import Finding

_MOST_CELLS = 200  # of the student's own that are looked into


@dataclass(frozen=True)
class Rebuilt:
    """A hand-in, rebuilt.

    Attributes:
        notebook: The source with the student's answers; no outputs. Where a person grades a task,
            the student's own cells after it are in it too, for reading: no step runs them.
        steps: What to run, in source order.
        findings: What the student changed otherwise.
    """

    notebook: NotebookNode
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]


def rebuild(source: NotebookNode, handed_in: NotebookNode | None) -> Rebuilt:
    """Rebuild a hand-in from the source.

    Args:
        source: The instructor's notebook, as `source.load_source` gives it.
        handed_in: The student's, as `intake.read_submission` gives it; None where there is none.
    """
    theirs = handed_in.cells if handed_in else []
    cells = originals(source)
    pairing = pair(cells, theirs)
    answers = _answers(cells, theirs, pairing)
    texts = {name: answer.text for name, answer in answers.items()}
    for original in cells:
        if original.answer:
            texts.setdefault(original.name, original.released)
    steps = plan(source, texts)
    findings = audit(cells, theirs, pairing, answers)
    own = [theirs[index].source for index in pairing.added[:_MOST_CELLS]]
    return Rebuilt(
        _filled(source, texts, cells, theirs, pairing),
        steps,
        (*findings, *_needed(steps, own)),
    )


def _answers(
    cells: Sequence[Original], handed_in: Sequence[NotebookNode], pairing: Pairing
) -> dict[str, Answer]:
    return {
        original.name: take_answer(
            original.released, handed_in[pairing.best[original.number]].source
        )
        for original in cells
        if original.answer and original.number in pairing.best
    }


def _filled(
    source: NotebookNode,
    texts: Mapping[str, str],
    cells: Sequence[Original],
    handed_in: Sequence[NotebookNode],
    pairing: Pairing,
) -> NotebookNode:
    notebook = copy.deepcopy(source)
    notebook.cells = []
    for original in cells:
        cell = copy.deepcopy(original.cell)
        cell.source = texts.get(original.name, cell.source)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if original.answer:
            cell.pop("attachments", None)
        notebook.cells.append(cell)
        if original.marks and original.marks.task:
            notebook.cells += _work_after(original.number, handed_in, pairing)
    return notebook


def _work_after(
    number: int, handed_in: Sequence[NotebookNode], pairing: Pairing
) -> Iterator[NotebookNode]:
    """The student's own cells right after a task, which is where it is worked on."""
    index = pairing.best.get(number)
    while index is not None and (index := index + 1) in pairing.added:
        cell = copy.deepcopy(handed_in[index])
        cell.metadata, cell.id = NotebookNode(), f"added-{index + 1}"
        yield cell


def _needed(steps: Sequence[Step], own: Sequence[str]) -> Iterator[Finding]:
    """Name what answers use and only a cell of the student's own defines."""
    theirs = frozenset[str]().union(*(names_of(parse_theirs(text)) for text in own))
    known: set[str] = set()
    for step in steps:
        known |= names_of(parse_theirs(step.source)) if step.kind == "answer" else step.defines
    for step in steps:
        if step.kind != "answer" or not theirs - known:
            continue
        used = _globals_used(step.source)
        for name in sorted(used & (theirs - known)):
            text = (
                f"The answer {step.cell} uses {name}, which only a cell of the student's own "
                "defines; such cells are not run."
            )
            yield Finding("needed", step.cell, text)


def _globals_used(text: str) -> set[str]:
    """The names that a cell takes from the notebook; none where it cannot be read quickly."""
    todo = [symtable.symtable(text, "cell", "exec")] if parse_theirs(text) else []
    names: set[str] = set()
    while todo:
        table = todo.pop()
        todo += table.get_children()
        names |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module")
        }
    return names
