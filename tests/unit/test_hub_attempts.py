"""Signing in: guesses are slowed down, a class is not, and nobody makes up where they are."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursehub.hub.attempts import PER_ACCOUNT, PER_ADDRESS, Attempts, TooManyAttempts, believed

START = datetime(2021, 1, 15, 20, 30, tzinfo=UTC)
CAMPUS, ELSEWHERE = "192.0.2.1", "203.0.113.9"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def guess(attempts: Attempts, username: str, address: str, now: datetime) -> bool:
    """Whether a wrong password was looked at."""
    try:
        attempts.begin(username, address, now)
    except TooManyAttempts:
        return False
    return True


def test_two_hundred_sign_in_within_a_minute_from_one_address() -> None:
    attempts = Attempts()
    for student in range(200):
        for wrong in range(student % 2):  # every other one mistypes first
            attempts.begin(f"s{student}", CAMPUS, at(student * 0.3 + wrong))
        attempts.begin(f"s{student}", CAMPUS, at(student * 0.3 + 2)).succeeded(
            at(student * 0.3 + 2)
        )


def test_all_of_them_at_the_same_moment_too() -> None:
    attempts = Attempts()
    begun = [attempts.begin(f"s{student}", CAMPUS, START) for student in range(200)]
    for attempt in begun:
        attempt.succeeded(at(1))


@given(st.lists(st.integers(0, 60), max_size=80))
def test_one_account_is_guessed_at_no_oftener_than_agreed(steps: list[int]) -> None:
    attempts, second, looked_at = Attempts(), 0, 0
    for number, step in enumerate(steps):
        second += step
        looked_at += guess(attempts, "alice", f"198.51.100.{number}", at(second))
    assert looked_at <= PER_ACCOUNT.burst + second / PER_ACCOUNT.every.total_seconds()


def test_one_address_cannot_go_through_all_accounts() -> None:
    attempts = Attempts()
    looked_at = sum(guess(attempts, f"s{number}", ELSEWHERE, START) for number in range(1000))
    assert looked_at == PER_ADDRESS.burst
    assert guess(attempts, "s1", CAMPUS, START)


def test_a_network_of_ipv6_is_one_address() -> None:
    attempts = Attempts()
    looked_at = sum(
        guess(attempts, f"s{number}", f"2001:db8::{number:x}", START) for number in range(1000)
    )
    assert looked_at == PER_ADDRESS.burst


def test_guesses_from_elsewhere_do_not_lock_the_owner_out() -> None:
    attempts = Attempts()
    attempts.begin("alice", CAMPUS, START).succeeded(START)
    while guess(attempts, "alice", ELSEWHERE, at(1)):
        pass
    attempts.begin("alice", CAMPUS, at(2)).succeeded(at(2))
    with pytest.raises(TooManyAttempts):
        attempts.begin("alice", ELSEWHERE, at(2))


def test_the_refusal_says_when_to_try_again() -> None:
    attempts = Attempts()
    while guess(attempts, "alice", CAMPUS, START):
        pass
    with pytest.raises(TooManyAttempts) as refused:
        attempts.begin("alice", CAMPUS, at(10))
    error = refused.value
    assert (error.status_code, error.headers) == (429, {"Retry-After": "20"})
    assert error.jupyterhub_message == "Too many sign-ins failed. Wait 20 seconds, then try again."
    attempts.begin("alice", CAMPUS, at(30))


@pytest.mark.parametrize(
    ("chain", "found"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["made up", "1.1.1.1", "203.0.113.9"], "203.0.113.9"),  # the last is the proxy's own word
        (["203.0.113.9", "10.0.0.7"], "203.0.113.9"),  # 10/8 is in front, and believed
        (["made up", "10.0.0.7"], "10.0.0.7"),
        (["10.0.0.8", "10.0.0.7"], "10.0.0.8"),
        ([], "172.18.0.2"),
    ],
)
def test_only_the_word_of_proxies_is_believed(chain: list[str], found: str) -> None:
    assert believed(chain, [ip_network("10.0.0.0/8")], "172.18.0.2") == found
