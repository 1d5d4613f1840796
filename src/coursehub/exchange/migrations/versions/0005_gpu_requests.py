"""GPUs that the grader asks for (the hub's table: `coursehub.hub.requests`)."""

from alembic import op
from sqlalchemy import Column, Integer, String, Text

from coursehub.instant import Instant

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "gpu_requests",
        Column("id", Integer, primary_key=True),
        Column("asked_by", String(64), nullable=False),
        Column("asked_at", Instant, nullable=False),
        Column("awaited_until", Instant, nullable=False),
        Column("seen", Instant, nullable=True),
        Column("device", String(128), nullable=True),
        Column("until", Instant, nullable=True),
        Column("problem", Text, nullable=True),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Keep everything: the version before does not know it, and it waits for the next."""
