"""The LMS's tables in the course database: who is trusted, what launches have told.

A launch is known by platform (issuer and client id), deployment, context (a course there) and
resource link (a link in it). `nonces` holds what was spent, so that no message counts twice. Whose
account is whose stands where all accounts do, in the roster's `identities`.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from coursehub.instant import Instant

metadata = MetaData()

platforms = Table(
    "lti_platforms",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("issuer", String(255), nullable=False),
    Column("client_id", String(255), nullable=False),
    Column("auth_login_url", Text, nullable=False),
    Column("token_url", Text, nullable=False),
    Column("jwks_url", Text, nullable=False),
    # Whom a request for a token is addressed to, where that is not the token's URL.
    Column("token_audience", Text, nullable=True),
    Column("added_at", Instant, nullable=False),
    Column("added_by", String(64), nullable=False),
    UniqueConstraint("issuer", "client_id"),
)

deployments = Table(
    "lti_deployments",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("platform", ForeignKey("lti_platforms.number"), nullable=False),
    Column("deployment_id", String(255), nullable=False),
    Column("added_at", Instant, nullable=False),
    UniqueConstraint("platform", "deployment_id"),
)

contexts = Table(
    "lti_contexts",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("deployment", ForeignKey("lti_deployments.number"), nullable=False),
    Column("context_id", String(255), nullable=False),
    Column("title", Text, nullable=False),
    # Whether this course of the LMS is our course: its people may be entered, its marks sent.
    Column("ours", Boolean, nullable=False),
    Column("memberships_url", Text, nullable=True),
    Column("lineitems_url", Text, nullable=True),
    Column("scopes", JSON, nullable=False),
    Column("seen", Instant, nullable=False),
    UniqueConstraint("deployment", "context_id"),
)

resource_links = Table(
    "lti_resource_links",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("context", ForeignKey("lti_contexts.number"), nullable=False),
    Column("resource_link_id", String(255), nullable=False),
    Column("title", Text, nullable=False),
    Column("assignment", String(64), nullable=True),
    Column("lineitem_url", Text, nullable=True),
    Column("seen", Instant, nullable=False),
    UniqueConstraint("context", "resource_link_id"),
)

# Who is in a course of an LMS, as it said when it was asked last; by account.
members = Table(
    "lti_members",
    metadata,
    Column("context", ForeignKey("lti_contexts.number", ondelete="CASCADE"), primary_key=True),
    Column("sub", String(255), primary_key=True),
)

# The column of an assignment in an LMS's gradebook, and what was last said of it there.
line_items = Table(
    "lti_line_items",
    metadata,
    Column("context", ForeignKey("lti_contexts.number", ondelete="CASCADE"), primary_key=True),
    Column("assignment", String(64), primary_key=True),
    Column("url", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("most", Text, nullable=False),
    Column("starts", Instant, nullable=False),
    Column("ends", Instant, nullable=False),
)

# The newest score of a student and assignment, for one course of an LMS, and whether it is there.
passback = Table(
    "passback",
    metadata,
    Column("context", ForeignKey("lti_contexts.number", ondelete="CASCADE"), primary_key=True),
    Column("assignment", String(64), primary_key=True),
    Column("username", String(64), primary_key=True),
    Column("sub", String(255), nullable=False),
    Column("score", Text, nullable=False),
    Column("most", Text, nullable=False),
    Column("received", Instant, nullable=True),
    Column("at", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_try", Instant, nullable=True),
    Column("problem", Text, nullable=True),
    Column("sent_score", Text, nullable=True),
    Column("sent_at", Instant, nullable=True),
    Index("ix_passback_next", "state", "at"),
)

# Who sends to a course of an LMS now, and until when it is left alone.
turns = Table(
    "passback_turns",
    metadata,
    Column("context", ForeignKey("lti_contexts.number", ondelete="CASCADE"), primary_key=True),
    Column("taken_by", String(64), nullable=True),
    Column("taken_until", Instant, nullable=True),
    Column("paused_until", Instant, nullable=True),
    Column("problem", Text, nullable=True),
)

# A digest of who sent the nonce and of the nonce; kept for as long as the message would be valid.
nonces = Table(
    "lti_nonces",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("expires", Instant, nullable=False, index=True),
)

# A digest of the secret of a link with which an LMS may register itself, once.
invitations = Table(
    "lti_invitations",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("made_by", String(64), nullable=False),
    Column("expires", Instant, nullable=False),
    Column("used_at", Instant, nullable=True),
)


def create_tables(engine: Engine) -> None:
    """Make the tables in SQLite; those of PostgreSQL are made by `coursehub migrate`."""
    if engine.dialect.name == "sqlite":
        metadata.create_all(engine)
