"""Who had which GPU, and when (the hub's table: `coursehub.hub.leases`)."""

from alembic import op
from sqlalchemy import Column, Integer, String

from coursehub.instant import Instant

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "gpu_leases",
        Column("id", Integer, primary_key=True),
        Column("username", String(64), nullable=False),
        Column("device", String(128), nullable=False),
        Column("started", Instant, nullable=False),
        Column("until", Instant, nullable=False),
        Column("ended", Instant, nullable=True),
        if_not_exists=True,
    )
    op.create_index("ix_gpu_leases_username", "gpu_leases", ["username"], if_not_exists=True)


def downgrade() -> None:
    """Keep everything: the version before does not know it, and it waits for the next."""
