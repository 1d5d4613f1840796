"""A Jupyter Server extension for staff: the formgrader, guarded and fit for several graders.

It does not load a configuration by path, and graders take turns (see `turns`).
"""

from typing import Any

from jupyter_server.utils import url_path_join
from nbgrader.server_extensions import formgrader
from nbgrader.server_extensions.formgrader.handlers import FormgraderHandler
from tornado import web

from coursehub.grading.turns import formgrader_handlers


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
    ours = [(r"/formgrader/?", GuardedFormgraderHandler), *formgrader_handlers()]
    base = app.web_app.settings["base_url"]
    app.web_app.add_handlers(".*$", [(url_path_join(base, path), *rest) for path, *rest in ours])
    formgrader.load_jupyter_server_extension(app)
