"""What a student's server costs to start, beside a plain image, and twenty at once.

    python -m bench.spawn [--alone]

One server at a time, ours and the plain one in turn, against a stand-in for the hub; then twenty
students through the real deployed form (left out with --alone). The plain image holds the same
packages, as `uv` and `pip --no-compile` leave them: their bytecode removed (Debian's own for the
standard library stays), every extension on, stock `jupyterhub-singleuser`. The last line on
stdout is JSON with the figures and the bars; the exit code is 1 when a bar is missed. Needs a
Docker engine, builds the project's images on it, and takes about four minutes more.
"""

import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import docker
import httpx
from docker.models.containers import Container
from docker.models.networks import Network

from coursehub.exchange.person import COLUMNS
from coursehub.hub.session import Session
from coursehub.settings import load_settings
from tests.compose import Composed, composed
from tests.deployment import free_port, open_course
from tests.engine import running_engine
from tests.images import build_images

ROUNDS = 7
SETTLE_SECONDS = 3.0
PATIENCE_SECONDS = 120
STUDENTS = 20
HUB_MB = 250
CPU_RATIO = 0.50

PLAIN = """
FROM {image}
USER root
RUN find /opt/coursehub/venv -name __pycache__ -prune -exec rm -r {{}} +
ENV JUPYTER_CONFIG_PATH=
USER coursehub
CMD ["jupyterhub-singleuser"]
"""
# What a starting server asks of a hub: its version, its activity noted, and whose a token is.
HUB = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        scopes = ["access:servers!server=alice/"]
        body = json.dumps({"version": "x", "name": "alice", "kind": "user", "scopes": scopes})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("", 8081), Hub).serve_forever()
"""
TOKEN = "bench"  # noqa: S105  whatever it is, the stand-in takes it for alice's
PREFIX = "/user/alice/"
FIELDS = ("seconds", "cpu", "idle_mb", "used_cpu", "used_mb")

Figures = dict[str, Any]


@dataclass(frozen=True)
class Start:
    """One server's start.

    Attributes:
        seconds: from asking the engine to the server's first answer.
        cpu: CPU seconds of the whole container until then.
        idle_mb: memory some seconds later, without what the kernel could take back.
        used_cpu: CPU seconds when JupyterLab's page and the Assignment List, which is loaded at
            its first use, were served too.
        used_mb: memory then.
    """

    seconds: float
    cpu: float
    idle_mb: float
    used_cpu: float
    used_mb: float


def main() -> int:
    """Measure, print the line of JSON and return the exit code."""
    with running_engine() as engine:
        build_images(engine)
        figures, bars = alone()
        if "--alone" not in sys.argv[1:]:
            class_figures, class_bars = at_once()
            figures |= class_figures
            bars |= class_bars
    print(json.dumps({"name": "spawn", "figures": figures, "bars": bars}))
    return 0 if all(bars.values()) else 1


def alone() -> tuple[Figures, dict[str, bool]]:
    """One server at a time: ours, plain, plain, ours, and so on."""
    engine = docker.from_env()
    ours = load_settings().student_image
    starts: dict[str, list[Start]] = {ours: [], "plain": []}
    with plain_image(engine, ours) as plain, stand_in(engine, ours) as network:
        images = {ours: ours, "plain": plain}
        for image in images.values():  # once unmeasured: both are in the page cache
            measure(engine, network, image)
        for number in range(ROUNDS):
            for name in sorted(images, reverse=bool(number % 2)):
                starts[name].append(measure(engine, network, images[name]))
                say(f"{name}: {starts[name][-1]}")
    figures: Figures = {"rounds": ROUNDS}
    for label, name in (("", ours), ("plain_", "plain")):
        for field in FIELDS:
            values = [getattr(each, field) for each in starts[name]]
            figures[label + field] = round(median(values), 2)
            figures[f"{label}{field}_range"] = [round(min(values), 2), round(max(values), 2)]
    for field in FIELDS:
        figures[f"{field}_ratio"] = round(figures[field] / figures[f"plain_{field}"], 3)
    return figures, {"CPU at most half of plain": figures["cpu_ratio"] <= CPU_RATIO}


@contextmanager
def plain_image(engine: docker.DockerClient, image: str) -> Iterator[str]:
    """An image of the same packages as they come; removed afterwards."""
    tag = f"bench-spawn-plain:{uuid4().hex[:8]}"
    say("building the plain image")
    engine.images.build(fileobj=io.BytesIO(PLAIN.format(image=image).encode()), tag=tag, rm=True)
    try:
        yield tag
    finally:
        engine.images.remove(tag)


@contextmanager
def stand_in(engine: docker.DockerClient, image: str) -> Iterator[Network]:
    """A network in which `hub` answers what a starting server asks."""
    name = f"bench-spawn-{uuid4().hex[:8]}"
    network = engine.networks.create(name)
    try:
        hub = engine.containers.create(image, ["python", "-c", HUB], name=f"{name}-hub")
        try:
            network.connect(hub, aliases=["hub"])
            hub.start()
            yield network
        finally:
            hub.remove(force=True)
    finally:
        network.remove()


def measure(engine: docker.DockerClient, network: Network, image: str) -> Start:
    """Start one server, wait for its first answer, then use it a little."""
    port = free_port()
    began = time.monotonic()
    server = engine.containers.run(
        image,
        detach=True,
        network=network.name,
        ports={"8888/tcp": ("127.0.0.1", port)},
        environment=server_environment(),
        mem_limit="3g",
        nano_cpus=2 * 10**9,
        read_only=True,
        tmpfs={"/tmp": "", "/home/student": "uid=1000,gid=1000"},
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            await_answer(http, server)
            seconds, cpu = time.monotonic() - began, cpu_seconds(server)
            time.sleep(SETTLE_SECONDS)
            idle_mb = memory_mb(server)
            http.headers["Authorization"] = f"token {TOKEN}"
            page = http.get(f"{PREFIX}lab")
            assert "jupyter-config-data" in page.text, page.text
            listed = http.get(f"{PREFIX}assignments", params={"course_id": ""}, timeout=60)
            assert "success" in listed.json(), listed.text
            return Start(seconds, cpu, idle_mb, cpu_seconds(server), memory_mb(server))
    finally:
        server.remove(force=True, v=True)


def server_environment() -> dict[str, str]:
    """What a hub tells a server."""
    hub = "http://hub:8081/hub/api"
    scopes = json.dumps(["access:servers!server=alice/"])
    return {
        "COURSEHUB_EXCHANGE_URL": f"{hub}/",
        "JUPYTERHUB_ACTIVITY_URL": f"{hub}/users/alice/activity",
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "JUPYTERHUB_API_URL": hub,
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-alice",
        "JUPYTERHUB_DEFAULT_URL": "/lab",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": scopes,
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{PREFIX}oauth_callback",
        "JUPYTERHUB_OAUTH_SCOPES": scopes,
        "JUPYTERHUB_SERVER_NAME": "",
        "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
        "JUPYTERHUB_SERVICE_URL": f"http://0.0.0.0:8888{PREFIX}",
        "JUPYTERHUB_USER": "alice",
    }


def await_answer(http: httpx.Client, server: Container) -> None:
    """Wait as the hub does: any answer below 500 will do.

    Raises:
        AssertionError: with the server's log, when none comes.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if http.get(PREFIX).status_code < 500:
                return
        time.sleep(0.02)
    raise AssertionError(server.logs().decode())


