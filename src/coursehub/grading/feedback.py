"""What students get back: points, comments and messages, but not the hidden tests."""

from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import Preprocessor
from nbformat.notebooknode import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import ClearHiddenTests

from coursehub.grading.record import PRIVATE


class HideTests(ClearHiddenTests):
    """Removes hidden tests from feedback: their source, and whatever quotes it or its values.

    Of a hidden test that failed students read what its author wrote for them (see `words`).
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Hide what a test cell would give away; the author's message stays."""
        if cell.cell_type != "code" or not utils.is_grade(cell) or utils.is_solution(cell):
            return cell, resources
        if self._remove_hidden_test_region(cell):
            cell.outputs = [_without_source(cell, output) for output in cell.outputs]
        return cell, resources


def _without_source(cell: NotebookNode, output: NotebookNode) -> NotebookNode:
    """The output without lines of a test; Python's warnings quote them on standard error."""
    if output.output_type == "stream" and output.name == "stderr":
        return NotebookNode(output, text="")
    if output.output_type != "error":
        return output
    if cell.metadata.get("coursehub", {}).get(PRIVATE):
        output = NotebookNode(output, evalue="A hidden test failed.")
    return NotebookNode(output, traceback=[f"{output.ename}: {output.evalue}"])


class DropOutputMetadata(Preprocessor):
    """Drops what outputs say about themselves: an image's width reaches the page unquoted."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Drop it."""
        for output in cell.get("outputs", ()):
            if "metadata" in output:
                output.metadata = NotebookNode()
        return cell, resources


@pass_context
def markdown_to_html(context: Context, source: str) -> str:
    """Render Markdown; HTML in it is shown as text, which `sanitize_html` leaves alone here."""
    attachments = context.get("cell", {}).get("attachments", {})
    return MarkdownWithMath(IPythonRenderer(escape=True, attachments=attachments)).render(source)
