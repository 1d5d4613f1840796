"""The runbook's drills (docs/operations.md), on a deployed form; each says how long it took.

No machine is provisioned for them, an engine is enough:

    pytest tests/provision/test_drills.py -s
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from coursehub.cli.smoke import await_open
from coursehub.errors import ServiceUnavailable, SpawnError
from coursehub.hub.kernel import Kernel
from coursehub.hub.session import Session
from tests.compose import Composed, prepared
from tests.deployment import PEOPLE, open_course, password

PATIENCE = 120
ROOM = 64_000_000
"""Bytes of the disk on which hand-ins are kept."""
GPUS = "nvidia.com/gpu=0,nvidia.com/gpu=1"


@pytest.fixture(scope="module")
def course(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """Hand-ins are on a disk of their own, which is small; there are two GPUs."""
    state = tmp_path_factory.mktemp("drills")
    users = {"COURSEHUB_GPUS": GPUS, "COURSEHUB_STUDENT_MEMORY": "1G"}
    with prepared(state, open_course(now=datetime.now(UTC)), **users) as running:
        small = {"type": "tmpfs", "device": "tmpfs", "o": f"size={ROOM},uid=1000,gid=1000"}
        ours = {"com.docker.compose.project": running.project,
                "com.docker.compose.volume": "exchange"}  # fmt: skip
        running.engine.volumes.create(
            f"{running.project}-exchange", driver="local", driver_opts=small, labels=ours
        )
        running.compose("up", "--detach", "--wait-timeout", "300")
        until(lambda: bool(httpx.get(f"{running.settings.bind_url}/hub/login").is_success), "up")
        running.enrol(PEOPLE)
        yield running


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say how long something took."""
    start = time.monotonic()
    yield
    print(f"\ndrill: {what}: {time.monotonic() - start:.1f} s", flush=True)


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if holds():
                return
        except (httpx.HTTPError, SpawnError):
            pass
        assert time.monotonic() < deadline, f"after {PATIENCE} s still not: {what}"
        time.sleep(0.2)


def hand_in(course: Composed, username: str) -> int:
    """Somebody hands in; how often they have."""
    with course.client(username) as client:
        assignment = await_open(client)
        client.hand_in(assignment, client.files(assignment))
        return len(client.hand_ins().hand_ins)


def test_class_start(course: Composed) -> None:
    with timed("class start: the first warm-up"):
        said = course.cli("hub", "warm-up", "3")
    assert "its programs are in memory" in said and "are enough" in said
    with timed("class start: another warm-up"):
        course.cli("hub", "warm-up", "3")
    with timed("class start: a server"):
        course.start("bob")
    with pytest.raises(AssertionError, match="Let groups start one after another"):
        course.cli("hub", "warm-up", "9999")


def test_deadline_night(course: Composed) -> None:
    assert hand_in(course, "alice") == 1
    with timed("deadline night: what waits"):
        assert "Hand-ins are graded" in course.cli("grader", "desk")
    later_than = datetime.now(UTC) + timedelta(days=1)
    later = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT23:59")
    with timed("deadline night: two more days for everybody"):
        course.cli("course", "extend", "--all", "assignment_1", "--until", later, "--reason", "x")
    with course.client("bob") as client:

        def due() -> datetime | None:
            found = client.assignments().assignments
            return next((each.due for each in found if each.assignment == "assignment_1"), None)

        until(lambda: due() is not None, "assignment 1 is out")
        assert (due() or later_than) > later_than
    with timed("deadline night: the ledger"):
        assert "1 hand-ins: the chain holds" in course.cli("course", "ledger", "check")


def test_hub_down(course: Composed) -> None:
    kernel = Kernel.start(course.start("alice"))
    before = course.server("alice").id
    course.compose("kill", "hub")
    assert kernel.run("print(6 * 7)") == "42", "work stopped with the hub"
    with timed("hub down: until people sign in again"):
        course.compose("up", "--detach", "hub")
        until(lambda: bool(course.session("bob")), "bob signs in")
    assert course.server("alice").id == before
    assert hand_in(course, "alice") == 2


def test_disk_full(course: Composed) -> None:
    fill = "dd if=/dev/zero of=/srv/exchange/ballast bs=4k 2>/dev/null; sync; true"
    course.compose("exec", "-T", "course", "sh", "-c", fill)
    with course.client("alice") as client, timed("disk full: a student is told"):
        assignment = await_open(client)
        with pytest.raises(ServiceUnavailable) as refused:
            client.hand_in(assignment, client.files(assignment))
        print(refused.value)
    with timed("disk full: which volume it is"):
        said = course.compose("exec", "-T", "course", "df", "--human-readable", "/srv/exchange")
    assert "100%" in said
    with timed("disk full: room made, handed in again"):
        course.compose("exec", "-T", "course", "rm", "/srv/exchange/ballast")
        assert hand_in(course, "alice") == 3
    assert "3 hand-ins: the chain holds" in course.cli("course", "ledger", "check")


def test_gpu_lost(course: Composed) -> None:
    course.start("carol", profile="gpu")
    held = course.server("carol").labels["coursehub.gpu"]
    left = next(name for name in GPUS.split(",") if name != held)
    course.environment["COURSEHUB_GPUS"] = left
    settings = course.settings.state / ".env"
    settings.write_text(settings.read_text().replace(GPUS, left))
    before = course.server("carol").id
    with timed("GPU lost: the hub lends it no more"):
        course.compose("up", "--detach", "--wait", "hub")
    assert course.server("carol").id == before, "somebody who may still save was thrown out"
    said = course.cli("hub", "gpus")
    assert held in said and left in said, said
    session = course.session("carol")
    with timed("GPU lost: the server stops, and starts on another"):
        session.api("DELETE", "users/carol/server")
        until(lambda: not session.http.get("/hub/api/users/carol").json()["servers"], "it stopped")
        course.start("carol", profile="gpu")
    assert course.server("carol").labels["coursehub.gpu"] == left


def test_student_locked_out(course: Composed) -> None:
    for _ in range(11):
        with pytest.raises(SpawnError):
            course_session(course, "tara", "wrong")
    with pytest.raises(SpawnError):
        course_session(course, "tara", password("tara"))
    with timed("student locked out: who it is"):
        assert "tara: ta, Tara Lim" in course.cli("course", "roster", "show", "tara")
    with timed("student locked out: the hub forgets wrong passwords"):
        course.compose("restart", "hub")
        until(lambda: bool(course.session("tara")), "tara signs in")
    with pytest.raises(AssertionError, match="is not on the roster"):
        course.cli("course", "roster", "show", "nobody")


def course_session(course: Composed, username: str, secret: str) -> Session:
    """Sign in with some password."""
    return Session(course.settings.bind_url, username, secret)
