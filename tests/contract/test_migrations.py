"""The course database's steps: they end where the code expects it, and lose nothing."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Engine, create_engine, inspect, select
from sqlalchemy.exc import DBAPIError

from coursehub import journal
from coursehub.errors import CourseHubError
from coursehub.exchange import database, migrations
from coursehub.exchange.database import connect, extensions, people
from coursehub.exchange.migrations import versions
from coursehub.home import regrades
from coursehub.hub import leases, requests
from coursehub.lti import tables as lti
from coursehub.project import tables
from coursehub.similarity import table as similar
from tests.postgres import Postgres

NOON = datetime(2021, 2, 5, 12, tzinfo=UTC)
ALICE = {
    "username": "alice", "number": "A0100000J", "name": "Wang, Wenjie", "role": "student",
    "email": "alice@example.edu", "password": "a hash", "active": True,
}  # fmt: skip
MORE_TIME = {
    "username": "alice", "assignment": "assignment_1", "until": NOON, "reason": "a secret",
    "granted_by": "ines", "granted_at": NOON,
}  # fmt: skip
ASK = (
    "INSERT INTO gradings (kind, assignment, username, asked_by, asked_at, tries) "
    "VALUES ('full', 'assignment_1', 'alice', 'tara', now(), 0)"
)
ASK_FOR_A_GPU = (
    "INSERT INTO gpu_requests (asked_by, asked_at, awaited_until) VALUES ('one', now(), now())"
)
WRITE = (
    "INSERT INTO journal (at, who, did, before, after) "
    "VALUES (now(), 'clock', 'release', '{}', '{}')"
)

DID = (
    "INSERT INTO clock (kind, assignment, close, tries) "
    "VALUES ('collect', 'assignment_1', now(), 1)"
)
APPROVE = (
    "INSERT INTO approvals (assignment, close, approved_by, approved_at) "
    "VALUES ('assignment_1', now(), 'ines', now())"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """An empty course database."""
    if request.param == "sqlite":
        return create_engine(f"sqlite:///{tmp_path / 'course.sqlite'}")
    return on_postgres(request.getfixturevalue("postgres"))


def on_postgres(postgres: Postgres) -> Engine:
    return connect(postgres.url("course", postgres.database("course")))


def differences(engine: Engine) -> list[object]:
    """What the tables lack of the code's, or the other way round."""
    parts = (database, journal, leases, requests, tables, regrades, lti, similar)
    expected = [each.metadata for each in parts]
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), expected)


def test_the_head_is_what_the_code_expects(engine: Engine) -> None:
    migrations.upgrade(engine)
    assert differences(engine) == []


def test_an_older_database_is_noticed(engine: Engine) -> None:
    migrations.upgrade(engine, "0001")
    assert differences(engine) != []


def test_an_upgrade_keeps_every_row(engine: Engine) -> None:
    assert migrations.upgrade(engine, "0001") == "0001"
    with engine.begin() as connection:
        connection.execute(people.insert().values(ALICE))
        connection.execute(extensions.insert().values(MORE_TIME))
    assert migrations.upgrade(engine) == migrations.upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(select(people)).mappings().all() == [ALICE]
        assert connection.execute(select(extensions)).mappings().all() == [{"id": 1, **MORE_TIME}]


STEPS = [each.stem.partition("_")[0] for each in Path(versions.__file__).parent.glob("0*.py")]


def shape(engine: Engine) -> dict[str, dict[str, str]]:
    """Each table's columns with their types, and what else a row must be."""
    found = inspect(engine)
    return {
        table: {each["name"]: str(each["type"]) for each in found.get_columns(table)}
        | {f"unique {each['column_names']}": "" for each in found.get_unique_constraints(table)}
        for table in found.get_table_names()
    }


@pytest.mark.parametrize("older", sorted(STEPS))
def test_the_version_before_can_use_the_newer_tables(older: str, tmp_path: Path) -> None:
    """While an upgrade goes on, and after it was taken back."""
    then = create_engine(f"sqlite:///{tmp_path / 'then.sqlite'}")
    migrations.upgrade(then, older)
    now = create_engine(f"sqlite:///{tmp_path / 'now.sqlite'}")
    migrations.upgrade(now)
    assert migrations.downgrade(now, older) == older
    newer = shape(now)
    for table, columns in shape(then).items():
        assert columns.items() <= newer[table].items(), table
        added = {name for name in newer[table] if name not in columns}
        assert not {name for name in added if name.startswith("unique")}, table
        for column in inspect(now).get_columns(table):
            if column["name"] in added:
                assert column["nullable"] or column["default"], f"{table}.{column['name']}"
    migrations.upgrade(now)
    assert differences(now) == []


