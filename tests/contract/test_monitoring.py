"""Alerts, dashboards and notes, with a real Prometheus that watches a real course."""

import asyncio
import json
import os
import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import jinja2
import pytest
import yaml
from jupyterhub.services.auth import HubAuth

from coursehub import status
from coursehub.exchange.client import Client
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.figures import CourseFigures
from coursehub.exchange.service import make_server
from coursehub.grading import figures  # noqa: F401  (the grader's figures are in the registry)
from coursehub.metrics import REGISTRY, telling
from coursehub.settings import CHECKOUT
from tests.contract.alerts import CASES
from tests.deployment import Deployment, deployed, free_port, open_course
from tests.prometheus import ask, names, programs, running
from tests.provision.certificates import certificate_for

ROLE = CHECKOUT / "ansible" / "roles" / "monitoring"
RULES = ROLE / "files" / "coursehub.rules.yml"
NOTE = ROLE / "files" / "coursehub-note"
DASHBOARDS = sorted((ROLE / "files" / "dashboards").glob("*.json"))
TOKEN = "the-token-of-these-tests"  # noqa: S105
DOMAIN = "hub.example.edu"

# What docs/operations.md has a section about.
SECTIONS = {"class-start", "deadline-night", "hub-down", "disk-full", "gpu-lost",
            "student-locked-out", "certificate-expired"}  # fmt: skip

HUB_CONFIG = """
load_subconfig({config!r})
from coursehub.course.load import load_course
from coursehub.hub.devices import Device
from coursehub.hub.figures import metrics_role, metrics_service, tell_gpus
from coursehub.hub.gpus import GpuPool
from coursehub.settings import load_settings
settings = load_settings()
c.JupyterHub.services.append(metrics_service(settings))
c.JupyterHub.load_roles.append(metrics_role())
devices = (Device("nvidia.com/gpu=0"), Device("nvidia.com/gpu=1"))
pool = GpuPool(None, settings, load_course(settings.course), devices, None)
c.ClockedHub.beats = [*c.ClockedHub.beats, tell_gpus(pool)]
"""

GPUS = "0, 37, 20480, 81920, 54\n1, [N/A], 0, 81920, 41\n"
STUBS = {
    "nvidia-smi": f"printf {GPUS!r}",
    "docker": 'test "${@: -1}" != check || { echo "1 hand-ins: the chain holds"; exit $BROKEN; }',
}
# Lines of `--format json`; tests/provision/test_swarm.py asks a real swarm.
DOCKER_OF_A_MANAGER = """
import sys
said = {
    "node": ['{"Hostname":"hub","Status":"Ready","Availability":"Active"}',
             '{"Hostname":"w1","Status":"Down","Availability":"Active"}'],
    "service": ['{"Name":"coursehub_grader","Mode":"global","Replicas":"1/2"}'],
}
if "json" in sys.argv and not any("another" in each for each in sys.argv):
    print(*said[sys.argv[1]], sep="\\n")
"""
# systemd answers in no test container; tests/provision looks at it on a machine.
ELSEWHERE = {"node_systemd_unit_state"}


