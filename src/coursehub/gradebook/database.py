"""The gradebook's tables: nbgrader's own and ours; in PostgreSQL the audit and graders' rights."""

from alembic.migration import MigrationContext
from nbgrader import dbutil
from nbgrader.api import Gradebook, get_alembic_version
from sqlalchemy import NullPool, create_engine

from coursehub.gradebook import edits
from coursehub.gradebook.access import let_graders_in, let_pages_read
from coursehub.gradebook.audit import keep_audit

# What nbgrader's own steps call the course, where they open the gradebook without naming it.
_UNNAMED = "default_course"


def upgrade(url: str, course_id: str) -> str:
    """Bring the gradebook's tables up to date; return nbgrader's revision.

    Args:
        url: SQLAlchemy URL, as the tables' owner.
        course_id: nbgrader's id of the course. Its row is made here, since graders who start at
            the same time would each try to make it, and all but one would fail.
    """
    for course in (_UNNAMED, course_id):
        Gradebook(url, course).close()
    head = get_alembic_version()
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current != head:
        dbutil.upgrade(url)
    with engine.begin() as connection:
        edits.metadata.create_all(connection)
        if engine.dialect.name == "postgresql":
            keep_audit(connection)
            let_graders_in(connection)
            let_pages_read(connection)
    return head
