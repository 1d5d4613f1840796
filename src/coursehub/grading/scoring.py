"""What a test cell is worth: full points if it ran to its end, none if it raised or never ran.

Stock nbgrader reads points from a cell's *outputs*: a warning on stderr is a zero, a number as last
expression is the score, and a cell that never ran is full marks. Here only the kernel's reply to
the execution counts, and no reply is no points.
"""

from typing import Any

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.notebooknode import NotebookNode
from nbgrader import utils
from nbgrader.nbgraderformat import SchemaTooNewError, SchemaTooOldError
from nbgrader.preprocessors import CheckCellMetadata, DeduplicateIds, Execute, SaveAutoGrades

from coursehub.errors import BadSubmission

_REPLIES = "coursehub_replies"

Result = tuple[NotebookNode, dict[str, Any]]


class DropCopies(DeduplicateIds):
    """Makes a copied cell an ordinary one; stock leaves it half-marked, which stops the batch."""

    def preprocess_cell(self, cell: NotebookNode, resources: dict[str, Any], index: int) -> Result:
        """Remove what marks a copy."""
        cell, resources = super().preprocess_cell(cell, resources, index)
        if cell.metadata.get("nbgrader") == {}:
            del cell.metadata["nbgrader"]
        return cell, resources


class CheckCells(CheckCellMetadata):
    """Checks the marks on cells; a wrong schema is this notebook's fault, not the batch's."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> Result:
        """Check.

        Raises:
            BadSubmission: stock raises what makes nbgrader drop everybody else too.
        """
        try:
            return super().preprocess(nb, resources)
        except (SchemaTooOldError, SchemaTooNewError) as error:
            raise BadSubmission(
                f"its cells are marked for another version of nbgrader ({error})",
                remedy="Ask the student to fetch the assignment again",
            ) from error


class RecordReplies(Execute):
    """Executes the notebook and notes, for each cell, what the kernel replied.

    A kernel that dies ends the notebook, not the grading: cells after it have no reply.
    """

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any], km: Any = None) -> Result:
        """Execute."""
        self._replies: dict[int, str] = {}
        self._ended: str | None = None
        nb, resources = super().preprocess(nb, resources, km)
        resources[_REPLIES] = self._replies
        return nb, resources

    def preprocess_cell(self, cell: NotebookNode, resources: dict[str, Any], index: int) -> Result:
        """Execute a cell, unless the kernel is gone."""
        if cell.cell_type != "code":
            return cell, resources
        if self._ended:
            cell.outputs = [_not_run(self._ended)]
            return cell, resources
        try:
            return super().preprocess_cell(cell, resources, index)
        except (DeadKernelError, CellTimeoutError) as error:
            self._ended = f"{type(error).__name__} in cell {index + 1}"
            self.log.warning("The notebook ended: %s", self._ended)
            cell.outputs.append(_not_run(self._ended))
            return cell, resources

    def on_cell_executed(self, **named: Any) -> None:
        """Note the reply of a cell."""
        super().on_cell_executed(**named)
        self._replies[named["cell_index"]] = named["execute_reply"]["content"]["status"]


class SaveVerdicts(SaveAutoGrades):
    """Saves points by the kernel's replies instead of by the outputs."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> Result:
        """Save.

        Raises:
            KeyError: when the notebook was not executed by `RecordReplies`.
        """
        self._replies = resources[_REPLIES]
        return super().preprocess(nb, resources)

    def preprocess_cell(self, cell: NotebookNode, resources: dict[str, Any], index: int) -> Result:
        """Save the points of a cell."""
        self._reply = self._replies.get(index)
        return super().preprocess_cell(cell, resources, index)

    def _add_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        """Add points where stock would, by our rule; a score set by hand stays as it is."""
        super()._add_score(_neutral(cell), resources)
        if cell.cell_type == "code" and not utils.is_solution(cell):
            self._correct(cell)

    def _correct(self, cell: NotebookNode) -> None:
        grade = self.gradebook.find_grade(
            cell.metadata["nbgrader"]["grade_id"],
            self.notebook_id,
            self.assignment_id,
            self.student_id,
        )
        grade.auto_score = points(cell, self._reply)
        self.gradebook.db.commit()


def points(cell: NotebookNode, reply: str | None) -> float:
    """The points of an autograded test cell.

    Args:
        cell: the test cell after execution.
        reply: the kernel's status for it, or None when it never ran.
    """
    raised = any(output.output_type == "error" for output in cell.outputs)
    return float(cell.metadata["nbgrader"]["points"]) if reply == "ok" and not raised else 0.0


def _neutral(cell: NotebookNode) -> NotebookNode:
    """The cell as stock scoring should see it: no output that it could trip over."""
    if cell.cell_type != "code":
        return cell
    return NotebookNode({**cell, "outputs": []})


def _not_run(why: str) -> NotebookNode:
    text = f"This cell was not run to its end: the notebook stopped earlier ({why})."
    return NotebookNode(output_type="error", ename="NotRun", evalue=text, traceback=[text])
