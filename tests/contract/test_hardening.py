"""One origin for all, the lesser mode: what holds there of cookies, tokens, headers and homes.

Where each has a name of its own: `tests/e2e/test_names.py`.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from jupyterhub.handlers import default_handlers
from jupyterhub.services.auth import HubAuth
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from coursehub.cli.pages import course_pages
from coursehub.exchange.client import Client
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.service import make_app
from coursehub.hub.attempts import PER_ACCOUNT
from coursehub.hub.session import Session
from coursehub.rate import Rate
from tests.deployment import Deployment, deployed, open_course, password
from tests.hostile import make_hostile

HOME = "/services/course/"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    state = tmp_path_factory.mktemp("hardening")
    for username in ("alice", "tara"):
        home = state / "homes" / username
        make_hostile(home, state / "executed", home / ".local" / "jupyter_data_dir")
    with deployed(state, open_course(now=datetime.now(UTC)), visible_tests=False) as deployment:
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


# --- homes ---------------------------------------------------------------------------------------


def page_config(session: Session) -> dict[str, Any]:
    page = session.http.get(f"/user/{session.username}/lab").text
    found = re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.S)
    assert found
    return dict(json.loads(found[1]))


def test_nothing_in_a_home_changes_the_students_server(hub: Deployment, student: Session) -> None:
    config = page_config(student)
    assert "hostile" not in json.dumps(config).lower().replace("/hostile", "")
    assert "@jupyter/nbgrader:formgrader" in json.dumps(config["disabledExtensions"])
    specs = student.http.get("/user/alice/api/kernelspecs").json()["kernelspecs"]
    assert "Hostile" not in json.dumps(specs) and "python3" in specs
    settings = student.http.get("/user/alice/lab/api/settings").text
    assert "Hostile" not in settings and "apputils-extension:themes" in settings
    asked = {"Origin": "https://evil.example"}
    answer = student.http.get("/user/alice/api/kernelspecs", headers=asked)
    assert "Access-Control-Allow-Origin" not in answer.headers
    # nbgrader is loaded at the first request for its pages.
    listed = student.http.get("/user/alice/assignments", params={"course_id": "cs5260"})
    assert listed.json()["success"], listed.text
    assert not (hub.settings.state / "executed").exists()


def test_nor_the_formgraders(hub: Deployment, staff: Session) -> None:
    page = staff.http.get("/user/tara/formgrader/manage_assignments")
    assert page.status_code == 200
    assert staff.http.get("/user/tara/formgrader/api/assignments").status_code == 200
    assert not (hub.settings.state / "executed").exists()


# --- headers -------------------------------------------------------------------------------------


def guarded(answer: httpx.Response, frame: str = "'none'") -> None:
    """What every page of ours says to a browser."""
    headers, what = answer.headers, f"{answer.request.method} {answer.url} {answer.status_code}"
    assert f"frame-ancestors {frame}" in headers.get("Content-Security-Policy", ""), what
    assert headers.get("X-Content-Type-Options") == "nosniff", what
    assert headers.get("Referrer-Policy") == "same-origin", what
    assert "camera=()" in headers.get("Permissions-Policy", ""), what
    assert headers.get("Cross-Origin-Opener-Policy") == "same-origin", what
    assert "Strict-Transport-Security" not in headers, f"{what}: this hub is reached by http"


def test_all_of_the_hubs_pages_are_guarded(hub: Deployment, student: Session) -> None:
    paths = [path for path, *_ in default_handlers if re.fullmatch(r"[/\w-]+", path)]
    assert {"/login", "/home", "/token", "/spawn"} <= set(paths)
    paths += ["/nothing", "/error/503", "/spawn-pending/alice", "/user/bob/lab", "/api/nothing"]
    paths.remove("/logout")
    with httpx.Client(base_url=hub.settings.bind_url, trust_env=False) as stranger:
        for path in paths:
            for http in (stranger, student.http):
                answer = http.get(f"/hub{path}", follow_redirects=False)
                assert answer.status_code < 500 or "error" in path, path
                guarded(answer)
        guarded(stranger.post("/hub/login", data={"username": "x", "password": "y"}))
    policy = student.http.get("/hub/home").headers["Content-Security-Policy"]
    for part in (
        "default-src 'none'",
        "form-action 'self'",
        "base-uri 'none'",
        "script-src 'self'",
    ):
        assert part in policy


def test_all_of_the_course_pages_are_guarded(hub: Deployment, student: Session) -> None:
    ines = hub.session("ines")
    ines.http.follow_redirects = True
    ines.http.get(HOME)
    auth = HubAuth(api_token="unused", base_url=HOME)
    app = make_app(
        Exchange(hub.settings), auth, course_pages(Exchange(hub.settings), hub.settings, auth)
    )
    patterns = [rule.matcher.regex.pattern for rule in app.wildcard_router.rules]
    paths = [example(pattern) for pattern in patterns if pattern.startswith(HOME)]
    assert len(paths) > 20 and f"{HOME}staff/extensions" in paths and f"{HOME}api/hand-ins" in paths
    paths += [
        f"{HOME}nothing",
        f"{HOME}api/nothing",
        f"{HOME}static/home.css",
        f"{HOME}static/none",
    ]
    with httpx.Client(base_url=hub.settings.bind_url, trust_env=False) as stranger:
        for path in paths:
            for http in (stranger, student.http, ines.http):
                guarded(http.get(path, follow_redirects=False))
                guarded(http.post(path, follow_redirects=False))


def example(pattern: str) -> str:
    """A path that a route's pattern matches."""
    path = pattern.removesuffix("$").replace(r"(\d{1,9})", "1").replace(r"\.", ".")
    path = path.replace("([0-9a-f]{20})", "0" * 20)
    path = re.sub(r"\((\w+)(?:\|\w+)*\)", r"\1", path)
    path = re.sub(r"\((?:\[[^)]*|\.\*)\)", "assignment_1", path)
    path = re.sub(r"\(\?!.*\)\.\*", "nothing", path).removesuffix("/?")
    assert re.fullmatch(pattern, path), (pattern, path)
    return path


