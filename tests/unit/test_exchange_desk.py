"""The queue of gradings: who is next, and what happens to a service that dies."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from coursehub.exchange.database import connect
from coursehub.exchange.desk import KEPT, LEASE, TRIES, Desk, Grading

NOON = datetime(2021, 2, 5, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LATER = NOON + LEASE + SECOND
WEEK = "assignment_1"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return connect(f"sqlite:///{tmp_path / 'course.sqlite'}")


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


def ask(desk: Desk, username: str = "alice", until: datetime = NOON + 60 * LEASE) -> int:
    return desk.ask(WEEK, username, NOON, until)


def taken(desk: Desk, service: str = "one", now: datetime = NOON) -> Grading:
    grading = desk.take(service, now)
    assert grading is not None
    return grading


def test_what_staff_ask_for_is_taken_and_answered_once(desk: Desk) -> None:
    number = ask(desk)
    grading = taken(desk)
    assert (grading.id, grading.kind, grading.username) == (number, "full", "alice")
    assert desk.take("two", NOON) is None
    assert desk.finish(grading, {"status": "graded"}, NOON)
    assert not desk.finish(grading, {"status": "other"}, NOON)
    done = desk.look(number)
    assert done is not None and done.result == {"status": "graded"}
    assert desk.take("one", LATER) is None


def test_staff_go_first_and_then_who_asked_first(desk: Desk) -> None:
    desk.ask_for_tests(WEEK, "ann", 1, NOON)
    desk.ask_for_tests(WEEK, "ben", 2, NOON)
    first, second = ask(desk, "cai"), ask(desk, "dan")
    assert (desk.before(first, NOON), desk.before(second, NOON)) == (0, 1)
    assert desk.waiting(NOON) == {"full": 2, "rerun": 0, "visible": 2}
    assert [taken(desk).username for _ in range(4)] == ["cai", "dan", "ann", "ben"]


def test_a_service_may_take_some_assignments_alone(desk: Desk) -> None:
    desk.ask_for_tests("on_gpu", "ann", 1, NOON)
    desk.ask_for_tests(WEEK, "ben", 2, NOON)
    assert desk.take("one", NOON, only=[]) is None
    without = desk.take("one", NOON, but=["on_gpu"])
    assert without is not None and without.username == "ben"
    assert desk.take("one", NOON, but=["on_gpu"]) is None
    found = desk.take("two", NOON, only=["on_gpu"])
    assert found is not None and found.username == "ann"


def test_a_newer_hand_in_takes_the_place_of_one_that_waits(desk: Desk) -> None:
    desk.ask_for_tests(WEEK, "alice", 1, NOON)
    desk.ask_for_tests("assignment_2", "alice", 2, NOON)
    desk.ask_for_tests(WEEK, "bob", 3, NOON)
    desk.ask_for_tests(WEEK, "alice", 4, NOON)
    assert [each.hand_in for each in desk.tests_of("alice")] == [2, 4]
    assert [each.hand_in for each in desk.tests_of("bob")] == [3]


def test_one_that_is_being_run_or_done_is_left_alone(desk: Desk) -> None:
    desk.ask_for_tests(WEEK, "alice", 1, NOON)
    first = taken(desk)
    desk.ask_for_tests(WEEK, "alice", 2, NOON)
    assert desk.finish(first, {"passed": 1}, NOON)
    desk.ask_for_tests(WEEK, "alice", 3, NOON)
    assert [each.hand_in for each in desk.tests_of("alice")] == [1, 3]


def test_a_request_that_is_sent_twice_asks_once(desk: Desk) -> None:
    for _ in range(2):
        desk.ask_for_tests(WEEK, "alice", 1, NOON)
    assert desk.waiting(NOON)["visible"] == 1


def test_a_dead_services_row_is_taken_again_and_its_late_answer_refused(desk: Desk) -> None:
    ask(desk)
    lost = taken(desk, "one")
    assert desk.take("two", NOON + LEASE - SECOND) is None
    found = taken(desk, "two", LATER)
    assert found.id == lost.id
    assert not desk.keep(lost, LATER) and not desk.finish(lost, {"by": "one"}, LATER)
    assert desk.finish(found, {"by": "two"}, LATER)
    again = desk.look(found.id)
    assert again is not None and again.result == {"by": "two"}


def test_a_lease_that_is_renewed_holds(desk: Desk) -> None:
    ask(desk)
    grading = taken(desk)
    assert desk.keep(grading, NOON + LEASE - SECOND)
    assert desk.take("two", LATER) is None


def test_who_kills_every_service_gets_a_problem_and_holds_up_nobody(desk: Desk) -> None:
    bomb, other = ask(desk, "mallory"), ask(desk, "alice")
    for attempt in range(TRIES):
        assert taken(desk, now=NOON + attempt * 2 * LEASE).id == bomb
    found = taken(desk, now=NOON + 2 * TRIES * LEASE)
    assert found.id == other
    dead = desk.look(bomb)
    assert dead is not None and dead.problem and "ended 2 times" in dead.problem


def test_what_is_given_back_was_not_tried(desk: Desk) -> None:
    ask(desk)
    for _ in range(2 * TRIES):
        assert desk.give_back(taken(desk))
    assert taken(desk).tries == 1


def test_what_nobody_waits_for_is_not_graded(desk: Desk) -> None:
    number = ask(desk, until=NOON + LEASE)
    assert desk.take("one", LATER) is None
    desk.await_until(number, LATER + LEASE)
    assert taken(desk, now=LATER).id == number


def test_a_problem_may_hold_anything(desk: Desk) -> None:
    number = ask(desk)
    desk.fail(taken(desk), "it said \0 and \ud800", NOON)
    row = desk.look(number)
    assert row is not None and row.problem == "it said  and ?" and row.result is None


def test_whether_somebody_grades(desk: Desk) -> None:
    assert desk.obstacle(NOON) == "no grader is running"
    desk.report("one", "the sandbox is not real", NOON)
    assert desk.obstacle(NOON) == "the sandbox is not real"
    desk.report("two", None, NOON)
    assert desk.obstacle(NOON) is None
    assert desk.obstacle(LATER) == "no grader is running"
    desk.report("one", None, LATER)
    assert desk.obstacle(LATER) is None


def test_old_requests_of_staff_are_forgotten_and_students_results_kept(desk: Desk) -> None:
    old = ask(desk, until=NOON + LEASE)
    desk.finish(taken(desk), {}, NOON)
    desk.ask_for_tests(WEEK, "alice", 1, NOON)
    desk.finish(taken(desk), {}, NOON)
    assert desk.forget(NOON + KEPT) == []
    assert desk.forget(LATER + KEPT) == [old]
    assert desk.look(old) is None
    assert len(desk.tests_of("alice")) == 1


def test_many_takers_share_the_queue_without_a_row_twice(engine: Engine) -> None:
    desk = Desk(engine)
    numbers = [ask(desk, f"student{number}") for number in range(24)]

    def work(name: int) -> list[int]:
        own = []
        while grading := desk.take(f"service{name}", NOON):
            own.append(grading.id)
            assert desk.finish(grading, {"by": name}, NOON)
        return own

    with ThreadPoolExecutor(4) as pool:
        found = [number for own in pool.map(work, range(4)) for number in own]
    assert sorted(found) == numbers
