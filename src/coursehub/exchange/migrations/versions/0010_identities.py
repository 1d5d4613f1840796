"""Whose account at which identity provider somebody's is."""

from alembic import op
from sqlalchemy import Column, ForeignKey, String, UniqueConstraint

from coursehub.instant import Instant

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "identities",
        Column("issuer", String(255), primary_key=True),
        Column("subject", String(255), primary_key=True),
        Column("username", String(64), ForeignKey("people.username"), nullable=False),
        Column("linked_at", Instant, nullable=False),
        UniqueConstraint("issuer", "username"),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Keep everything: the version before does not know it, and it waits for the next."""
