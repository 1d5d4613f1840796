"""Teams, slots, reports and scores of the project (`coursehub.project.tables`)."""

from alembic import op
from sqlalchemy import JSON, Column, ForeignKey, Integer, String, Text, UniqueConstraint

from coursehub.instant import Instant

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "teams",
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("name", String(64), nullable=False),
        Column("kind", String(32), nullable=True),
        Column("closed", Instant, nullable=True),
        UniqueConstraint("name"),
        if_not_exists=True,
    )
    op.create_table(
        "members",
        Column("username", String(64), primary_key=True),
        Column("team", Integer, ForeignKey("teams.number"), nullable=False),
        Column("since", Instant, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "invitations",
        Column("team", Integer, ForeignKey("teams.number"), primary_key=True),
        Column("username", String(64), primary_key=True),
        Column("invited_by", String(64), nullable=False),
        Column("at", Instant, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "slots",
        Column("team", Integer, ForeignKey("teams.number"), primary_key=True),
        Column("number", Integer, nullable=False),
        UniqueConstraint("number"),
        if_not_exists=True,
    )
    op.create_table(
        "swaps",
        Column("team", Integer, ForeignKey("teams.number"), primary_key=True),
        Column("other", Integer, ForeignKey("teams.number"), primary_key=True),
        Column("asked_by", String(64), nullable=False),
        Column("at", Instant, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "reports",
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("team", Integer, ForeignKey("teams.number"), nullable=False),
        Column("username", String(64), nullable=False),
        Column("received", Instant, nullable=False),
        Column("findings", JSON, nullable=True),
        if_not_exists=True,
    )
    op.create_table(
        "scores",
        Column("work", String(16), primary_key=True),
        Column("team", Integer, ForeignKey("teams.number"), primary_key=True),
        Column("grader", String(64), primary_key=True),
        Column("criterion", Text, primary_key=True),
        Column("score", String(8), nullable=False),
        Column("at", Instant, nullable=False),
        if_not_exists=True,
    )
    for table in ("members", "reports"):
        op.create_index(f"ix_{table}_team", table, ["team"], if_not_exists=True)


def downgrade() -> None:
    """Keep everything: the version before does not know it, and it waits for the next."""
