"""What students get back: points, comments and messages, but not the hidden tests."""

from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import Preprocessor
from nbformat.notebooknode import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import ClearHiddenTests


class HideTests(ClearHiddenTests):
    """Removes hidden tests from feedback: their source, and the source lines in tracebacks."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Hide what a test cell would give away; its message stays."""
        if cell.cell_type != "code" or not utils.is_grade(cell) or utils.is_solution(cell):
            return cell, resources
        if self._remove_hidden_test_region(cell):
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources


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
