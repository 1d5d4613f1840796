"""Servers that do not start, or not as usual: pages say why in words, and there is a way on."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.compose import Composed
from tests.deployed.conftest import lent
from tests.e2e.axe import is_accessible
from tests.e2e.pages import PATIENCE, Lab, SignIn, look

IMAGE = f"coursehub/test-{uuid4().hex[:8]}"
HOME_MB = 64
# Beside some work: a cache of 30 MB, and then as much as there is room for.
FILL = (
    "cd /h && mkdir -p assignment_1 .cache/torch && echo '{}' > assignment_1/a1.ipynb"
    " && head -c 30M /dev/zero > .cache/torch/data; cat /dev/zero > assignment_1/model.pt;"
    " chown -R 1000:1000 /h"
)


@pytest.fixture(scope="module")
def course(shared: Composed) -> Iterator[Composed]:
    """Its students' image is not there."""
    with lent(
        shared,
        COURSEHUB_STUDENT_IMAGE=f"{IMAGE}:latest",
        COURSEHUB_HOME_LIMIT=f"{HOME_MB}M",
    ) as running:
        yield running


@contextmanager
def its_image(course: Composed) -> Iterator[None]:
    """Meanwhile the students' image is there."""
    course.engine.images.get("coursehub/student:latest").tag(IMAGE, "latest")
    try:
        yield
    finally:
        course.engine.images.remove(f"{IMAGE}:latest", noprune=True, force=True)


@contextmanager
def full_home(course: Composed, username: str) -> Iterator[None]:
    """Meanwhile a home is a filesystem of its own, as one with a quota is, and full."""
    name = f"{course.project}-home-{username}"
    course.engine.volumes.create(
        name, labels={"coursehub.project": course.project, "coursehub.user": username},
        driver_opts={"type": "tmpfs", "device": "tmpfs", "o": f"size={HOME_MB}m,uid=1000,gid=1000"},
    )  # fmt: skip
    # It is there as long as somebody has it mounted.
    holder = course.engine.containers.run(
        "coursehub/student:latest", ["sleep", "infinity"], user="0", detach=True, init=True,
        network_mode="none", volumes={name: {"bind": "/h"}}, entrypoint=[], stop_signal="SIGKILL",
    )  # fmt: skip
    try:
        filled = holder.exec_run(["bash", "-c", FILL])
        assert filled.exit_code == 0 and b"No space left" in filled.output, filled.output
        yield
    finally:
        holder.remove(force=True)


def test_a_missing_image_is_named_and_the_next_try_succeeds(
    course: Composed, browser: Browser
) -> None:
    door = SignIn.open(browser, course.settings.bind_url)
    door.arrive("alice").press_open()
    page = door.page
    expect(page.get_by_text(f"{IMAGE}:latest").first).to_be_visible()
    look(page, "deployed-missing-image")
    shown = page.locator("body").inner_text()
    for raw in ("Traceback", "404 Client Error", "http+docker", "docker.errors"):
        assert raw not in shown, shown
    assert not course.containers({"coursehub.user": "alice"}, "coursehub.project")
    ours = {"label": f"coursehub.project={course.project}"}
    assert not course.engine.networks.list(filters=ours), "a failed start left its network"

    with its_image(course):
        page.goto("/hub/spawn")
        Lab.arrive(page, "alice")


def test_a_full_home_keeps_nobody_out(course: Composed, browser: Browser) -> None:
    with its_image(course), full_home(course, "bob"):
        door = SignIn.open(browser, course.settings.bind_url)
        door.arrive("bob").press_open()
        page = door.page
        expect(page.get_by_role("heading", name="Your home is full")).to_be_visible(
            timeout=2 * PATIENCE
        )
        assert "NOT ENFORCED" not in course.server("bob").logs().decode()
        photograph(page, "full-home")
        assert "a1.ipynb" not in page.locator("main").inner_text()

        page.get_by_role("checkbox", name=".cache").focus()
        page.keyboard.press("Space")
        page.get_by_role("button", name="Delete what is chosen").press("Enter")
        expect(page.get_by_text("will be free")).to_be_visible()
        photograph(page, "full-home-sure")
        page.get_by_role("button", name="Delete for good").click()
        expect(page.get_by_text("Deleted: 30 MB")).to_be_visible()
        photograph(page, "full-home-done")
        before = course.server("bob").id
        page.get_by_role("button", name="Start JupyterLab").click()
        Lab.arrive(page, "bob")
        assert course.server("bob").id == before, "the same server, started anew inside"
        code, listing = course.inside("bob", "ls", "-A", "/home/student/assignment_1")
        assert code == 0 and {"a1.ipynb", "model.pt"} <= set(listing.split())

        course.inside("bob", "sh", "-c", "cat /dev/zero > /home/student/again")
        page.reload()
        warning = page.get_by_text("Your home is full: nothing can be saved")
        expect(warning).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_role("link", name="Home: 64 MB of 64 MB used")).to_be_visible()
        look(page, "full-home-in-lab")


def photograph(page: Page, name: str) -> None:
    """See that the page is accessible, and keep a picture of it."""
    is_accessible(page)
    look(page, name, whole=True)
