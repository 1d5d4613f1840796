"""The exchange under a whole class at the deadline, beside nbgrader's own exchange.

    python -m bench.exchange [SEED]

Three hundred students hand in notebooks of 200 kB through the real hub, proxy and course service,
fifty at a time. The same notebooks then go through stock `nbgrader submit`. Last, the course
service is killed ten times while students hand in. The last line on stdout is JSON with the
figures and the bars; the exit code is 1 when a bar is missed. Takes about fifteen minutes.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from typing import Any, TypeVar

import httpx
import nbformat
import psutil
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.auth import Authenticator
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange.default import ExchangeSubmit
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from traitlets.config import Config

from coursehub.errors import ServiceUnavailable
from coursehub.exchange.client import Client
from coursehub.exchange.database import connect
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.person import COLUMNS
from coursehub.exchange.protocol import HandInRecord
from coursehub.exchange.receipts import verify
from coursehub.exchange.roster import Roster
from coursehub.hub.process import running_hub
from tests.deployment import Deployment, open_course, password, prepare

STUDENTS = 300
AT_ONCE = 50
NOTEBOOK_BYTES = 200_000
KILLS = 10
PATIENCE_SECONDS = 180
COURSE, ASSIGNMENT, NOTEBOOK = "cs5260", "assignment_1", "assignment_1.ipynb"
STOCK_SECONDS = 360  # a longer run of stock is replaced by a sample
STOCK_SAMPLE = 60
STOCK_TRIAL = 8

PROGRESS = Progress(
    TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    console=Console(stderr=True),
)  # fmt: skip
T = TypeVar("T")
Named = dict[str, bytes]
Figures = dict[str, Any]


@dataclass(frozen=True)
class Kept:
    """A hand-in that came back with a receipt."""

    key: str
    content: bytes
    record: HandInRecord
    seconds: float
    asked: int


def main() -> int:
    """Measure, print the line of JSON and return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = int(sys.argv[1]) if sys.argv[1:] else random.SystemRandom().randrange(10**6)
    print(f"seed of the kills: {seed}", file=sys.stderr)
    files = {name: notebook(name) for name in (f"s{each:03}" for each in range(1, STUDENTS + 1))}
    with tempfile.TemporaryDirectory(prefix="coursehub-bench-") as folder, PROGRESS:
        deployment = make_course(Path(folder) / "hub", files)
        with running_hub(deployment.settings) as hub, ExitStack() as connections:
            signing_in = [partial(sign_in, deployment, name, connections) for name in files]
            clients = dict(run("Signing in", 4, signing_in))
            kept, figures = burst(deployment, clients, files)
            figures["service_peak_mb"] = peak_memory(service(hub.pid))
            figures |= Stock(Path(folder) / "stock", files).measure()
            figures |= kills(deployment, hub.pid, clients, files, kept, random.Random(seed))
    figures["times_stock_rate"] = round(figures["per_second"] / figures["stock_per_second"], 1)
    figures["seed"] = seed
    bars = {
        "none lost": figures["lost"] == 0,
        "none duplicated": figures["duplicated"] == 0,
        "p99 below 2 s": figures["p99_seconds"] < 2,
        "ten times stock's rate": figures["times_stock_rate"] >= 10,
        "none lost over ten kills": figures["kills"] == KILLS
        and not any(figures[f"kills_{what}"] for what in ("lost", "duplicated", "half_visible")),
    }
    print(json.dumps({"name": "exchange", "figures": figures, "bars": bars}))
    return 0 if all(bars.values()) else 1


def notebook(seed: str) -> bytes:
    """A valid notebook of exactly `NOTEBOOK_BYTES`, unlike that of any other seed."""
    letters = random.Random(seed)
    sources = [f"x_{number} = '{letters.randbytes(800).hex()}'" for number in range(110)]
    cells = [new_code_cell(source, id=f"cell-{at}") for at, source in enumerate(sources)]
    content: bytes = nbformat.writes(new_notebook(cells=cells)).encode()
    nbformat.validate(nbformat.reads(content.decode(), 4))
    return content.ljust(NOTEBOOK_BYTES)


def make_course(state: Path, names: Iterable[str]) -> Deployment:
    """A deployment with a roster of `names` and assignment 1 open and released."""
    rows = [f"{name},A{name[1:]}0000X,{name},{name}@example.edu,student" for name in names]
    state.mkdir()
    roster = Roster(connect(f"sqlite:///{state / 'course.sqlite'}"))
    roster.import_csv("\n".join([",".join(COLUMNS), *rows]))
    jobs = [partial(roster.set_password, name, password(name)) for name in names]
    run("Giving passwords", 4, jobs)
    deployment = prepare(state, open_course(86_400, now=datetime.now(UTC)))
    release_into(deployment.settings.exchange)  # type: ignore[arg-type]
    return deployment


