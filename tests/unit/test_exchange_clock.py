"""The clock's tables: an action has one holder at a time, and is done once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coursehub import journal
from coursehub.course.due import Action, Approval, Key
from coursehub.exchange.clock import DECIDE, LEASE, Clock
from coursehub.exchange.database import connect

NOW = datetime(2021, 2, 6, tzinfo=UTC)
KEY = Key("collect", "assignment_1", NOW)
ACTION = Action(KEY, NOW, "its deadline")
SECOND = timedelta(seconds=1)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(connect(f"sqlite:///{tmp_path / 'course.sqlite'}"))


def test_what_one_has_nobody_else_gets(clock: Clock) -> None:
    taken = clock.take(KEY, "one", NOW)
    assert taken and taken.tries == 1
    assert clock.take(KEY, "two", NOW) is None
    assert clock.take(KEY, "two", NOW + LEASE - SECOND, insist=True) is None
    assert clock.take(KEY._replace(kind="autograde"), "two", NOW)


def test_a_dead_holder_loses_it_and_may_not_finish(clock: Clock) -> None:
    clock.take(KEY, "one", NOW)
    again = clock.take(KEY, "two", NOW + LEASE)
    assert again and again.tries == 2
    assert not clock.finish(ACTION, "one", NOW + LEASE, {})
    assert clock.done() == set() and journal.entries(clock._engine) == []
    assert clock.finish(ACTION, "two", NOW + LEASE, {"hand-ins": 3})
    assert clock.done() == {KEY}


def test_what_is_done_is_done_and_stands_in_the_journal_once(clock: Clock) -> None:
    clock.take(KEY, "one", NOW)
    assert clock.finish(ACTION, "one", NOW, {"hand-ins": 3})
    assert not clock.finish(ACTION, "one", NOW, {"hand-ins": 3})
    assert clock.take(KEY, "one", NOW + 9 * LEASE, insist=True) is None
    expected = journal.Entry(
        NOW, "clock", "collect", "assignment_1", after={"hand-ins": 3}, why="its deadline"
    )
    assert journal.entries(clock._engine) == [expected]


def test_a_lease_is_renewed_while_it_is_worked_on(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coursehub.exchange.clock._RENEWALS", 400)
    now = datetime.now(UTC)
    clock.take(KEY, "one", now)
    with clock.kept(KEY, "one"):
        while (clock.deeds()[0].taken_until or now) <= now + LEASE:
            pass
    assert clock.take(KEY, "two", now + LEASE) is None


def test_after_a_failure_there_is_a_pause_that_grows(clock: Clock) -> None:
    now, pauses = NOW, []
    for tries in range(1, 10):
        taken = clock.take(KEY, "one", now)
        assert taken and taken.tries == tries
        clock.fail(KEY, "one", now, "no\0 room", tries)
        [deed] = clock.deeds()
        assert (deed.problem, deed.taken_by) == ("no room", None) and deed.taken_until
        assert clock.take(KEY, "two", deed.taken_until - SECOND) is None
        pauses.append((deed.taken_until - now).total_seconds())
        now = deed.taken_until
    assert pauses == [10, 20, 40, 80, 160, 320, 600, 600, 600]
    clock.fail(KEY, "nobody", now, "late news", 1)
    assert clock.deeds()[0].problem == "no room"


def test_who_insists_does_not_wait_for_the_end_of_a_pause(clock: Clock) -> None:
    clock.take(KEY, "one", NOW)
    clock.fail(KEY, "one", NOW, "no room", 1)
    assert clock.take(KEY, "two", NOW) is None
    assert clock.take(KEY, "two", NOW, insist=True)


def test_the_last_approval_holds(clock: Clock) -> None:
    first, second = Approval(NOW, NOW + SECOND), Approval(NOW + SECOND, NOW + 2 * SECOND)
    clock.approve("assignment_1", first, "ines")
    clock.approve("assignment_1", second, "tom", "although it is late")
    assert clock.approvals() == {"assignment_1": second}
    told = journal.entries(clock._engine, did="approve")
    assert [(each.who, each.why) for each in told] == [
        ("tom", "although it is late"),
        ("ines", None),
    ]


def test_what_could_not_be_graded_is_what_the_last_autograding_says(clock: Clock) -> None:
    def grades(close: datetime, failed: dict[str, str]) -> None:
        key = Key("autograde", "assignment_1", close)
        clock.take(key, "one", NOW)
        assert clock.finish(Action(key, close, "its deadline"), "one", NOW, {"not graded": failed})

    assert clock.not_graded("assignment_1") == {}
    grades(NOW, {"alice": "no room", "bob": "no room"})
    assert clock.not_graded("assignment_1") == {"alice": "no room", "bob": "no room"}
    grades(NOW + LEASE, {"bob": "still no room"})
    clock.take(Key("autograde", "assignment_1", NOW + 2 * LEASE), "one", NOW)
    assert clock.not_graded("assignment_1") == {"bob": "still no room"}
    assert clock.not_graded("assignment_2") == {}


def test_when_somebody_decided_last_is_what_the_journal_says(clock: Clock) -> None:
    assert clock.decided() == {}
    with clock._engine.begin() as connection:
        for minutes, name, did in ((1, "a", DECIDE), (3, "a", DECIDE), (2, "b", DECIDE),
                                   (4, "b", "extend")):  # fmt: skip
            at = NOW + minutes * timedelta(minutes=1)
            journal.record(connection, journal.Entry(at, "tara", did, name, "alice"))
    assert clock.decided() == {
        "a": NOW + timedelta(minutes=3), "b": NOW + timedelta(minutes=2)
    }  # fmt: skip
    assert all(at.tzinfo for at in clock.decided().values())
