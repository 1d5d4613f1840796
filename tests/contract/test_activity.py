"""Idle servers are stopped and busy ones are not: real hub, real servers, stock idle culler."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
import websocket
from jupyter_client import BlockingKernelClient
from jupyterhub.proxy import ConfigurableHTTPProxy

from coursehub.hub.cull import culler_role, culler_service
from coursehub.hub.proxy import QuietProxy
from coursehub.hub.session import Session
from coursehub.settings import CHECKOUT
from tests.deployment import Deployment, deployed, open_course

IDLE_SECONDS = 10
WATCH_SECONDS = 1.5 * IDLE_SECONDS  # who does not report is stopped meanwhile
QUICK = """
c.Activity.seconds = 0.5
c.JupyterHubSingleUser.hub_activity_interval = 1
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A hub; no deadline is near."""
    course = open_course(7 * 86_400, now=datetime.now(UTC))
    site = site_with_quick_servers(tmp_path_factory.mktemp("site"))
    with deployed(
        tmp_path_factory.mktemp("hub"), course, site=site, visible_tests=False
    ) as running:
        yield running


def site_with_quick_servers(folder: Path) -> Path:
    """The project's files, but servers that report often: a home may not make them do so."""
    for path in CHECKOUT.iterdir():
        if path.name not in ("images", "var"):
            (folder / path.name).symlink_to(path)
    shutil.copytree(CHECKOUT / "images" / "lab", folder / "images" / "lab")
    with (folder / "images" / "lab" / "student" / "jupyter_server_config.py").open("a") as config:
        config.write(QUICK)
    return folder


@contextmanager
def culling(hub: Deployment) -> Iterator[Path]:
    """The culler as the hub would run it, with short times; yields its log."""
    service = culler_service(hub.settings)
    ines = hub.session("ines")  # an instructor may do what the culler may, and more
    answer = ines.api(
        "POST", "users/ines/tokens", json={"scopes": culler_role()["scopes"], "note": "culler"}
    )
    command = [
        f"--timeout={IDLE_SECONDS}" if each.startswith("--timeout=") else each
        for each in service["command"]
        if not each.startswith("--cull-every=")
    ]
    hub_environment = {
        "JUPYTERHUB_API_URL": f"{hub.settings.bind_url}/hub/api",
        "JUPYTERHUB_API_TOKEN": answer.json()["token"],
    }
    log = hub.settings.state / "culler.log"
    with log.open("wb") as out:
        culler = subprocess.Popen(
            [*command, "--cull-every=1"],
            env={**os.environ, **service["environment"], **hub_environment},
            stdout=out,
            stderr=out,
        )
    try:
        yield log
    finally:
        culler.terminate()
        culler.wait(10)
        print(log.read_text())


class Person:
    """Somebody signed in, with a server that reports often."""

    def __init__(self, hub: Deployment, name: str) -> None:
        """Start the server."""
        self.name = name
        self.home = hub.settings.state / "homes" / name
        self.session: Session = hub.session(name)
        self.session.http.follow_redirects = True
        self.session.http.get("/hub/spawn")
        wait(lambda: self.running, f"the server of {name}")
        self.session.http.get(f"/user/{name}/lab").raise_for_status()

    @property
    def running(self) -> bool:
        """Whether the hub says that the server runs."""
        model = self.session.http.get(f"/hub/api/users/{self.name}").json()
        return bool(model["servers"].get("", {}).get("ready"))

    @property
    def reported(self) -> datetime:
        """What the hub takes for the server's last activity."""
        model = self.session.http.get(f"/hub/api/users/{self.name}").json()
        return datetime.fromisoformat(model["servers"][""]["last_activity"])

    def post(self, path: str, **content: object) -> dict[str, str]:
        """Have the server do something."""
        cookies = self.session.http.cookies.jar
        [token] = [
            c.value for c in cookies if c.path == f"/user/{self.name}/" and c.name == "_xsrf"
        ]
        answer = self.session.http.post(
            f"/user/{self.name}/{path}", json=content, headers={"X-XSRFToken": str(token)}
        )
        answer.raise_for_status()
        return dict(answer.json() if answer.content else {})

    @contextmanager
    def kernel(self) -> Iterator[BlockingKernelClient]:
        """A client of a new kernel that waits for its first cell; the kernel stays afterwards."""
        number = self.post("api/kernels", name="python3")["id"]
        [file] = self.home.glob(f".local/**/kernel-{number}.json")
        client = BlockingKernelClient(connection_file=str(file))
        client.load_connection_file()
        client.start_channels(hb=False)  # on a busy machine a late heartbeat is no death
        try:
            client.wait_for_ready(timeout=60)
            yield client
        finally:
            client.stop_channels()

    def run_in_terminal(self, command: str) -> None:
        """Type a command into a new terminal."""
        name = self.post("api/terminals")["name"]
        base = str(self.session.http.base_url).replace("http", "ws", 1).rstrip("/")
        cookies = "; ".join(f"{c.name}={c.value}" for c in self.session.http.cookies.jar)
        terminal = websocket.create_connection(
            f"{base}/user/{self.name}/terminals/websocket/{name}", cookie=cookies, timeout=30
        )
        terminal.send(json.dumps(["stdin", f"{command}\r"]))
        while "started" not in terminal.recv():
            pass
        terminal.close()


