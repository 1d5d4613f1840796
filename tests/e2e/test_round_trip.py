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

import nbformat
import pytest
from playwright.sync_api import Browser, Response, expect

from coursehub.cli.compose import nbgrader_config
from coursehub.grading import runner
from coursehub.grading.handin import as_bytes, fill, read_notebook, reference_answers
from coursehub.settings import CHECKOUT, Settings
from tests.deployment import Deployment, deployed, open_course, password
from tests.e2e.pages import AssignmentList, Formgrader, Lab, SignIn, look

ASSIGNMENT = "assignment_1"
NOTEBOOK = f"{ASSIGNMENT}.ipynb"
DUE = re.compile(r"due (Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d.*, (\d h \d+ min|\d h|\d+ min) left")
NOTEBOOK_RUNS = 150_000  # milliseconds; it takes ten seconds when nothing else runs

ANSWER = "Rounding has no gradient: try a transfer attack and BPDA."
# Each of these would set `stolen` in the page of whoever reads it.
HOSTILE = (
    '<script>window.stolen = "script"</script><img src="x" onerror="window.stolen = \'image\'">'
    "<svg onload=\"window.stolen = 'svg'\"></svg>"
)
HOSTILE_OUTPUTS = f"""
from IPython.display import HTML, Javascript, Markdown, display
hostile = {HOSTILE!r}
display(HTML(hostile), Markdown(hostile), Javascript("window.stolen = 'output'"))
width = {{"image/png": {{"width": "1 onerror=window.stolen='width'"}}}}
display({{"image/png": "eA=="}}, raw=True, metadata=width)
"""
COMMENT = "Say what a *failed* attack proves."


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A hub with assignment 1 released an hour ago and due in two hours."""
    state = tmp_path_factory.mktemp("round-trip")
    with deployed(state, open_course(now=datetime.now(UTC))) as running:
        settings = running.settings
        runner.add_source(Path(str(settings.course_dir)), CHECKOUT / "source", ASSIGNMENT)
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
    Lab.arrive(door.page, "alice")


def test_a_hand_in_goes_to_the_staff_and_comes_back(course: Deployment, browser: Browser) -> None:
    settings = course.settings
    alice = SignIn.open(browser, settings.bind_url).enter("alice")
    assignments = opens_the_assignment_list(alice)
    fetches(assignments)
    solves(assignments, settings)
    validates(assignments)
    hands_in(assignments)
    keeps_a_true_receipt(alice, settings)

    tara = SignIn.open(browser, settings.bind_url).enter("tara")
    stays_out_of_the_formgrader(alice)
    formgrader = opens_the_formgrader(tara)
    collects_and_autogrades(formgrader)
    grades_by_hand(formgrader)
    gives_feedback(formgrader)
    cannot_load_what_a_student_handed_in(tara)

    fetches_feedback(assignments)
    reads_feedback(alice)


def opens_the_assignment_list(alice: Lab) -> AssignmentList:
    entries = alice.open_menu("Nbgrader")
    expect(entries.filter(has_text="Assignment List")).to_be_visible()
    expect(entries.filter(has_text="Formgrader")).to_have_count(0)
    look(alice.page, "student-menu")
    entries.filter(has_text="Assignment List").click()
    assignments = AssignmentList(alice)
    expect(assignments.released).to_contain_text(ASSIGNMENT)
    expect(assignments.released).to_contain_text(DUE)
    look(alice.page, "student-released")
    return assignments


def fetches(assignments: AssignmentList) -> None:
    assignments.fetch()
    expect(assignments.fetched).to_contain_text(ASSIGNMENT)
    expect(assignments.fetched).to_contain_text(DUE)
    expect(assignments.released).to_contain_text("There are no assignments to fetch")
    look(assignments.lab.page, "student-fetched")


def solves(assignments: AssignmentList, settings: Settings) -> None:
    """The code was written in an editor of one's own; the essay is typed here."""
    put_the_code_in(settings.state / "homes" / "alice" / ASSIGNMENT / NOTEBOOK)
    assignments.unfold().get_by_role("link", name=ASSIGNMENT).click()
    page = assignments.lab.page
    notebook = page.locator(".jp-NotebookPanel")
    expect(notebook.get_by_role("heading", name="Assignment 1: Adversarial")).to_be_visible()
    look(page, "student-notebook")
    essay = notebook.locator(".jp-MarkdownCell").filter(has_text="YOUR ANSWER HERE")
    essay.locator("p").click()
    expect(essay).to_have_class(re.compile("jp-mod-active"))
    page.keyboard.press("Enter")
    expect(essay.locator(".cm-content")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type(ANSWER)
    page.keyboard.insert_text(f"\n\n{HOSTILE}")
    page.keyboard.press("Control+Enter")
    expect(notebook.locator(".jp-RenderedMarkdown").filter(has_text=ANSWER)).to_be_visible()
    with page.expect_response(is_saving) as saved:
        page.keyboard.press("Control+S")
    assert saved.value.ok
    look(page, "student-solved")
    page.get_by_role("tab", name="Assignments").click()


def put_the_code_in(path: Path) -> None:
    answers = reference_answers(read_notebook(CHECKOUT / "source" / ASSIGNMENT))
    del answers["a1_written"]
    end = "# <<< your code ends here"
    answers["a1_plot"] = answers["a1_plot"].replace(end, HOSTILE_OUTPUTS + end)
    path.write_bytes(as_bytes(fill(nbformat.read(path, as_version=4), answers)))


def is_saving(answer: Response) -> bool:
    request = answer.request
    return request.method == "PUT" and NOTEBOOK in request.url


def validates(assignments: AssignmentList) -> None:
    assignments.unfold().get_by_role("button", name="Validate").click()
    dialog = assignments.lab.dialog
    expect(dialog).to_contain_text(
        "Success! Your notebook passes all the tests", timeout=NOTEBOOK_RUNS
    )
    look(assignments.lab.page, "student-validated")
    assignments.lab.answer("Ok")


def hands_in(assignments: AssignmentList) -> None:
    assignments.submit()
    expect(assignments.submitted).to_contain_text("on time; this one counts")
    look(assignments.lab.page, "student-submitted")


def keeps_a_true_receipt(alice: Lab, settings: Settings) -> None:
    name = f"{ASSIGNMENT} receipt 1.txt"
    alice.open_file("receipts", name)
    text = alice.page.locator(".jp-FileEditor .cm-content")
    expect(text).to_contain_text("CourseHub receipt.")
    expect(text).to_contain_text("handed in by: alice")
    expect(text).to_contain_text("in time: yes")
    look(alice.page, "student-receipt")
    done = subprocess.run(
        [sys.executable, "-m", "coursehub.cli", "receipt", "verify",
         str(settings.state / "homes" / "alice" / "receipts" / name)],
        env=os.environ | settings.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith(": true")


def stays_out_of_the_formgrader(alice: Lab) -> None:
    status, text = alice.visit("/user/alice/formgrader")
    assert (status, "The formgrader is for course staff." in text) == (403, True)
    status, text = alice.visit("/user/tara/formgrader")
    assert status == 403, text


def opens_the_formgrader(tara: Lab) -> Formgrader:
    look(tara.page, "staff-lab")
    formgrader = tara.formgrader()
    expect(formgrader.row(ASSIGNMENT)).to_contain_text("released")
    look(tara.page, "staff-assignments")
    return formgrader


def collects_and_autogrades(formgrader: Formgrader) -> None:
    formgrader.press(formgrader.row(ASSIGNMENT), "collect")
    formgrader.manage_submissions(ASSIGNMENT)
    alice = formgrader.row("alice")
    expect(alice).to_contain_text("needs autograding")
    formgrader.press(alice, "autograde", patience=NOTEBOOK_RUNS)
    expect(alice).to_contain_text("needs manual grading")
    expect(alice).to_contain_text("85 / 100")
    look(formgrader.page, "staff-autograded")


def grades_by_hand(formgrader: Formgrader) -> None:
    formgrader.manual_grading(ASSIGNMENT)
    expect(formgrader.frame.get_by_text(ANSWER)).to_be_visible()
    formgrader.grade("a1_plot", "5")
    look(formgrader.page, "staff-plot")
    formgrader.grade("a1_written", "8", COMMENT)
    look(formgrader.page, "staff-written")
    ran = [frame.evaluate("window.stolen") for frame in formgrader.page.frames]
    assert ran == [None] * len(ran), f"a hand-in ran in a TA's session, by its {ran}"
    formgrader.back_to_submissions(ASSIGNMENT)
    expect(formgrader.row("alice")).to_contain_text("98 / 100")


def gives_feedback(formgrader: Formgrader) -> None:
    alice = formgrader.row("alice")
    formgrader.press(alice, "generate-feedback")
    formgrader.press(alice, "release-feedback")


def cannot_load_what_a_student_handed_in(tara: Lab) -> None:
    status, text = tara.visit(f"/user/tara/formgrader?path=submitted/alice/{ASSIGNMENT}")
    assert status == 403, text


def fetches_feedback(assignments: AssignmentList) -> None:
    assignments.lab.page.get_by_role("tab", name="Assignments").click()
    assignments.refresh()
    expect(assignments.submitted).to_contain_text("feedback available to fetch")
    expect(assignments.submitted).to_contain_text(DUE)
    look(assignments.lab.page, "student-feedback-ready")
    assignments.submitted.get_by_role("button", name="Fetch Feedback").click()
    assignments.submitted.get_by_text("view feedback").click()


def reads_feedback(alice: Lab) -> None:
    alice.open_file(f"{ASSIGNMENT}.html")
    feedback = alice.page.frame_locator(".jp-HTMLViewer iframe")
    expect(feedback.get_by_text("Score: 98.0 / 100.0")).to_be_visible()
    comment = feedback.get_by_text("Say what a failed attack proves.")
    comment.scroll_into_view_if_needed()
    expect(comment).to_be_visible()
    look(alice.page, "student-feedback")
    text = feedback.locator("body").inner_text()
    assert "Task 5, hidden: certified_radius" in text
    assert "BEGIN HIDDEN TESTS" not in text
    assert "_ref_radius" not in text, "a hidden test is in the feedback"


def test_a_refused_submit_says_why_in_plain_words(course: Deployment, browser: Browser) -> None:
    bob = SignIn.open(browser, course.settings.bind_url).enter("bob")
    assignments = bob.assignment_list()
    assignments.fetch()
    expect(assignments.fetched).to_contain_text(DUE)
    deletes_the_notebook(bob)
    assignments.submit()
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
