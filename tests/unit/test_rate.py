"""Token buckets: never more than agreed, never nothing for long, and no memory of strangers."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from coursehub.rate import Buckets, Rate, say_wait, whole_seconds

START = datetime(2021, 1, 15, tzinfo=UTC)
RATE = Rate(burst=5, every=timedelta(seconds=10))
STEPS = st.lists(st.integers(0, 30), max_size=60)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@given(STEPS)
def test_no_span_of_time_has_more_than_the_burst_and_what_came_back(steps: list[int]) -> None:
    buckets, second, taken = Buckets(RATE), 0, []
    for step in steps:
        second += step
        if not buckets.take("a", at(second)):
            taken.append(second)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= 5 + (taken[last] - taken[first]) / 10


@given(STEPS)
def test_who_waits_as_long_as_told_gets_one(steps: list[int]) -> None:
    buckets, second = Buckets(RATE), 0
    for step in steps:
        second += step
        wait = buckets.take("a", at(second))
        assert wait <= RATE.every
        if wait:
            early = at(second) + wait - timedelta(microseconds=1)
            assert buckets.wait("a", early)
            assert not buckets.wait("a", at(second) + wait)


@given(STEPS)
def test_what_is_given_back_never_counted(steps: list[int]) -> None:
    buckets, second = Buckets(RATE), 0
    for step in steps:
        second += step
        assert not buckets.take("a", at(second))
        buckets.give_back("a", at(second))


def test_keys_do_not_share() -> None:
    buckets = Buckets(RATE)
    while not buckets.take("a", START):
        pass
    assert buckets.wait("a", START) and not buckets.wait("b", START)


def test_a_clock_put_back_makes_nobody_wait_longer() -> None:
    buckets = Buckets(RATE)
    while not buckets.take("a", at(86_400)):
        pass
    assert buckets.wait("a", START) <= RATE.every


def test_full_buckets_are_forgotten() -> None:
    buckets = Buckets(RATE)
    for stranger in range(20_000):
        buckets.take(stranger, at(stranger))
    assert len(buckets) < 2000


def test_words() -> None:
    assert whole_seconds(timedelta(milliseconds=1)) == 1
    assert say_wait(timedelta(seconds=29.2)) == "30 seconds"
    assert say_wait(timedelta(seconds=1)) == "1 second"
    assert say_wait(timedelta(seconds=119)) == "2 minutes"