def release_into(root: Path) -> None:
    """Put the assignment where nbgrader's `release_assignment` puts it."""
    outbound = root / COURSE / "outbound" / ASSIGNMENT
    outbound.mkdir(parents=True)
    (outbound / NOTEBOOK).write_bytes(notebook("release"))


def sign_in(deployment: Deployment, name: str, connections: ExitStack) -> tuple[str, Client]:
    """A client with a real token of the hub."""
    return name, connections.enter_context(deployment.client(name))


def burst(
    deployment: Deployment, clients: dict[str, Client], files: Named
) -> tuple[list[Kept], Figures]:
    """Everybody hands in once, `AT_ONCE` at a time."""
    jobs = [partial(hand_in, clients[name], f"burst-of-{name}", files[name]) for name in files]
    started = time.monotonic()
    kept = run("Handing in", AT_ONCE, jobs)
    seconds = time.monotonic() - started
    lost, duplicated = losses(deployment, kept)
    percentiles = quantiles([each.seconds for each in kept], n=100, method="inclusive")
    return kept, {
        "hand_ins": len(kept),
        "at_once": AT_ONCE,
        "notebook_bytes": NOTEBOOK_BYTES,
        "lost": lost,
        "duplicated": duplicated,
        "asked_again": sum(each.asked - 1 for each in kept),
        "p50_seconds": round(percentiles[49], 3),
        "p99_seconds": round(percentiles[98], 3),
        "per_second": round(len(kept) / seconds, 1),
    }


def hand_in(client: Client, key: str, content: bytes) -> Kept:
    """Hand in until there is a receipt, always with the same key, as a patient student would."""
    started = time.monotonic()
    asked = 1
    while True:
        try:
            record = client.hand_in(ASSIGNMENT, {NOTEBOOK: content}, key)
            return Kept(key, content, record, time.monotonic() - started, asked)
        except ServiceUnavailable:
            if time.monotonic() - started > PATIENCE_SECONDS:
                raise
        asked += 1
        time.sleep(0.5)


def losses(deployment: Deployment, kept: list[Kept]) -> tuple[int, int]:
    """How many receipts are not borne out by ledger and disk, and how many rows are too many.

    Raises:
        ReceiptError: when the ledger's chain breaks, or a file is not what its row says.
    """
    exchange = Exchange(deployment.settings)
    exchange.store.check()
    rows = {row.number: row for row in exchange.ledger.all()}
    lost = 0
    for each in kept:
        row = rows.get(each.record.number)
        fields = dict(verify(each.record.receipt, exchange.key.public_pem))
        lost += not (
            row
            and row.hash == fields["ledger"]
            and sha256(each.content).hexdigest() in fields["file"]
            and (exchange.store.folder(row) / NOTEBOOK).read_bytes() == each.content
        )
    return lost, len(rows) - len({each.key for each in kept})


class Stock:
    """nbgrader's own exchange: a folder, and one process of `nbgrader submit` a student."""

    def __init__(self, folder: Path, files: Named) -> None:
        """Lay out two exchanges and every student's home below `folder`."""
        self._folder = folder
        for root in ("processes", "class"):
            release_into(folder / root)
            (folder / root / COURSE / "inbound").mkdir(mode=0o2733)
        self._homes = {name: folder / "homes" / name for name in files}
        for name, home in self._homes.items():
            (home / ASSIGNMENT).mkdir(parents=True)
            (home / ASSIGNMENT / NOTEBOOK).write_bytes(files[name])

    def measure(
        self,
    ) -> Figures:
        """The real command at the concurrency that suits it best; its class in one process."""
        homes = list(self._homes.values())
        trials = {each: self._rate(each, homes[:STOCK_TRIAL]) for each in (2, 4)}
        best = max(trials, key=trials.__getitem__)
        few = STUDENTS / trials[best] > STOCK_SECONDS
        sample = homes[:STOCK_SAMPLE] if few else homes
        rate = self._rate(best, sample)
        started = time.monotonic()
        for home in homes:
            self._submit_in_process(home)
        arrived = len(list((self._folder / "processes" / COURSE / "inbound").iterdir()))
        return {
            "stock_at_once": best,
            "stock_trials_per_second": {each: round(trials[each], 2) for each in trials},
            "stock_hand_ins": len(sample),
            "stock_lost": 2 * STOCK_TRIAL + len(sample) - arrived,
            "stock_per_second": round(rate, 3),
            "stock_class_per_second": round(len(homes) / (time.monotonic() - started), 1),
        }

    def _rate(self, at_once: int, homes: list[Path]) -> float:
        started = time.monotonic()
        jobs = [partial(self._submit, home) for home in homes]
        run(f"Stock, {at_once} at once", at_once, jobs)
        return len(homes) / (time.monotonic() - started)

    def _submit(self, home: Path) -> None:
        command = f"nbgrader submit {ASSIGNMENT} --course {COURSE} --student {home.name}".split()
        subprocess.run(
            [Path(sys.executable).parent / command[0], *command[1:],
             f"--Exchange.root={self._folder / 'processes'}"],
            cwd=home, env={"HOME": str(home), "PATH": os.defpath}, check=True, capture_output=True,
        )  # fmt: skip

    def _submit_in_process(self, home: Path) -> None:
        config = Config()
        config.Exchange.root = str(self._folder / "class")
        config.Exchange.cache = str(home / "cache")
        config.Exchange.assignment_dir = str(home)
        config.CourseDirectory.course_id = COURSE
        config.CourseDirectory.assignment_id = ASSIGNMENT
        config.CourseDirectory.student_id = home.name
        coursedir, authenticator = CourseDirectory(config=config), Authenticator(config=config)
        ExchangeSubmit(coursedir=coursedir, authenticator=authenticator, config=config).start()