def wait(until: Callable[[], bool], what: str, seconds: float = 90) -> None:
    """Wait for something."""
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, f"{what} did not come in {seconds} s"
        time.sleep(0.5)


def test_who_works_stays_and_who_left_is_stopped(hub: Deployment) -> None:
    """A silent busy kernel and a program in a terminal keep a server; an open tab does not."""
    alice, bob, carol = (Person(hub, name) for name in ("alice", "bob", "carol"))
    with alice.kernel() as kernel:
        kernel.execute("import time\nwhile True: time.sleep(0.1)")
    with bob.kernel() as kernel:
        kernel.execute("1 + 1", reply=True)
    carol.run_in_terminal("echo start''ed; sleep 600")

    over = threading.Event()
    tab = threading.Thread(target=keep_asking, args=(hub, "bob", over))
    tab.start()
    with culling(hub):
        wait(lambda: not bob.running, "the end of bob's idle server")
        over.set()
        tab.join()
        later = datetime.now(UTC) + timedelta(seconds=WATCH_SECONDS)
        wait(lambda: min(alice.reported, carol.reported) > later, "work reported")
        assert alice.running
        assert carol.running
        interrupt(alice)
        wait(lambda: not alice.running, "the end of alice's server, now idle")
        assert carol.running


def keep_asking(hub: Deployment, name: str, over: threading.Event) -> None:
    """What an open tab does."""
    http = hub.session(name).http
    http.follow_redirects = True
    http.get(f"/user/{name}/lab").raise_for_status()
    while not over.wait(1):
        for path in ("kernels", "sessions", "terminals", "contents", "status"):
            with suppress(httpx.TransportError):  # the server may end while it is asked
                http.get(f"/user/{name}/api/{path}", timeout=10)


def interrupt(person: Person) -> None:
    """Stop what the person's kernel does."""
    [kernel] = person.session.http.get(f"/user/{person.name}/api/kernels").json()
    person.post(f"api/kernels/{kernel['id']}/interrupt")


def test_the_hub_does_not_hear_of_traffic_from_the_proxy(hub: Deployment) -> None:
    """Stock would: JupyterHub's own proxy class says when each route was last used."""
    [proxy] = [
        process
        for process in psutil.process_iter(["cmdline"])
        if "coursehub.hub.localproxy" in (process.info["cmdline"] or ())
        and str(hub.settings.port) in (process.info["cmdline"] or ())
    ]
    token = proxy.environ()["CONFIGPROXY_AUTH_TOKEN"]

    def routes(kind: type[ConfigurableHTTPProxy]) -> dict[str, dict[str, dict[str, str]]]:
        made = kind(api_url=hub.settings.proxy_api_url, auth_token=token, should_start=False)
        found: dict[str, dict[str, dict[str, str]]] = asyncio.run(made.get_all_routes())
        return found

    stock, quiet = routes(ConfigurableHTTPProxy), routes(QuietProxy)
    assert stock.keys() == quiet.keys() != set()
    assert any("last_activity" in route["data"] for route in stock.values())
    assert not any("last_activity" in route["data"] for route in quiet.values())


def test_the_culler_is_a_small_process() -> None:
    """It lives in the hub's container beside the hub."""
    script = (
        "import coursehub.hub.cull, coursehub.course.load, jupyterhub_idle_culler\n"
        "print(open('/proc/self/status').read().partition('VmRSS:')[2].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert int(done.stdout) < 60_000
