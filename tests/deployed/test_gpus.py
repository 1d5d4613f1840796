"""GPUs in the deployed form: four devices, seven students, and all that happens to leases."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from coursehub.hub.progress import MAKING
from coursehub.hub.session import Session
from tests.compose import Composed
from tests.deployed.conftest import lent
from tests.e2e.pages import PATIENCE, Lab, SignIn, look
from tests.engine import FAKE_GPUS

DEVICES = {f"nvidia.com/gpu={number}" for number in range(FAKE_GPUS)}
STUDENTS = ("ann", "ben", "cai", "dan", "eve", "fay", "gus")
PEOPLE = "username,number,name,email,role\n" + "".join(
    f"{name},A020000{number}X,{name.title()} Tan,{name}@example.edu,student\n"
    for number, name in enumerate(STUDENTS)
)
PHONE = {"viewport": {"width": 360, "height": 740}}
SECONDS = 60  # longer than anything here takes that does not wait for a lease's end


@pytest.fixture(scope="module")
def course(shared: Composed) -> Iterator[Composed]:
    with lent(shared, COURSEHUB_GPUS="auto") as running:
        running.enrol(PEOPLE)
        yield running


@pytest.fixture(scope="module")
def sessions(course: Composed) -> dict[str, Session]:
    return {name: course.session(name) for name in STUDENTS}


@pytest.fixture(scope="module")
def asking() -> Iterator[ThreadPoolExecutor]:
    """Threads: the hub answers somebody who asks for a server only when it runs, or after 10 s."""
    with ThreadPoolExecutor(len(STUDENTS)) as threads:
        yield threads


# What a lease is, and where the queue is seen.


def leases(course: Composed) -> dict[str, tuple[str, str]]:
    """Who has which device until when, by the labels of running containers."""
    found = course.containers({}, "coursehub.project")
    labels = [each.labels for each in found if "coursehub.gpu" in each.labels]
    return {
        each["coursehub.user"]: (each["coursehub.gpu"], each["coursehub.gpu.until"])
        for each in labels
    }


def devices(course: Composed) -> dict[str, str]:
    """Who has which device."""
    return {name: device for name, (device, _) in leases(course).items()}


def nodes(course: Composed, username: str) -> list[str]:
    """The GPUs' device nodes that there really are in somebody's server."""
    code, said = course.inside(username, "ls", "/dev")
    assert code == 0, said
    return [f"/dev/{name}" for name in said.split() if "nvidia" in name]


def place(session: Session) -> tuple[int, int]:
    """Somebody's number in the queue, and of how many, from the stream that the page reads."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        url = f"/hub/api/users/{session.username}/server/progress"
        with session.http.stream("GET", url) as answer:
            if answer.status_code == 400:  # the hub has not begun yet
                time.sleep(0.1)
                continue
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    event = json.loads(line.removeprefix("data:"))
                    if found := re.match(r"You are number (\d) of (\d)", event["message"]):
                        return int(found[1]), int(found[2])
                    assert event["progress"] < MAKING["progress"], event
    raise AssertionError(f"nothing happens about {session.username}'s server")


def stop(session: Session) -> None:
    """Press Stop."""
    answer = session.api("DELETE", f"users/{session.username}/server")
    assert answer.status_code in (202, 204), answer.text


def signs_in(browser: Browser, course: Composed, username: str, **device: object) -> Page:
    """Somebody's browser on the page on which they choose."""
    door = SignIn.open(browser, course.settings.bind_url, **device)
    door.arrive(username).press_open()
    door.page.wait_for_url("**/hub/spawn")
    return door.page


def test_four_gpus_and_seven_students(
    course: Composed, browser: Browser, sessions: dict[str, Session], asking: ThreadPoolExecutor
) -> None:
    fits_on_a_phone(signs_in(browser, course, "ann", **PHONE))
    ann = signs_in(browser, course, "ann")
    asks_with_the_keyboard(ann)
    starts = [asking.submit(course.start, name, profile="gpu") for name in ("ben", "cai", "dan")]
    is_told_until_when(Lab.arrive(ann, "ann"))
    for start in starts:
        start.result()
    each_has_a_device_and_no_other(course)
    staff_see_who_has_which(course)

    for number, name in enumerate(("eve", "fay"), 1):
        asking.submit(course.ask_for_server, sessions[name], profile="gpu")
        assert place(sessions[name]) == (number, number)
    gus = signs_in(browser, course, "gus")
    waits_as_number_three(gus)

    freed = devices(course)["ben"]
    stop(sessions["ben"])
    course.await_server(sessions["eve"])
    assert devices(course)["eve"] == freed
    assert place(sessions["fay"]) == (1, 2), "first come, first served"
    starts_on_cpu_instead(gus)
    assert "gus" not in devices(course) and nodes(course, "gus") == []

    before = leases(course)
    course.compose("restart", "hub")
    course.compose("up", "--detach", "--wait", "--no-deps", "hub")
    asking.submit(course.ask_for_server, sessions["fay"], profile="gpu")
    assert place(sessions["fay"]) == (1, 1), "the hub lent a GPU that somebody has"
    assert leases(course) == before
    freed = devices(course)["cai"]
    stop(sessions["cai"])
    course.await_server(sessions["fay"])
    assert devices(course)["fay"] == freed
    each_has_a_device_and_no_other(course)


