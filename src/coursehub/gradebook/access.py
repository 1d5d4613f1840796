"""Who may use the gradebook of the deployed form: one PostgreSQL role a staff member.

With a role of their own, the database itself knows who graded what (see `audit`), and one person's
access ends without changing anybody else's. All these roles belong to the group `graders`, which
has the rights; the services' own roles are made by the db image.
"""

import hashlib
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql
from sqlalchemy import Connection, NullPool, create_engine, make_url

from coursehub.gradebook.standing import as_grants

GROUP = "graders"
VALID = timedelta(days=30)
CONNECTIONS = 20
_LONGEST = 63  # bytes of an identifier (PostgreSQL 15, section 4.1.1); longer ones are cut

# They read and write what nbgrader keeps; of what happened they only read.
RIGHTS = """
GRANT USAGE ON SCHEMA public TO graders;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO graders;
REVOKE ALL ON audit, alembic_version FROM graders;
REVOKE DELETE ON hand_in_report, edit_decision FROM graders;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM graders;
GRANT SELECT ON audit, alembic_version TO graders;
"""

# The course pages show scores; they read the columns that they need, and no source of any cell.
# They write decisions about edits, of which none is moved to another hand-in or removed.
PAGES = "\n".join(
    (
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM course;",
        "GRANT USAGE ON SCHEMA public TO course;",
        *as_grants().values(),
        "GRANT INSERT ON edit_decision TO course;",
        'GRANT UPDATE (edits, verb, percent, reason, who, "at") ON edit_decision TO course;',
    )
)

# The user names of all who may come in now; a role's comment holds its person's.
ADMITTED = """
SELECT shobj_description(member.oid, 'pg_authid')
  FROM pg_auth_members
  JOIN pg_roles member ON member.oid = pg_auth_members.member
  JOIN pg_roles admitted ON admitted.oid = pg_auth_members.roleid
  WHERE admitted.rolname = %s AND member.rolcanlogin AND member.rolname LIKE 'ta\\_%%'
"""


@dataclass(frozen=True)
class Access:
    """Lets staff into the gradebook and out again.

    Args:
        roles: SQLAlchemy URL of any database, as a role that may make roles and admit to `graders`.
        gradebook: SQLAlchemy URL of the gradebook, as anybody.
        database: SQLAlchemy URL of the course database, as anybody.
    """

    roles: str
    gradebook: str
    database: str

    def admit(self, username: str) -> dict[str, str]:
        """Give a staff member a role and a fresh password, which replaces the one before.

        Returns:
            The environment of their server: where the databases are, as whom, and the password.
            It holds for `VALID`; nobody else ever learns it, the database keeps a SCRAM verifier.
        """
        role, password = role_of(username), secrets.token_urlsafe(32)
        valid = datetime.now(UTC) + VALID
        with self._connected() as connection:
            do = "ALTER" if _is_there(connection, role) else "CREATE"
            connection.execute(
                sql.SQL(
                    do + " ROLE {} LOGIN CONNECTION LIMIT {} VALID UNTIL {} PASSWORD {}"
                ).format(
                    sql.Identifier(role),
                    CONNECTIONS,
                    valid.isoformat(),
                    _verifier(connection, role, password),
                )
            )
            # The audit finds a person's name in the comment.
            connection.execute(
                sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(role), username)
            )
            connection.execute(
                sql.SQL("GRANT {} TO {}").format(sql.Identifier(GROUP), sql.Identifier(role))
            )
        return {
            "COURSEHUB_GRADEBOOK": _as(role, self.gradebook),
            "COURSEHUB_DATABASE": _as(role, self.database),
            "PGPASSWORD": password,
        }

    def dismiss(self, username: str) -> None:
        """Take a person's access away, at once; nothing happens if they have none."""
        role = role_of(username)
        with self._connected() as connection:
            if _is_there(connection, role):
                name = sql.Identifier(role)
                connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(name))
                # Rights are looked up at every statement, also in sessions that are open now.
                connection.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(GROUP), name))

    def keep_only(self, staff: Collection[str]) -> None:
        """Take the access of everybody away who is not one of `staff` any more."""
        with self._connected() as connection:
            admitted = connection.execute(ADMITTED, [GROUP]).fetchall()
        for (username,) in admitted:
            if username not in staff:
                self.dismiss(username)

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        """A transaction, past SQLAlchemy's own log of statements."""
        with create_engine(self.roles, poolclass=NullPool).begin() as connection:
            yield connection.connection.driver_connection  # type: ignore[misc]


def role_of(username: str) -> str:
    """The name of a staff member's role; two people never share one."""
    role = f"ta_{username}"
    if len(role.encode()) <= _LONGEST:
        return role
    digest = hashlib.sha256(username.encode()).hexdigest()[:16]
    return f"{role[: _LONGEST - 17]}#{digest}"


def let_graders_in(connection: Connection) -> None:
    """Give the group its rights on the gradebook's tables; the audit's must be there."""
    connection.exec_driver_sql(RIGHTS)


def let_pages_read(connection: Connection) -> None:
    """Let the course service read what its pages show, and write what staff decide there."""
    connection.exec_driver_sql(PAGES)


def _is_there(connection: psycopg.Connection, role: str) -> bool:
    found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
    return found.fetchone() is not None


def _verifier(connection: psycopg.Connection, role: str, password: str) -> str:
    """What the server keeps: the password itself is never sent, so no log can hold it."""
    made = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return made.decode()


def _as(role: str, url: str) -> str:
    return make_url(url).set(username=role, password=None).render_as_string()
