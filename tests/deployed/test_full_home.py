"""A student whose home is really full: they sign in, see what may go, delete it, and go on."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from docker.models.containers import Container
from playwright.sync_api import Browser, Page, expect

from tests.compose import Composed, composed
from tests.deployment import open_course
from tests.e2e.axe import is_accessible
from tests.e2e.pages import PATIENCE, Lab, SignIn, look

SIZE_MB = 64
WHO = {"coursehub.user": "alice"}
# Beside some work: a cache of 30 MB, and then as much as there is room for.
FILL = (
    "cd /h && mkdir -p assignment_1 .cache/torch && echo '{}' > assignment_1/a1.ipynb"
    " && head -c 30M /dev/zero > .cache/torch/data; cat /dev/zero > assignment_1/model.pt;"
    " chown -R 1000:1000 /h"
)


@pytest.fixture(scope="module")
def course(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    text, state = open_course(now=datetime.now(UTC)), tmp_path_factory.mktemp("full")
    with composed(
        state, text, COURSEHUB_GPUS="none", COURSEHUB_HOME_LIMIT=f"{SIZE_MB}M"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def full_home(course: Composed) -> Iterator[Container]:
    """alice's home is a filesystem of its own, as one with a quota is; who filled it holds it."""
    name = f"{course.project}-home-alice"
    course.engine.volumes.create(
        name, labels={"coursehub.project": course.project} | WHO,
        driver_opts={"type": "tmpfs", "device": "tmpfs", "o": f"size={SIZE_MB}m,uid=1000,gid=1000"},
    )  # fmt: skip
    holder = course.engine.containers.run(
        "coursehub/student:latest", ["sleep", "infinity"], user="0", detach=True, init=True,
        network_mode="none", volumes={name: {"bind": "/h"}}, entrypoint=[],
        stop_signal="SIGKILL", labels={"coursehub.project": f"{course.project}-holder"},
    )  # fmt: skip
    try:
        filled = holder.exec_run(["bash", "-c", FILL])
        assert filled.exit_code == 0 and b"No space left" in filled.output, filled.output
        yield holder
    finally:
        holder.remove(force=True)


def test_a_full_home_keeps_nobody_out(
    course: Composed, full_home: Container, browser: Browser
) -> None:
    door = SignIn.open(browser, course.settings.bind_url)
    door.arrive("alice").press_open()
    page = door.page
    expect(page.get_by_role("heading", name="Your home is full")).to_be_visible(
        timeout=2 * PATIENCE
    )
    assert "NOT ENFORCED" not in course.server("alice").logs().decode()
    _photograph(page, "full-home")
    assert "a1.ipynb" not in page.locator("main").inner_text()

    page.get_by_role("checkbox", name=".cache").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Delete what is chosen").press("Enter")
    expect(page.get_by_text("will be free")).to_be_visible()
    _photograph(page, "full-home-sure")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Deleted: 30 MB")).to_be_visible()
    _photograph(page, "full-home-done")
    before = course.server("alice").id
    page.get_by_role("button", name="Start JupyterLab").click()
    Lab.arrive(page, "alice")
    assert course.server("alice").id == before, "the same server, started anew inside"
    code, listing = course.inside(
        "alice", "ls", "-A", "/home/student", "/home/student/assignment_1"
    )
    assert code == 0 and "a1.ipynb" in listing and "model.pt" in listing


def _photograph(page: Page, name: str) -> None:
    is_accessible(page)
    look(page, name, whole=True)