def test_a_servers_pages_are_guarded_and_the_formgrader_is_framed_by_its_own(
    student: Session, staff: Session
) -> None:
    for path in ("lab", "api/status", "files/nothing", "nothing", "formgrader"):
        guarded(student.http.get(f"/user/alice/{path}"))
    for path in ("lab", "api/status"):
        guarded(staff.http.get(f"/user/tara/{path}"))
    for path in ("formgrader", "formgrader/manage_assignments", "formgrader/nothing"):
        answer = staff.http.get(f"/user/tara/{path}")
        if answer.status_code == 200:
            guarded(answer, "'self'")


# --- cookies, tokens, rights ---------------------------------------------------------------------


def test_cookies_are_not_for_scripts_nor_for_other_sites(hub: Deployment) -> None:
    with httpx.Client(base_url=hub.settings.bind_url, trust_env=False) as http:
        form = http.get("/hub/login")
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', form.text)
        assert xsrf
        secret = {"username": "bob", "password": password("bob"), "_xsrf": xsrf[1]}
        set_at = [form, http.post("/hub/login", data=secret)]
        while len(set_at) < 10 and set_at[-1].next_request:
            set_at.append(http.send(set_at[-1].next_request))
    cookies = [line for answer in set_at for line in answer.headers.get_list("Set-Cookie")]
    names = {line.partition("=")[0] for line in cookies}
    assert {"jupyterhub-hub-login", "jupyterhub-session-id", "service-course", "_xsrf"} <= names
    for line in cookies:
        cleared = '=""' in line.partition(";")[0]
        assert cleared or ("HttpOnly" in line and "SameSite=Lax" in line), line
        # Where all share an origin each server would be sent a cookie for all paths.
        assert not line.startswith("__Host-") and "Domain" not in line
    [login] = {line for line in cookies if line.startswith("jupyterhub-hub-login=")}
    assert "Path=/hub/" in login


def test_signing_out_ends_the_course_pages_too(hub: Deployment) -> None:
    session = hub.session("bob")
    http = session.http
    http.follow_redirects = True
    assert http.get(HOME).status_code == 200
    before = list(http.cookies.jar)
    http.get("/hub/logout")
    http.follow_redirects = False
    assert http.get(HOME).status_code == 302
    # Nor does a copy of the cookies open them for longer than the service remembers an answer.
    with httpx.Client(base_url=hub.settings.bind_url, trust_env=False) as copy:
        for cookie in before:
            copy.cookies.jar.set_cookie(cookie)
        deadline = time.monotonic() + 15
        while copy.get(HOME).status_code == 200:
            assert time.monotonic() < deadline, "the copy still opens the course pages"
            time.sleep(0.2)


