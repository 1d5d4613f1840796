"""From the LMS's page into the notebook, in a browser: a student, an instructor, adding links.

The LMS stands at another site than the hub (localhost), so that the browser keeps the two apart.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from typer.testing import CliRunner

from coursehub.cli import app
from coursehub.cli.compose import nbgrader_config
from coursehub.grading import runner
from coursehub.hub.process import running_hub
from coursehub.settings import CHECKOUT
from tests.deployment import Deployment, open_course, prepare
from tests.e2e.axe import is_accessible
from tests.e2e.pages import PATIENCE, look
from tests.lti.platform import INSTRUCTOR, Platform, User, running

USERS = {
    "7": User("sub-7", "A0100000J"),
    "8": User("sub-8", "A0100001H"),
    "10": User("sub-10", "T0000002B", (INSTRUCTOR,)),
}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    made = prepare(
        tmp_path_factory.mktemp("lti"), open_course(now=datetime.now(UTC)),
        sign_in="password,lti13", lti_private=True, visible_tests=False,
    )  # fmt: skip
    runner.add_source(Path(str(made.settings.course_dir)), CHECKOUT / "source", "assignment_1")
    with running_hub(made.settings):
        runner.release(partial(nbgrader_config, made.settings), "assignment_1")
        yield made


@pytest.fixture(scope="module")
def lms(course: Deployment) -> Iterator[Platform]:
    """An LMS at another site than the hub, as the browser sees it."""
    with registered(course, "localhost") as platform:
        yield platform


@contextmanager
def registered(course: Deployment, host: str) -> Iterator[Platform]:
    with running(Platform(), host) as platform:
        platform.users.update(USERS)
        invited = CliRunner().invoke(app, ["lti", "invite"], env=course.settings.environment())
        told = {
            "openid_configuration": f"{platform.issuer}/.well-known/openid-configuration",
            "registration_token": "a-registration-token",
        }
        link = invited.stdout.split()[0]
        assert httpx.get(link, params=told, trust_env=False, timeout=60).status_code == 200
        yield platform
        assert platform.refused == []


def visit(browser: Browser, lms: Platform, query: str, **device: object) -> Page:
    """The LMS's page with a link to the course."""
    device.setdefault("viewport", {"width": 1280, "height": 900})
    context = browser.new_context(**device)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(f"{lms.issuer}/course?{query}")
    return page


def test_a_link_opens_the_notebook(course: Deployment, lms: Platform, browser: Browser) -> None:
    page = visit(browser, lms, "user=7&assignment=assignment_1")
    page.get_by_role("button", name="Open").click()
    page.wait_for_url("**/user/alice/lab/**", timeout=3 * PATIENCE)
    tab = page.get_by_role("tab", name="assignment_1.ipynb").first
    expect(tab).to_be_visible(timeout=3 * PATIENCE)
    look(page, "lti-notebook")
    assert b"cells" in course.read_home("alice", "assignment_1/assignment_1.ipynb")
    course.write_home("alice", "assignment_1/own.txt", b"mine")
    page.goto(f"{lms.issuer}/course?user=7&assignment=assignment_1")
    page.get_by_role("button", name="Open").click()
    page.wait_for_url("**/user/alice/lab/**")
    assert course.read_home("alice", "assignment_1/own.txt") == b"mine"


def test_in_a_frame_one_click_opens_a_tab(
    course: Deployment, lms: Platform, browser: Browser
) -> None:
    page = visit(browser, lms, "user=8&frame=1")
    page.get_by_role("button", name="Open").click()
    framed = page.frame_locator("iframe")
    expect(framed.get_by_text("opens in a tab of its own")).to_be_visible()
    look(page, "lti-frame")
    with page.context.expect_page() as opened:
        framed.get_by_role("button", name="Open the course").click()
    tab = opened.value
    tab.wait_for_url("**/services/course/**")
    expect(tab.get_by_text("Bob Tan")).to_be_visible()


def test_the_next_one_at_this_computer(lms: Platform, browser: Browser) -> None:
    page = visit(browser, lms, "user=8")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_text("Bob Tan")).to_be_visible()
    page.goto(f"{lms.issuer}/course?user=7")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_text("Wang, Wenjie")).to_be_visible()


def test_an_instructor_adds_a_link_inside_the_lms(course: Deployment, browser: Browser) -> None:
    """Without TLS browsers send cookies from frames of the same site alone."""
    with registered(course, "127.0.0.1") as near:
        page = visit(browser, near, "user=10&choose=1&frame=1")
        page.get_by_role("button", name="Open").click()
        framed = page.frame_locator("iframe")
        framed.get_by_label("Assignment 3:").check()
        look(page, "lti-choose")
        framed.get_by_role("button", name="Add to the LMS").click()
        expect(framed.get_by_text("1 added")).to_be_visible()


def test_choosing_looks_well_on_a_phone_and_in_the_dark(lms: Platform, browser: Browser) -> None:
    size = {"width": 360, "height": 740}
    page = visit(browser, lms, "user=10&choose=1", viewport=size, color_scheme="dark")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_label("Assignment 8:")).to_be_visible()
    look(page, "lti-choose-phone-dark", whole=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    is_accessible(page)


def test_an_instructor_lands_on_the_class(lms: Platform, browser: Browser) -> None:
    page = visit(browser, lms, "user=10&assignment=assignment_1")
    page.get_by_role("button", name="Open").click()
    page.wait_for_url("**/services/course/staff/assignments/assignment_1")


def test_who_is_refused_reads_why(lms: Platform, browser: Browser) -> None:
    lms.users["99"] = User("sub-99", "X0000000X")
    page = visit(browser, lms, "user=99")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_text("You are not on the list of this course.")).to_be_visible()
    look(page, "lti-refused")
