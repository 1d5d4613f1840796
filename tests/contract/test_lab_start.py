"""What a student's server imports before it answers, and that it is a whole server all the same."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from coursehub.settings import CHECKOUT
from tests.contract.miniature import marks
from tests.deployment import free_port
from tests.hostile import make_hostile

START = (sys.executable, "-P", "-s", "-X", "importtime", "-m", "coursehub.lab.start")
# Each of them was there, or came with what was, and costs a start from 5 to 900 ms.
NEVER_AT_START = {
    "IPython", "alembic", "jupyter_lsp", "lark", "matplotlib", "mistune", "nbconvert", "nbgrader",
    "numpy", "pandas", "pydantic", "ruamel", "sqlalchemy", "torch",
}  # fmt: skip
WHO = {"of-alice": "alice", "of-bob": "bob"}


class StandInHub(BaseHTTPRequestHandler):
    """Answers what a server asks the hub: its version, and whose a token is."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = WHO.get((self.headers.get("Authorization") or "").removeprefix("token "))
        answer: dict[str, object] = {
            "name": name,
            "kind": "user",
            "scopes": [f"access:servers!server={name}/"],
        }
        exchange = "/none/" in self.path
        if exchange:
            answer = {"error": "NotEnrolled", "message": "Nobody is here.", "remedy": "Wait"}
        refused = exchange or (name is None and self.path.rstrip("/").endswith("/user"))
        body = json.dumps(answer).encode()
        self.send_response(403 if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Server:
    """A started server."""

    http: httpx.Client
    log: Path
    imported_at_start: set[str] = field(default_factory=set)

    def imported(self) -> set[str]:
        """Top-level packages imported so far."""
        modules = re.findall(r"^import time:.*\| +([\w.]+)$", self.log.read_text(), re.M)
        return {module.partition(".")[0] for module in modules}

    def kernel_ran(self) -> bool:
        """Whether a kernel has been started since the server was."""
        return "IPKernelApp" in self.log.read_text()

    def get(self, page: str, token: str | None = None, **params: str) -> httpx.Response:
        """Ask for something of alice's server."""
        headers = {"Authorization": f"token {token}"} if token else {}
        return self.http.get(f"/user/alice/{page}", headers=headers, params=params)


@contextmanager
def served(home: Path, config: str = "student") -> Iterator[Server]:
    """alice's server on this machine, answering, with her files in `home`."""
    port = free_port()
    hub = ThreadingHTTPServer(("127.0.0.1", port + 1), StandInHub)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    api = f"http://127.0.0.1:{port + 1}/hub/api"
    scopes = json.dumps(["access:servers!server=alice/"])
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(home),
        "JUPYTER_CONFIG_PATH": str(CHECKOUT / "images" / "lab" / config),
        "JUPYTER_DATA_DIR": str(home / ".data"),
        "COURSEHUB_EXCHANGE_URL": f"{api}/none/",
        "JUPYTERHUB_ACTIVITY_URL": f"{api}/users/alice/activity",
        "JUPYTERHUB_API_TOKEN": "of-alice",
        "JUPYTERHUB_API_URL": api,
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-alice",
        "JUPYTERHUB_DEFAULT_URL": "/lab",
        "JUPYTERHUB_DISABLE_USER_CONFIG": "1",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": scopes,
        "JUPYTERHUB_OAUTH_SCOPES": scopes,
        "JUPYTERHUB_SERVICE_PREFIX": "/user/alice/",
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}/user/alice/",
        "JUPYTERHUB_USER": "alice",
    }
    log = home.parent / f"{home.name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*START, "--allow-root"], cwd=home, env=environment, stdout=out, stderr=out
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as http:
            server = Server(http, log)
            deadline = time.monotonic() + 60
            while True:
                with suppress(httpx.TransportError):
                    if server.get("").status_code < 500:
                        break
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            server.imported_at_start = server.imported()
            yield server
    finally:
        process.terminate()
        process.wait(20)
        hub.shutdown()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("alice")) as started:
        yield started


def test_a_start_imports_nothing_that_a_student_may_never_use(server: Server) -> None:
    assert "jupyterlab" in server.imported_at_start, "the list of imports was not read"
    assert server.imported_at_start & NEVER_AT_START == set()


def test_it_is_a_whole_server(server: Server) -> None:
    assert "jupyter-config-data" in server.get("lab", "of-alice").text
    for path in ("api/contents", "api/kernelspecs", "api/terminals", "lab/api/settings"):
        assert server.get(path, "of-alice").status_code == 200, path


def test_what_comes_later_comes_at_the_first_request(server: Server) -> None:
    listed = server.get("assignments", "of-alice", course_id="cs5260").json()
    assert listed["value"] == "Nobody is here. Wait."
    assert server.get("nbgrader_version", "of-alice", version="0.9.6").json()["success"]
    assert server.get("coursehub/deadlines", "of-alice").status_code != 404
    assert "nbgrader" in server.imported()
    validate = server.http.post(
        "/user/alice/assignments/validate",
        json={"path": "none.ipynb"},
        headers={"Authorization": "token of-alice"},
    )
    assert "success" in validate.json(), validate.text


