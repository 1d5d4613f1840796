"""The LMS: trusted platforms, what launches have told, spent nonces."""

from alembic import op
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    String,
    Text,
    UniqueConstraint,
)

from coursehub.instant import Instant

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "lti_platforms",
        Column("number", Integer, primary_key=True),
        Column("name", Text, nullable=False),
        Column("issuer", String(255), nullable=False),
        Column("client_id", String(255), nullable=False),
        Column("auth_login_url", Text, nullable=False),
        Column("token_url", Text, nullable=False),
        Column("jwks_url", Text, nullable=False),
        Column("token_audience", Text, nullable=True),
        Column("added_at", Instant, nullable=False),
        Column("added_by", String(64), nullable=False),
        UniqueConstraint("issuer", "client_id"),
        if_not_exists=True,
    )
    op.create_table(
        "lti_deployments",
        Column("number", Integer, primary_key=True),
        Column("platform", Integer, ForeignKey("lti_platforms.number"), nullable=False),
        Column("deployment_id", String(255), nullable=False),
        Column("added_at", Instant, nullable=False),
        UniqueConstraint("platform", "deployment_id"),
        if_not_exists=True,
    )
    op.create_table(
        "lti_contexts",
        Column("number", Integer, primary_key=True),
        Column("deployment", Integer, ForeignKey("lti_deployments.number"), nullable=False),
        Column("context_id", String(255), nullable=False),
        Column("title", Text, nullable=False),
        Column("ours", Boolean, nullable=False),
        Column("memberships_url", Text, nullable=True),
        Column("lineitems_url", Text, nullable=True),
        Column("scopes", JSON, nullable=False),
        Column("seen", Instant, nullable=False),
        UniqueConstraint("deployment", "context_id"),
        if_not_exists=True,
    )
    op.create_table(
        "lti_resource_links",
        Column("number", Integer, primary_key=True),
        Column("context", Integer, ForeignKey("lti_contexts.number"), nullable=False),
        Column("resource_link_id", String(255), nullable=False),
        Column("title", Text, nullable=False),
        Column("assignment", String(64), nullable=True),
        Column("lineitem_url", Text, nullable=True),
        Column("seen", Instant, nullable=False),
        UniqueConstraint("context", "resource_link_id"),
        if_not_exists=True,
    )
    op.create_table(
        "lti_nonces",
        Column("digest", String(64), primary_key=True),
        Column("expires", Instant, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_lti_nonces_expires", "lti_nonces", ["expires"], if_not_exists=True)
    op.create_table(
        "lti_invitations",
        Column("digest", String(64), primary_key=True),
        Column("made_by", String(64), nullable=False),
        Column("expires", Instant, nullable=False),
        Column("used_at", Instant, nullable=True),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Keep everything: the version before does not know it, and it waits for the next."""