def test_the_way_back_and_forth_forgets_nothing(engine: Engine) -> None:
    migrations.upgrade(engine)
    entry = journal.Entry(NOON, "ines", "extend", "assignment_1", "alice", {}, {}, "ill")
    with engine.begin() as connection:
        connection.execute(people.insert().values(ALICE))
        journal.record(connection, entry)
    assert migrations.downgrade(engine, "0001") == "0001"
    migrations.upgrade(engine)
    assert differences(engine) == []
    assert journal.entries(engine) == [entry]
    with engine.connect() as connection:
        assert connection.execute(select(people)).mappings().all() == [ALICE]


def test_a_step_without_a_way_back_is_named_and_nothing_happens(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(Path(migrations.__file__).parent, tmp_path / "migrations")
    step = folder / "versions" / "0011_lti.py"
    step.write_text(step.read_text().replace("def downgrade()", "def stay()"))
    monkeypatch.setattr(migrations, "__file__", str(folder / "__init__.py"))
    head = migrations.upgrade(engine)
    with pytest.raises(CourseHubError, match=r"course: step 0011 has no way back: The LMS: trust"):
        migrations.downgrade(engine, "0009")
    assert migrations.upgrade(engine) == head
    assert migrations.downgrade(engine, "0011") == "0011"


def test_the_embedded_forms_own_tables_are_taken_over(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'course.sqlite'}")
    with engine.begin() as connection:
        connection.execute(people.insert().values(ALICE))
    tables.create_tables(engine)
    migrations.upgrade(engine)
    assert differences(engine) == []
    with engine.connect() as connection:
        assert connection.execute(select(people)).mappings().all() == [ALICE]


def test_postgresql_gets_no_tables_by_being_opened(postgres: Postgres) -> None:
    assert inspect(on_postgres(postgres)).get_table_names() == []


def test_what_the_other_roles_may_do(postgres: Postgres) -> None:
    owner = on_postgres(postgres)
    migrations.upgrade(owner)
    with owner.begin() as connection:
        connection.execute(people.insert().values(ALICE))
        connection.execute(extensions.insert().values(MORE_TIME))
    allowed = {
        ("hub", "SELECT password FROM people"),
        ("hub", "SELECT * FROM ledger"),
        ("hub", "INSERT INTO gpu_leases (username, device, started, until) "
                "VALUES ('alice', 'gpu', now(), now()) RETURNING id"),
        ("hub", "INSERT INTO identities VALUES ('issuer', '1', 'alice', now()) RETURNING 1"),
        ("grader", "SELECT username, number, name, email, role, active FROM people"),
        ("grader", "SELECT id, username, assignment, until FROM extensions"),
        ("grader", "SELECT * FROM ledger"),
        ("graders", "SELECT * FROM gradings"),
        ("graders", f"{ASK} RETURNING id"),
        ("graders", "UPDATE gradings SET awaited_until = now() RETURNING 1"),
        ("grader", "UPDATE gradings SET taken_by = 'one', result = '{}' RETURNING 1"),
        ("grader", "INSERT INTO grading_services VALUES ('one', now(), NULL) RETURNING 1"),
        ("grader", "DELETE FROM gradings RETURNING 1"),
        ("grader", f"{WRITE} RETURNING 1"),
        ("grader", f"{ASK_FOR_A_GPU} RETURNING id"),
        ("grader", "UPDATE gpu_requests SET awaited_until = now() RETURNING device"),
        ("grader", "DELETE FROM gpu_requests RETURNING 1"),
        ("hub", "UPDATE gpu_requests SET seen = now(), device = 'gpu', until = now() RETURNING 1"),
        ("hub", "DELETE FROM gpu_requests RETURNING 1"),
        ("grader", "INSERT INTO teams (number, name) VALUES (9, 'Nine') RETURNING 1"),
        ("grader", "DELETE FROM members RETURNING 1"),
        ("grader", "UPDATE reports SET findings = '[]' RETURNING 1"),
        ("grader", "UPDATE scores SET score = '10' RETURNING 1"),
        ("grader", "DELETE FROM similar_runs RETURNING 1"),
        ("grader", "DELETE FROM similar_pairs RETURNING 1"),
        ("graders", "SELECT granted_at FROM extensions"),
        ("grader", f"{DID} RETURNING 1"),
        ("grader", "UPDATE clock SET done_at = now() RETURNING 1"),
        ("grader", f"{APPROVE} RETURNING 1"),
        ("graders", "SELECT * FROM clock, approvals"),
        ("hub", "INSERT INTO lti_nonces VALUES ('one', now()) RETURNING 1"),
        ("hub", "DELETE FROM lti_nonces RETURNING 1"),
        ("hub", "UPDATE lti_contexts SET ours = true RETURNING 1"),
        ("hub", "UPDATE lti_invitations SET used_at = now() RETURNING 1"),
        ("hub", f"{WRITE} RETURNING number"),
        ("grader", "DELETE FROM lti_platforms RETURNING 1"),
        ("grader", "SELECT * FROM lti_contexts"),
        ("grader", "SELECT * FROM identities"),
        ("grader", "UPDATE passback SET state = 'sent' RETURNING 1"),
    }  # fmt: skip
    refused = {
        ("hub", "UPDATE people SET role = 'instructor' RETURNING 1"),
        ("hub", "INSERT INTO people (username, password) VALUES ('bob', 'a hash')"),
        ("hub", "UPDATE lti_platforms SET jwks_url = 'https://evil' RETURNING 1"),
        ("hub", "SELECT why FROM journal"),
        ("grader", "SELECT * FROM lti_nonces"),
        ("hub", "SELECT * FROM passback"),
        ("graders", "SELECT * FROM passback"),
        ("graders", "SELECT * FROM lti_contexts"),
        ("hub", "DELETE FROM ledger RETURNING 1"),
        ("hub", "DELETE FROM identities RETURNING 1"),
        ("graders", "SELECT * FROM identities"),
        ("hub", f"{ASK_FOR_A_GPU} RETURNING id"),
        ("grader", "UPDATE gpu_requests SET device = 'gpu' RETURNING 1"),
        ("graders", f"{ASK_FOR_A_GPU} RETURNING id"),
        ("graders", "SELECT * FROM gpu_requests"),
        ("grader", "SELECT password FROM people"),
        ("grader", "SELECT reason FROM extensions"),
        ("grader", "UPDATE people SET active = false RETURNING 1"),
        ("grader", "UPDATE ledger SET received = now() RETURNING 1"),
        ("grader", "CREATE TABLE mine (a int)"),
        ("graders", "SELECT password FROM people"),
        (
            "graders",
            f"{ASK.replace('tries)', 'tries, hand_in)').replace('0)', '0, 1)')} RETURNING 1",
        ),
        ("graders", "UPDATE gradings SET result = '{}' RETURNING 1"),
        ("graders", "UPDATE gradings SET username = 'bob' RETURNING 1"),
        ("graders", "DELETE FROM gradings RETURNING 1"),
        ("graders", f"{WRITE} RETURNING 1"),
        ("grader", "DELETE FROM journal RETURNING 1"),
        ("grader", "DELETE FROM teams RETURNING 1"),
        ("grader", "DELETE FROM reports RETURNING 1"),
        ("grader", "UPDATE reports SET received = now() RETURNING 1"),
        ("graders", "SELECT * FROM scores"),
        ("grader", "SELECT * FROM similar_seen"),
        ("graders", "SELECT * FROM similar_pairs"),
        ("hub", "SELECT * FROM similar_pairs"),
        ("hub", "SELECT * FROM members"),
        ("grader", "DELETE FROM clock RETURNING 1"),
        ("grader", "UPDATE approvals SET approved_by = 'tom' RETURNING 1"),
        ("graders", f"{DID} RETURNING 1"),
        ("graders", f"{APPROVE} RETURNING 1"),
        ("graders", "INSERT INTO grading_services VALUES ('mine', now(), NULL) RETURNING 1"),
    }
    with postgres.superuser(owner.url.database or "") as connection:
        for role, statement in allowed | refused:
            with connection.transaction(force_rollback=True):
                connection.execute(f"SET LOCAL ROLE {role}")
                if (role, statement) in allowed:
                    connection.execute(statement).fetchall()
                else:
                    with (
                        pytest.raises(InsufficientPrivilege, match=r"permission denied|be owner"),
                        connection.transaction(),
                    ):
                        connection.execute(statement)


def test_the_journal_is_only_appended_to(engine: Engine) -> None:
    migrations.upgrade(engine)
    entry = journal.Entry(
        NOON, "ines", "extend", "assignment_1", "alice", {}, {"until": "x"}, "ill"
    )
    with engine.begin() as connection:
        journal.record(connection, entry)
    for change in (journal.journal.update().values(why="well"), journal.journal.delete()):
        with pytest.raises(DBAPIError, match="only ever appended to"), engine.begin() as connection:
            connection.execute(change)
    assert journal.entries(engine, about="alice") == journal.entries(engine) == [entry]
    assert journal.entries(engine, did="release") == []
