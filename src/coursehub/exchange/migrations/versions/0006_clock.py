"""What the clock did and does, and what staff approved (`coursehub.exchange.clock`)."""

from alembic import op
from sqlalchemy import JSON, Column, Integer, String, Text

from coursehub.instant import Instant

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "clock",
        Column("kind", String(16), primary_key=True),
        Column("assignment", String(64), primary_key=True),
        Column("close", Instant, primary_key=True),
        Column("tries", Integer, nullable=False),
        Column("taken_by", String(64), nullable=True),
        Column("taken_until", Instant, nullable=True),
        Column("done_at", Instant, nullable=True),
        Column("result", JSON, nullable=True),
        Column("problem", Text, nullable=True),
        if_not_exists=True,
    )
    op.create_table(
        "approvals",
        Column("number", Integer, primary_key=True),
        Column("assignment", String(64), nullable=False),
        Column("close", Instant, nullable=False),
        Column("approved_by", String(64), nullable=False),
        Column("approved_at", Instant, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_approvals_assignment", "approvals", ["assignment"], if_not_exists=True)


def downgrade() -> None:
    """Keep everything: the version before does not know it, and it waits for the next."""
