"""A real hub with a real proxy around which the crowd stands; started, watched, stopped."""

import ctypes
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import NullPool, create_engine

from bench.crowd.rows import copy_server
from bench.crowd.servers import token_of
from coursehub.exchange.database import connect
from coursehub.exchange.roster import Roster
from coursehub.hub.cull import report_environment
from coursehub.hub.session import Session
from coursehub.settings import CHECKOUT, Settings, load_settings
from tests.deployment import free_port, open_course, password
from tests.node import NODE, installed

PATTERN = "student00000"
"""Whose server is started first, and copied for all others."""

GPUS = ",".join(f"nvidia.com/gpu={number}" for number in range(8))
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_START_SECONDS = 300


@dataclass(frozen=True)
class Databases:
    """SQLAlchemy URLs, by the names that settings give them."""

    hub_database: str
    database: str
    gradebook: str


@dataclass
class CrowdedHub:
    """A hub of the deployed form, on loopback, with the processes around it."""

    settings: Settings
    port: int
    environment: dict[str, str]
    roster: str
    proxy: psutil.Process
    hub: psutil.Process | None = None
    servers: int = 0
    sessions: dict[str, Session] = field(default_factory=dict)
    _started: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where browsers find it."""
        return f"http://127.0.0.1:{self.port}"

    def api(self, timeout: float = 120) -> httpx.Client:
        """The hub's API, directly, with every right that the bench needs."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port + 2}/hub/api/",
            headers={"Authorization": f"token {self.environment['CROWD_TOKEN']}"},
            trust_env=False,
            timeout=timeout,
        )

    def start(self) -> float:
        """Start the hub; return the seconds until it answers and knows every server as running."""
        began = time.monotonic()
        with (self.settings.state / "hub.log").open("ab") as log:
            self._started = subprocess.Popen(
                [sys.executable, "-m", "coursehub.hub.clock", "--config",
                 str(Path(__file__).with_name("hub_config.py"))],
                env=self.environment, cwd=self.settings.state, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=_die_with_us,
            )  # fmt: skip
        self.hub = psutil.Process(self._started.pid)
        with self.api() as api:
            while True:
                if self._started.poll() is not None or time.monotonic() > began + _START_SECONDS:
                    raise RuntimeError(f"the hub does not start\n{self.log()}")
                with suppress(httpx.TransportError):
                    if api.get("").is_success and self.ready(api) >= self.servers:
                        return time.monotonic() - began
                time.sleep(0.1)

    def ready(self, api: httpx.Client) -> int:
        """How many servers the hub takes for running, by its own gauge."""
        return int(self.metrics(api).get("jupyterhub_running_servers", 0))

    def metrics(self, api: httpx.Client) -> dict[str, float]:
        """What the hub says of itself, without labels' details but in the name."""
        text = api.get("../metrics").text
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def stop(self) -> None:
        """Stop the hub and its culler; servers and proxy stay."""
        if self._started:
            family = [self.hub] if self.hub else []
            with suppress(psutil.NoSuchProcess):
                family += [each for hub in family for each in hub.children(recursive=True)]
            for each in family:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            self._started.wait()
        self._started = self.hub = None

    def start_servers(self, names: Sequence[str]) -> list[float]:
        """Have the hub start servers, one after another; seconds of each."""
        taken = []
        with self.api() as api:
            for name in names:
                began = time.monotonic()
                answer = api.post(f"users/{name}/server")
                if answer.status_code == 202:
                    # As browsers learn of it: by one answer that goes on until it is ready.
                    api.get(f"users/{name}/server/progress").raise_for_status()
                elif answer.status_code != 201:
                    raise RuntimeError(f"{name}: {answer.status_code} {answer.text}\n{self.log()}")
                taken.append(time.monotonic() - began)
                self.servers += 1
        return taken

    def make_accounts(self, names: Sequence[str]) -> None:
        """Have the hub know people as if they had signed in."""
        with self.api() as api:
            api.post("users", json={"usernames": list(names)}).raise_for_status()

    def add_servers(self, names: Sequence[str]) -> None:
        """Have more servers run, of which the hub learns when it starts; it does not run now."""
        engine = create_engine(str(self.settings.hub_database), poolclass=NullPool)
        with engine.begin() as connection:
            copy_server(connection, PATTERN, names)
        url = f"http://127.0.0.1:{self.port + 3}"
        httpx.post(f"{url}/crowd", json={"names": list(names)}, trust_env=False, timeout=120)
        with httpx.Client(
            base_url=f"http://127.0.0.1:{self.port + 1}/api/routes/",
            headers={"Authorization": f"token {self.environment['CONFIGPROXY_AUTH_TOKEN']}"},
            trust_env=False,
        ) as proxy:
            for name in names:
                told = {"user": name, "server_name": "", "target": url, "jupyterhub": True}
                proxy.post(f"user/{name}", json=told).raise_for_status()
        self.servers += len(names)

    def report(self, name: str) -> int:
        """Report activity of a copied server now; the hub's answer."""
        now = datetime.now(UTC).isoformat()
        with self.api() as api:
            api.headers["Authorization"] = f"token {token_of(name)}"
            told = {"last_activity": now, "servers": {"": {"last_activity": now}}}
            return api.post(f"users/{name}/activity", json=told).status_code

    def counts(self) -> dict[str, int]:
        """What happened at the crowd so far."""
        url = f"http://127.0.0.1:{self.port + 3}/crowd"
        return dict(httpx.get(url, trust_env=False, timeout=60).json()["counts"])

    def database_bytes(self) -> int:
        """Size of the hub's database."""
        url = str(self.settings.hub_database)
        if url.startswith("sqlite"):
            return Path(url.removeprefix("sqlite:///")).stat().st_size
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as connection:
            size = "SELECT pg_database_size(current_database())"
            return int(connection.exec_driver_sql(size).scalar_one())

    def session(self, name: str) -> Session:
        """Somebody's browser, signed in; the same one each time."""
        if name not in self.sessions:
            self.sessions[name] = Session(self.url, name, password(name))
        return self.sessions[name]

    def log(self) -> str:
        """The end of the hub's log."""
        path = self.settings.state / "hub.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-40:])