def kills(
    deployment: Deployment, hub: int, clients: dict[str, Client], files: Named, before: list[Kept],
    moments: random.Random,
) -> Figures:  # fmt: skip
    """Let students hand in without a pause until the killer is done, then count what is there."""
    over = threading.Event()

    def without_a_pause() -> Iterator[Callable[[], Kept]]:
        for number, name in enumerate(cycle(files)):
            if over.is_set():
                return
            content = files[name] + b"\n" * number
            yield partial(hand_in, clients[name], f"during-the-kills-{number}", content)

    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill_service, deployment, hub, moments)
        killing.add_done_callback(lambda _: over.set())
        kept = run("Handing in meanwhile", AT_ONCE, without_a_pause())
    outages = killing.result()
    lost, duplicated = losses(deployment, [*before, *kept])
    rows = {row.folder: row for row in Exchange(deployment.settings).ledger.all()}
    course = deployment.settings.exchange / COURSE  # type: ignore[operator]
    places = [course / place for place in ("inbound", "kept", "incoming")]
    return {
        "kills": len(outages),
        "kills_hand_ins": len(kept),
        "kills_interrupted": sum(each.asked > 1 for each in kept),
        "kills_recovered": sum(row.key.startswith("recovered:") for row in rows.values()),
        "kills_lost": lost,
        "kills_duplicated": duplicated,
        "kills_half_visible": sum(
            each.name not in rows for place in places for each in place.iterdir()
        ),
        "kills_longest_outage_seconds": round(max(outages), 1),
    }


def kill_service(deployment: Deployment, hub: int, moments: random.Random) -> list[float]:
    """Kill it `KILLS` times, each some moments after it answers; return how long it was away."""
    task = PROGRESS.add_task("Killing the course service", total=KILLS)
    health = f"{deployment.settings.bind_url}/services/course/api/health"
    outages = []
    with httpx.Client(trust_env=False) as http:
        for _ in range(KILLS):
            time.sleep(moments.uniform(0.1, 2.5))
            victim = service(hub)
            victim.kill()
            killed = time.monotonic()
            while service(hub) in (None, victim) or not http.get(health).is_success:
                if time.monotonic() - killed > 120:
                    raise TimeoutError("the course service did not come back")
                time.sleep(0.1)
            outages.append(time.monotonic() - killed)
            PROGRESS.advance(task)
    return outages


def service(hub: int) -> Any:
    """The living process of the course service, a child of the hub; None while there is none."""
    for child in psutil.Process(hub).children():
        with suppress(psutil.NoSuchProcess):
            if child.cmdline()[-1:] == ["serve"]:
                return child
    return None


def peak_memory(process: psutil.Process) -> float:
    """The most memory it ever held, in MB (VmHWM, see proc_pid_status(5))."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return round(int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6, 1)


def run(title: str, at_once: int, jobs: Iterable[Callable[[], T]]) -> list[T]:
    """Do the jobs, so many at once, under a progress bar; each is asked for when it can start."""
    waiting, turn = iter(jobs), threading.Lock()
    task = PROGRESS.add_task(title, total=len(jobs) if isinstance(jobs, list) else None)

    def next_job() -> Callable[[], T] | None:
        with turn:
            return next(waiting, None)

    def work() -> list[T]:
        results = []
        while job := next_job():
            results.append(job())
            PROGRESS.advance(task)
        return results

    with ThreadPoolExecutor(at_once) as pool:
        workers = [pool.submit(work) for _ in range(at_once)]
        try:
            return [result for worker in workers for result in worker.result()]
        finally:
            waiting = iter(())  # who was interrupted starts no more jobs


if __name__ == "__main__":
    sys.exit(main())
