"""What keeps the hub quick with thousands of servers, and the arithmetic of docs/scaling.md."""

import asyncio
import logging
import time
from ipaddress import IPv4Network, ip_network
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.plan import SIZES, Costs, Habits, Machine, need, summary, table
from coursehub.hub.clock import remove_orphans, rest
from coursehub.hub.deployed import poll_seconds
from coursehub.hub.networks import PREFIX, USER, Networks
from coursehub.settings import CHECKOUT, load_settings

RANGE = IPv4Network("10.213.0.0/16")
SMALL = IPv4Network("10.213.0.0/23")


def networks(taken: list[str], among: IPv4Network = RANGE) -> Networks:
    """Networks of an engine on which these subnets are taken."""
    listed = [SimpleNamespace(attrs={"IPAM": {"Config": [{"Subnet": each}]}}) for each in taken]
    client: Any = SimpleNamespace(networks=SimpleNamespace(list=lambda: listed))
    return Networks(client, load_settings(user_subnets=str(among)))


subnets = st.builds(
    lambda number, length: str(ip_network((int(SMALL[0]) + number, length), strict=False)),
    st.integers(0, 600),
    st.integers(22, 32),
)


@given(st.lists(subnets, max_size=12))
def test_a_free_subnet_overlaps_nothing_and_none_is_left_out(taken: list[str]) -> None:
    found = set(networks(taken, SMALL)._free_subnets())
    others = [ip_network(each) for each in taken]
    free = {s for s in SMALL.subnets(new_prefix=PREFIX) if not any(map(s.overlaps, others))}
    assert found == free


def test_among_thousands_of_networks_a_free_one_is_found_at_once() -> None:
    crowded = networks([str(each) for each in islice(RANGE.subnets(new_prefix=PREFIX), 4000)])
    began = time.process_time()
    assert str(next(crowded._free_subnets())) == "10.213.250.0/28"
    assert time.process_time() - began < 1  # each with each took eleven seconds


def test_the_database_is_not_asked_about_servers_that_the_hub_knows() -> None:
    containers = [
        {"Id": each, "Names": [each], "Labels": {USER: each}, "State": "running"}
        for each in ("ann", "bob")
    ]
    client: Any = SimpleNamespace(api=SimpleNamespace(containers=lambda **_: containers))
    running = SimpleNamespace(active=True)
    users = {n: SimpleNamespace(name=n, spawners={"": running}) for n in ("ann", "bob")}
    hub: Any = SimpleNamespace(users=users, log=logging.getLogger("hub"))  # and no database
    beat = remove_orphans(client, load_settings())
    for _ in range(3):
        asyncio.run(beat(hub))


@pytest.mark.parametrize(("took", "rests"), [(0.1, 10), (1, 10), (2, 18), (30, 60)])
def test_the_clock_takes_a_tenth_of_the_hubs_time_and_rests_a_minute_at_most(
    took: float, rests: float
) -> None:
    assert rest(10, took) == rests


@pytest.mark.parametrize(("people", "seconds"), [(0, 30), (600, 30), (1_000, 50), (10_000, 500)])
def test_servers_are_asked_less_often_the_larger_the_class(people: int, seconds: int) -> None:
    assert poll_seconds(people) == seconds


def test_a_class_worked_out_by_hand() -> None:
    costs = Costs(
        start_cpu=1, server_mb=100, kernel_mb=400, home_mb=10, hand_in_mb=1, grade_cpu=10,
        grading_mb=500, hub_cpu=0.1, hub_cpu_a_server=0.001, hub_mb=300, hub_mb_a_server=1,
        hub_start_cpu=0.1, hub_start_cpu_a_server=0.0002, hub_open_cpu=0.036,
        hub_check_cpu=0.003, poll_cpu=0.001, pass_cpu=0.001,
        requests_a_minute=12, services_mb=1000, images_gb=20,
    )  # fmt: skip
    habits = Habits(
        running=0.5, computing=0.2, kernels=1, starting=0.6, starting_minutes=10, in_front=0.5,
        opens_an_hour=1, late_hand_ins=0.6, graded_hours=1, on_gpu=0.5, per_gpu=2, assignments=8,
    )  # fmt: skip
    found = need(1000, costs, habits)
    assert found.running == 500
    assert found.starts_a_second == 1
    assert found.grading_cores == 3  # 10,000 s within an hour
    assert found.cores == 100 + 1 + 3 + 1
    assert found.memory_gb == pytest.approx(250 + 1.5 + 0.3 + 0.5 + 1)
    assert found.disk_gb == pytest.approx(20 + 10 + 8)
    assert found.gpus == 25
    assert found.hub_share == pytest.approx(0.1 + 0.5 + 0.2 + 0.005 + 0.005 + 500 / 50 * 0.001)
    assert found.proxy_share == pytest.approx(0.05)
    assert found.wait_minutes == pytest.approx(600 * 10 / 3 / 60 - 10)
    machine = Machine(cores=64, memory_gb=256)
    assert found.machines(machine) == 2  # 56 cores and 224 GB of each are used
    assert found.first(machine) == "the hub's core" and found.hubs() == 2
    assert need(100, costs, habits).first(Machine(cores=8, memory_gb=256)) == "cores"
    assert need(100, costs, habits).first(Machine(cores=64, memory_gb=16)) == "memory"


@given(st.integers(1, 50_000), st.integers(1, 10_000))
def test_a_larger_class_never_needs_less(students: int, more: int) -> None:
    smaller, larger = need(students), need(students + more)
    for name in ("cores", "memory_gb", "disk_gb", "gpus", "hub_share", "starts_a_second"):
        assert getattr(smaller, name) <= getattr(larger, name)
    assert smaller.machines(Machine()) <= larger.machines(Machine())


def test_the_page_says_what_the_arithmetic_says() -> None:
    page = (CHECKOUT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert table(SIZES) in page, "run python -m bench.plan and put its table into docs/scaling.md"
    assert summary() in page
