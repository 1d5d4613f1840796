"""The queue of gradings, and which grading services are there (`coursehub.exchange.desk`)."""

from alembic import op
from sqlalchemy import Column, Integer, String, Text

from coursehub.instant import Instant

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "gradings",
        Column("id", Integer, primary_key=True),
        Column("kind", String(16), nullable=False),
        Column("assignment", String(64), nullable=False),
        Column("username", String(64), nullable=False),
        Column("hand_in", Integer, nullable=True, unique=True),
        Column("asked_by", String(64), nullable=False),
        Column("asked_at", Instant, nullable=False),
        Column("awaited_until", Instant, nullable=True),
        Column("tries", Integer, nullable=False),
        Column("taken_by", String(64), nullable=True),
        Column("taken_until", Instant, nullable=True),
        Column("done_at", Instant, nullable=True),
        Column("result", Text, nullable=True),
        Column("problem", Text, nullable=True),
        if_not_exists=True,
    )
    for column in ("username", "done_at"):
        op.create_index(f"ix_gradings_{column}", "gradings", [column], if_not_exists=True)
    op.create_table(
        "grading_services",
        Column("name", String(64), primary_key=True),
        Column("seen", Instant, nullable=False),
        Column("problem", Text, nullable=True),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Keep everything: the version before does not know it, and it waits for the next."""
