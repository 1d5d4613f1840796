"""The steps of one week, as a student and a TA take them in a browser.

Every step leaves a picture in tests/output/.
"""

import re
from pathlib import Path
from typing import Protocol

import nbformat
from nbformat.v4 import new_code_cell
from playwright.sync_api import Response, expect

from coursehub.grading.handin import as_bytes, fill, read_notebook, reference_answers
from coursehub.settings import CHECKOUT
from tests.e2e.pages import AssignmentList, Formgrader, Lab, look

ASSIGNMENT = "assignment_1"
NOTEBOOK = f"{ASSIGNMENT}.ipynb"
DUE = re.compile(r"due (Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d.*, (\d h \d+ min|\d h|\d+ min) left")
NOTEBOOK_RUNS = 150_000  # milliseconds; it takes ten seconds when nothing else runs

# What is told of the cell that `solves` adds, before handing in and to staff.
OWN_CELL = "A code cell of the student's own"
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
WAIVED = "Notes of your own are welcome."
COMMENT = "Say what a *failed* attack proves."


class Homes(Protocol):
    """A deployment, as far as files of people's homes go."""

    def read_home(self, username: str, path: str) -> bytes:
        """A file of somebody's home."""

    def write_home(self, username: str, path: str, content: bytes) -> None:
        """Put a file into somebody's home, as they would."""


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
    expect(assignments.released).not_to_contain_text(ASSIGNMENT)
    look(assignments.lab.page, "student-fetched")


def solves(
    assignments: AssignmentList, homes: Homes, username: str = "alice", site: Path = CHECKOUT
) -> None:
    """The code was written in an editor of one's own; the essay is typed here.

    Args:
        assignments: the student's.
        homes: where the notebook lies.
        username: the student.
        site: whose source/ has the right code.
    """
    path = f"{ASSIGNMENT}/{NOTEBOOK}"
    homes.write_home(username, path, with_the_code_in(homes.read_home(username, path), site))
    notebook, page = assignments.open(ASSIGNMENT), assignments.lab.page
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


def with_the_code_in(released: bytes, site: Path) -> bytes:
    answers = reference_answers(read_notebook(site / "source" / ASSIGNMENT))
    del answers["a1_written"]
    end = "# <<< your code ends here"
    answers["a1_plot"] = answers["a1_plot"].replace(end, HOSTILE_OUTPUTS + end)
    notebook = fill(nbformat.reads(released.decode(), as_version=4), answers)
    notebook.cells.append(new_code_cell(f"notes = {HOSTILE!r}", id="notes"))
    return as_bytes(notebook)


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


def hands_in(assignments: AssignmentList, *, although: str = "", tests: str = "") -> None:
    assignments.submit(although=although, tests=tests)
    expect(assignments.submitted).to_contain_text("on time; this one counts")
    look(assignments.lab.page, "student-submitted")


def sees_the_visible_tests(assignments: AssignmentList, passed: str) -> None:
    """They are run at once, and come by themselves."""
    expect(assignments.submitted).to_contain_text(
        f"Visible tests: {passed} passed", timeout=NOTEBOOK_RUNS
    )
    expect(assignments.submitted).to_contain_text("Hidden tests are run after the deadline.")
    shown = assignments.submitted.inner_text()
    assert "_test_2" not in shown, f"a hidden test is told of: {shown}"
    look(assignments.lab.page, "student-visible-tests")


def shows_the_receipt(alice: Lab, number: int = 1, username: str = "alice") -> str:
    """Open it in the lab; return its path in the home."""
    name = f"{ASSIGNMENT} receipt {number}.txt"
    alice.open_file("receipts", name)
    text = alice.page.locator(".jp-FileEditor .cm-content")
    expect(text).to_contain_text("CourseHub receipt.")
    expect(text).to_contain_text(f"handed in by: {username}")
    expect(text).to_contain_text("in time: yes")
    look(alice.page, "student-receipt")
    return f"receipts/{name}"


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


def decides_about_edits(formgrader: Formgrader) -> None:
    formgrader.edits(ASSIGNMENT)
    form = formgrader.frame.locator("form").filter(has_text="(alice)")
    expect(form).to_contain_text(OWN_CELL)
    expect(form.locator("pre")).to_contain_text("<script>window.stolen")
    form.get_by_label("Waive").focus()
    keys = formgrader.page.keyboard
    keys.press("Space")
    keys.press("Tab")
    expect(form.get_by_label("Percent of")).to_be_focused()
    keys.press("Tab")
    expect(form.get_by_label("Reason")).to_be_focused()
    keys.type(WAIVED)
    look(formgrader.page, "staff-edits")
    keys.press("Tab")
    keys.press("Enter")
    expect(form).to_contain_text(re.compile(r"Decided: Waived by Tara Lim, \w+day \d"))
    look(formgrader.page, "staff-edits-decided")
    ran = [frame.evaluate("window.stolen") for frame in formgrader.page.frames]
    assert ran == [None] * len(ran)
    formgrader.back_to_submissions(ASSIGNMENT)


def reads_the_decision(alice: Lab) -> None:
    feedback = alice.page.frame_locator(".jp-HTMLViewer iframe")
    told = feedback.get_by_text("Nothing was taken off for the edits outside the answers")
    told.scroll_into_view_if_needed()
    expect(told).to_be_visible()
    expect(feedback.get_by_text(WAIVED)).to_be_visible()
    look(alice.page, "student-feedback-edits")


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
