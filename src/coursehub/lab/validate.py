"""A Jupyter Server extension: nbgrader's Validate, beside the server's other work.

Stock nbgrader runs the notebook inside the request, and the server answers nobody meanwhile; after
some ten seconds JupyterLab tells the student that their server is not running.
"""

import json
from typing import Any

from jupyter_server.utils import url_path_join
from nbgrader.server_extensions import validate_assignment
from nbgrader.server_extensions.validate_assignment.handlers import ValidateAssignmentHandler
from tornado import web
from tornado.ioloop import IOLoop


class PatientValidateHandler(ValidateAssignmentHandler):
    """Runs the notebook in a thread."""

    @web.authenticated
    async def post(self) -> None:
        """Validate a notebook, and answer as stock does."""
        path = (self.get_json_body() or {}).get("path") or self.get_argument("path")
        answer = await IOLoop.current().run_in_executor(None, self.validate_notebook, path)
        self.finish(json.dumps(answer))


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    # The first matching handler wins.
    path = url_path_join(app.web_app.settings["base_url"], "assignments/validate")
    app.web_app.add_handlers(".*$", [(path, PatientValidateHandler)])
    validate_assignment.load_jupyter_server_extension(app)