def rules() -> dict[str, dict[str, Any]]:
    """Name -> each alert's rule."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


# --- the rules


@pytest.mark.parametrize("step", sorted({case.step for case in CASES}))
def test_every_alert_speaks_when_it_should_and_keeps_silent_when_not(
    tmp_path: Path, step: str
) -> None:
    found = rules()
    tests = [case.test(found[case.alert]) for case in CASES if case.step == step]
    file = tmp_path / "alerts.yml"
    # Looked at as often as there are values: older ones count as gone.
    head = {"rule_files": [str(RULES)], "evaluation_interval": step}
    file.write_text(yaml.safe_dump(head | {"tests": tests}))
    said = subprocess.run(
        [programs()["promtool"], "test", "rules", file], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_every_alert_has_a_test_of_both() -> None:
    assert {case.alert for case in CASES if case.speaks} == set(rules())
    assert {case.alert for case in CASES if case.silent} == set(rules())


def test_every_alert_says_what_is_wrong_and_where_help_stands() -> None:
    for name, rule in rules().items():
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert rule["annotations"]["summary"].endswith("."), name
        page, _, section = rule["annotations"]["help"].partition("#")
        file = CHECKOUT / page
        known = anchors(file) if file.exists() else set()
        assert section in (known | SECTIONS if page == "docs/operations.md" else known), name


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as links have them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", each.lower()).strip().replace(" ", "-") for each in headings}


def test_what_to_watch_and_whom_to_tell_are_right_as_far_as_their_own_programs_see(
    tmp_path: Path,
) -> None:
    (tmp_path / "coursehub.rules.yml").write_text(RULES.read_text())
    (tmp_path / "token").write_text(TOKEN)
    config = rendered("prometheus.yml.j2", tmp_path)
    subprocess.run([programs()["promtool"], "check", "config", config], check=True)
    mail = {"to": "a@x.edu, b@x.edu", "from": "hub@x.edu", "smarthost": "mail.x.edu:587",
            "username": "hub"}  # fmt: skip
    for variables in (
        {"monitoring_mail": {}, "monitoring_webhook": ""},
        {"monitoring_mail": mail, "monitoring_mail_password": 'a"b: c',
         "monitoring_webhook": "https://chat.x.edu/hook?a=b"},
    ):  # fmt: skip
        config = rendered("alertmanager.yml.j2", tmp_path, **variables)
        subprocess.run([programs()["amtool"], "check-config", config], check=True)


def rendered(template: str, folder: Path, **variables: Any) -> Path:
    """A template of the role, as Ansible would fill it in."""
    known = yaml.safe_load((ROLE / "vars" / "main.yml").read_text()) | variables
    environment = jinja2.Environment(trim_blocks=True)
    environment.filters["to_json"] = json.dumps
    text = environment.from_string((ROLE / "templates" / template).read_text())
    path = folder / template.removesuffix(".j2")
    path.write_text(text.render(known | {"monitoring_folder": str(folder)}))
    return path


# --- the dashboards


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboards_panels_lie_beside_one_another_and_ask_our_prometheus(path: Path) -> None:
    board = json.loads(path.read_text())
    places = [panel["gridPos"] for panel in board["panels"]]
    squares = [
        (x, y)
        for each in places
        for x in range(each["x"], each["x"] + each["w"])
        for y in range(each["y"], each["y"] + each["h"])
    ]
    assert len(squares) == len(set(squares)) and max(x for x, _ in squares) < 24
    assert len({panel["id"] for panel in board["panels"]}) == len(places)
    (source,) = yaml.safe_load((ROLE / "files/grafana/datasources.yml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {source["uid"]}
    assert board["uid"] == f"coursehub-{path.stem}"


# --- a course that is watched


class Watched(NamedTuple):
    """A course, and the Prometheus that watches it."""

    deployment: Deployment
    prometheus: str
    notes: Path
    https: int


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    notes, site = folder / "notes", folder / "site"
    notes.mkdir()
    site_with_token(site, folder / "state")
    course = open_course(now=datetime.now(UTC))
    ports = [free_port() + each for each in range(4)]
    hub, course_port, node, prometheus = ports
    address = f"http://127.0.0.1:{prometheus}"
    with (
        deployed(folder / "state", course, site=site, visible_tests=False) as deployment,
        serving(deployment) as api,
        telling(TOKEN, course_port, "127.0.0.1"),
        healthy(folder) as https,
        running(
            [programs()["prometheus-node-exporter"], f"--web.listen-address=127.0.0.1:{node}",
             f"--collector.textfile.directory={notes}"],
            f"http://127.0.0.1:{node}/metrics", folder / "node.log",
        ),
    ):  # fmt: skip
        use(deployment, api)
        for what in (("backup",), ("ledger",), ("look", DOMAIN)):
            note(notes, https, *what)
        (folder / "coursehub.rules.yml").write_text(RULES.read_text())
        (folder / "token").write_text(TOKEN)
        config = rendered(
            "prometheus.yml.j2", folder, monitoring_interval="500ms",
            monitoring_hub_port=deployment.settings.internal_ports + 1,
            monitoring_course_port=course_port, monitoring_grader_port=hub,
            monitoring_node_port=node, monitoring_prometheus_port=prometheus,
            monitoring_alertmanager_port=hub,
        )  # fmt: skip
        command: list[str | Path] = [
            programs()["prometheus"], f"--config.file={config}",
            f"--web.listen-address=127.0.0.1:{prometheus}",
            f"--storage.tsdb.path={folder / 'figures'}",
        ]  # fmt: skip
        with running(command, f"{address}/-/ready", folder / "prometheus.log"):
            await_scrapes(address)
            yield Watched(deployment, address, notes, https)


def site_with_token(site: Path, state: Path) -> None:
    """This checkout with a hub that knows Prometheus' token, as the deployed form's does."""
    (site / "hub").mkdir(parents=True)
    config = CHECKOUT / "hub" / "jupyterhub_config.py"
    (site / "hub" / config.name).write_text(HUB_CONFIG.format(config=str(config)))
    (site / "hub" / "templates").symlink_to(CHECKOUT / "hub" / "templates")
    for name in ("images", "source", "release", "solutions", "nbgrader_config.py"):
        (site / name).symlink_to(CHECKOUT / name)
    (state / "secrets").mkdir(parents=True)
    (state / "secrets" / "metrics_token").write_text(TOKEN)


@contextmanager
def serving(deployment: Deployment) -> Iterator[str]:
    """The course service once more, in this process, whose figures the tests can tell; its API."""
    exchange = Exchange(deployment.settings)
    hub = HubAuth(
        api_url=f"{deployment.settings.hub_url}/hub/api",
        api_token="unused",
        access_scopes={"access:services!service=course"},
    )
    loop = asyncio.new_event_loop()
    listening, stop = Future[int](), asyncio.Event()

    async def serve() -> None:
        server = make_server(exchange, hub)
        server.listen(0, "127.0.0.1")
        listening.set_result(next(iter(server._sockets.values())).getsockname()[1])
        await stop.wait()
        server.stop()
        await server.close_all_connections()

    of_course = CourseFigures(exchange.engine, lambda: ["assignment_1"])
    REGISTRY.register(of_course)
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    yield f"http://127.0.0.1:{listening.result(20)}/services/course/api/"
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)
    loop.close()
    REGISTRY.unregister(of_course)


def use(deployment: Deployment, api: str) -> None:
    """Alice asks and is refused what nobody has; a request that nobody signed is refused."""
    session = deployment.session("alice")
    client = Client(api, session.token())
    session.close()
    client.assignments()
    with pytest.raises(Exception, match="assignment_9"):
        client.files("assignment_9")
    httpx.get(f"{api}assignments", trust_env=False)


@contextmanager
def healthy(folder: Path) -> Iterator[int]:
    """A web server with a certificate for DOMAIN that answers as a healthy hub does; its port."""
    certificate, key = certificate_for(DOMAIN)
    (folder / "pem").write_text(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Healthy) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == "/hub/health" and self.headers["Host"] == DOMAIN
        self.send_response(200 if found else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def note(notes: Path, https: int, *what: str, broken: int = 0) -> int:
    """Run the machine's own script, with programs that stand for driver and engine; its status."""
    stubs = notes.parent / "stubs"
    stubs.mkdir(exist_ok=True)
    for name, line in STUBS.items():
        (stubs / name).write_text(f"#!/bin/bash\n{line}\n")
        (stubs / name).chmod(0o755)
    environment = os.environ | {
        "COURSEHUB_NOTES": str(notes), "COURSEHUB_HTTPS_PORT": str(https), "BROKEN": str(broken),
        "PATH": f"{stubs}:{os.environ['PATH']}",
    }  # fmt: skip
    return subprocess.run([NOTE, *what], env=environment, check=False).returncode


