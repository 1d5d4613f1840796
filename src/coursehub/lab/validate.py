"""A Jupyter Server extension: nbgrader's Validate, beside the server's other work.

Stock nbgrader runs the notebook inside the request, and the server answers nobody meanwhile; after
some ten seconds JupyterLab tells the student that their server is not running. Besides, the look
before handing in asks how each visible test went; stock tells of those that failed alone, and shows
their source.
"""

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jupyter_server.utils import url_path_join
from nbformat import NotebookNode
from nbgrader.server_extensions import validate_assignment
from nbgrader.server_extensions.validate_assignment.handlers import ValidateAssignmentHandler
from nbgrader.utils import is_grade, is_solution
from nbgrader.validator import Validator
from tornado import web
from tornado.ioloop import IOLoop

from coursehub.course.tasks import task_of, tests_something

log = logging.getLogger(__name__)

_LONGEST = 300  # characters of a message


class PatientValidateHandler(ValidateAssignmentHandler):
    """Runs the notebook in a thread."""

    @web.authenticated
    async def post(self) -> None:
        """Validate a notebook, and answer as stock does."""
        path = (self.get_json_body() or {}).get("path") or self.get_argument("path")
        answer = await IOLoop.current().run_in_executor(None, self.validate_notebook, path)
        self.finish(json.dumps(answer))


class VisibleTestsHandler(PatientValidateHandler):
    """Runs the notebook as Validate does, and answers ``tests``, or the ``problem``."""

    def validate_notebook(self, path: str) -> dict[str, Any]:
        """Run it; what is wrong with it concerns nobody but its student."""
        root = Path(self.root_dir).resolve()
        target = (root / path).resolve()
        if not target.is_relative_to(root):
            raise web.HTTPError(403, "There is no notebook of yours")
        validator = KeepingValidator(config=self.load_config())
        try:
            validator.validate(str(target))
        except Exception as error:  # the notebook's, the kernel's, or nbgrader's
            log.warning("%s: the visible tests could not be run", target, exc_info=True)
            return {"problem": f"They could not be run: {_first_line(str(error))}"}
        if validator.ran is None:
            return {"problem": "A cell was made code or text that was not. Validate shows which."}
        return {"tests": list(tests_of(validator.ran))}


class KeepingValidator(Validator):
    """nbgrader's, which keeps the notebook that it has run."""

    ran: NotebookNode | None = None

    def _preprocess(self, nb: NotebookNode) -> NotebookNode:
        self.ran = super()._preprocess(nb)
        return self.ran


def tests_of(notebook: NotebookNode) -> Iterator[dict[str, Any]]:
    """Yield name, task, whether it passed, and what it says, of each test that was run."""
    for cell in notebook.cells:
        if cell.cell_type != "code" or not is_grade(cell) or is_solution(cell):
            continue
        if not tests_something(_parsed(cell.source)):  # what is hidden runs elsewhere
            continue
        errors = [each for each in cell.outputs if each.output_type == "error"]
        name = cell.metadata.nbgrader.grade_id
        yield {
            "name": name,
            "task": task_of(name),
            "passed": not errors,  # as grading sees it; stock also minds what is on stderr
            "message": _first_line(f"{errors[0].ename}: {errors[0].evalue}") if errors else "",
        }


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:_LONGEST]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    # The first matching handler wins.
    path = url_path_join(app.web_app.settings["base_url"], "assignments/validate")
    ours = [(f"{path}/tests", VisibleTestsHandler), (path, PatientValidateHandler)]
    app.web_app.add_handlers(".*$", ours)
    validate_assignment.load_jupyter_server_extension(app)
