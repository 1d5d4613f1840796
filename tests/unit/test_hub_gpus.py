"""Who gets a GPU next, how long others wait, and what counts towards their week."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, select

from coursehub.hub.devices import Device
from coursehub.hub.gpus import Standing
from coursehub.hub.labels import Lease
from coursehub.hub.leases import Held, LeaseHistory, gpu_leases, metadata, start_of_week
from coursehub.hub.profiles import say_standing
from coursehub.hub.queue import Queue, choose, expected_wait, say_length
from coursehub.hub.turnstile import Turnstile

SINGAPORE = ZoneInfo("Asia/Singapore")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FRIDAY = datetime(2021, 2, 5, 12, 0, tzinfo=UTC)


# --- which device


def test_the_least_loaded_device_is_lent_first_and_a_full_one_never() -> None:
    names = ["a", "b", "c"]
    assert choose(names, [], 1) == "a"
    assert choose(names, ["a"], 1) == "b"
    assert choose(names, ["a", "b", "c"], 1) is None
    assert choose(names, ["a", "b", "c", "a"], 2) == "b"
    assert choose([], [], 1) is None


def test_a_lease_of_a_device_that_is_no_longer_lent_takes_no_place() -> None:
    assert choose(["a"], ["gone"], 1) == "a"


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 25))
def test_devices_fill_evenly_and_exactly(devices: int, shared: int, takers: int) -> None:
    names, taken = [str(number) for number in range(devices)], []
    for _ in range(takers):
        if name := choose(names, taken, shared):
            taken.append(name)
    loads = [taken.count(name) for name in names]
    assert sum(loads) == min(takers, devices * shared)
    assert max(loads) - min(loads) <= 1


# --- whose turn


def test_first_come_first_served_but_those_in_favour_before_all() -> None:
    in_favour: set[str] = set()

    async def queue() -> None:
        queue = Queue(in_favour.__contains__)
        turns = [queue.join(name, HOUR) for name in ("ann", "ben", "cat", "dan")]
        assert [turn.username for turn in queue.order()] == ["ann", "ben", "cat", "dan"]
        in_favour.update({"dan", "cat"})
        assert [turn.username for turn in queue.order()] == ["cat", "dan", "ann", "ben"]
        in_favour.clear()
        queue.drop(turns[0])
        queue.drop(turns[0])
        assert [turn.username for turn in queue.order()] == ["ben", "cat", "dan"]
        assert queue.find("ann") is None

    asyncio.run(queue())


# --- how long


def test_the_expected_wait_follows_the_ends_of_leases() -> None:
    ends = [FRIDAY + 50 * MINUTE, FRIDAY + 10 * MINUTE]

    def wait(number: int) -> timedelta | None:
        return expected_wait(number, ends, 2, HOUR, FRIDAY)

    assert wait(1) == 10 * MINUTE
    assert wait(2) == 50 * MINUTE
    assert wait(3) == 70 * MINUTE  # the first has kept theirs for an hour
    assert wait(4) == 110 * MINUTE


def test_nobody_waits_for_a_free_place_and_nothing_is_known_without_any() -> None:
    assert expected_wait(1, [FRIDAY + HOUR], 2, HOUR, FRIDAY) == timedelta(0)
    assert expected_wait(1, [], 0, HOUR, FRIDAY) is None


def test_an_overdue_lease_ends_any_moment() -> None:
    assert expected_wait(1, [FRIDAY - HOUR], 1, HOUR, FRIDAY) == timedelta(0)


def test_more_leases_than_places_must_end_first() -> None:
    ends = [FRIDAY + number * MINUTE for number in (1, 2, 3)]
    assert expected_wait(1, ends, 2, HOUR, FRIDAY) == 2 * MINUTE


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(0, "a minute"), (1, "a minute"), (3, "3 minutes"), (21, "25 minutes"), (120, "2 hours")],
)
def test_waits_are_said_in_round_figures(minutes: int, said: str) -> None:
    assert say_length(minutes * MINUTE) == said


def test_the_form_says_what_is_free() -> None:
    assert say_standing(Standing(2, 4, 0, timedelta(0)), 4) == "2 of 4 GPUs free"
    assert say_standing(Standing(1, 1, 0, timedelta(0)), 1) == "1 of 1 GPU free"
    assert say_standing(Standing(5, 8, 0, timedelta(0)), 4) == "5 of 8 places on 4 GPUs free"
    assert (
        say_standing(Standing(0, 4, 3, 25 * MINUTE), 4)
        == "none free, 3 are waiting, yours in about 25 minutes"
    )
    assert say_standing(Standing(0, 4, 0, None), 4) == "none free, nobody is waiting"


# --- the lease


def test_a_lease_of_a_shared_gpu_limits_pytorch_to_less_than_its_share() -> None:
    lease = Lease(Device("nvidia.com/gpu=0"), "ann", FRIDAY, 4, "Fri 5 Feb 20:00")
    assert lease.environment["PYTORCH_CUDA_ALLOC_CONF"] == "per_process_memory_fraction:0.22"
    assert lease.environment["COURSEHUB_GPU_UNTIL_TEXT"] == "Fri 5 Feb 20:00"
    alone = Lease(Device("nvidia.com/gpu=0"), "ann", FRIDAY)
    assert "PYTORCH_CUDA_ALLOC_CONF" not in alone.environment


def test_devices_are_asked_for_by_cdi_name_or_uuid() -> None:
    cdi = Device("nvidia.com/gpu=1").request
    assert (cdi.driver, cdi.device_ids) == ("cdi", ["nvidia.com/gpu=1"])
    uuid = Device("GPU-8a5f").request
    assert (uuid.driver, uuid.device_ids) == ("nvidia", ["GPU-8a5f"])
    assert uuid.capabilities == [["gpu"]]


# --- the week


@pytest.fixture
def history() -> LeaseHistory:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    return LeaseHistory(engine, SINGAPORE)


def rows(history: LeaseHistory) -> list[tuple[str, datetime, datetime | None]]:
    with history._engine.connect() as connection:
        found = connection.execute(select(gpu_leases).order_by(gpu_leases.c.id)).all()
    return [(row.username, row.started, row.ended) for row in found]


def test_the_history_follows_what_is_observed(history: LeaseHistory) -> None:
    held = Held("ann", "gpu=0", FRIDAY + HOUR)
    history.observe([held], FRIDAY)
    history.observe([held], FRIDAY + 5 * MINUTE)
    assert rows(history) == [("ann", FRIDAY, None)]
    assert history.used_this_week("ann", FRIDAY + 10 * MINUTE) == 10 * MINUTE
    history.observe([], FRIDAY + 20 * MINUTE)
    assert rows(history) == [("ann", FRIDAY, FRIDAY + 20 * MINUTE)]
    assert history.used_this_week("ann", FRIDAY + 10 * HOUR) == 20 * MINUTE
    assert history.used_this_week("ben", FRIDAY + 10 * HOUR) == timedelta(0)


def test_a_lease_that_vanished_while_the_hub_was_down_costs_no_more_than_its_length(
    history: LeaseHistory,
) -> None:
    history.observe([Held("ann", "gpu=0", FRIDAY + HOUR)], FRIDAY)
    assert history.used_this_week("ann", FRIDAY + 9 * HOUR) == HOUR
    history.observe([], FRIDAY + 9 * HOUR)
    assert rows(history) == [("ann", FRIDAY, FRIDAY + HOUR)]


def test_a_new_lease_on_the_same_device_is_another_row(history: LeaseHistory) -> None:
    history.observe([Held("ann", "gpu=0", FRIDAY + HOUR)], FRIDAY)
    history.observe([Held("ann", "gpu=0", FRIDAY + 2 * HOUR)], FRIDAY + 30 * MINUTE)
    assert [ended for _, _, ended in rows(history)] == [FRIDAY + 30 * MINUTE, None]
    assert history.used_this_week("ann", FRIDAY + 40 * MINUTE) == 40 * MINUTE


def test_the_week_begins_on_monday_on_the_courses_clocks(history: LeaseHistory) -> None:
    monday = datetime(2021, 2, 8, 0, 0, tzinfo=SINGAPORE)
    assert start_of_week(monday, SINGAPORE) == monday
    assert start_of_week(monday - MINUTE, SINGAPORE) == monday - timedelta(weeks=1)
    history.observe([Held("ann", "gpu=0", monday + HOUR)], monday - 30 * MINUTE)
    assert history.used_this_week("ann", monday - MINUTE) == 29 * MINUTE
    assert history.used_this_week("ann", monday + 10 * MINUTE) == 10 * MINUTE
    history.observe([], monday + 20 * MINUTE)
    assert history.used_this_week("ann", monday + 3 * HOUR) == 20 * MINUTE


def test_a_week_with_a_change_of_clocks_is_counted_in_real_minutes() -> None:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    zone = ZoneInfo("Europe/Berlin")
    history = LeaseHistory(engine, zone)
    began = datetime(2021, 3, 28, 1, 30, tzinfo=zone)  # at 02:00 clocks go to 03:00
    history.observe([Held("ann", "gpu=0", began.astimezone(UTC) + HOUR)], began)
    now = datetime(2021, 3, 28, 3, 15, tzinfo=zone)
    assert history.used_this_week("ann", now) == 45 * MINUTE


# --- one hub at a time


def test_the_turnstile_lets_one_in(tmp_path: Path) -> None:
    first, second = Turnstile(tmp_path / "lock"), Turnstile(tmp_path / "lock")
    assert first.enter()
    assert first.enter()
    assert not second.enter()
    first.leave()
    assert second.enter()
