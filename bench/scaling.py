"""How many running servers one hub carries, what each costs it, and what breaks first.

    python -m bench.scaling [--steps 1,500,1000,2000,4000,8000] [--seconds 60] [--small]
        [--plot docs/scaling.svg]

A real hub of the deployed form with its spawner, clock and culler, PostgreSQL and the proxy of the
deployed form; a simulated Docker engine and simulated servers around it (`bench.crowd`). At each
step the hub starts anew with so many servers that run already, works for a while, and is then asked
for the things that people do, one after another, so that each has a price. CPU is what the kernel
counted for a process; memory is resident. `--small` takes SQLite and the proxy in Python: for
machines without the others, and for tests.

The last line on stdout is JSON with the figures and the bars; the exit code is 1 when a bar is
missed. Full size takes about nine minutes.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import docker
import httpx

from bench.crowd.curves import draw
from bench.crowd.hub import PATTERN, CrowdedHub, Databases, crowded_hub, student
from coursehub.exchange.database import connect
from coursehub.exchange.roster import Roster
from coursehub.hub.session import Session
from coursehub.settings import load_settings
from tests.deployment import password
from tests.postgres import running_postgres

STEPS = (1, 500, 1000, 2000, 4000, 8000)
SECONDS = 60
VISITORS = 10
CHECKS = 100
CARRIED = 2000
"""So many running servers one hub is to carry, see the bars."""

PAGES = {"login": "/hub/login", "home": "/hub/home", "api": "/hub/api/"}


@dataclass
class Step:
    """Figures with so many servers running.

    Attributes:
        servers: how many.
        start_seconds: from the hub's start until it knows all of them.
        hub_cpu, culler_cpu, proxy_cpu: share of one core, nobody coming.
        hub_mb, culler_mb, proxy_mb: resident memory.
        database_mb: size of the hub's database.
        reports: activity reports a second that the hub took; lost: those it did not.
        engine_calls: calls to the Docker engine a second.
        median_ms, p99_ms, longest_ms: of each page, a request of each every half second.
        cpu_of: CPU seconds of hub and proxy for one of each thing that people do.
        seconds_of: how long one took.
    """

    servers: int
    start_seconds: float = 0
    hub_cpu: float = 0
    culler_cpu: float = 0
    proxy_cpu: float = 0
    hub_mb: float = 0
    culler_mb: float = 0
    proxy_mb: float = 0
    database_mb: float = 0
    reports: float = 0
    lost: int = 0
    engine_calls: float = 0
    routes_seconds: float = 0
    median_ms: dict[str, float] = field(default_factory=dict)
    p99_ms: dict[str, float] = field(default_factory=dict)
    longest_ms: dict[str, float] = field(default_factory=dict)
    cpu_of: dict[str, float] = field(default_factory=dict)
    seconds_of: dict[str, float] = field(default_factory=dict)


def main() -> int:
    """Measure, print the line of JSON and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling")
    parser.add_argument("--steps", default=",".join(map(str, STEPS)))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="to watch at each step")
    parser.add_argument("--small", action="store_true", help="SQLite, and the proxy in Python")
    parser.add_argument("--plot", type=Path, help="draw the figures into this file, an SVG")
    told = parser.parse_args()
    steps = run([int(each) for each in told.steps.split(",")], told.seconds, small=told.small)
    if told.plot:
        draw([asdict(step) for step in steps], told.plot)
    bars = judged(steps)
    print(json.dumps({"name": "scaling", "figures": [asdict(s) for s in steps], "bars": bars}))
    return 0 if all(bars.values()) else 1


def judged(steps: list[Step]) -> dict[str, bool]:
    """The bars, those that the steps reach."""
    carried = [step for step in steps if step.servers <= CARRIED]
    return {
        "no report lost": all(step.lost == 0 for step in steps),
        f"half a core for up to {CARRIED} servers": all(step.hub_cpu < 0.5 for step in carried),
        f"99 % of pages within 1 s up to {CARRIED} servers": all(
            max(step.p99_ms.values()) < 1000 for step in carried
        ),
    }


def run(steps: list[int], seconds: float, *, small: bool) -> list[Step]:
    """The figures at each of these numbers of servers, in rising order."""
    people = max(steps) + VISITORS * (2 + len(steps))
    with (
        TemporaryDirectory(prefix="coursehub-bench-") as folder,
        _hub(folder, people, small) as hub,
    ):
        prepare(hub)
        newcomers = iter(range(max(steps) + VISITORS, people))
        return [measured(hub, servers, seconds, newcomers) for servers in steps]


@contextmanager
def _hub(folder: str, people: int, small: bool) -> Iterator[CrowdedHub]:
    if small:
        with crowded_hub(Path(folder), None, people, node=False) as hub:
            yield hub
        return
    with running_postgres(log_statement="none", fsync="on", shared_buffers="128MB") as postgres:
        os.environ["PGPASSFILE"] = str(postgres.passfile)
        urls = {
            role: postgres.url(role, name)
            for role, name in (("hub", "hub"), ("course", "course"), ("grader", "gradebook"))
        }
        _migrate(folder, urls)
        databases = Databases(urls["hub"], postgres.url("hub", "course"), urls["grader"])
        with crowded_hub(Path(folder), databases, people, node=True, roster=urls["course"]) as hub:
            yield hub


