"""The course's additions to a JupyterLab configuration; importing this costs a server nothing."""

from pathlib import Path
from typing import Any

STOCK = "nbgrader.server_extensions.assignment_list"
ASSIGNMENTS = "coursehub.exchange.assignments"
LABEXTENSIONS = Path(__file__).parent / "labextensions"


def configure_lab(c: Any) -> None:
    """Add the course's Assignment List, and its half for the browser, to a configuration `c`."""
    c.ServerApp.jpserver_extensions.update({STOCK: False, ASSIGNMENTS: True})
    c.LabApp.extra_labextensions_path = [str(LABEXTENSIONS)]