def await_scrapes(prometheus: str) -> None:
    """Wait until what is there was read twice, and rules were looked at since."""
    deadline = time.monotonic() + 30
    targets = 'up{job=~"hub|course|node"}'
    seen = f"min(count_over_time({targets}[1h])) >= 2 and min({targets}) == 1"
    query = f"{seen} and on() ALERTS{{alertname='GraderSilent'}}"
    while not ask(prometheus, "query", query=query)["result"]:
        assert time.monotonic() < deadline, ask(prometheus, "targets")
        time.sleep(0.2)


def mentioned(expression: str) -> set[str]:
    """The names of figures in an expression of Prometheus' language."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right) *\([^)]*\)", "", bare)
    bare = re.sub(r"\{[^}]*\}", "", bare)
    return set(re.findall(r"\b(?:coursehub|jupyterhub|node|prometheus|process)_\w+|\bup\b", bare))


def expressions() -> dict[str, str]:
    """Where -> each expression of rules and dashboards."""
    found = {name: rule["expr"] for name, rule in rules().items()}
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for number, target in enumerate(panel.get("targets", ())):
                found[f"{path.stem}: {panel['title']} {number}"] = target["expr"]
    return found


def test_every_figure_that_is_looked_at_is_one_that_is_told(watched: Watched) -> None:
    told = names(watched.prometheus) | ELSEWHERE
    missing = {where: mentioned(text) - told for where, text in expressions().items()}
    assert not {where: each for where, each in missing.items() if each}
    assert all(mentioned(text) for text in expressions().values())


def test_every_expression_is_one_that_prometheus_understands(watched: Watched) -> None:
    with httpx.Client(base_url=watched.prometheus, trust_env=False) as http:
        for where, text in expressions().items():
            query = text.replace("$__rate_interval", "5m")
            answer = http.get("/api/v1/query", params={"query": query})
            assert answer.is_success, (where, answer.text)


def test_no_figure_names_a_person(watched: Watched) -> None:
    series = ask(watched.prometheus, "series", **{"match[]": '{job=~"hub|course"}'})
    labels = {str(value) for each in series for value in each.values()}
    assert not [each for each in labels if "alice" in each.lower()]


def test_refusals_are_told_by_their_reason(watched: Watched) -> None:
    found = ask(watched.prometheus, "label/reason/values")
    assert "NotFound" in found or "NotReleased" in found, found
    assert "401" in found


def test_the_hub_tells_nobody_without_the_token(watched: Watched) -> None:
    url = f"{watched.deployment.settings.bind_url}/hub/metrics"
    session = watched.deployment.session("ines")
    theirs = session.token()
    session.close()
    for headers in ({}, {"Authorization": f"Bearer {theirs}"}):
        assert httpx.get(url, headers=headers, trust_env=False).status_code == 403
    ours = {"Authorization": f"Bearer {TOKEN}"}
    assert "jupyterhub_running_servers" in httpx.get(url, headers=ours, trust_env=False).text
    api = f"{watched.deployment.settings.bind_url}/hub/api/users"
    assert httpx.get(api, headers=ours, trust_env=False).status_code == 403


# --- the notes


def test_the_notes_say_what_is(watched: Watched) -> None:
    (watched.notes / "coursehub-address.prom").unlink()
    assert note(watched.notes, watched.https, "look", DOMAIN) == 0
    text = "".join(each.read_text() for each in watched.notes.glob("*.prom"))
    assert "coursehub_address_status 200" in text
    assert 'coursehub_host_gpu_use_ratio{gpu="0"} 0.37' in text
    assert 'coursehub_host_gpu_use_ratio{gpu="1"}' not in text  # a sliced one does not tell
    assert 'coursehub_host_gpu_memory_bytes{gpu="1"} 8.58' in text or "85899345920" in text
    left = float(re.findall(r"certificate_ends_seconds (\d+)", text)[0]) - time.time()
    assert 29 < left / 86400 < 31
    assert "coursehub_ledger_holds 1" in text
    assert not list(watched.notes.glob(".*"))


def test_a_silent_address_and_a_broken_ledger_are_noted(watched: Watched, tmp_path: Path) -> None:
    assert note(tmp_path, 1, "look", DOMAIN) == 0
    assert "coursehub_address_status 0" in (tmp_path / "coursehub-address.prom").read_text()
    assert note(tmp_path, 1, "ledger", broken=2) != 0
    assert "coursehub_ledger_holds 0" in (tmp_path / "coursehub-ledger.prom").read_text()


# --- make status


def test_status_says_what_prometheus_says(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts = status.ask(watched.prometheus)
    assert alerts is not None
    assert {"GraderSilent", "BackupMissing"} & {each["labels"]["alertname"] for each in alerts}
    for each in alerts:
        each["state"] = "firing"
    wrong = status.firing(alerts)
    assert status.verdict(wrong, "Prometheus watches") == len(alerts)
    said = capsys.readouterr().out
    assert "WRONG  The grader does not tell how it is." in said
    assert "See docs/operations.md#deadline-night" in said


def test_status_needs_python_alone() -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT / "src")}
    command = [sys.executable, "-S", "-m", "coursehub.status", "--help"]
    assert subprocess.run(command, env=environment, check=False).returncode == 0


def test_a_prometheus_that_does_not_answer_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert status.ask(f"http://127.0.0.1:{free_port()}") is None
    assert status.verdict([], "Prometheus watches") == 0
    assert "Nothing is wrong." in capsys.readouterr().out


@pytest.mark.parametrize("swarm", [False, True])
def test_status_knows_a_swarm_by_its_compose_files(
    swarm: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ["docker-compose.yml", *(["docker-compose.swarm.yml"] if swarm else [])]
    monkeypatch.chdir(CHECKOUT)
    monkeypatch.setenv("COMPOSE_FILE", ":".join(files))
    assert status.is_swarm(status.composed()) is swarm


def test_status_names_machines_of_a_swarm_that_are_away_and_graders_that_do_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what Docker's client said on a manager of three machines."""
    (tmp_path / "docker").write_text(f"#!{sys.executable}\n{DOCKER_OF_A_MANAGER}")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert list(status.machines()) == [
        "The machine w1 does not answer the swarm (Down); docs/swarm.md says what happens then."
    ]
    (wrong,) = status.graders("coursehub")
    assert wrong.startswith("Of coursehub_grader 1 run, where 2 should;")
    (none,) = status.graders("another")
    assert "make stack" in none


@pytest.mark.parametrize(
    ("state", "health", "code", "well"),
    [
        ("running", "healthy", 0, True),
        ("running", "", 0, True),
        ("exited", "", 0, True),
        ("exited", "", 137, False),
        ("running", "unhealthy", 0, False),
        ("running", "starting", 0, False),
        ("restarting", "", 1, False),
    ],
)
def test_a_service_is_well_where_it_runs_and_a_step_where_it_ended(
    state: str, health: str, code: int, well: bool
) -> None:
    assert status.is_well({"State": state, "Health": health, "ExitCode": code}) == well