def _migrate(folder: str, urls: dict[str, str]) -> None:
    settings = load_settings(
        state=folder, hub_database=urls["hub"], database=urls["course"], gradebook=urls["grader"]
    )
    subprocess.run(
        [sys.executable, "-c", "from coursehub.cli.migrate import app; app()"],
        env=os.environ | settings.environment(), check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def prepare(hub: CrowdedHub, visitors: int = VISITORS) -> None:
    """Let so many students sign in, and start the one server that is copied later."""
    roster = Roster(connect(hub.roster))
    names = [student(number) for number in range(visitors)]
    for name in names:
        roster.set_password(name, password(name))
    hub.start()
    for name in names:
        hub.session(name)
    hub.start_servers([PATTERN])
    hub.stop()


def measured(hub: CrowdedHub, servers: int, seconds: float, newcomers: Iterator[int]) -> Step:
    """The figures with so many servers, of which the hub learns when it starts."""
    step = Step(servers)
    missing = range(hub.servers, servers)
    # Whoever signed in has an account already, and a server that was started like any other's.
    hub.add_servers([student(VISITORS + number) for number in missing])
    step.start_seconds = round(hub.start(), 1)
    say(f"{hub.servers} servers: the hub is up after {step.start_seconds} s")
    watch(hub, step, seconds)
    say(f"  hub {step.hub_cpu:.2f} cores, {step.hub_mb:.0f} MB; pages {step.p99_ms}")
    price(hub, step, newcomers)
    say(f"  CPU of each: {step.cpu_of}")
    say(json.dumps(asdict(step)))
    hub.stop()
    return step


def watch(hub: CrowdedHub, step: Step, seconds: float) -> None:
    """What the hub does by itself, while somebody looks at pages now and then."""
    session = hub.session(PATTERN)
    taken: dict[str, list[float]] = {name: [] for name in PAGES}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            for name, path in PAGES.items():
                began = time.perf_counter()
                session.http.get(path, timeout=120)
                taken[name].append((time.perf_counter() - began) * 1000)

    assert hub.hub
    culler = next(each for each in hub.hub.children() if "jupyterhub_idle_culler" in each.cmdline())
    processes = {"hub": hub.hub, "culler": culler, "proxy": hub.proxy}
    counts, used, began = hub.counts(), {n: cpu(p) for n, p in processes.items()}, time.monotonic()
    looking = threading.Thread(target=look)
    looking.start()
    time.sleep(seconds)
    passed = time.monotonic() - began
    for name, process in processes.items():
        setattr(step, f"{name}_cpu", round((cpu(process) - used[name]) / passed, 3))
        setattr(step, f"{name}_mb", round(process.memory_info().rss / 1e6, 1))
    over.set()
    looking.join()
    after = {name: count - counts.get(name, 0) for name, count in hub.counts().items()}
    step.reports = round(after.get("reports", 0) / passed, 2)
    step.lost = after.get("failed reports", 0)
    step.engine_calls = round(after["engine calls"] / passed, 1)
    step.database_mb = round(hub.database_bytes() / 1e6, 1)
    for name, each in taken.items():
        step.median_ms[name] = round(median(each), 1)
        step.p99_ms[name] = round(quantiles(each, n=100, method="inclusive")[98], 1)
        step.longest_ms[name] = round(max(each), 1)
    with hub.api() as api:
        routes = hub.metrics(api)
    step.routes_seconds = round(routes.get("jupyterhub_check_routes_duration_seconds_sum", 0), 2)


def price(hub: CrowdedHub, step: Step, newcomers: Iterator[int]) -> None:
    """CPU seconds of one of each thing that people do, beyond what the hub does by itself."""
    visitors = [student(number) for number in range(VISITORS)]
    with_token = httpx.Client(
        base_url=f"http://127.0.0.1:{hub.port + 2}/hub/api/", trust_env=False, timeout=120,
        headers={"Authorization": f"token {hub.session(PATTERN).token()}"},
    )  # fmt: skip

    http = hub.session(PATTERN).http

    def sign_in(name: str) -> None:
        Session(hub.url, name, password(name)).close()

    def open_lab(name: str) -> None:
        for cookie in [
            each for each in http.cookies.jar if each.name.startswith("jupyterhub-user")
        ]:
            http.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)
        answer = http.get(f"/user/{PATTERN}/lab", follow_redirects=True)
        assert answer.text == f"the lab of {PATTERN}", (answer.status_code, answer.text)

    def check_token(_name: str) -> None:
        with_token.get("user").raise_for_status()

    def pass_request(_name: str) -> None:
        http.get(f"/user/{PATTERN}/api").raise_for_status()

    new = [student(next(newcomers)) for _ in range(VISITORS)]
    hub.make_accounts(new)
    waiting = iter(new)

    def start_server(_name: str) -> None:
        hub.start_servers([next(waiting)])

    things: dict[str, tuple[Callable[[str], None], int]] = {
        "sign in": (sign_in, VISITORS),
        "open the lab": (open_lab, 2 * VISITORS),
        "check a token": (check_token, CHECKS),
        "pass a request": (pass_request, 5 * CHECKS),
        "start a server": (start_server, VISITORS),
    }
    for name, (do, times) in things.items():
        assert hub.hub
        used, began = cpu(hub.hub) + cpu(hub.proxy), time.monotonic()
        for turn in range(times):
            do(visitors[turn % VISITORS])
        passed = time.monotonic() - began
        beyond = cpu(hub.hub) + cpu(hub.proxy) - used - passed * (step.hub_cpu + step.proxy_cpu)
        step.cpu_of[name] = round(beyond / times, 4)
        step.seconds_of[name] = round(passed / times, 3)
    # The hub asks about each server every few minutes: seldom within the time it was watched.
    engine = docker.DockerClient(base_url=hub.environment["DOCKER_HOST"])
    began_cpu = time.process_time()
    for _ in range(CHECKS):
        engine.api.inspect_container(f"{hub.settings.project}-user-{PATTERN}")
    step.cpu_of["ask about a server"] = round((time.process_time() - began_cpu) / CHECKS, 4)
    engine.close()


def cpu(process: Any) -> float:
    """CPU seconds that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def say(text: str) -> None:
    """Tell whoever watches."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
