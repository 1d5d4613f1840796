"""A Jupyter Server extension for staff: the formgrader, without its way to load a configuration."""

from typing import Any

from jupyter_server.utils import url_path_join
from nbgrader.server_extensions import formgrader
from nbgrader.server_extensions.formgrader.handlers import FormgraderHandler
from tornado import web


class GuardedFormgraderHandler(FormgraderHandler):
    """The formgrader's entry, which stock nbgrader lets load a configuration by path."""

    async def prepare(self) -> None:
        """Refuse `?path=`."""
        await super().prepare()
        if "path" in self.request.query_arguments:
            raise web.HTTPError(403, "The formgrader does not load a configuration by path.")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    # The first matching handler wins.
    entry = url_path_join(app.web_app.settings["base_url"], "formgrader/?")
    app.web_app.add_handlers(".*$", [(entry, GuardedFormgraderHandler)])
    formgrader.load_jupyter_server_extension(app)
