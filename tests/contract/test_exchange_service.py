"""The exchange as one real deployment: hub, proxy, course service and nbgrader's own commands."""

import asyncio
import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyterhub.services.auth import HubAuth
from sqlalchemy import update

from coursehub.exchange.client import Client
from coursehub.exchange.database import connect, people
from coursehub.exchange.desk import Desk
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.ledger import HandIn
from coursehub.exchange.protocol import IDEMPOTENCY_HEADER
from coursehub.exchange.receipts import verify
from coursehub.exchange.service import make_server
from coursehub.exchange.store import SECRET_FILE
from coursehub.settings import CHECKOUT
from tests.deployment import Deployment, deployed, open_course

RELEASED = {
    "assignment_1": (),
    "assignment_2": ("agent.py",),
    "assignment_3": (),
    "assignment_4": (),
}
NOTEBOOK = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
ERROR = {"error", "message", "remedy"}
HAND_INS = "assignments/assignment_1/hand-ins"
SERVICE = "/services/course/api/"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Assignment 1 is open, 2 and 3 are past, 4 is in the exchange but opens in a month."""
    now = datetime.now(UTC)
    opens = now + timedelta(days=30)
    four = "  - number: 4\n    week: 7\n"
    course = open_course(now=now)
    assert four in course
    later = f"{four}    release: {opens:%a %Y-%m-%d} 20:30\n"
    due = f"    due: {opens + timedelta(days=7):%a %Y-%m-%d} 23:59\n"
    with deployed(tmp_path_factory.mktemp("hub"), course.replace(four, later + due)) as deployment:
        for name, extra in RELEASED.items():
            folder = outbound(deployment) / name
            folder.mkdir(parents=True)
            for file in (f"{name}.ipynb", *extra):
                (folder / file).write_bytes(NOTEBOOK)
        yield deployment


@pytest.fixture(scope="module")
def tokens(deployment: Deployment) -> dict[str, str]:
    """A token of each person for the exchange, and one of alice for something else."""
    found = {}
    for username in ("alice", "bob", "carol", "tara", "ines"):
        session = deployment.session(username)
        found[username] = session.token()
        if username == "alice":
            answer = session.http.post(
                "/hub/api/users/alice/tokens",
                json={"scopes": ["read:users!user=alice"], "note": "something else"},
                headers={
                    "X-XSRFToken": session._hub_xsrf(),
                    "Referer": str(session.http.base_url),
                },
            )
            found["alice, elsewhere"] = answer.json()["token"]
        session.close()
    return found


def outbound(deployment: Deployment) -> Path:
    return Path(str(deployment.settings.exchange)) / "cs5260" / "outbound"


class Caller:
    """Speaks plain HTTP to the service through the proxy, as somebody or as nobody."""

    def __init__(self, deployment: Deployment, token: str | None) -> None:
        headers = {"Authorization": f"token {token}"} if token else {}
        self.http = httpx.Client(
            base_url=deployment.settings.bind_url + SERVICE,
            headers=headers,
            trust_env=False,
            timeout=30,
        )

    def get(self, path: str, **request: Any) -> httpx.Response:
        return self.http.get(path, **request)

    def hand_in(
        self, path: str = HAND_INS, files: dict[str, bytes] | None = None, **request: Any
    ) -> httpx.Response:
        contents = {"assignment_1.ipynb": NOTEBOOK} if files is None else files
        coded = {name: base64.b64encode(each).decode() for name, each in contents.items()}
        headers = {IDEMPOTENCY_HEADER: os.urandom(8).hex(), **request.pop("headers", {})}
        body = request.pop("json", {"files": coded})
        return self.http.post(path, json=body, headers=headers, **request)


@pytest.fixture
def call(deployment: Deployment, tokens: dict[str, str]) -> Iterator[Any]:
    """Makes callers; closes them."""
    made: list[Caller] = []

    def somebody(username: str | None, token: str | None = None) -> Caller:
        made.append(Caller(deployment, token or (username and tokens[username])))
        return made[-1]

    yield somebody
    for caller in made:
        caller.http.close()


def rows(deployment: Deployment) -> list[HandIn]:
    return Exchange(deployment.settings).ledger.check()


def assert_refused(answer: httpx.Response, status: int, kind: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()
    assert error.keys() == ERROR
    assert error["message"] and "Traceback" not in answer.text
    if kind:
        assert error["error"] == kind
        assert error["remedy"]
    return error


# --- who ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["assignments", "assignments/assignment_1/files", "hand-ins", "visible-tests"]
)
def test_without_a_token_nothing_is_said(call: Any, path: str) -> None:
    assert_refused(call(None).get(path), 401)
    assert_refused(call(None, "0" * 32).get(path), 401)
    basic = call(None)
    basic.http.headers["Authorization"] = "Basic YWxpY2U6YWxpY2Utc2VjcmV0"
    assert_refused(basic.get(path), 401)


def test_a_token_in_the_address_or_a_cookie_opens_nothing(
    call: Any, deployment: Deployment, tokens: dict[str, str]
) -> None:
    assert_refused(call(None).get("assignments", params={"token": tokens["alice"]}), 401)
    session = deployment.session("alice")
    answer = session.http.get(f"{SERVICE}assignments")
    session.close()
    assert_refused(answer, 401)


def test_handing_in_without_a_token_stores_nothing(call: Any, deployment: Deployment) -> None:
    before = rows(deployment)
    assert_refused(call(None).hand_in(), 401)
    assert rows(deployment) == before


def test_a_token_without_the_exchanges_scope_is_refused(call: Any) -> None:
    assert_refused(call("alice, elsewhere").get("assignments"), 403, "NotAllowed")
    assert_refused(call("alice, elsewhere").hand_in(), 403, "NotAllowed")


def test_key_and_health_are_for_everybody(call: Any, deployment: Deployment) -> None:
    assert call(None).get("health").json() == {"status": "ok"}
    published = Path(str(deployment.settings.signing_key)).with_suffix(".pub").read_text()
    assert call(None).get("key").text == published


@pytest.mark.parametrize("path", ["", "nothing", "assignments/", "hand-ins/1", "../../hub/x/api"])
def test_what_is_not_there_is_said_in_the_one_shape(call: Any, path: str) -> None:
    answer = call("alice").http.get(SERVICE + path.replace("../../hub/x/api", "%2e%2e/x"))
    assert_refused(answer, 404)


def test_another_method_is_refused_in_the_one_shape(call: Any) -> None:
    assert_refused(call("alice").http.delete("hand-ins"), 405)


def test_who_and_when_come_from_token_and_clock_whatever_the_request_says(
    call: Any, deployment: Deployment
) -> None:
    before = datetime.now(UTC)
    answer = call("alice").hand_in(
        f"{HAND_INS}?username=bob&user=bob&student_id=bob&timestamp=2021-01-01&course=other",
        headers={
            "X-Forwarded-User": "bob",
            "X-JupyterHub-User": "bob",
            "Remote-User": "bob",
            "Date": "Fri, 01 Jan 2021 00:00:00 GMT",
            "Cookie": "username=bob",
        },
    )
    assert answer.status_code == 201
    row = rows(deployment)[-1]
    assert row.username == "alice"
    assert before <= row.received <= datetime.now(UTC)
    assert row.folder.startswith("alice+assignment_1+")
    fields = dict(verify(answer.json()["receipt"], call(None).get("key").text))
    assert (fields["handed in by"], fields["name"]) == ("alice", "Wang, Wenjie")


@pytest.mark.parametrize(
    "extra",
    [
        {"username": "bob"},
        {"student_id": "bob"},
        {"received": "2021-01-01T00:00:00Z"},
        {"timestamp": "2021-01-01 00:00:00.000000 UTC"},
        {"course": "other"},
        {"folder": "bob+assignment_1+2021-01-01 00:00:00.000000 UTC+x"},
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_a_request_that_says_more_than_files_is_refused(
    call: Any, deployment: Deployment, extra: dict[str, str]
) -> None:
    before = rows(deployment)
    files = {"assignment_1.ipynb": base64.b64encode(NOTEBOOK).decode()}
    assert_refused(call("alice").hand_in(json={"files": files, **extra}), 422, "BadSubmission")
    assert rows(deployment) == before


@pytest.mark.parametrize(
    "name",
    [
        "../bob+assignment_1+2021-01-01 00:00:00.000000 UTC+x/assignment_1.ipynb",
        "bob+assignment_1+2021-01-01 00:00:00.000000 UTC+x/assignment_1.ipynb",
        "/tmp/assignment_1.ipynb",
        "assignment_1.ipynb\u0000",
        "timestamp.txt",
        "submission_secret.txt",
    ],
)
def test_forged_names_are_refused(call: Any, deployment: Deployment, name: str) -> None:
    before = rows(deployment)
    answer = call("alice").hand_in(files={"assignment_1.ipynb": NOTEBOOK, name: b"forged"})
    assert_refused(answer, 422, "BadSubmission")
    assert rows(deployment) == before


@pytest.mark.parametrize("name", ["..%2Fassignment_1", "%2e%2e", "*", "assignment_1%00", "x" * 500])
def test_forged_assignments_are_not_found(call: Any, deployment: Deployment, name: str) -> None:
    before = rows(deployment)
    assert_refused(call("alice").hand_in(f"assignments/{name}/hand-ins"), 404)
    assert_refused(call("alice").get(f"assignments/{name}/files"), 404)
    assert rows(deployment) == before


def test_staff_do_not_hand_in(call: Any, deployment: Deployment) -> None:
    before = rows(deployment)
    for username in ("tara", "ines"):
        error = assert_refused(call(username).hand_in(), 403, "NotAllowed")
        assert error["message"] == "course staff do not hand in"
    assert rows(deployment) == before


def test_who_left_the_course_is_refused_at_once(call: Any, deployment: Deployment) -> None:
    caller = call("carol")
    assert caller.hand_in().status_code == 201
    engine = connect(str(deployment.settings.database))

    def set_active(active: bool) -> None:
        with engine.begin() as connection:
            connection.execute(
                update(people).where(people.c.username == "carol").values(active=active)
            )

    set_active(False)
    try:
        before = rows(deployment)
        assert_refused(caller.hand_in(), 403, "NotEnrolled")
        assert_refused(caller.get("hand-ins"), 403, "NotEnrolled")
        assert rows(deployment) == before
    finally:
        set_active(True)
    assert len(caller.get("hand-ins").json()["hand_ins"]) == 1


# --- what and when ------------------------------------------------------------------------------


def test_what_is_not_released_looks_to_students_like_what_does_not_exist(call: Any) -> None:
    for ask in (
        lambda name: call("alice").get(f"assignments/{name}/files"),
        lambda name: call("alice").hand_in(f"assignments/{name}/hand-ins"),
    ):
        hidden, unknown, empty = (
            assert_refused(ask(name), 404, "NotFound")
            for name in ("assignment_4", "assignment_99", "assignment_5")
        )
        assert hidden == {
            **unknown,
            "message": unknown["message"].replace("assignment_99", "assignment_4"),
        }
        assert empty["remedy"] == unknown["remedy"]


def test_students_see_what_is_open_and_staff_what_will_be(call: Any) -> None:
    seen = call("alice").get("assignments").json()
    assert (seen["username"], seen["staff"], seen["course"]) == ("alice", False, "cs5260")
    assert [each["assignment"] for each in seen["assignments"]] == [
        "assignment_1", "assignment_2", "assignment_3",
    ]  # fmt: skip
    assert all(each["open"] for each in seen["assignments"])

    seen = call("tara").get("assignments").json()
    assert seen["staff"]
    assert {each["assignment"]: each["open"] for each in seen["assignments"]} == {
        "assignment_1": True, "assignment_2": True, "assignment_3": True, "assignment_4": False,
    }  # fmt: skip
    assert seen["assignments"][3]["due_text"].endswith("students do not see it yet")
    assert call("tara").get("assignments/assignment_4/files").status_code == 200


def test_released_files_arrive_to_the_byte(call: Any) -> None:
    files = call("alice").get("assignments/assignment_2/files").json()["files"]
    assert {name: base64.b64decode(each) for name, each in files.items()} == {
        "assignment_2.ipynb": NOTEBOOK,
        "agent.py": NOTEBOOK,
    }


def test_a_late_hand_in_is_taken_and_flagged(call: Any, deployment: Deployment) -> None:
    path = "assignments/assignment_3/hand-ins"
    first = call("bob").hand_in(path, {"assignment_3.ipynb": NOTEBOOK}).json()
    second = call("bob").hand_in(path, {"assignment_3.ipynb": NOTEBOOK + b" "}).json()
    assert (first["late"], first["counts"]) == (True, True)
    assert (second["late"], second["counts"]) == (True, False)
    fields = dict(verify(second["receipt"], call(None).get("key").text))
    assert fields["in time"].startswith("no, ") and fields["in time"].endswith("kept and flagged")


def test_a_retry_with_the_same_key_gives_the_same_receipt(
    call: Any, deployment: Deployment
) -> None:
    before = len(rows(deployment))
    headers = {IDEMPOTENCY_HEADER: "the-same-key-again"}
    first, again = (call("bob").hand_in(headers=headers) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert len(rows(deployment)) == before + 1
    other = call("bob").hand_in(files={"assignment_1.ipynb": NOTEBOOK + b" "}, headers=headers)
    assert_refused(other, 422, "BadSubmission")
    somebody_else = call("alice").hand_in(headers=headers)
    assert somebody_else.json()["number"] == before + 2


@pytest.mark.parametrize("key", ["", "short", "x" * 129, "tab\there-in-the-key"])
def test_a_key_is_needed(call: Any, key: str) -> None:
    answer = call("alice").hand_in(headers={IDEMPOTENCY_HEADER: key})
    assert_refused(answer, 422, "BadSubmission")


def test_the_remark_on_somebody_elses_number_is_no_refusal(call: Any) -> None:
    answer = call("alice").hand_in(files={"a0100001H_Bob-Tan_assignment_1.ipynb": NOTEBOOK})
    assert answer.status_code == 201
    assert "says A0100001H, you are A0100000J" in answer.json()["remark"]
    assert answer.json()["files"] == ["assignment_1.ipynb"]


def test_a_missing_module_is_named(call: Any) -> None:
    path = "assignments/assignment_2/hand-ins"
    error = assert_refused(call("alice").hand_in(path, {"assignment_2.ipynb": NOTEBOOK}), 422)
    assert error["message"] == "agent.py is missing"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"files": null}',
        b'{"files": {"assignment_1.ipynb": 1}}',
        b'{"files": {"assignment_1.ipynb": "no base64!"}}',
        b'{"files": {"assignment_1.ipynb": "e30"}}',
        '{"files": {"assignment_1.ipynb": "é"}}'.encode(),
        b'{"files": {"assignment_1.ipynb": "\xff"}}',
        b'{"files": {}}',
        b"[" * 60_000,
        b"files=assignment_1.ipynb",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_is_no_hand_in_is_refused(call: Any, deployment: Deployment, body: bytes) -> None:
    before = rows(deployment)
    answer = call("alice").http.post(
        HAND_INS, content=body, headers={IDEMPOTENCY_HEADER: "a-key-for-junk"}
    )
    assert_refused(answer, 422, "BadSubmission")
    assert rows(deployment) == before


# --- feedback -----------------------------------------------------------------------------------


def give_feedback(deployment: Deployment, number: int, page: str) -> None:
    """Release a page as nbgrader's `release_feedback` does."""
    exchange = Exchange(deployment.settings)
    row = exchange.ledger.all()[number - 1]
    secret = (exchange.store.folder(row) / SECRET_FILE).read_text()
    digest = hashlib.md5(f"{secret}{row.assignment}".encode(), usedforsecurity=False).hexdigest()
    (outbound(deployment).parent / "feedback" / f"{digest}.html").write_text(page)


