"""What the formgrader has besides: who has a hand-in open, and comments that were used before."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from coursehub.grading.presence import Open, note
from tests.contract.miniature import ASSIGNMENT, Miniature
from tests.deployment import free_port, open_course, prepare, print_logs
from tests.e2e.axe import is_accessible
from tests.e2e.pages import PATIENCE, look

WHY, WHICH = "Say why it is twice.", "Which number did you try?"
WRITTEN = {"bob": WHY, "carol": WHICH, "dora": WHY}


@dataclass
class Formgrading:
    """A formgrader, and the graded hand-in of alice."""

    course: Miniature
    url: str
    token: str
    notebook: str

    def open(self, browser: Browser, path: str) -> Page:
        """A page of the formgrader, in a window of its own."""
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(f"{self.url}/formgrader/{path}?token={self.token}")
        return page


@pytest.fixture(scope="module")
def formgrading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Formgrading]:
    """Three hand-ins, graded; two of them, and one from before, have a comment."""
    state = tmp_path_factory.mktemp("formgrader")
    course = Miniature(prepare(state, open_course(now=datetime.now(UTC))))
    students = ("alice", "bob", "carol")
    for student in students:
        course.collected(student)
    graded = course.autograde(students)
    assert not [each for each in graded.values() if each.problem], graded
    with course.gradebook() as gradebook:
        gradebook.update_or_create_student("dora")
        gradebook.add_submission(ASSIGNMENT, "dora")
        for student, text in WRITTEN.items():
            comments = gradebook.find_submission(ASSIGNMENT, student).notebooks[0].comments
            next(each for each in comments if each.name == "written").manual_comment = text
        gradebook.db.commit()
        notebook = gradebook.find_submission(ASSIGNMENT, "alice").notebooks[0].id
    with serving(course) as (url, token):
        yield Formgrading(course, url, token, notebook)


@contextmanager
def serving(course: Miniature) -> Iterator[tuple[str, str]]:
    """What a staff member's server runs, without a hub; its address and token."""
    settings = course.settings
    home = settings.state / "homes" / "tara"
    home.mkdir(parents=True)
    (home / "course").symlink_to(course.folder, target_is_directory=True)
    port, token, log = free_port(), secrets.token_hex(), home / "log"
    lab = settings.site / "images" / "lab" / "staff"
    environment = (
        os.environ
        | settings.environment()
        | {
            "HOME": str(home),
            "COURSEHUB_COURSE_DIR": str(home / "course"),
            "JUPYTER_CONFIG_PATH": os.pathsep.join((str(lab), str(settings.site))),
            "JUPYTER_CONFIG_DIR": str(home / ".jupyter"),
            "JUPYTER_DATA_DIR": str(home / ".data"),
            "JUPYTER_RUNTIME_DIR": str(home / ".runtime"),
            "JUPYTER_TOKEN": token,
        }
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root",
             f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
             f"--ServerApp.root_dir={home}"],
            env=environment, cwd=home, stdout=output, stderr=output,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 120
    try:
        while True:
            try:
                httpx.get(f"{url}/formgrader/api/status", params={"token": token}, timeout=60)
                break
            except httpx.HTTPError:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        yield url, token
    finally:
        process.terminate()
        process.wait(30)
        print_logs([log])


def test_a_comment_that_was_used_before_is_chosen_without_a_mouse(
    formgrading: Formgrading, browser: Browser
) -> None:
    path = f"submissions/{formgrading.notebook}/"
    with formgrading.open(browser, "manage_assignments") as page:  # where the cookie comes from
        with page.expect_response(lambda answer: "/api/comments" in answer.url):
            page.goto(f"{formgrading.url}/formgrader/{path}")
        box, keys = page.locator("#written-comment"), page.keyboard
        expect(page.get_by_role("button", name="Comments used before for written")).to_be_visible()
        points = page.locator("#written").input_value()
        box.focus()
        keys.type("First.  Last.")
        for _ in range(len(" Last.")):
            keys.press("ArrowLeft")
        keys.press("Alt+ArrowDown")
        field = page.get_by_role("combobox", name="Filter comments used before")
        expect(field).to_be_focused()
        options = page.get_by_role("listbox").get_by_role("option")
        expect(options).to_have_text([f"{WHY} (2×)", f"{WHICH} (1×)"])  # noqa: RUF001
        look(page, "formgrader-comments")
        is_accessible(page, ".coursehub-used .picker")
        keys.press("ArrowDown")
        expect(options.nth(1)).to_have_attribute("aria-selected", "true")
        keys.press("Escape")
        expect(box).to_be_focused()
        expect(page.locator(".picker")).to_have_count(0)
        keys.press("Alt+ArrowDown")
        expect(field).to_be_focused()
        keys.type("number which")
        expect(options).to_have_text([f"{WHICH} (1×)"])  # noqa: RUF001
        keys.press("Enter")
        expect(box).to_be_focused()
        expect(box).to_have_value(f"First. {WHICH} Last.")
        with page.expect_response(lambda answer: "/api/comment/" in answer.url) as saved:
            keys.press("Tab")
        assert saved.value.json()["manual_comment"] == f"First. {WHICH} Last."
        assert page.locator("#written").input_value() == points
        look(page, "formgrader-comment-inserted")


def test_who_has_a_hand_in_open_is_shown(formgrading: Formgrading, browser: Browser) -> None:
    opened = Open(formgrading.notebook, ASSIGNMENT, "alice", "theo", "Theo Goh")
    note(Path(formgrading.course.folder), opened, time.time() + 600)
    with formgrading.open(browser, "manage_assignments") as page:
        page.goto(f"{formgrading.url}/formgrader/submissions/{formgrading.notebook}/")
        told = page.get_by_role("status").filter(has_text="Theo Goh also has this hand-in open.")
        expect(told).to_be_visible()
        look(page, "formgrader-others")
        for place, row in (
            (f"gradebook/{ASSIGNMENT}/{ASSIGNMENT}", formgrading.notebook),
            (f"manage_submissions/{ASSIGNMENT}", "manage_students/alice"),
        ):
            page.goto(f"{formgrading.url}/formgrader/{place}")
            line = page.locator("#main-table tr").filter(has=page.locator(f'a[href*="{row}"]'))
            expect(line).to_contain_text("open now: Theo Goh")
            expect(page.locator(".coursehub-open")).to_have_count(1)
            look(page, f"formgrader-open-{place.partition('/')[0]}")
