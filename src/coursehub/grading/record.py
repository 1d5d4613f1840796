"""A verdict inside nbgrader: what staff see in the formgrader and students in their feedback.

nbgrader converts a hand-in twice: it cleans it up, then it executes it. Here the first reading
already grades it, in the sandbox, and what is written is the instructor's notebook with the
student's answers, what the cells gave, and one cell at the top that says what was found.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_markdown_cell, new_output
from nbformat.validator import isvalid
from traitlets import Any as AnyTrait

from coursehub.grading.pipeline import Graded
from coursehub.grading.plan import name_of
from coursehub.grading.regular import handed_in
from coursehub.grading.verdict import CellResult
from coursehub.handover import PROPOSAL

GRADED = "coursehub_graded"
"""Where in nbconvert's resources the next steps find what was graded."""

PRIVATE = "private"
"""In a cell's metadata, below `coursehub`: what its test said is for staff alone."""

Grade = Callable[[Path, Path], Graded]
"""Grades a hand-in: the instructor's folder, the folder handed in."""

_STATUS = {
    "graded": "Graded",
    "needs_review": "A member of staff will look at this hand-in",
    "rejected": "This hand-in could not be graded",
}


class RecordedExporter(NotebookExporter):
    """Reads hand-ins for nbgrader's Autograde; nothing of them but the answers gets further."""

    grade: Grade = AnyTrait(help="How a hand-in is graded.").tag(config=True)

    def __init__(self, **named: Any) -> None:
        """Start with nothing graded."""
        super().__init__(**named)
        self._graded: dict[Path, Graded] = {}

    def from_filename(
        self, filename: str, resources: dict[str, Any] | None = None, **named: Any
    ) -> tuple[str, dict[str, Any]]:
        """Grade the hand-in when nbgrader first reads a notebook of it; record it afterwards.

        Raises:
            SandboxError: grading itself could not run.
        """
        names = (resources or {})["nbgrader"]
        folders = self.parent.coursedir
        folder = handed_in(folders, names["student"], names["assignment"])
        if folder not in self._graded:
            place = folders.format_path(folders.source_directory, ".", names["assignment"])
            self._graded[folder] = self.grade(Path(place).resolve(), folder)
        graded = self._graded[folder]
        resources[GRADED] = graded  # type: ignore[index]
        notebook = recorded(graded, f"{names['notebook']}.ipynb")
        output, resources = self.from_notebook_node(notebook, resources, **named)
        return output, resources


def recorded(graded: Graded, name: str) -> NotebookNode:
    """The notebook as it is kept: answers, what the cells gave, and what was found on top."""
    notebook = NotebookNode(graded.notebooks[name])
    results = {result.cell: result for result in graded.results.get(name, ())}
    cells = []
    for original in notebook.cells:
        cell = NotebookNode(original)
        if cell.cell_type == "code":
            cell.execution_count = None
            result = results.get(name_of(cell))
            cell.outputs = _outputs(result)
            if result and result.private:
                cell.metadata = NotebookNode(cell.metadata, coursehub={PRIVATE: True})
        cells.append(cell)
    notebook.cells = [notice(graded), *proposal(graded), *cells]
    notebook.metadata = NotebookNode(notebook.metadata, coursehub={"seed": graded.seed})
    return notebook


def seed_of(folder: Path) -> int | None:
    """What the tests of a graded hand-in drew their inputs from; None where nothing says so."""
    for path in sorted(folder.glob("*.ipynb")):
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))["metadata"]["coursehub"]["seed"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return int(kept)
    return None


def notice(graded: Graded) -> NotebookNode:
    """The cell on top: how the grading went, and what was changed outside the answers."""
    verdict = graded.verdict
    lines = [f"**{_STATUS[verdict.status]}.** {verdict.reason}".strip()]
    findings = [each for each in verdict.findings if each.kind != "penalty"]
    if findings:
        lines.append("**Found in this hand-in:**")
    for finding in findings:
        sentence, _, detail = finding.text.partition("\n")
        about = f"`{finding.cell}`: " if finding.cell else ""
        lines.append(f"- {about}{sentence}")
        if detail:
            # Indented, so that nothing in it is Markdown.
            lines.append("\n".join(f"      {line}" for line in detail.split("\n")))
    if graded.caveat:
        lines.append(graded.caveat)
    return new_markdown_cell("\n\n".join(lines), id="coursehub-notice")


def proposal(graded: Graded) -> list[NotebookNode]:
    """The cell that tells staff what the policy proposes; students never get it."""
    found = [each.text for each in graded.verdict.findings if each.kind == "penalty"]
    text = "".join(f"**For staff:** {each} It is decided under *Edits*." for each in found)
    return [new_markdown_cell(text, id=PROPOSAL)] if found else []


def _outputs(result: CellResult | None) -> Sequence[NotebookNode]:
    if result is None:
        return []
    outputs = [output for each in result.outputs if (output := _checked(each))]
    shown = any(output.output_type == "error" for output in outputs)
    if result.kind == "test" and result.message and not shown:
        outputs.append(_error(result.message))
    return outputs


def _checked(output: dict[str, Any]) -> NotebookNode | None:
    """An output as a notebook may hold it, or None: what a student's process claims is anything."""
    text = json.dumps(output, ensure_ascii=False).encode("utf-8", "replace")
    checked: NotebookNode = from_dict(json.loads(text))
    return checked if isvalid(checked, ref="output", version=4, version_minor=5) else None


def _error(message: str) -> NotebookNode:
    return new_output("error", ename="Test", evalue=message, traceback=[message])