@contextmanager
def crowded_hub(
    state: Path,
    databases: Databases | None,
    people: int,
    *,
    node: bool,
    roster: str | None = None,
) -> Iterator[CrowdedHub]:
    """A hub that is not started yet, with proxy, engine and a roster of so many students.

    Args:
        state: an empty folder.
        databases: of PostgreSQL, migrated; None for SQLite.
        people: size of the roster.
        node: whether the proxy is the deployed form's; otherwise the embedded form's.
        roster: URL of the course's database for whoever may write people; None: the same one.
    """
    port = free_port()
    settings = _settings(state, databases, port)
    environment = (
        os.environ
        | settings.environment()
        | {
            "DOCKER_HOST": f"unix://{state}/engine.sock",
            "CROWD_PORT": str(port),
            "CROWD_TOKEN": secrets.token_hex(16),
            "CONFIGPROXY_AUTH_TOKEN": settings.secret("proxy_token"),
        }
    )
    told = {
        "hub": f"http://127.0.0.1:{port + 2}/hub/api",
        "interval": float(report_environment(settings)["JUPYTERHUB_ACTIVITY_INTERVAL"]),
        "project": settings.project, "socket": f"{state}/engine.sock", "port": port + 3,
    }  # fmt: skip
    roster = roster or str(settings.database)
    _fill_roster(roster, people)
    with (
        _running(_proxy(port, node), environment) as proxy,
        _running([sys.executable, "-m", "bench.crowd"], environment, told),
    ):
        found = CrowdedHub(settings, port, environment, roster, proxy)
        try:
            yield found
        finally:
            found.stop()


def _die_with_us() -> None:
    """Even if the bench is killed, nothing stays behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def student(number: int) -> str:
    """The user name of the student with that number."""
    return f"student{number:05}"


def _settings(state: Path, databases: Databases | None, port: int) -> Settings:
    urls = asdict(databases) if databases else {}
    course = state / "course.yml"
    course.write_text(open_course(now=datetime.now(UTC)))
    settings = load_settings(
        state=state, course=course, form="containers", bind_url=f"http://127.0.0.1:{port}",
        user_subnets="10.208.0.0/12", gpus=GPUS, **urls,
    )  # fmt: skip
    folder = Path(str(settings.secrets))
    folder.mkdir(mode=0o700)
    for name in ("cookie_secret", "course_token", "proxy_token"):
        settings.secret_file(name).write_text(secrets.token_hex(32))
        settings.secret_file(name).chmod(0o600)
    return settings


def _fill_roster(database: str, people: int) -> None:
    rows = ["username,number,name,email,role"]
    for number in range(people):
        name = student(number)
        rows.append(f"{name},A{number:07}X,Student {number},{name}@example.edu,student")
    Roster(connect(database)).import_csv("\n".join(rows))


def _proxy(port: int, node: bool) -> list[str]:
    addresses = [
        "--ip", "127.0.0.1", "--port", str(port), "--api-ip", "127.0.0.1",
        "--api-port", str(port + 1), "--default-target", f"http://127.0.0.1:{port + 2}",
        "--error-target", f"http://127.0.0.1:{port + 2}/hub/error",
    ]  # fmt: skip
    if not node:
        return [sys.executable, "-m", "coursehub.hub.localproxy", *addresses]
    folder = CHECKOUT / "images" / "proxy"
    packages = installed("proxy", [folder / "package.json", folder / "package-lock.json"])
    program = packages / "node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    return [str(NODE), str(program), *addresses]


@contextmanager
def _running(
    command: Sequence[str], environment: Mapping[str, str], told: Any = None
) -> Iterator[psutil.Process]:
    """A child process; one that is told something on stdin says when it listens."""
    pipe = None if told is None else subprocess.PIPE
    process = subprocess.Popen(
        command, env=environment, stdin=pipe or subprocess.DEVNULL,
        stdout=pipe or subprocess.DEVNULL, stderr=None if pipe else subprocess.DEVNULL,
        cwd=CHECKOUT, preexec_fn=_die_with_us,
    )  # fmt: skip
    try:
        if process.stdin and process.stdout:
            process.stdin.write(json.dumps(told).encode())
            process.stdin.close()
            if not process.stdout.readline():
                raise RuntimeError(f"{command} does not start; its words stand above")
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()