def fits_on_a_phone(page: Page) -> None:
    expect(page.get_by_text("4 of 4 GPUs free")).to_be_visible()
    expect(page.get_by_role("radio", name="CPU")).to_be_checked()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    look(page, "deployed-gpu-form-phone")
    page.context.close()


def asks_with_the_keyboard(page: Page) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "profile":
            break
    expect(page.get_by_role("radio", name="CPU")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="GPU")).to_be_checked()
    look(page, "deployed-gpu-form")
    page.keyboard.press("Enter")


def is_told_until_when(lab: Lab) -> None:
    line = lab.page.get_by_role("status").filter(has_text="GPU until")
    expect(line).to_be_visible(timeout=PATIENCE)
    look(lab.page, "deployed-gpu-lab")


def each_has_a_device_and_no_other(course: Composed) -> None:
    lent = devices(course)
    assert len(lent) == len(DEVICES) and set(lent.values()) == DEVICES
    for username, device in lent.items():
        assert nodes(course, username) == [f"/dev/nvidia{device.partition('=')[2]}"]


def staff_see_who_has_which(course: Composed) -> None:
    rows = [line.split() for line in course.cli("hub", "gpus").splitlines()]
    shown = {row[1]: row[0] for row in rows if row and row[0] in DEVICES}
    assert shown == devices(course)


def waits_as_number_three(page: Page) -> None:
    expect(page.get_by_text("none free, 2 are waiting, yours in about 2 hours")).to_be_visible()
    page.get_by_role("radio", name="GPU").check()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#progress-message")).to_contain_text("number 3 of 3", timeout=PATIENCE)
    look(page, "deployed-gpu-queue")


def starts_on_cpu_instead(page: Page) -> None:
    said = page.locator("#progress-message")
    expect(said).to_contain_text("number 2 of 2", timeout=PATIENCE)
    said.get_by_role("button", name="Start on CPU now").click()
    Lab.arrive(page, "gus")
    expect(page.get_by_text("GPU until")).to_have_count(0)


def test_a_lease_that_ends_stops_the_server_and_frees_the_gpu(
    course: Composed, browser: Browser, sessions: dict[str, Session], asking: ThreadPoolExecutor
) -> None:
    course.put_in_force(COURSEHUB_GPUS="auto", COURSEHUB_GPU_LEASE_MINUTES="1")
    stop(sessions["ann"])
    ann = signs_in(browser, course, "ann")
    ann.get_by_role("radio", name="GPU").check()
    ann.get_by_role("button", name="Start").click()
    Lab.arrive(ann, "ann")
    is_warned(ann)
    device, until = leases(course)["ann"]
    asking.submit(course.ask_for_server, sessions["ben"], profile="gpu")
    assert place(sessions["ben"]) == (1, 1), "all others are lent since the test before"

    course.await_server(sessions["ben"])
    assert datetime.now(UTC) >= datetime.fromisoformat(until)
    assert devices(course)["ben"] == device and "ann" not in devices(course)
    reads_why_it_ended(ann)


def is_warned(page: Page) -> None:
    warning = page.get_by_role("alert").filter(has_text="Less than 5 minutes left")
    expect(warning).to_contain_text("files are kept", timeout=PATIENCE)
    look(page, "deployed-gpu-warning")


def reads_why_it_ended(page: Page) -> None:
    sentence = re.compile(
        r"Your GPU's time was over at \w{3} \d+ \w{3} \d\d:\d\d.*files are kept\."
    )
    page.goto("/user/ann/lab")
    expect(page.get_by_text(sentence)).to_be_visible()
    look(page, "deployed-gpu-over")
    page.get_by_role("button", name="Launch Server").click()
    expect(page.get_by_text(sentence)).to_be_visible()
    expect(page.get_by_role("radio", name="GPU")).to_be_visible()
    look(page, "deployed-gpu-over-form")


def test_without_gpus_there_is_nothing_to_choose(
    course: Composed, sessions: dict[str, Session]
) -> None:
    course.put_in_force(COURSEHUB_GPUS="none")
    answer = sessions["ann"].http.get("/hub/spawn")
    assert answer.status_code == 302 and "/spawn-pending/" in answer.headers["location"]
    course.await_server(sessions["ann"])
    assert nodes(course, "ann") == []
