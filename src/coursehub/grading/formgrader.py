"""Who may use nbgrader's formgrader, and how; importing this costs a server nothing.

Stock nbgrader would let `formgrader?path=FOLDER` load, and so execute, an `nbgrader_config.py` that
a student handed in, with a TA's rights. Staff get the formgrader without that; students get a 403.
"""

from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

STOCK = ("nbgrader.server_extensions.formgrader", "nbgrader.server_extensions.course_list")
GUARDED = "coursehub.grading.guard"


def guard_formgrader(c: Any) -> None:
    """In a staff server's configuration `c`: the formgrader, without `?path=`."""
    c.ServerApp.jpserver_extensions.update({STOCK[0]: False, GUARDED: True})


def refuse_formgrader(c: Any) -> None:
    """In a student server's configuration `c`: no formgrader; asking for it is a 403."""
    c.ServerApp.jpserver_extensions.update({**dict.fromkeys(STOCK, False), __name__: True})


class RefusedHandler(JupyterHandler):
    """Answers 403, whatever is asked."""

    async def prepare(self) -> None:
        """Refuse."""
        await super().prepare()
        raise web.HTTPError(403, "The formgrader is for course staff.")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    pattern = url_path_join(app.web_app.settings["base_url"], "formgrader(?:/.*)?")
    app.web_app.add_handlers(".*$", [(pattern, RefusedHandler)])
