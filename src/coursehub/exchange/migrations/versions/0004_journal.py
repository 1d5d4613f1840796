"""The journal: who changed what, when and why (`coursehub.journal`)."""

from alembic import op
from sqlalchemy import JSON, Column, Integer, String, Text

from coursehub.instant import Instant
from coursehub.journal import REFUSE_CHANGES

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table, and let nobody change what stands in it."""
    op.create_table(
        "journal",
        Column("number", Integer, primary_key=True),
        Column("at", Instant, nullable=False),
        Column("who", String(64), nullable=False),
        Column("did", String(64), nullable=False),
        Column("assignment", String(64), nullable=True),
        Column("about", String(128), nullable=True),
        Column("before", JSON, nullable=False),
        Column("after", JSON, nullable=False),
        Column("why", Text, nullable=True),
        if_not_exists=True,
    )
    for column in ("did", "assignment", "about"):
        op.create_index(f"ix_journal_{column}", "journal", [column], if_not_exists=True)
    for statement in REFUSE_CHANGES[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    """Keep everything: the version before does not know it, and it waits for the next."""
