"""The LMS: its members, its line items, the queue of scores for it."""

from alembic import op
from sqlalchemy import Column, ForeignKey, Integer, String, Text

from coursehub.instant import Instant

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "lti_members",
        _context(),
        Column("sub", String(255), primary_key=True),
        if_not_exists=True,
    )
    op.create_table(
        "lti_line_items",
        _context(),
        Column("assignment", String(64), primary_key=True),
        Column("url", Text, nullable=False),
        Column("label", Text, nullable=False),
        Column("most", Text, nullable=False),
        Column("starts", Instant, nullable=False),
        Column("ends", Instant, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "passback",
        _context(),
        Column("assignment", String(64), primary_key=True),
        Column("username", String(64), primary_key=True),
        Column("sub", String(255), nullable=False),
        Column("score", Text, nullable=False),
        Column("most", Text, nullable=False),
        Column("received", Instant, nullable=True),
        Column("at", Instant, nullable=False),
        Column("state", String(16), nullable=False),
        Column("tries", Integer, nullable=False),
        Column("next_try", Instant, nullable=True),
        Column("problem", Text, nullable=True),
        Column("sent_score", Text, nullable=True),
        Column("sent_at", Instant, nullable=True),
        if_not_exists=True,
    )
    op.create_index("ix_passback_next", "passback", ["state", "at"], if_not_exists=True)
    op.create_table(
        "passback_turns",
        _context(),
        Column("taken_by", String(64), nullable=True),
        Column("taken_until", Instant, nullable=True),
        Column("paused_until", Instant, nullable=True),
        Column("problem", Text, nullable=True),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Keep everything: the version before does not know it, and it waits for the next."""


def _context() -> Column[int]:
    course = ForeignKey("lti_contexts.number", ondelete="CASCADE")
    return Column("context", Integer, course, primary_key=True)
