"""Asking for a GPU as a student sees it: the choice, the queue and its buttons, the end in the lab.

A small hub with local servers, whose GPUs are those of a real engine: who has a GPU is a labelled
container there.
"""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import docker
import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import create_engine

from coursehub.course.load import load_course
from coursehub.course.schedule import say_short
from coursehub.hub.leases import metadata
from coursehub.settings import CHECKOUT, Settings, load_settings
from tests.deployment import free_port, print_logs
from tests.images import BASE, ensure_base_image

# The engine, with our images on it.
pytestmark = pytest.mark.usefixtures("images")

OUTPUT = CHECKOUT / "tests" / "output"
GPU = "nvidia.com/gpu=0"
PATIENCE = 60_000  # milliseconds until a server must have started on a busy machine

HUB = """
import docker
from contextlib import nullcontext
from jupyterhub.auth import DummyAuthenticator
from sqlalchemy import create_engine
from coursehub.course.load import load_course
from coursehub.hub.clock import remove_orphans, stop_expired
from coursehub.hub.devices import find_devices
from coursehub.hub.gpus import GpuPool
from coursehub.hub.leases import LeaseHistory
from coursehub.hub.pages import extra_handlers
from coursehub.hub.profiles import Profiles
from coursehub.hub.progress import in_queue
from coursehub.hub.spawner import EmbeddedSpawner
from coursehub.settings import load_settings

settings = load_settings()
course = load_course(settings.course)
client = docker.from_env()
history = LeaseHistory(create_engine(settings.database), course.tz)
pool = GpuPool(client, settings, course, find_devices(client, settings).devices, history)
profiles = Profiles(pool, settings, lambda name: False)


class WaitingSpawner(EmbeddedSpawner):
    async def start(self):
        gpu = self.user_options.get("profile") == ["gpu"]
        async with pool.take(self.user.name) if gpu else nullcontext() as lease:
            self.environment = {"TEST_LEASE": str(lease)}
            return await super().start()

    async def progress(self):
        if pool.place(self.user.name):
            yield in_queue(pool.place(self.user.name))


c = get_config()
c.JupyterHub.bind_url = settings.bind_url
c.JupyterHub.hub_bind_url = settings.hub_url
c.JupyterHub.db_url = settings.hub_database
c.JupyterHub.cookie_secret_file = str(settings.state / "cookie")
c.JupyterHub.template_paths = [str(settings.site / "hub" / "templates")]
c.JupyterHub.template_vars = {"course_title": "Course"}
c.JupyterHub.authenticator_class = DummyAuthenticator
c.Authenticator.allow_all = True
c.ConfigurableHTTPProxy.api_url = settings.proxy_api_url
c.ConfigurableHTTPProxy.pid_file = str(settings.state / "proxy.pid")
c.JupyterHub.spawner_class = WaitingSpawner
c.WaitingSpawner.settings = settings
c.WaitingSpawner.is_staff = lambda name: False
c.WaitingSpawner.start_timeout = c.WaitingSpawner.http_timeout = 120
c.WaitingSpawner.options_form = lambda spawner: profiles.options_form(spawner)
c.JupyterHub.extra_handlers = extra_handlers(pool)
others = settings.model_copy(update={"project": settings.project + "-orphans"})
c.ClockedHub.beats = [remove_orphans(client, others), stop_expired(pool)]
c.ClockedHub.beat_seconds = 0.3
"""


