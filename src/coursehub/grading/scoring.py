"""Points of the verdict into nbgrader's gradebook; what a person gave stays as it is."""

from contextlib import suppress
from typing import Any

from nbformat.notebooknode import NotebookNode
from nbgrader import utils
from nbgrader.api import MissingEntry
from nbgrader.preprocessors import SaveAutoGrades

from coursehub.grading.audit import COUNTED
from coursehub.grading.outcome import TO_REVIEW, cell_key
from coursehub.grading.pipeline import Graded
from coursehub.grading.record import GRADED
from coursehub.handover import EDITS, SAME_ANSWERS

Result = tuple[NotebookNode, dict[str, Any]]


class SaveVerdicts(SaveAutoGrades):
    """Saves points by the verdict alone; stock reads them from a cell's outputs."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> Result:
        """Save.

        Raises:
            KeyError: when the notebook was not graded by `RecordedExporter`.
        """
        self._graded: Graded = resources[GRADED]
        self._name = f"{resources['nbgrader']['notebook']}.ipynb"
        self._key = cell_key(self._graded.notebooks)
        findings = self._graded.verdict.findings
        self._doubtful = {each.cell for each in findings if each.kind in TO_REVIEW}
        self._same = resources.get(SAME_ANSWERS, False)
        resources[EDITS] = [each.as_json() for each in findings if each.kind in COUNTED]
        return super().preprocess(nb, resources)

    def preprocess_cell(self, cell: NotebookNode, resources: dict[str, Any], index: int) -> Result:
        """Save the points of a cell."""
        if utils.is_grade(cell) or utils.is_solution(cell) or utils.is_task(cell):
            self._add_checksum(cell)
        return super().preprocess_cell(cell, resources, index)

    def _add_checksum(self, cell: NotebookNode) -> None:
        """Say what the released cell was: by it nbgrader knows an answer that was never given."""
        with suppress(MissingEntry):  # a cell that came into the source after the release
            cell.metadata.nbgrader.checksum = self.gradebook.find_source_cell(
                cell.metadata.nbgrader.grade_id, self.notebook_id, self.assignment_id
            ).checksum

    def _add_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        """Save the points of a graded cell."""
        name = cell.metadata.nbgrader.grade_id
        grade = self.gradebook.find_grade(
            name, self.notebook_id, self.assignment_id, self.student_id
        )
        verdict, before = self._graded.verdict, grade.auto_score
        key = self._key(self._name, name)
        if key in verdict.points:
            grade.auto_score = verdict.points[key]
        elif utils.is_solution(cell):  # left to a person, unless nothing was written
            grade.auto_score = utils.determine_grade(_without_outputs(cell), self.log)[0]
        else:
            grade.auto_score = None
        if grade.manual_score is None:
            grade.needs_manual_grade = grade.auto_score is None or name in self._doubtful
        elif grade.auto_score != before or not self._same:
            grade.needs_manual_grade = True  # what a person gave stays, and they look again
        self.gradebook.db.commit()


def _without_outputs(cell: NotebookNode) -> NotebookNode:
    """The cell as stock scoring should see it: no output that it could trip over."""
    return NotebookNode({**cell, "outputs": []}) if cell.cell_type == "code" else cell