@pytest.mark.parametrize("path", ["lab", "api/contents", "assignments", "coursehub/deadlines"])
@pytest.mark.parametrize("token", [None, "of-bob", "of-nobody"])
def test_the_hub_still_decides_who_gets_in(server: Server, path: str, token: str | None) -> None:
    """Part of JupyterHub's package is a stand-in here; none of what decides is."""
    answer = server.get(path, token)
    assert answer.status_code in (302, 403), answer.text
    if answer.status_code == 302:
        assert "/hub/api/oauth2/authorize" in answer.headers["location"]


def test_the_formgrader_is_refused_without_loading_it(server: Server) -> None:
    assert server.get("formgrader", "of-alice").status_code == 403


def test_the_server_answers_while_it_validates(tmp_path: Path) -> None:
    home = tmp_path / "alice"
    home.mkdir()
    go_on = home / "go_on"
    wait = f"import os, time\nwhile not os.path.exists({str(go_on)!r}): time.sleep(0.1)"
    nbformat.write(new_notebook(cells=[new_code_cell(wait)]), home / "slow.ipynb")
    with served(home) as server, ThreadPoolExecutor(1) as pool:
        validating = pool.submit(
            server.http.post,
            "/user/alice/assignments/validate",
            json={"path": "slow.ipynb"},
            headers={"Authorization": "token of-alice"},
        )
        try:
            while not server.kernel_ran():
                assert not validating.done(), validating.result().text
                time.sleep(0.1)
            assert server.get("api/contents", "of-alice").status_code == 200
            assert not validating.done(), "the notebook ran before the server answered"
        finally:
            go_on.touch()
        assert validating.result().json()["success"], validating.result().text
        assert visible_tests_of(server, "slow.ipynb") == {"tests": []}
        assert "could not be run" in visible_tests_of(server, "none.ipynb")["problem"]
        tests = {
            "t1_test": "assert 1",
            "t1_test_2": "# Hidden.",
            "t2_test": "assert 0, 'two\\n'",
            "t3_test": "import sys; print('a warning', file=sys.stderr); assert 1",
        }
        cells = [
            new_code_cell(text, metadata=marks(f"a1_{name}", points=1))
            for name, text in tests.items()
        ]
        nbformat.write(new_notebook(cells=cells), home / "tests.ipynb")
        assert visible_tests_of(server, "tests.ipynb")["tests"] == [
            {"name": "a1_t1_test", "task": "Task 1", "passed": True, "message": ""},
            {"name": "a1_t2_test", "task": "Task 2", "passed": False,
             "message": "AssertionError: two"},
            {"name": "a1_t3_test", "task": "Task 3", "passed": True, "message": ""},
        ]  # fmt: skip


def visible_tests_of(server: Server, path: str) -> dict[str, Any]:
    """What the look before handing in is told of a notebook's visible tests."""
    answer = server.http.post(
        "/user/alice/assignments/validate/tests",
        json={"path": path},
        headers={"Authorization": "token of-alice"},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_students_files_do_not_get_into_the_server(tmp_path: Path) -> None:
    home = tmp_path / "alice"
    home.mkdir()
    for name in ("json", "random", "tornado", "jupyterhub", "coursehub"):
        (home / f"{name}.py").write_text("raise SystemExit('a file of my own')\n")
    with served(home) as server:
        assert server.get("api/contents", "of-alice").status_code == 200


def test_afterwards_the_real_modules_are_there() -> None:
    script = (
        "from coursehub.lab.start import OF_THE_HUB, Absent, absent; import sys\n"
        "with absent(OF_THE_HUB): from jupyterhub.singleuser import extension\n"
        "assert not any(isinstance(each, Absent) for each in sys.modules.values())\n"
        "from jupyterhub import orm, roles; import sqlalchemy, nbgrader.api\n"
        "assert orm.User.__tablename__ == 'users' and sqlalchemy.create_engine\n"
    )
    subprocess.run([sys.executable, "-P", "-c", script], check=True)


def test_staff_have_the_formgrader_from_the_start(tmp_path: Path) -> None:
    home = tmp_path / "tara"
    home.mkdir()
    with served(home, "staff") as server:
        assert "nbgrader" in server.imported_at_start
        assert server.get("formgrader", "of-alice", path="x").status_code == 403


def test_a_start_looks_at_nothing_in_the_home(tmp_path: Path) -> None:
    """As in a container, where no variable leads away from ~/.jupyter."""
    home, mark = tmp_path / "home", tmp_path / "executed"
    make_hostile(home, mark, home / ".data")
    with served(home) as server:
        page = server.get("lab", "of-alice").text
        config = json.loads(re.findall(r'jupyter-config-data"[^>]*>(.*?)</script>', page, re.S)[0])
        assert "hostile" not in config and "hostile" not in str(config["federated_extensions"])
        assert "@jupyter/nbgrader:formgrader" in str(config["disabledExtensions"])
        assert "Hostile" not in server.get("lab/api/settings", "of-alice").text
        assert "Hostile" not in server.get("api/kernelspecs", "of-alice").text
        listed = server.get("assignments", "of-alice", course_id="cs5260").json()
        assert listed["value"] == "Nobody is here. Wait.", (
            "nbgrader's own configuration is in force"
        )
        assert not mark.exists(), mark.read_text()
