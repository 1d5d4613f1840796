"""Grade the cases of an assignment as a class would be, by our configuration of nbgrader."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

from coursehub.cli.compose import nbgrader_config
from coursehub.exchange.exchange import Exchange
from coursehub.grading import runner
from coursehub.settings import CHECKOUT
from tests.deployment import prepare
from tests.submissions.handin import build


@dataclass(frozen=True)
class Graded:
    """What autograding one hand-in gave."""

    points: dict[str, float]  # test cell -> automatic points
    stderr: dict[str, str]  # cell id -> text on stderr
    problem: str | None  # why nbgrader gave up, if it did


class Pipeline:
    """A temporary course with one assignment of source/, released."""

    def __init__(self, state: Path, assignment: str) -> None:
        self.settings = prepare(state, (CHECKOUT / "course.yml").read_text()).settings
        self.assignment = assignment
        self.folder = Path(str(self.settings.course_dir))
        self.release = self.folder / "release" / assignment
        self._make_config = partial(nbgrader_config, self.settings)
        Exchange(self.settings)
        runner.add_source(self.folder, CHECKOUT / "source", assignment)
        runner.release(self._make_config, assignment)

    def grade(self, case_dirs: list[Path]) -> dict[str, Graded]:
        """Autograde a hand-in a case; the case's name is the student's."""
        source = self.folder / "source" / self.assignment
        for case_dir in case_dirs:
            place = self.folder / "submitted" / case_dir.name / self.assignment
            place.mkdir(parents=True)
            notebook = build(source, self.release, case_dir)
            nbformat.write(notebook, place / f"{self.assignment}.ipynb")
        names = [case_dir.name for case_dir in case_dirs]
        log = self.settings.state / "autograde.log"
        outcome = runner.autograde(self._make_config, self.assignment, names, log=log)
        return {
            each.student: Graded(
                self._points(each.student), self._stderr(each.student), each.problem
            )
            for each in outcome
        }

    def _points(self, student: str) -> dict[str, float]:
        with Gradebook(self.settings.gradebook, "cs5260") as gradebook:
            notebook = gradebook.find_submission_notebook(self.assignment, self.assignment, student)
            return {grade.name: grade.auto_score or 0.0 for grade in notebook.grades}

    def _stderr(self, student: str) -> dict[str, str]:
        done = self.folder / "autograded" / student / self.assignment / f"{self.assignment}.ipynb"
        found: dict[str, str] = {}
        for cell in nbformat.read(done, as_version=4).cells if done.exists() else ():
            for output in cell.get("outputs", []):
                if output.get("name") == "stderr":
                    found[cell.id] = found.get(cell.id, "") + output.text
        return found