def cpu_seconds(container: Container) -> float:
    """CPU seconds that a container has used, all its processes, as its cgroup counts them."""
    used = container.stats(stream=False, one_shot=True)["cpu_stats"]["cpu_usage"]["total_usage"]
    return float(used) / 1e9


def stats_mb(container: Container) -> float:
    """Memory of a container as `docker stats` shows it, in MB."""
    memory = container.stats(stream=False, one_shot=True)["memory_stats"]
    detail = memory["stats"]
    spare = detail.get("total_inactive_file", detail.get("inactive_file", 0))  # cgroup 1, 2
    return float(memory["usage"] - spare) / 1e6


def memory_mb(container: Container) -> float:
    """Memory that a container's processes hold, in MB; files in the page cache are not theirs."""
    detail = container.stats(stream=False, one_shot=True)["memory_stats"]["stats"]
    return float(detail["anon"] if "anon" in detail else detail["total_rss"]) / 1e6  # cgroup 2, 1


def at_once() -> tuple[Figures, dict[str, bool]]:
    """Twenty students press Start at the same moment."""
    names = [f"s{number:02}" for number in range(1, STUDENTS + 1)]
    rows = [f"{name},A{name[1:]}00000X,{name},{name}@example.edu,student" for name in names]
    people = "\n".join([",".join(COLUMNS), *rows])
    with (
        tempfile.TemporaryDirectory(prefix="coursehub-bench-") as folder,
        composed(Path(folder), open_course(now=datetime.now(UTC)), people) as deployment,
        ThreadPoolExecutor(STUDENTS) as pool,
    ):
        say("twenty sign in")
        sessions = list(pool.map(deployment.session, names))
        say("twenty start")
        results = list(pool.map(lambda session: start_one(deployment, session), sessions))
        hub_mb = stats_mb(deployment.service("hub"))
    taken = sorted(each for each in results if isinstance(each, float))
    failed = [each for each in results if isinstance(each, str)]
    for problem in failed:
        say(problem)
    figures: Figures = {
        "at_once": STUDENTS,
        "at_once_ready": len(taken),
        "at_once_failed": len(failed),
        "at_once_median_seconds": round(median(taken), 1) if taken else None,
        "at_once_last_seconds": round(taken[-1], 1) if taken else None,
        "hub_mb": round(hub_mb, 1),
    }
    return figures, {
        "twenty at once, none failed": len(taken) == STUDENTS,
        f"hub below {HUB_MB} MB": hub_mb < HUB_MB,
    }


def start_one(deployment: Composed, session: Session) -> float | str:
    """Seconds from pressing Start to the person's JupyterLab page, or what went wrong."""
    began = time.monotonic()
    try:
        deployment.ask_for_server(session)
        deployment.await_server(session)
        session.http.follow_redirects = True
        page = session.http.get(f"/user/{session.username}/lab")
        assert "jupyter-config-data" in page.text, page.text
    except (AssertionError, httpx.HTTPError) as error:
        return f"{session.username}: {error!r}"
    return time.monotonic() - began


def say(text: str) -> None:
    """Tell who waits."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
