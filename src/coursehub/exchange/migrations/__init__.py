"""The course database's tables, brought up to date step by step, by Alembic.

Each file of `versions/` is a step; the newest is the head. A step is never edited once released.
What the roles of the other services may do with the tables is said anew each time.

While an upgrade goes on, and after it was taken back, an older version uses the newer tables. So a
step only adds: tables, and columns that may be empty or have a default. Its way back keeps what was
added, and forgets nothing. A step that cannot be so has a `downgrade` that really goes back, or
none: then an upgrade over it can only be taken back by putting the saved databases in place.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from coursehub.errors import CourseHubError

# The hub signs people in, notes whose account it was, lends GPUs and asks who has handed in. The
# grader and all other staff read what nbgrader's configuration and the clock need: who somebody is
# (never a password), until when somebody has more time and since when (never why), what was done
# and approved. Staff ask for gradings by an assignment and a student alone, say how long they wait,
# and read what came of it; the rest is the grader's to write. The grader does what the clock has to
# do and says so, enters what staff approve in its shell, and changes nothing in the journal. It
# asks the hub for GPUs, and the hub alone says which. Staff commands about teams, slots and scores
# run beside the grader and may change those. Reports come in by the course service alone; only what
# their check found is written again. No team and no report is ever removed.
# Launches of the LMS are the hub's: it spends nonces, learns courses and links, and enters people
# whom an LMS vouches for; a password, a role or a person's name it never changes. Who is trusted is
# said beside the grader, or by an invitation. The grader sends scores to it; that the roster
# follows it is for the course service's shell. Which hand-ins are alike is the grader's to say;
# what staff have looked at comes in by the course service, and staff's own roles read neither.
GRANTS = """
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM hub, grader, graders;
GRANT USAGE ON SCHEMA public TO hub, grader, graders;
GRANT SELECT ON people, extensions, ledger TO hub;
GRANT SELECT, INSERT ON identities TO hub;
GRANT SELECT, INSERT, UPDATE ON gpu_leases TO hub;
GRANT USAGE ON SEQUENCE gpu_leases_id_seq TO hub;
GRANT SELECT, DELETE, UPDATE (seen, device, until, problem) ON gpu_requests TO hub;
GRANT SELECT, DELETE, INSERT (asked_by, asked_at, awaited_until),
      UPDATE (awaited_until) ON gpu_requests TO grader;
GRANT USAGE ON SEQUENCE gpu_requests_id_seq TO grader;
GRANT SELECT ON ledger, identities TO grader;
GRANT SELECT (username, number, name, email, role, active) ON people TO grader, graders;
GRANT SELECT (id, username, assignment, until, granted_at) ON extensions TO grader, graders;
GRANT SELECT ON gradings, grading_services TO graders;
GRANT INSERT (kind, assignment, username, asked_by, asked_at, awaited_until, tries),
      UPDATE (awaited_until) ON gradings TO graders;
GRANT SELECT, INSERT, UPDATE, DELETE ON gradings, grading_services TO grader;
GRANT USAGE ON SEQUENCE gradings_id_seq TO grader, graders;
GRANT SELECT, INSERT, UPDATE ON clock TO grader;
GRANT SELECT, INSERT ON approvals TO grader;
GRANT USAGE ON SEQUENCE approvals_number_seq TO grader;
GRANT SELECT ON clock, approvals TO graders;
GRANT SELECT, INSERT ON journal TO grader;
GRANT USAGE ON SEQUENCE journal_number_seq TO grader;
GRANT SELECT, INSERT, UPDATE ON teams TO grader;
GRANT SELECT, INSERT, UPDATE, DELETE ON members, invitations, slots, swaps, scores TO grader;
GRANT SELECT, UPDATE (findings) ON reports TO grader;
GRANT INSERT (username, number, name, email, role, active) ON people TO hub;
GRANT SELECT, INSERT ON lti_platforms, lti_deployments TO hub;
GRANT SELECT, INSERT, UPDATE ON lti_contexts, lti_resource_links TO hub;
GRANT SELECT, INSERT, DELETE ON lti_nonces TO hub;
GRANT SELECT, UPDATE (used_at) ON lti_invitations TO hub;
GRANT INSERT, SELECT (number) ON journal TO hub;
GRANT SELECT, INSERT, UPDATE, DELETE ON lti_platforms, lti_deployments, lti_contexts,
      lti_resource_links, lti_invitations TO grader;
GRANT SELECT, INSERT, UPDATE, DELETE ON lti_members, lti_line_items, passback, passback_turns
      TO grader;
GRANT USAGE ON SEQUENCE journal_number_seq TO hub;
GRANT USAGE ON SEQUENCE lti_platforms_number_seq, lti_deployments_number_seq,
      lti_contexts_number_seq, lti_resource_links_number_seq TO hub, grader;
GRANT SELECT, INSERT, DELETE ON similar_runs, similar_pairs TO grader;
"""


def upgrade(engine: Engine, revision: str = "head") -> str:
    """Bring the tables to `revision`; return the revision that is there then.

    It is all done or nothing is. With PostgreSQL the roles `hub`, `grader` and `graders` get
    their rights.
    """
    config = _config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        if connection.dialect.name == "postgresql" and revision == "head":
            connection.exec_driver_sql(GRANTS)
        return _revision(connection)


def downgrade(engine: Engine, revision: str) -> str:
    """Take the tables back to an older `revision`; return the revision that is there then.

    It is all done or nothing is.

    Raises:
        CourseHubError: naming the steps that have no way back.
    """
    config = _config()
    with engine.begin() as connection:
        steps = ScriptDirectory.from_config(config).iterate_revisions(
            _revision(connection), revision
        )
        if stuck := [each for each in steps if not hasattr(each.module, "downgrade")]:
            raise CourseHubError(
                "; ".join(f"step {each.revision} has no way back: {each.doc}" for each in stuck),
                key="course",
                remedy="Put the saved databases in place, or stay with the newer version",
            )
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
        return _revision(connection)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def _revision(connection: Connection) -> str:
    return str(MigrationContext.configure(connection).get_current_revision())
