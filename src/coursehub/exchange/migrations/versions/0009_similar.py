"""Hand-ins that are alike, and who of staff has looked at them (`coursehub.similarity.table`)."""

from alembic import op
from sqlalchemy import JSON, Boolean, Column, Float, Integer, String, Text

from coursehub.instant import Instant

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "similar_runs",
        Column("assignment", String(64), primary_key=True),
        Column("at", Instant, nullable=False),
        Column("basis", String(64), nullable=False),
        Column("told", JSON, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "similar_pairs",
        Column("assignment", String(64), primary_key=True),
        Column("key", String(32), primary_key=True),
        Column("number", Integer, nullable=False),
        Column("one", String(64), nullable=False),
        Column("other", String(255), nullable=False),
        Column("earlier", String(255), nullable=False),
        Column("share", Float, nullable=False),
        Column("other_share", Float, nullable=False),
        Column("tokens", Integer, nullable=False),
        Column("whole", Boolean, nullable=False),
        Column("cells", JSON, nullable=False),
        Column("parts", JSON, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "similar_seen",
        Column("assignment", String(64), primary_key=True),
        Column("key", String(32), primary_key=True),
        Column("seen_by", String(64), nullable=False),
        Column("seen_at", Instant, nullable=False),
        Column("remark", Text, nullable=False),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Keep everything: the version before does not know it, and it waits for the next."""