class SmallHub:
    """A running hub, and what it knows to be lent."""

    def __init__(self, settings: Settings, client: docker.DockerClient) -> None:
        self.settings = settings
        self.client = client

    def lend(self, username: str, minutes: float, project: str = "") -> Any:
        """A container that holds the GPU."""
        until = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
        project = self.settings.project + project
        labels = {"project": project, "user": username, "gpu": GPU, "gpu.until": until}
        return self.client.containers.run(
            BASE,
            ["sleep", "1000"],
            labels={f"coursehub.{key}": value for key, value in labels.items()},
            network_mode="none",
            detach=True,
        )

    def sign_in(
        self, browser: Browser, username: str, at: str = "/hub/spawn", **context: Any
    ) -> Page:
        """A new browser of somebody, before they start a server, or on whatever page is next."""
        page = browser.new_context(**context).new_page()
        # This hub's proxy holds an answer back until it is complete; a stream never is. The
        # deployed form's proxy streams.
        page.route("**/server/progress**", self._past_the_proxy)
        page.goto(f"{self.settings.bind_url}/hub/login?next={quote(at)}")
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill("any")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"**{at}")
        return page

    def _past_the_proxy(self, route: Route) -> None:
        path = route.request.url.removeprefix(self.settings.bind_url)
        route.continue_(url=self.settings.hub_url + path)


@pytest.fixture(scope="module")
def hub(
    tmp_path_factory: pytest.TempPathFactory, engine: docker.DockerClient
) -> Iterator[SmallHub]:
    ensure_base_image(engine)
    state = tmp_path_factory.mktemp("hub")
    settings = load_settings(
        state=state,
        course=CHECKOUT / "course.yml",
        bind_url=f"http://127.0.0.1:{free_port()}",
        project=f"gpupage-{uuid.uuid4().hex[:8]}",
        gpus=GPU,
    )
    metadata.create_all(create_engine(str(settings.database)))
    config = state / "config.py"
    config.write_text(HUB)
    environment = os.environ | settings.environment()
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    with (state / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "coursehub.hub.clock", "--config", str(config)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=state,
        )
    try:
        await_answer(process, f"{settings.bind_url}/hub/api/")
        yield SmallHub(settings, engine)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        print_logs([state / "hub.log"])
        for container in engine.containers.list(all=True, filters={"label": "coursehub.project"}):
            if container.labels["coursehub.project"].startswith(settings.project):
                container.remove(force=True)


def await_true(true: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def await_answer(process: subprocess.Popen[bytes], url: str) -> None:
    def answers() -> bool:
        assert process.poll() is None, f"what was to answer at {url} ended"
        try:
            return httpx.get(url, trust_env=False).is_success
        except httpx.TransportError:
            return False

    await_true(answers)


def photograph(page: Page, name: str) -> None:
    OUTPUT.mkdir(exist_ok=True)
    page.screenshot(path=OUTPUT / f"{name}.png")


def test_a_free_gpu_is_offered_and_the_cpu_preselected(hub: SmallHub, browser: Browser) -> None:
    page = hub.sign_in(browser, "ann", viewport={"width": 360, "height": 740})
    expect(page.get_by_text("1 of 1 GPU free")).to_be_visible()
    expect(page.get_by_role("radio", name="CPU")).to_be_checked()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    photograph(page, "gpu-form-phone")


def test_the_queue_is_left_or_skipped(hub: SmallHub, browser: Browser) -> None:
    holder = hub.lend("zoe", 25)
    page = hub.sign_in(browser, "bob")
    expect(
        page.get_by_text("none free, nobody is waiting, yours in about 25 minutes")
    ).to_be_visible()
    page.get_by_role("radio", name="CPU").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="GPU")).to_be_checked()
    photograph(page, "gpu-form")
    page.keyboard.press("Enter")

    expect(page.locator("#progress-message")).to_contain_text("number 1 of 1", timeout=10_000)
    expect(page.locator("#progress-message")).to_contain_text("25 minutes")
    photograph(page, "gpu-queue")
    page.locator("#progress-message").get_by_role("button", name="Leave").click()
    expect(page.get_by_text("You left the queue for a GPU. Nothing was started.")).to_be_visible()
    photograph(page, "gpu-queue-left")

    page.get_by_role("radio", name="GPU").check()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#progress-message")).to_contain_text("number 1 of 1", timeout=10_000)
    elsewhere = hub.sign_in(browser, "bob", at="/hub/spawn-pending/bob")
    elsewhere.locator("#progress-message").get_by_role("button", name="Start").click()
    expect(page).to_have_url(re.compile("/user/bob/lab"), timeout=PATIENCE)
    holder.remove(force=True)