def test_own_tokens_end_within_a_week(hub: Deployment, student: Session) -> None:
    week = 7 * 24 * 3600
    scopes = ["access:services!service=course"]
    for seconds in (None, week, week + 1):
        asked = {"scopes": scopes, "expires_in": seconds}
        made = student.api("POST", "users/alice/tokens", json=asked)
        assert made.status_code == (400 if seconds == week + 1 else 201), seconds
        if made.is_success:
            ends = datetime.fromisoformat(made.json()["expires_at"])
            assert ends <= datetime.now(UTC) + timedelta(seconds=week)
    listed = student.api("GET", "users/alice/tokens").json()["api_tokens"]
    endless = [each for each in listed if not each["expires_at"]]
    # The server's own, which ends with the server.
    assert [each["note"] for each in endless] == ["Server at /user/alice/"]


def test_nobody_shares_a_server(hub: Deployment, student: Session, staff: Session) -> None:
    for session in (student, staff, hub.session("ines")):
        name = session.username
        scopes = session.api("GET", "user").json()["scopes"]
        assert not [scope for scope in scopes if "share" in scope]
        refused = [
            session.api("POST", f"shares/{name}/", json={"user": "bob"}),
            session.api("POST", f"share-codes/{name}/", json={}),
            session.api("GET", f"shares/{name}/"),
        ]
        assert {answer.status_code for answer in refused} <= {403, 404}
    assert student.http.get("/user/tara/lab").status_code == 403


# --- limits --------------------------------------------------------------------------------------


def attempt(hub: Deployment, username: str, secret: str, **headers: str) -> httpx.Response:
    with httpx.Client(base_url=hub.settings.bind_url, trust_env=False, headers=headers) as http:
        found = re.search(r'name="_xsrf" value="([^"]+)"', http.get("/hub/login").text)
        assert found
        form = {"username": username, "password": secret, "_xsrf": found[1]}
        return http.post("/hub/login", data=form)


def test_guessing_is_refused_in_a_sentence_and_others_sign_in(hub: Deployment) -> None:
    answers = [
        # Whatever a client says of where it is.
        attempt(hub, "carol", f"guess {number}", **{"X-Forwarded-For": f"198.51.100.{number}",
                                                    "X-Real-Ip": f"198.51.100.{number}"})
        for number in range(PER_ACCOUNT.burst + 2)
    ]  # fmt: skip
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and answers[-1] is refused[-1]
    assert answers[PER_ACCOUNT.burst - 1].status_code == 403
    assert 0 < int(refused[-1].headers["Retry-After"]) <= 30
    assert "Too many sign-ins failed. Wait " in refused[-1].text
    assert attempt(hub, "carol", password("carol")).status_code == 429
    assert attempt(hub, "bob", password("bob")).status_code == 302


def test_one_person_cannot_take_up_the_exchange(hub: Deployment) -> None:
    """Another service of this deployment, which takes two fetches at once."""
    tokens = {name: hub.session(name).token() for name in ("alice", "bob")}
    asyncio.run(fetch_too_often(hub, tokens))


async def fetch_too_often(hub: Deployment, tokens: dict[str, str]) -> None:
    auth = HubAuth(
        api_url=f"{hub.settings.hub_url}/hub/api",
        api_token="unused",
        access_scopes={"access:services!service=course"},
    )
    once = Rate(burst=2, every=timedelta(seconds=30))
    rates = {"fetch": once, "hand in": once, "ask": Rate(100, timedelta(seconds=1))}
    server = HTTPServer(make_app(Exchange(hub.settings), auth, rates=rates))
    socket, port = bind_unused_port()
    server.add_socket(socket)
    url = f"http://127.0.0.1:{port}/services/course/api/"

    async def ask(name: str, path: str) -> httpx.Response:
        headers = {"Authorization": f"token {tokens[name]}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as http:
            return await http.get(path)

    path = "assignments/assignment_1/files"
    answers = [await ask("alice", path) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 429]  # nothing is released
    assert 25 < int(answers[2].headers["Retry-After"]) <= 30
    error = answers[2].json()
    assert error["error"] == "TooOften" and "Your work is safe" in error["remedy"]
    assert (await ask("bob", path)).status_code == 404
    assert (await ask("alice", "assignments")).status_code == 200
    with pytest.raises(Exception, match="you fetch too often"):
        await asyncio.to_thread(Client(url, tokens["alice"]).files, "assignment_1")
    server.stop()
