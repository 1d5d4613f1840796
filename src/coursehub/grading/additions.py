"""What nbgrader's own pages have besides: an entry for edits, and two scripts.

Nothing of nbgrader's is copied. Its templates are read as they are, and a line is added after one
that is looked for; should a later nbgrader have no such line, the page is as nbgrader made it.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment, FileSystemLoader
from nbgrader.server_extensions.formgrader.handlers import template_path
from tornado import web

STATIC = Path(__file__).parent / "static"

ENTRY = '<li role="presentation"><a href="{{ base_url }}/formgrader/edits">Edits</a></li>'
LISTS = '<script defer src="{{ base_url }}/formgrader/coursehub/lists.js"></script>'
GRADING = (
    '<link rel="stylesheet" href="{{ resources.base_url }}/formgrader/coursehub/grading.css">\n'
    '<script defer src="{{ resources.base_url }}/formgrader/coursehub/grading.js"></script>'
)

ADDITIONS: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r'<li role="presentation"[^>]*><a [^>]*>Manual Grading</a></li>'), ENTRY),
    (re.compile(r'<script src="{{ base_url }}/formgrader/static/js/utils.js"></script>'), LISTS),
    (
        re.compile(r'<script src="{{ resources.base_url }}/[\w/]+/js/utils.js"></script>'),
        GRADING,
    ),
)
"""What is looked for, and what comes after it."""

HANDLERS = [(r"/formgrader/coursehub/(.*)", web.StaticFileHandler, {"path": str(STATIC)})]


class Extended(BaseLoader):
    """Templates of another loader, with the additions."""

    def __init__(self, stock: BaseLoader) -> None:
        """Read from `stock`."""
        self._stock = stock

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        """Read a template and add what belongs to it."""
        source, *rest = self._stock.get_source(environment, template)
        for after, what in ADDITIONS:
            source = after.sub(rf"\g<0>\n{what}", source)
        return source, *rest  # type: ignore[return-value]


def templates() -> BaseLoader:
    """The formgrader's templates with the additions."""
    return Extended(FileSystemLoader(template_path))


def extend(settings: dict[str, Any]) -> None:
    """Let the formgrader whose settings these are (tornado's) show its pages with the additions."""
    settings["nbgrader_jinja2_env"].loader = templates()
    grading_view = settings["nbgrader_exporter"].environment
    grading_view.loader = Extended(grading_view.loader)
