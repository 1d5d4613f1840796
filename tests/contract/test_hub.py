"""Who gets into the embedded hub, and what each may do there."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import httpx
import psutil
import pytest
from sqlalchemy import update

from coursehub.errors import SpawnError
from coursehub.exchange.database import connect, people
from coursehub.hub.session import Session
from tests.deployment import Deployment, deployed, open_course, password


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    text = open_course(now=datetime.now(UTC))
    with deployed(tmp_path_factory.mktemp("hub"), text) as deployment:
        yield deployment


def served(hub: Deployment, username: str) -> Session:
    """Sign in and have the own server running."""
    session = hub.session(username)
    session.http.follow_redirects = True
    session.http.get("/hub/spawn")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        page = session.http.get(f"/user/{username}/lab")
        if page.status_code == 200 and "jupyter-config-data" in page.text:
            return session
        time.sleep(0.5)
    raise AssertionError(f"the server of {username} did not start")


@pytest.fixture(scope="module")
def student(hub: Deployment) -> Session:
    return served(hub, "alice")


@pytest.fixture(scope="module")
def staff(hub: Deployment) -> Session:
    return served(hub, "tara")


def server_environments(hub: Deployment) -> dict[str, dict[str, str]]:
    """User name -> environment of the process of every running server of this deployment."""
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        if "coursehub.lab.start" in " ".join(process.info["cmdline"] or ()):
            environment = process.environ()
            if environment["HOME"].startswith(str(hub.settings.state)):
                found[environment["JUPYTERHUB_USER"]] = environment
    return found


@pytest.mark.parametrize(
    ("username", "secret"),
    [
        ("alice", "wrong"),
        ("alice", ""),
        ("mallory", password("mallory")),
        ("ALICE' OR 1=1 --", "x"),
        ("<script>", "x"),
    ],
)
def test_only_the_roster_gets_in(hub: Deployment, username: str, secret: str) -> None:
    with pytest.raises(SpawnError, match="does not let"):
        Session(hub.settings.bind_url, username, secret)


def test_a_dropped_student_is_refused(hub: Deployment) -> None:
    engine = connect(str(hub.settings.database))
    client = hub.client("carol")
    with engine.begin() as connection:
        gone = update(people).where(people.c.username == "carol").values(active=False)
        connection.execute(gone)
    with pytest.raises(SpawnError):
        hub.session("carol")
    with pytest.raises(Exception, match="not on the roster"):
        client.assignments()


def test_groups_and_roles_follow_the_roster(hub: Deployment) -> None:
    def of(username: str) -> tuple[list[str], set[str], bool]:
        model = hub.session(username).http.get("/hub/api/user").json()
        return model["groups"], set(model["roles"]), model["admin"]

    assert of("bob") == (["nbgrader-cs5260"], {"user"}, False)
    assert of("tara") == (["formgrade-cs5260"], {"user"}, False)
    assert of("ines") == (["formgrade-cs5260"], {"user", "instructor"}, False)


def test_a_servers_token_reaches_its_own_server_and_the_exchange_only(
    hub: Deployment, student: Session
) -> None:
    token = server_environments(hub)["alice"]["JUPYTERHUB_API_TOKEN"]
    headers = {"Authorization": f"token {token}"}
    with httpx.Client(base_url=hub.settings.bind_url, headers=headers, trust_env=False) as http:
        scopes = set(http.get("/hub/api/user").json()["scopes"])
        rights = {scope.partition("!")[0] for scope in scopes} - {
            "read:users:name", "read:users:groups", "read:users:activity", "users:activity",
        }  # fmt: skip
        assert rights <= {"access:servers", "access:services", "read:users:name"}, scopes
        assert all("!" in scope for scope in scopes), scopes
        for path in ("/hub/api/users", "/hub/api/users/bob", "/hub/api/groups", "/hub/api/proxy"):
            assert http.get(path).status_code in (403, 404), path
        assert http.post("/hub/api/users/bob/tokens", json={}).status_code in (403, 404)
        assert http.delete("/hub/api/users/alice/server").status_code in (403, 404)
        assert http.get("/services/course/api/assignments").status_code == 200


def test_the_service_has_no_rights_of_its_own(hub: Deployment, student: Session) -> None:
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if command[-2:] == ["coursehub.cli", "serve"]:
            environment = process.environ()
            if environment.get("COURSEHUB_STATE") == str(hub.settings.state):
                break
    else:
        raise AssertionError("the course service is not running")
    headers = {"Authorization": f"token {environment['JUPYTERHUB_API_TOKEN']}"}
    with httpx.Client(base_url=hub.settings.bind_url, headers=headers, trust_env=False) as http:
        assert http.get("/hub/api/users").status_code == 403
        assert http.get("/services/course/api/hand-ins").status_code == 403


def test_a_killed_service_is_back_within_seconds(hub: Deployment, student: Session) -> None:
    [killed] = [
        process
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [])[-2:] == ["coursehub.cli", "serve"]
        and process.environ()["COURSEHUB_STATE"] == str(hub.settings.state)
    ]
    killed.kill()
    health = f"{hub.settings.bind_url}/services/course/api/health"
    began = time.monotonic()
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(health, trust_env=False).is_success and not killed.is_running():
                break
        assert time.monotonic() - began < 15, "the service is not back"
        time.sleep(0.2)


@pytest.mark.parametrize("path", ["formgrader", "formgrader/", "formgrader/manage_assignments"])
def test_students_have_no_formgrader(student: Session, staff: Session, path: str) -> None:
    own = student.http.get(f"/user/alice/{path}")
    assert own.status_code == 403
    assert "course staff" in own.text
    assert student.http.get(f"/user/tara/{path}").status_code == 403


def test_staff_have_the_formgrader_without_path(hub: Deployment, staff: Session) -> None:
    assert staff.http.get("/user/tara/formgrader/manage_assignments").status_code == 200
    evil = hub.settings.state / "course" / "submitted" / "alice" / "assignment_1"
    evil.mkdir(parents=True)
    proof = hub.settings.state / "executed"
    (evil / "nbgrader_config.py").write_text(f"open({str(proof)!r}, 'w').close()\n")
    for path in ("submitted/alice/assignment_1", str(evil)):
        answer = staff.http.get("/user/tara/formgrader", params={"path": path})
        assert answer.status_code == 403
    staff.http.get("/user/tara/formgrader/manage_assignments")
    assert not proof.exists()


def test_staff_cannot_hand_in_past_the_service(hub: Deployment, staff: Session) -> None:
    home = hub.settings.state / "homes" / "tara"
    (home / "assignment_1").mkdir()
    (home / "assignment_1" / "assignment_1.ipynb").write_text('{"cells": []}')
    outbound = hub.settings.exchange / "cs5260" / "outbound" / "assignment_1"
    outbound.mkdir()
    (outbound / "assignment_1.ipynb").write_text('{"cells": []}')
    token = next(
        c.value for c in staff.http.cookies.jar if c.path == "/user/tara/" and c.name == "_xsrf"
    )
    answer = staff.http.post(
        "/user/tara/assignments/submit",
        json={"course_id": "cs5260", "assignment_id": "assignment_1"},
        headers={"X-XSRFToken": token},
    ).json()
    assert answer["success"] is False
    assert answer["value"].startswith("Course staff do not hand in")
    assert list((hub.settings.exchange / "cs5260" / "inbound").iterdir()) == []


def test_servers_carry_no_secret_of_the_deployment(hub: Deployment, student: Session) -> None:
    secrets = [
        (hub.settings.state / "cookie_secret").read_text().strip(),
        hub.settings.signing_key.read_text().splitlines()[1],
    ]
    for environment in server_environments(hub).values():
        values = " ".join(environment.values())
        assert not any(secret in values for secret in secrets)
        assert "CONFIGPROXY_AUTH_TOKEN" not in environment
