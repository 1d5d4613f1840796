"""A server that does not start: the page says why in words, and trying again is possible."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from tests.compose import Composed, composed
from tests.deployment import open_course
from tests.e2e.pages import Lab, SignIn, look

IMAGE = f"coursehub/test-{uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def course(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """Its students' image is not there."""
    text, state = open_course(now=datetime.now(UTC)), tmp_path_factory.mktemp("failures")
    with composed(
        state, text, COURSEHUB_GPUS="none", COURSEHUB_STUDENT_IMAGE=f"{IMAGE}:latest"
    ) as running:
        yield running


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

    course.engine.images.get("coursehub/student:latest").tag(IMAGE, "latest")
    try:
        page.goto("/hub/spawn")
        Lab.arrive(page, "alice")
    finally:
        course.engine.images.remove(f"{IMAGE}:latest", noprune=True, force=True)
