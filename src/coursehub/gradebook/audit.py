"""Who graded what: every change of points and comments, kept where graders can only read it.

PostgreSQL writes it itself, by triggers on nbgrader's tables and on the decisions about edits,
whoever changes them and however: in the formgrader, by autograding or by hand. Who it was is who
signed in to the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Identity,
    MetaData,
    Table,
    Text,
    func,
    inspect,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from coursehub.errors import CourseHubError
from coursehub.instant import Instant

metadata = MetaData()

audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("at", Instant, nullable=False, server_default=func.clock_timestamp()),
    Column("who", Text, nullable=False),
    Column("autograded", Boolean, nullable=False),
    Column("student", Text, index=True),
    Column("assignment", Text, index=True),
    Column("notebook", Text),
    Column("cell", Text),
    Column("before", JSONB, nullable=False),
    Column("after", JSONB, nullable=False),
)

# Runs as its owner: graders cannot write the audit themselves. A role's comment is the user name.
TRIGGERS = """
CREATE OR REPLACE FUNCTION record_grading() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  beside text[] := ARRAY['id', 'cell_id', 'notebook_id', 'needs_manual_grade'];
  before jsonb := '{}';
  after jsonb := '{}';
  changed record;
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.cell_id, NEW.notebook_id)
      IS DISTINCT FROM (OLD.cell_id, OLD.notebook_id) THEN
    RAISE EXCEPTION 'what was given for one cell cannot be moved to another';
  END IF;
  IF TG_OP <> 'INSERT' THEN
    before := jsonb_strip_nulls(to_jsonb(OLD) - beside);
    changed := OLD;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    after := jsonb_strip_nulls(to_jsonb(NEW) - beside);
    changed := NEW;
  END IF;
  IF before <> after THEN
    INSERT INTO audit (who, autograded, student, assignment, notebook, cell, before, after)
    SELECT
      coalesce(shobj_description(quote_ident(session_user)::regrole, 'pg_authid'), session_user),
      (before -> 'auto_score', before -> 'auto_comment')
        IS DISTINCT FROM (after -> 'auto_score', after -> 'auto_comment'),
      student_id, assignment.name, notebook.name, base_cell.name, before, after
    FROM (SELECT) AS nothing
    LEFT JOIN base_cell ON base_cell.id = changed.cell_id
    LEFT JOIN submitted_notebook ON submitted_notebook.id = changed.notebook_id
    LEFT JOIN notebook ON notebook.id = submitted_notebook.notebook_id
    LEFT JOIN submitted_assignment ON submitted_assignment.id = submitted_notebook.assignment_id
    LEFT JOIN assignment ON assignment.id = submitted_assignment.assignment_id;
  END IF;
  RETURN NULL;
END $$;

-- Who decided about edits, and when, is what the database knows, whatever the statement says.
CREATE OR REPLACE FUNCTION sign_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.who := coalesce(
    shobj_description(quote_ident(session_user)::regrole, 'pg_authid'), NEW.who);
  NEW.at := clock_timestamp();
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION record_decision() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  signer text := coalesce(
    shobj_description(quote_ident(session_user)::regrole, 'pg_authid'), session_user);
  before jsonb := '{}';
  after jsonb := '{}';
  changed record;
BEGIN
  IF TG_OP <> 'INSERT' THEN
    before := jsonb_build_object('edits', OLD.verb, 'percent', OLD.percent, 'reason', OLD.reason);
    changed := OLD;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    after := jsonb_build_object('edits', NEW.verb, 'percent', NEW.percent, 'reason', NEW.reason);
    changed := NEW;
    -- A service decides for somebody whom it names; that it was the service is what is known.
    IF NEW.who <> signer THEN
      after := after || jsonb_build_object('for', NEW.who);
    END IF;
  END IF;
  INSERT INTO audit (who, autograded, student, assignment, before, after) VALUES (
    signer, false, changed.student, changed.assignment, before, after);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit is only ever appended to';
END $$;

-- Whoever may execute it could hang it on a table of their own, and so write the audit.
REVOKE EXECUTE ON FUNCTION record_grading, record_decision FROM PUBLIC;

CREATE OR REPLACE TRIGGER record_grading AFTER INSERT OR UPDATE OR DELETE ON grade
  FOR EACH ROW EXECUTE FUNCTION record_grading();
CREATE OR REPLACE TRIGGER record_grading AFTER INSERT OR UPDATE OR DELETE ON comment
  FOR EACH ROW EXECUTE FUNCTION record_grading();
CREATE OR REPLACE TRIGGER sign_decision BEFORE INSERT OR UPDATE ON edit_decision
  FOR EACH ROW EXECUTE FUNCTION sign_decision();
CREATE OR REPLACE TRIGGER record_decision AFTER INSERT OR UPDATE OR DELETE ON edit_decision
  FOR EACH ROW EXECUTE FUNCTION record_decision();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


@dataclass(frozen=True)
class Entry:
    """One change of one cell's points or comment, or of a decision about a hand-in's edits.

    `before` and `after` hold nbgrader's columns that have a value: auto_score, manual_score,
    extra_credit, or auto_comment, manual_comment; of a decision: edits (the verb), percent, reason,
    and for: who decided, as a service says that wrote it for them.
    `autograded`: it was the autograder, which `who` started. Student and the rest are None where
    they had been removed before, notebook and cell also for a decision.
    """

    number: int
    at: datetime
    who: str
    autograded: bool
    student: str | None
    assignment: str | None
    notebook: str | None
    cell: str | None
    before: Mapping[str, float | str]
    after: Mapping[str, float | str]


def keep_audit(connection: Connection) -> None:
    """Make table and triggers, or bring them up to date; what they watch must be there."""
    metadata.create_all(connection)
    connection.exec_driver_sql(TRIGGERS)


def entries(
    engine: Engine, assignment: str | None = None, student: str | None = None
) -> list[Entry]:
    """What was changed, oldest first; of one assignment or student only, if named.

    Raises:
        CourseHubError: when this gradebook keeps no audit.
    """
    if not inspect(engine).has_table(audit.name):
        raise CourseHubError(
            f"the gradebook {engine.url.render_as_string()} does not record who graded what",
            remedy="PostgreSQL does, after `coursehub migrate gradebook`; SQLite never",
        )
    query = select(audit).order_by(audit.c.number)
    if assignment is not None:
        query = query.where(audit.c.assignment == assignment)
    if student is not None:
        query = query.where(audit.c.student == student)
    with engine.connect() as connection:
        return [Entry(**row) for row in connection.execute(query).mappings()]
