"""What the pages need: who has fetched what, requests to grade anew, an index of hand-ins."""

from alembic import op
from sqlalchemy import Boolean, Column, Integer, String, Text, text

from coursehub.instant import Instant

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "fetches",
        Column("username", String(64), primary_key=True),
        Column("assignment", String(64), primary_key=True),
        Column("at", Instant, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "regrades",
        Column("id", Integer, primary_key=True),
        Column("username", String(64), nullable=False),
        Column("assignment", String(64), nullable=False),
        Column("hand_in", Integer, nullable=False),
        Column("reason", Text, nullable=False),
        Column("asked_at", Instant, nullable=False),
        Column("rerun", Integer, nullable=True),
        Column("changed", Boolean, nullable=True),
        Column("answer", Text, nullable=True),
        Column("answered_by", String(64), nullable=True),
        Column("answered_at", Instant, nullable=True),
        if_not_exists=True,
    )
    op.create_index("ix_regrades_username", "regrades", ["username"], if_not_exists=True)
    stamps = ["assignment", "username", "received", "number"]
    op.create_index("ix_ledger_stamps", "ledger", stamps, if_not_exists=True)
    # One that waits for an answer, for each student and assignment.
    waits = text("answered_at IS NULL")
    op.create_index(
        "one_regrade_waits", "regrades", ["username", "assignment"], unique=True,
        sqlite_where=waits, postgresql_where=waits, if_not_exists=True,
    )  # fmt: skip


def downgrade() -> None:
    """Keep everything: the version before does not know it, and it waits for the next."""
