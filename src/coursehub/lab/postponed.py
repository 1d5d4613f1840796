"""A Jupyter Server extension that loads other extensions at the first request for their pages.

nbgrader brings 350 modules into a server that, on most days, is only used for writing.
"""

import importlib
from typing import Any

from jupyter_server.utils import url_path_join
from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches, Router, Rule


def postpone(c: Any, pages: dict[str, str]) -> None:
    """In a server's configuration `c`: load the extensions when they are first asked for.

    Args:
        c: the configuration.
        pages: module of an extension -> regular expression of its paths below the server's own.
    """
    c.ServerApp.jpserver_extensions.update({**dict.fromkeys(pages, False), __name__: True})
    c.PostponedExtensions.pages = pages


class Postponed(Router):
    """Routes nothing itself: the first request only makes it load an extension.

    The extension adds its handlers behind this router, where the same request then finds them.
    """

    def __init__(self, app: Any, module: str) -> None:
        """Stand for the extension `module` of the server `app`."""
        self._app, self._module = app, module
        self._loaded = False

    def find_handler(self, _request: HTTPServerRequest, **_: Any) -> None:
        """Load the extension, once; whoever comes next in line answers."""
        if not self._loaded:
            self._loaded = True
            importlib.import_module(self._module)._load_jupyter_server_extension(self._app)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    base = app.web_app.settings["base_url"]
    for module, pattern in app.config.PostponedExtensions.pages.items():
        path = PathMatches(url_path_join(base, f"(?:{pattern})(?:/.*)?"))
        # In front: JupyterLab's handlers would answer 404 for what nobody has claimed yet.
        app.web_app.default_router.rules.insert(0, Rule(path, Postponed(app, module)))
