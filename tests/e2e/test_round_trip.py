"""One week of the course in a browser: a student's work, a TA's work, and back to the student.

Hub, proxy, course service, JupyterLab and nbgrader are the real ones; so is Chromium. Every step
leaves a picture in tests/output/.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from coursehub.cli.compose import nbgrader_config
from coursehub.grading import runner
from tests.deployment import Deployment, deployed, open_course, password
from tests.e2e.pages import CoursePage, Lab, SignIn, look
from tests.e2e.week import (
    ASSIGNMENT,
    DUE,
    NOTEBOOK,
    OWN_CELL,
    cannot_load_what_a_student_handed_in,
    collects_and_autogrades,
    decides_about_edits,
    fetches,
    fetches_feedback,
    gives_feedback,
    grades_by_hand,
    hands_in,
    opens_the_assignment_list,
    opens_the_formgrader,
    reads_feedback,
    reads_the_decision,
    sees_the_visible_tests,
    shows_the_receipt,
    solves,
    stays_out_of_the_formgrader,
    validates,
)
from tests.sites import quick_site


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A hub with assignment 1 released an hour ago and due in two hours."""
    state = tmp_path_factory.mktemp("round-trip")
    site = quick_site(tmp_path_factory.mktemp("site"))
    with deployed(state, open_course(now=datetime.now(UTC)), site=site) as running:
        settings = running.settings
        runner.add_source(Path(str(settings.course_dir)), site / "source", ASSIGNMENT)
        runner.release(partial(nbgrader_config, settings), ASSIGNMENT)
        yield running


def test_the_sign_in_page_warns_and_refuses_strangers(course: Deployment, browser: Browser) -> None:
    door = SignIn.open(browser, course.settings.bind_url)
    expect(door.page.get_by_text("are not isolated from one another")).to_be_visible()
    expect(door.page.get_by_text("CS5260 Neural Networks")).to_be_visible()
    look(door.page, "sign-in")
    door.refuses("alice", "guessed")
    door.refuses("mallory", password("mallory"))
    look(door.page, "sign-in-refused")


def test_the_sign_in_page_fits_a_phone(course: Deployment, browser: Browser) -> None:
    size = {"width": 360, "height": 740}
    door = SignIn.open(
        browser, course.settings.bind_url, viewport=size, is_mobile=True, has_touch=True
    )
    look(door.page, "sign-in-phone")
    assert door.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    for part in ("#username_input", "#password_input", "#login_submit"):
        expect(door.page.locator(part)).to_be_in_viewport(ratio=1)


def test_the_sign_in_page_needs_no_mouse(course: Deployment, browser: Browser) -> None:
    door = SignIn.open(browser, course.settings.bind_url)
    keys = door.page.keyboard
    keys.type("alice")
    keys.press("Tab")
    keys.type(password("alice"))
    keys.press("Tab")
    expect(door.page.get_by_role("button", name="Show password")).to_be_focused()
    keys.press("Tab")
    expect(door.page.get_by_role("button", name="Sign in")).to_be_focused()
    look(door.page, "sign-in-keyboard")
    keys.press("Enter")
    course_page = CoursePage.arrive(door.page)
    for _ in range(4):  # past the skip link, the course's name and the project
        keys.press("Tab")
    expect(door.page.get_by_role("link", name="Open JupyterLab")).to_be_focused()
    keys.press("Enter")
    Lab.arrive(course_page.page, "alice")


def test_a_hand_in_goes_to_the_staff_and_comes_back(course: Deployment, browser: Browser) -> None:
    alice = SignIn.open(browser, course.settings.bind_url).enter("alice")
    assignments = opens_the_assignment_list(alice)
    fetches(assignments)
    solves(assignments, course, site=course.settings.site)
    validates(assignments)
    hands_in(assignments, although=OWN_CELL, tests="5 of 5 visible tests passed")
    sees_the_visible_tests(assignments, "5 of 5")
    the_receipt_is_true(course, shows_the_receipt(alice))

    tara = SignIn.open(browser, course.settings.bind_url).enter("tara")
    stays_out_of_the_formgrader(alice)
    formgrader = opens_the_formgrader(tara)
    collects_and_autogrades(formgrader)
    grades_by_hand(formgrader)
    decides_about_edits(formgrader)
    gives_feedback(formgrader)
    cannot_load_what_a_student_handed_in(tara)

    fetches_feedback(assignments)
    reads_feedback(alice)
    reads_the_decision(alice)


def the_receipt_is_true(course: Deployment, path: str) -> None:
    settings = course.settings
    done = subprocess.run(
        [sys.executable, "-m", "coursehub.cli", "receipt", "verify",
         str(settings.state / "homes" / "alice" / path)],
        env=os.environ | settings.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith(": true")


def test_a_refused_submit_says_why_in_plain_words(course: Deployment, browser: Browser) -> None:
    bob = SignIn.open(browser, course.settings.bind_url).enter("bob")
    assignments = bob.assignment_list()
    assignments.fetch()
    expect(assignments.fetched).to_contain_text(DUE)
    deletes_the_notebook(bob)
    assignments.submit(although=f"{NOTEBOOK} is missing")
    expect(bob.dialog).to_contain_text("Assignment not submitted")
    look(bob.page, "refused-submit")
    says_plainly(bob.dialog.locator("pre").inner_text(), f"{NOTEBOOK} is missing")
    bob.answer("Ok")
    expect(assignments.submitted).to_contain_text("There are no submitted assignments")


def test_a_refused_fetch_says_why_in_plain_words(course: Deployment, browser: Browser) -> None:
    """Carol has the list open in two windows and fetches in both."""
    first = SignIn.open(browser, course.settings.bind_url).enter("carol").assignment_list()
    second = SignIn.open(browser, course.settings.bind_url).enter("carol").assignment_list()
    expect(second.released).to_contain_text(DUE)
    first.fetch()
    expect(first.fetched).to_contain_text(DUE)
    second.fetch()
    error = second.released.locator(".list_error")
    expect(error).to_be_visible()
    look(second.lab.page, "refused-fetch")
    says_plainly(error.inner_text(), f"You already have a folder {ASSIGNMENT}")
    second.refresh()
    expect(second.fetched).to_contain_text(DUE)


def deletes_the_notebook(bob: Lab) -> None:
    bob.open_file(ASSIGNMENT)
    bob.in_browser(NOTEBOOK).click(button="right")
    entries = bob.page.locator(".lm-Menu-itemLabel")
    entries.get_by_text(re.compile("^(Delete|Move to Trash)")).click()
    bob.dialog.locator(".jp-mod-warn, .jp-mod-accept").last.click()
    expect(bob.in_browser(NOTEBOOK)).to_have_count(0)


def says_plainly(text: str, reason: str) -> None:
    assert reason.lower() in text.lower()
    assert "Traceback" not in text
    assert len(text.strip().splitlines()) == 1, text
