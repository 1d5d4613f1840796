"""A Jupyter Server extension for staff: the formgrader, guarded, with what we add to it.

It does not load a configuration by path. nbgrader's formgrader keeps one database session for as
long as the server runs: what another grader gave is not seen, and after one error every later
request fails. Here each request leaves its session behind, and each that changes something waits
for its turn.
"""

from pathlib import Path
from typing import IO, Any

from jupyter_server.utils import url_path_join
from nbgrader.server_extensions import formgrader
from nbgrader.server_extensions.formgrader import apihandlers, handlers
from nbgrader.server_extensions.formgrader.base import BaseHandler
from nbgrader.server_extensions.formgrader.handlers import FormgraderHandler
from sqlalchemy.exc import SQLAlchemyError
from tornado import web

from coursehub.grading import additions, comments, edits, presence
from coursehub.grading.turns import when_free


class _InAFrame:
    """What JupyterLab shows in a frame, which JupyterHub forbids to all pages of a server."""

    content_security_policy = "frame-ancestors 'self'"


class GuardedFormgraderHandler(_InAFrame, FormgraderHandler):
    """The formgrader's entry, which stock nbgrader lets load a configuration by path."""

    async def prepare(self) -> None:
        """Refuse `?path=`."""
        await super().prepare()
        if "path" in self.request.query_arguments:
            raise web.HTTPError(403, "The formgrader does not load a configuration by path.")


class _TakesTurns(_InAFrame):
    """What the formgrader's handlers do beside their own work."""

    _turn: IO[bytes] | None = None
    waits_for_turn = True

    async def prepare(self: Any) -> None:
        """Before a change, wait for the turn; meanwhile the server answers others."""
        await super().prepare()  # type: ignore[misc]
        changes = self.waits_for_turn and self.request.method in ("POST", "PUT")
        if self.current_user and changes:
            # POST is a step for an assignment, or for one student's; PUT writes a few rows.
            what = self.path_args if self.request.method == "POST" else ["gradebook"]
            self._turn = await when_free(Path(self.coursedir.root), *what)

    def on_finish(self: Any) -> None:
        """Close the database session, and let the next one have the turn."""
        super().on_finish()  # type: ignore[misc]
        try:
            if gradebook := self.settings["nbgrader_gradebook"]:
                gradebook.close()  # it opens itself again when it is used
        except SQLAlchemyError as error:  # the database went away meanwhile
            self.log.warning("the gradebook could not be closed: %s", error)
            self.settings["nbgrader_gradebook"] = None
        finally:
            if self._turn:
                self._turn.close()


def formgrader_handlers() -> list[tuple[Any, ...]]:
    """The formgrader's handlers, in order, made fit for several graders."""
    ours = [*edits.HANDLERS, *presence.HANDLERS, *comments.HANDLERS, *additions.HANDLERS]
    known = [*ours, *handlers.default_handlers, *apihandlers.default_handlers]
    return [(path, _taking_turns(handler), *rest) for path, handler, *rest in known]


def _taking_turns(handler: type) -> type:
    if not issubclass(handler, BaseHandler):
        return handler  # static files
    waits = getattr(handler, "waits_for_turn", True)
    return type(handler.__name__, (_TakesTurns, handler), {"waits_for_turn": waits})


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    # The first matching handler wins.
    ours = [(r"/formgrader/?", GuardedFormgraderHandler), *formgrader_handlers()]
    base = app.web_app.settings["base_url"]
    app.web_app.add_handlers(".*$", [(url_path_join(base, path), *rest) for path, *rest in ours])
    formgrader.load_jupyter_server_extension(app)
    additions.extend(app.web_app.settings)
