"""What the deployed form survives: a hub that restarts or is killed, a proxy made anew."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from coursehub.hub.kernel import Kernel
from coursehub.hub.session import Session
from tests.compose import Composed
from tests.deployed.conftest import lent

PATIENCE = 90


@pytest.fixture(scope="module")
def course(shared: Composed) -> Iterator[Composed]:
    with lent(shared) as running:
        yield running


@pytest.fixture(scope="module")
def alice(course: Composed) -> Session:
    return course.start("alice")


@pytest.fixture(scope="module")
def kernel(alice: Session) -> Kernel:
    """A kernel that counts, ten times a second, whatever happens around it."""
    kernel = Kernel.start(alice)
    kernel.run(
        "import threading, time\ncount = 0\n"
        "def go():\n    global count\n    while True:\n        count += 1; time.sleep(0.1)\n"
        "threading.Thread(target=go, daemon=True).start()"
    )
    return kernel


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if holds():
                return
        except (httpx.HTTPError, KeyError, ValueError):
            pass
        assert time.monotonic() < deadline, f"after {PATIENCE} s still not: {what}"
        time.sleep(0.5)


def kill_hub(course: Composed) -> None:
    """`kill -9` from outside; the engine's restart policy brings it back."""
    hub = course.service("hub")
    started = hub.attrs["State"]["StartedAt"]
    course.engine.api.exec_start(
        course.engine.api.exec_create(hub.id, ["sh", "-c", "kill -9 -1"])["Id"]
    )

    def back() -> bool:
        state = course.service("hub").attrs["State"]
        return state["StartedAt"] != started and state["Health"]["Status"] == "healthy"

    until(back, "the killed hub is back")


def restart_hub(course: Composed) -> None:
    course.compose("restart", "hub")
    until(
        lambda: course.service("hub").attrs["State"]["Health"]["Status"] == "healthy",
        "the restarted hub is healthy",
    )


@pytest.mark.parametrize("blow", [restart_hub, kill_hub], ids=["restart", "kill -9"])
def test_servers_and_kernels_outlive_the_hub(
    course: Composed, alice: Session, kernel: Kernel, blow: Callable[[Composed], None]
) -> None:
    before = course.server("alice")
    count = int(kernel.run("print(count)"))
    blow(course)
    after = course.server("alice")
    assert after.id == before.id
    assert after.attrs["State"]["StartedAt"] == before.attrs["State"]["StartedAt"]
    assert int(kernel.run("print(count)")) > count, "the kernel stood still"
    model = course.session("alice").http.get("/hub/api/users/alice").json()
    assert model["servers"][""]["ready"], "the hub forgot the server"
    with course.client("alice") as client:
        assert "assignment_1" in {each.assignment for each in client.assignments().assignments}


def test_a_kernel_runs_on_while_the_hub_is_down(
    course: Composed, alice: Session, kernel: Kernel
) -> None:
    course.compose("stop", "--timeout", "10", "hub")
    try:
        assert kernel.run("print(6 * 7)") == "42"
    finally:
        course.compose("start", "hub")
    until(lambda: alice.http.get("/hub/api/").is_success, "the hub answers again")


def test_servers_are_reachable_again_after_proxy_and_hub_were_made_anew(
    course: Composed, alice: Session, kernel: Kernel
) -> None:
    before = course.server("alice").id
    course.compose("up", "--detach", "--force-recreate", "--no-deps", "proxy", "hub")
    until(lambda: kernel.state() in ("idle", "busy"), "alice's server answers")
    until(lambda: alice.http.get("/hub/api/").is_success, "the hub answers")
    assert course.server("alice").id == before
    assert kernel.run("print('still here')") == "still here"


def test_homes_outlive_servers(course: Composed, alice: Session) -> None:
    course.inside("alice", "sh", "-c", "echo kept > /home/student/notes.txt")
    before = course.server("alice").id
    assert alice.api("DELETE", "users/alice/server").status_code in (202, 204)
    until(
        lambda: not alice.http.get("/hub/api/users/alice").json()["servers"], "the server stopped"
    )
    assert not course.containers({"coursehub.user": "alice"}, "coursehub.project")
    course.start("alice")
    assert course.server("alice").id != before
    assert course.read_home("alice", "notes.txt") == b"kept\n"
