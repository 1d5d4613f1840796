"""Regrade requests: one waits at a time, each step is in the journal."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from coursehub import journal
from coursehub.errors import CourseHubError, NotFound
from coursehub.exchange import migrations
from coursehub.exchange.database import connect
from coursehub.home.regrades import LONGEST, Regrades, open_among
from tests.postgres import Postgres

NOON = datetime(2021, 2, 5, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    if request.param == "sqlite":
        return connect(f"sqlite:///{tmp_path / 'course.sqlite'}")
    postgres: Postgres = request.getfixturevalue("postgres")
    engine = connect(postgres.url("course", postgres.database("course")))
    migrations.upgrade(engine)
    return engine


def test_a_request_is_answered_and_every_step_is_in_the_journal(engine: Engine) -> None:
    regrades = Regrades(engine)
    number = regrades.ask("alice", "assignment_1", 7, "  Task 2 is right.\0 ", NOON)
    [request] = regrades.waiting()
    assert (request.id, request.reason, request.open) == (number, "Task 2 is right.", True)
    regrades.note_rerun(number, 12, "tara", NOON)
    regrades.answer(number, "It is; points added.", True, "tara", NOON)
    [answered] = regrades.of("alice")
    assert (answered.rerun, answered.changed, answered.answer) == (12, True, "It is; points added.")
    assert regrades.waiting() == [] and regrades.answered() == [answered]
    told = [(entry.who, entry.did, entry.why) for entry in journal.entries(engine, about="alice")]
    assert told == [
        ("tara", "answer a regrade", "It is; points added."),
        ("tara", "rerun for a regrade", "Task 2 is right."),
        ("alice", "ask for a regrade", "Task 2 is right."),
    ]


def test_one_waits_at_a_time_for_each_student_and_assignment(engine: Engine) -> None:
    regrades = Regrades(engine)
    first = regrades.ask("alice", "assignment_1", 7, "Look again.", NOON)
    with pytest.raises(CourseHubError, match="asked already"):
        regrades.ask("alice", "assignment_1", 7, "Look again!", NOON)
    regrades.ask("bob", "assignment_1", 8, "Look again.", NOON)
    regrades.ask("alice", "assignment_2", 9, "Look again.", NOON)
    assert len(journal.entries(engine)) == 3, "a refused request left an entry"
    assert open_among(regrades.of("alice"), "assignment_1")
    regrades.answer(first, "No.", False, "tara", NOON)
    assert open_among(regrades.of("alice"), "assignment_1") is None
    regrades.ask("alice", "assignment_1", 7, "And now?", NOON)


def test_what_is_answered_stays(engine: Engine) -> None:
    regrades = Regrades(engine)
    number = regrades.ask("alice", "assignment_1", 7, "Look again.", NOON)
    regrades.answer(number, "No.", False, "tara", NOON)
    for step in (
        lambda: regrades.answer(number, "Yes.", True, "tom", NOON),
        lambda: regrades.note_rerun(number, 1, "tom", NOON),
        lambda: regrades.answer(number + 1, "Yes.", True, "tom", NOON),
    ):
        with pytest.raises(NotFound):
            step()
    assert regrades.find(number).answer == "No."


@pytest.mark.parametrize("text", ["", "  \n", "\0", "x" * (LONGEST + 1)])
def test_a_reason_is_needed_and_fits(engine: Engine, text: str) -> None:
    with pytest.raises(CourseHubError, match=r"empty|characters"):
        Regrades(engine).ask("alice", "assignment_1", 7, text, NOON)
    assert Regrades(engine).waiting() == []