def test_only_the_own_place_and_only_with_the_pages_token(hub: SmallHub, browser: Browser) -> None:
    page = hub.sign_in(browser, "eve")
    url = f"{hub.settings.bind_url}/hub/coursehub/queue/leave"
    assert page.request.post(url).status == 403
    assert httpx.post(url, trust_env=False).status_code in (302, 403)
    assert page.request.get(url).status == 405


def test_a_server_whose_lease_is_over_is_stopped(hub: SmallHub, browser: Browser) -> None:
    page = hub.sign_in(browser, "dan")
    page.get_by_role("button", name="Start").click()
    expect(page).to_have_url(re.compile("/user/dan/lab"), timeout=PATIENCE)
    model = f"{hub.settings.bind_url}/hub/api/users/dan"
    assert page.request.get(model).json()["server"] == "/user/dan/"
    over = hub.lend("dan", -1)
    await_true(lambda: page.request.get(model).json()["server"] is None)
    over.remove(force=True)


def test_orphans_are_removed_and_running_servers_are_not(hub: SmallHub, browser: Browser) -> None:
    page = hub.sign_in(browser, "fay")
    page.get_by_role("button", name="Start").click()
    expect(page).to_have_url(re.compile("/user/fay/lab"), timeout=PATIENCE)
    own, orphan = hub.lend("fay", 60, "-orphans"), hub.lend("gus", 60, "-orphans")
    names = {"label": f"coursehub.project={hub.settings.project}-orphans"}
    await_true(lambda: orphan not in hub.client.containers.list(filters=names))
    assert hub.client.containers.list(filters=names) == [own]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A JupyterLab whose lease ends within five minutes: its address, and the end in words."""
    until = datetime.now(UTC) + timedelta(minutes=4, seconds=30)
    text = say_short(until.replace(second=0, microsecond=0), load_course(CHECKOUT / "course.yml"))
    (tmp_path / "jupyter_server_config.py").write_text(
        "from coursehub.lab.lease import configure_lease\n"
        "c = get_config()\nc.IdentityProvider.token = ''\nc.ServerApp.allow_root = True\n"
        "c.LabApp.extra_labextensions_path = []\nconfigure_lease(c)\n"
    )
    port = free_port()
    lease = {"COURSEHUB_GPU_UNTIL": until.isoformat(), "COURSEHUB_GPU_UNTIL_TEXT": text}
    environment = os.environ | lease | {"JUPYTER_CONFIG_DIR": str(tmp_path), "HOME": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--ip=127.0.0.1"],
        env=environment,
        cwd=tmp_path,
    )
    try:
        await_answer(process, f"http://127.0.0.1:{port}/api")
        yield f"http://127.0.0.1:{port}/lab", text
    finally:
        process.terminate()
        process.wait(30)


def test_the_lab_says_until_when_and_warns(lab: tuple[str, str], browser: Browser) -> None:
    url, text = lab
    page = browser.new_context().new_page()
    page.goto(url)
    line = page.get_by_role("status").filter(has_text=f"GPU until {text}")
    expect(line).to_be_visible(timeout=PATIENCE)
    warning = page.get_by_role("alert").filter(has_text="Less than 5 minutes left")
    expect(warning).to_contain_text("files are kept")
    expect(page.locator(".jp-Launcher-body")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#jp-main-statusbar").get_by_text(f"GPU until {text}")).to_be_visible()
    photograph(page, "gpu-lab")
    warning.get_by_role("button", name="OK").click()
    expect(warning).to_be_hidden()
    expect(line).to_be_visible()
