"""Comments that were used before: read from the gradebook, offered beside each comment box."""

from typing import Any

from nbgrader.api import BaseCell, Comment
from nbgrader.server_extensions.formgrader.base import (
    BaseApiHandler,
    check_notebook_dir,
    check_xsrf,
)
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from tornado import web

MOST = 200
"""How many different ones are offered."""


def used_before(session: Session, submission: str, cell: str) -> list[tuple[str, int]]:
    """What anybody wrote to the same cell of other hand-ins, and how often; the most used first.

    Args:
        session: Of nbgrader's gradebook.
        submission: nbgrader's id of the graded notebook.
        cell: The grade id.
    """
    same_cell = (
        select(Comment.cell_id)
        .join(BaseCell, BaseCell.id == Comment.cell_id)
        .where(Comment.notebook_id == submission, BaseCell.name == cell)
    )
    times = func.count()
    query = (
        select(Comment.manual_comment, times)
        .where(Comment.cell_id.in_(same_cell), Comment.notebook_id != submission)
        .where(func.trim(Comment.manual_comment) != "")
        .group_by(Comment.manual_comment)
        .order_by(times.desc(), Comment.manual_comment)
        .limit(MOST)
    )
    return [(text, number) for text, number in session.execute(query)]


class UsedBeforeHandler(BaseApiHandler):
    """Where the page of a hand-in asks for them."""

    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    def get(self, submission: str, cell: str) -> None:
        """Say them; none where there is no such hand-in or cell."""
        found = used_before(self.gradebook.db, submission, cell)
        self.finish({"comments": [{"text": text, "times": times} for text, times in found]})


HANDLERS: list[tuple[str, Any]] = [
    (r"/formgrader/api/comments_used/([^/]+)/([^/]+)", UsedBeforeHandler),
]