def test_feedback_is_its_owners_alone(call: Any, deployment: Deployment) -> None:
    number = call("alice").hand_in().json()["number"]
    path = f"hand-ins/{number}/feedback"
    assert_refused(call("alice").get(path), 404, "NotFound")
    give_feedback(deployment, number, "<p>well done, alice</p>")

    pages = call("alice").get(path).json()["files"]
    assert base64.b64decode(pages["assignment_1.html"]) == b"<p>well done, alice</p>"
    record = call("alice").get("hand-ins").json()["hand_ins"][-1]
    assert record["feedback"] == {
        "assignment_1.html": hashlib.sha256(b"<p>well done, alice</p>").hexdigest()
    }
    for username in ("bob", "tara", "ines"):
        other = assert_refused(call(username).get(path), 404, "NotFound")
        nothing = assert_refused(call(username).get("hand-ins/999999/feedback"), 404, "NotFound")
        assert other == nothing


def test_visible_tests_are_told_to_their_student_alone_and_why_we_fail_to_nobody(
    call: Any, deployment: Deployment
) -> None:
    """This course has no sources: nothing can be run, and the hand-in is as good as any."""
    bob = call("bob")
    number = bob.hand_in().json()["number"]

    def told() -> dict[str, Any]:
        answer = bob.get("visible-tests").json()["hand_ins"]
        return next((each for each in answer if each["hand_in"] == number), {"done": False})

    deadline = time.monotonic() + 60
    while not told()["done"]:
        assert time.monotonic() < deadline, "nobody answers about the tests"
        time.sleep(0.2)
    assert told() == {
        "hand_in": number,
        "done": True,
        "text": "The visible tests could not be run, which says nothing about your work; "
        "it is handed in.",
        "tests": [],
    }
    carols = call("carol").get("visible-tests").json()["hand_ins"]
    assert number not in {each["hand_in"] for each in carols}
    problems = Desk(connect(str(deployment.settings.database))).tests_of("bob")
    assert "no folder" in str(problems[-1].problem), "staff know why"


