"""The grader's requests for GPUs: what renews one, what ends it, and what a row is a lease of."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from coursehub.hub.leases import Held, for_grading, is_grading
from coursehub.hub.requests import AWAITED, GpuRequests, metadata

NOON = datetime(2021, 2, 5, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def make_requests() -> GpuRequests:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    return GpuRequests(engine)


@pytest.fixture
def requests() -> GpuRequests:
    return make_requests()


def test_a_request_waits_is_lent_and_given_back(requests: GpuRequests) -> None:
    one, two = requests.ask("grader", NOON), requests.ask("grader", NOON)
    assert requests.waiting(NOON) == [one, two]
    row = requests.renew(one, NOON)
    assert row is not None and row.seen == NOON and row.device is None
    assert requests.lend(one, "gpu=0", NOON + HOUR, NOON)
    assert not requests.lend(one, "gpu=1", NOON + HOUR, NOON), "another hub was quicker"
    assert requests.waiting(NOON) == [two]
    assert requests.lent(NOON) == [Held(for_grading(one), "gpu=0", NOON + HOUR)]
    requests.withdraw(one)
    assert requests.lent(NOON) == [] and requests.renew(one, NOON) is None


def test_what_is_refused_waits_no_longer_and_says_why(requests: GpuRequests) -> None:
    number = requests.ask("grader", NOON)
    requests.refuse(number, "there is none")
    assert requests.waiting(NOON) == []
    row = requests.renew(number, NOON)
    assert row is not None and row.problem == "there is none"


def test_no_user_name_is_a_gradings() -> None:
    assert is_grading(for_grading(7))
    assert not is_grading("grading") and not is_grading("ann")


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["ask", "renew", "lend", "withdraw", "look", "wait"]),
        st.integers(0, 3),
        st.integers(0, 70),
    ),
    max_size=40,
)


@given(MOVES)
def test_a_lease_lasts_while_it_is_renewed_and_never_comes_back(
    moves: list[tuple[str, int, int]],
) -> None:
    """Against a model: number -> until when it is wanted, and whether it has a device."""
    requests, now = make_requests(), NOON
    wanted: dict[int, datetime] = {}
    lent: set[int] = set()
    numbers: list[int] = []
    for what, which, seconds in moves:
        number = numbers[which % len(numbers)] if numbers else 0
        alive = number in wanted and wanted[number] > now
        if what == "ask":
            numbers.append(requests.ask("grader", now))
            wanted[numbers[-1]] = now + AWAITED
        elif what == "renew":
            assert (requests.renew(number, now) is not None) == alive
            if alive:
                wanted[number] = now + AWAITED
        elif what == "lend":
            free = alive and number not in lent
            assert requests.lend(number, f"gpu={number}", now + HOUR, now) == free
            lent |= {number} if free else set()
        elif what == "withdraw":
            requests.withdraw(number)
            wanted.pop(number, None)
        elif what == "wait":
            now += seconds * SECOND
        living = {each for each, until in wanted.items() if until > now}
        if what == "look":
            assert {held.username for held in requests.lent(now)} == {
                for_grading(each) for each in living & lent
            }
            assert set(requests.waiting(now)) == living - lent
