"""Marks in PostgreSQL, as the role that the deployed form's commands have."""

import os
import sys
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import Engine, NullPool, create_engine

from coursehub.course.load import load_course
from coursehub.course.schedule import window
from coursehub.exchange import migrations
from coursehub.exchange.database import connect
from coursehub.gradebook.database import upgrade
from coursehub.gradebook.history import Excuse, excuse, excused, history, record_changes
from coursehub.gradebook.marks import Facts, class_marks
from tests.gradebooks import Class
from tests.postgres import Postgres

COURSE = load_course(Path(__file__).parents[2] / "course.yml")
NOW = datetime(2021, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def gradebook(postgres: Postgres) -> Engine:
    url = postgres.url("grader", postgres.database("grader"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        upgrade(url, COURSE.id)
    return create_engine(url, poolclass=NullPool)


@pytest.fixture(scope="module")
def course_database(postgres: Postgres) -> Engine:
    """The course database as the role `grader`."""
    name = postgres.database("course")
    migrations.upgrade(connect(postgres.url("course", name)))
    with postgres.superuser(name) as connection:
        connection.execute(f'GRANT CONNECT ON DATABASE "{name}" TO grader')
    return connect(postgres.url("grader", name))


def test_marks_their_history_and_excuses(gradebook: Engine, course_database: Engine) -> None:
    names = [each.name for each in COURSE.assignments]
    Class(gradebook, COURSE, cells=3).hand_in(["alice"], names, lambda *_: {"auto_score": 0.1})
    excuse(course_database, COURSE, Excuse("alice", names[0], True, "ines", "ill", NOW))
    known = Facts(NOW, lambda _, each: window(COURSE, each), excused=excused(course_database))
    made = class_marks(gradebook, COURSE, ["alice", "bob"], known)
    assert made["alice"].part("homework").share == Fraction(1, 10)
    assert len(record_changes(course_database, made, who="ines", now=NOW)) == 1
    assert record_changes(course_database, made, who="ines", now=NOW) == []
    (entry,) = history(course_database, "alice")
    assert (entry.who, entry.after["mark"]) == ("ines", "4.0")