def test_the_list_of_hand_ins_is_ones_own_and_holds_no_secret(
    call: Any, deployment: Deployment
) -> None:
    listed = call("alice").get("hand-ins", params={"username": "bob"})
    numbers = [each["number"] for each in listed.json()["hand_ins"]]
    mine = [row for row in rows(deployment) if row.username == "alice"]
    assert numbers == [row.number for row in mine]
    store = Exchange(deployment.settings).store
    for row in mine:
        assert (store.folder(row) / SECRET_FILE).read_text() not in listed.text


# --- limits -------------------------------------------------------------------------------------


class Raw:
    """A connection to the service itself, without the proxy, that says what it wants."""

    def __init__(self, port: int, token: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.head = (
            f"POST {SERVICE}{HAND_INS} HTTP/1.1\r\nHost: x\r\nAuthorization: token {token}\r\n"
            f"{IDEMPOTENCY_HEADER}: a-raw-key-of-mine\r\n"
        )

    def send(self, text: bytes) -> None:
        self.socket.sendall(text)

    def answer(self) -> tuple[int, dict[str, Any]]:
        """The status and JSON of the first answer."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        while len(body) < length:
            body += self._more()
        return int(head.split()[1]), json.loads(body[:length])

    def closed(self) -> bool:
        """Wait for the end of the connection."""
        return self.socket.recv(1) == b""

    def _more(self) -> bytes:
        more = self.socket.recv(65_536)
        assert more, "the connection was closed without an answer"
        return more

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def service_port(deployment: Deployment) -> int:
    return int(deployment.settings.course_url.rpartition(":")[2])


@pytest.mark.parametrize("times", [2, 1000])
def test_a_length_over_the_limit_is_refused_before_a_byte_of_it_is_sent(
    deployment: Deployment, tokens: dict[str, str], times: int
) -> None:
    length = deployment.settings.hand_in_bytes * times
    with Raw(service_port(deployment), tokens["alice"]) as raw:
        raw.send(f"{raw.head}Content-Length: {length}\r\n\r\n".encode())
        status, error = raw.answer()
    assert (status, error["error"]) == (413, "TooLarge")
    assert error["message"] == "the hand-in is larger than the 20,000,000 bytes allowed"


def test_a_length_left_out_is_refused_once_it_is_over_the_limit(
    deployment: Deployment, tokens: dict[str, str]
) -> None:
    before = rows(deployment)
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    with Raw(service_port(deployment), tokens["alice"]) as raw:
        raw.send(f"{raw.head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(deployment.settings.hand_in_bytes * 4 // 3 // 0x100000 + 2):
            raw.send(chunk)
        raw.send(b"0\r\n\r\n")
        status, error = raw.answer()
    assert (status, error["error"]) == (413, "TooLarge")
    assert rows(deployment) == before


def test_files_over_the_limit_are_refused_with_their_size(
    deployment: Deployment, tokens: dict[str, str]
) -> None:
    over = NOTEBOOK.ljust(deployment.settings.hand_in_bytes + 1)
    body = json.dumps({"files": {"assignment_1.ipynb": base64.b64encode(over).decode()}}).encode()
    with Raw(service_port(deployment), tokens["alice"]) as raw:
        raw.send(f"{raw.head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        status, error = raw.answer()
    assert (status, error["error"]) == (413, "TooLarge")
    assert error["message"] == "the files hold 20,000,001 bytes, 20,000,000 are allowed"


def test_where_no_hand_in_is_taken_no_long_body_is_read(
    deployment: Deployment, tokens: dict[str, str]
) -> None:
    for path in ("assignments", "health", "nothing"):
        with Raw(service_port(deployment), tokens["alice"]) as raw:
            head = raw.head.replace(HAND_INS, path)
            raw.send(f"{head}Content-Length: 1000000\r\n\r\n".encode())
            assert raw.socket.recv(65_536).startswith(b"HTTP/1.1 400 ")
            assert raw.closed()


@pytest.fixture
def impatient(deployment: Deployment) -> Iterator[int]:
    """The port of a second service of this deployment that waits half a second for a body."""
    hub = HubAuth(
        api_url=f"{deployment.settings.hub_url}/hub/api",
        api_token="unused",
        access_scopes={"access:services!service=course"},
    )
    loop = asyncio.new_event_loop()
    ports: list[int] = []
    listening = threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        server = make_server(Exchange(deployment.settings), hub, body_seconds=0.5)
        server.listen(0, "127.0.0.1")
        ports.append(next(iter(server._sockets.values())).getsockname()[1])
        listening.set()
        await stop.wait()
        server.stop()
        await server.close_all_connections()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert listening.wait(20)
    yield ports[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)
    loop.close()


def test_a_body_that_drips_is_cut_off_and_stores_nothing(
    deployment: Deployment, tokens: dict[str, str], impatient: int
) -> None:
    before = rows(deployment)
    with Raw(impatient, tokens["alice"]) as raw:
        raw.send(f'{raw.head}Content-Length: 1000\r\n\r\n{{"files"'.encode())
        started = time.monotonic()
        assert raw.closed()
        assert 0.3 < time.monotonic() - started < 15
    body = json.dumps({"files": {"assignment_1.ipynb": base64.b64encode(NOTEBOOK).decode()}})
    with Raw(impatient, tokens["alice"]) as raw:
        raw.send(f"{raw.head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        status, _ = raw.answer()
    assert status == 201
    assert len(rows(deployment)) == len(before) + 1


# --- the course file ----------------------------------------------------------------------------


def test_a_broken_course_file_leaves_the_last_good_one_in_force(
    call: Any, deployment: Deployment
) -> None:
    path = deployment.settings.course
    good = path.read_text()

    def title() -> str:
        return str(call("alice").get("assignments").json()["assignments"][0]["title"])

    before = title()
    try:
        path.write_text(good.replace(before, "Adversaries"))
        assert title() == "Adversaries"
        path.write_text("code: [broken")
        assert title() == "Adversaries"
        assert call("alice").hand_in().status_code == 201
        path.unlink()
        assert title() == "Adversaries"
    finally:
        path.write_text(good)
    assert title() == before


# --- nbgrader's own commands --------------------------------------------------------------------


class Home:
    """A student's home, in which nbgrader's commands run as in a server of the hub."""

    def __init__(self, folder: Path, deployment: Deployment, token: str) -> None:
        self.folder = folder
        self.env = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
            "HOME": str(folder),
            "JUPYTER_CONFIG_PATH": str(CHECKOUT / "images" / "lab" / "student"),
            "COURSEHUB_EXCHANGE_URL": deployment.settings.course_url + SERVICE,
            "JUPYTERHUB_API_TOKEN": token,
        }

    def nbgrader(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nbgrader", *arguments],
            cwd=self.folder,
            env=self.env,
            text=True,
            capture_output=True,
            timeout=60,
        )

    def does(self, *arguments: str) -> str:
        done = self.nbgrader(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stderr + done.stdout

    def is_refused(self, *arguments: str) -> str:
        """The sentence with which nbgrader refuses."""
        done = self.nbgrader(*arguments)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr, done.stderr
        sentence, last = done.stderr.strip().splitlines()[-2:]
        assert last.endswith(f"nbgrader {arguments[0]} failed")
        return sentence.partition("] ")[2]


@pytest.fixture
def home(tmp_path: Path, deployment: Deployment, tokens: dict[str, str]) -> Home:
    return Home(tmp_path, deployment, tokens["bob"])


def test_nbgraders_commands_work_unchanged(home: Home, deployment: Deployment, call: Any) -> None:
    listed = home.does("list")
    assert "cs5260 assignment_1: due " in listed and " left" in listed
    assert "assignment_4" not in listed

    home.does("fetch_assignment", "assignment_1", "--course", "cs5260")
    notebook = home.folder / "assignment_1" / "assignment_1.ipynb"
    assert notebook.read_bytes() == NOTEBOOK
    assert "(already downloaded)" in home.does("list")

    work = NOTEBOOK.replace(b"{}", b'{"name": "my work"}')
    notebook.write_bytes(work)
    (notebook.parent / "notes.txt").write_text("mine")
    said = home.does("submit", "assignment_1")
    assert "on time; this one counts" in said
    assert "Left out, not part of the assignment: notes.txt" in said

    row = rows(deployment)[-1]
    folder = Exchange(deployment.settings).store.folder(row)
    assert row.username == "bob"
    assert (folder / "assignment_1.ipynb").read_bytes() == work
    (receipt,) = (home.folder / "receipts").glob(f"assignment_1 receipt {row.number}.txt")
    key = (home.folder / "receipts" / "course-key.pem").read_text()
    assert dict(verify(receipt.read_text(), key))["ledger"] == row.hash

    give_feedback(deployment, row.number, "<p>well done, bob</p>")
    home.does("fetch_feedback", "assignment_1", "--course", "cs5260")
    stamp = call("bob").get("hand-ins").json()["hand_ins"][-1]["timestamp"]
    page = notebook.parent / "feedback" / stamp / "assignment_1.html"
    assert page.read_text() == "<p>well done, bob</p>"
    assert row.folder.split("+")[2] == stamp
    assert "on time; this one counts" in home.does("list", "--cached")


def test_a_refusal_is_one_plain_sentence(home: Home) -> None:
    assert home.is_refused("fetch_assignment", "assignment_4") == (
        "There is no assignment_4. See the list for what is open."
    )
    assert home.is_refused("submit", "assignment_1") == (
        "assignment_1 cannot be read (No such file or directory). "
        "Fetch the assignment first, then submit."
    ).replace("assignment_1 cannot", "Assignment_1 cannot")
    assert home.is_refused("fetch_feedback", "assignment_2") == (
        "There is no feedback for assignment_2 yet. Try again later."
    )


def test_nbgraders_own_way_of_naming_another_student_changes_nothing(
    home: Home, deployment: Deployment
) -> None:
    home.does("fetch_assignment", "assignment_1")
    home.does("submit", "assignment_1", "--student", "alice")
    assert rows(deployment)[-1].username == "bob"


def test_a_token_that_ended_and_a_service_that_is_away_are_said_plainly(home: Home) -> None:
    home.env["JUPYTERHUB_API_TOKEN"] = "0" * 32
    assert home.is_refused("list") == "Sign in again: the hub does not know this token."
    home.env["COURSEHUB_EXCHANGE_URL"] = "http://127.0.0.1:9/services/course/api/"
    assert home.is_refused("list") == (
        "The exchange does not answer. Your work is safe in your own folder; try again in a minute."
    )
    del home.env["COURSEHUB_EXCHANGE_URL"]
    assert home.is_refused("list").startswith("This is no server of the course's hub")


def test_the_client_raises_what_the_service_said(deployment: Deployment) -> None:
    with deployment.client("ines") as client:
        assert isinstance(client, Client)
        assert client.assignments().staff
        assert client.files("assignment_4") == {"assignment_4.ipynb": NOTEBOOK}
