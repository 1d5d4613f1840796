"""People, extensions and the ledger of hand-ins."""

from alembic import op
from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, String, Text, UniqueConstraint

from coursehub.instant import Instant

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "people",
        Column("username", String(64), primary_key=True),
        Column("number", String(32), nullable=False, unique=True),
        Column("name", Text, nullable=False),
        Column("email", Text, nullable=False),
        Column("role", String(16), nullable=False),
        Column("password", Text, nullable=True),
        Column("active", Boolean, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "extensions",
        Column("id", Integer, primary_key=True),
        Column("username", String(64), ForeignKey("people.username"), nullable=False),
        Column("assignment", String(64), nullable=False),
        Column("until", Instant, nullable=False),
        Column("reason", Text, nullable=False),
        Column("granted_by", String(64), nullable=False),
        Column("granted_at", Instant, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_extensions_username", "extensions", ["username"], if_not_exists=True)
    op.create_table(
        "ledger",
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("username", String(64), nullable=False),
        Column("assignment", String(64), nullable=False),
        Column("received", Instant, nullable=False),
        Column("folder", Text, nullable=False, unique=True),
        Column("key", String(128), nullable=False),
        Column("files", JSON, nullable=False),
        Column("previous", String(64), nullable=False),
        Column("hash", String(64), nullable=False, unique=True),
        Column("receipt", Text, nullable=False),
        UniqueConstraint("username", "assignment", "key"),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Keep everything: the version before does not know it, and it waits for the next."""
