"""The course pages as a student, a TA and an instructor see them, in Chromium."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from coursehub.course.load import load_course
from coursehub.exchange.exchange import Exchange
from coursehub.hub.process import running_hub
from tests.classroom import Classroom, course_in_week
from tests.deployment import Deployment, prepare
from tests.e2e.axe import is_accessible
from tests.e2e.pages import SignIn, look
from tests.pdfs import report

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
HOSTILE = "<p>Well done.</p><script>window.stolen = document.cookie || 'ran'</script>"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The eighth week of a class of forty: two assignments given back, one graded, one open."""
    state = tmp_path_factory.mktemp("pages")
    text = course_in_week(8, datetime.now(UTC).date())
    # Students form teams on whatever day of the week this runs.
    text = re.sub(r"(teams: {.*), until: [^}]*}", r"\1}", text)
    deployment = prepare(state, text, visible_tests=False)
    names = ["alice", "bob", "carol", *(f"student{index:02}" for index in range(37))]
    classroom = Classroom(deployment.settings, names)
    classroom.enrol()
    first = classroom.course.assignments
    for assignment in first[:5]:
        classroom.release(assignment)
    for assignment in first[:4]:
        received = classroom.hand_in(assignment)
        if assignment.number <= 3:
            classroom.grade(assignment, received, by_hand=assignment.number < 3)
        if assignment.number <= 2:
            classroom.give_feedback(assignment, HOSTILE)
    classroom.compare(first[0], datetime.now(UTC))
    with running_hub(deployment.settings):
        yield deployment


def test_a_student_sees_where_they_stand(course: Deployment, browser: Browser) -> None:
    alice = SignIn.open(browser, course.settings.bind_url).arrive("alice")
    expect(alice.page.get_by_role("heading", name="Due next")).to_be_visible()
    alice.card(1).get_by_text("Score:").click()
    alice.card(1).get_by_text("1 hand-in").click()
    alice.card(1).get_by_text("Ask for a regrade").click()
    look(alice.page, "page-student", whole=True)
    is_accessible(alice.page)


def test_feedback_runs_nothing_and_has_no_cookie(course: Deployment, browser: Browser) -> None:
    alice = SignIn.open(browser, course.settings.bind_url).arrive("alice")
    alice.card(1).get_by_text("1 hand-in").click()
    alice.card(1).get_by_role("link", name="Feedback").click()
    expect(alice.page.get_by_text("Well done.")).to_be_visible()
    assert alice.page.evaluate("window.stolen") is None
    assert alice.page.evaluate("window.origin") == "null", "feedback shares the site's origin"


def test_a_receipt_is_a_file(course: Deployment, browser: Browser) -> None:
    alice = SignIn.open(browser, course.settings.bind_url).arrive("alice")
    alice.card(1).get_by_text("1 hand-in").click()
    with alice.page.expect_download() as saved:
        alice.card(1).get_by_role("link", name="Receipt").click()
    assert saved.value.suggested_filename.startswith("receipt ")
    assert Path(saved.value.path()).read_text().startswith("CourseHub receipt.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_student_page_fits_a_phone(course: Deployment, browser: Browser, scheme: str) -> None:
    door = SignIn.open(browser, course.settings.bind_url, color_scheme=scheme, **PHONE)
    page = door.arrive("alice").page
    page.locator("#assignment_1").get_by_text("Score:").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    look(page, f"page-student-phone-{scheme}", whole=True)
    is_accessible(page)


def test_the_student_page_needs_no_mouse(course: Deployment, browser: Browser) -> None:
    page = SignIn.open(browser, course.settings.bind_url).arrive("alice").page
    keys = page.keyboard
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    keys.press("Enter")
    keys.press("Tab")
    expect(page.locator(".due a").first).to_be_focused()
    summary = page.locator("#assignment_2 summary").last
    summary.focus()
    keys.press("Enter")
    keys.press("Tab")
    keys.type("Task 4 gave no points, but my answer passes.")
    look(page, "page-student-keyboard")
    keys.press("Tab")
    keys.press("Enter")
    expect(page.get_by_text("Your request is with the staff.")).to_be_visible()
    expect(page.locator("#assignment_2")).to_contain_text("Staff have not answered yet.")


def test_staff_answer_a_regrade_and_give_more_time(course: Deployment, browser: Browser) -> None:
    ines = SignIn.open(browser, course.settings.bind_url).arrive("ines").page
    ines.get_by_role("link", name="Regrades").click()
    request = ines.locator("article").filter(has_text="Task 4 gave no points")
    request.get_by_label("Answer to").fill("Your answer is right; 5 points added.")
    request.get_by_label("were changed").check()
    look(ines, "page-staff-regrades", whole=True)
    is_accessible(ines)
    request.get_by_role("button", name="Answer").click()
    expect(ines.get_by_text("Answered; the student sees it now.")).to_be_visible()

    ines.get_by_role("link", name="Overview").click()
    ines.get_by_role("link", name="5. Mixture of experts").click()
    for name in ("Wang, Wenjie", "Bob Tan"):
        ines.get_by_role("checkbox", name=name).check()
    ines.get_by_role("button", name="Give those chosen more time").click()
    expect(ines.get_by_label("Students, by user name")).to_have_value("bob alice")
    expect(ines.get_by_label("Assignment")).to_have_value("assignment_5")
    until = datetime.now(UTC) + timedelta(days=30)
    ines.get_by_label("Until").fill(f"{until:%Y-%m-%dT%H:%M}")
    ines.get_by_label("Why").fill("Both were ill")
    look(ines, "page-staff-extensions")
    is_accessible(ines)
    ines.get_by_role("button", name="Give more time").click()
    expect(ines.get_by_text("2 students got more time.")).to_be_visible()

    alice = SignIn.open(browser, course.settings.bind_url).arrive("alice").page
    expect(alice.locator("#assignment_2")).to_contain_text("Your answer is right; 5 points added.")
    expect(alice.locator("#assignment_5")).to_contain_text("This is your own deadline")


def test_two_students_make_a_team_hand_in_a_report_and_get_a_score(
    course: Deployment, browser: Browser
) -> None:
    url, dark = course.settings.bind_url, {**PHONE, "color_scheme": "dark"}
    alice = SignIn.open(browser, url).arrive("alice").page
    alice.get_by_role("link", name="Project", exact=True).click()
    alice.get_by_label("Invite a student").fill("bobb")
    alice.get_by_role("button", name="Invite").click()
    expect(alice.get_by_role("alert")).to_contain_text("bobb is no student of this course")
    expect(alice.get_by_label("Invite a student")).to_have_value("bobb")
    look(alice, "page-project-refused")
    alice.get_by_label("Invite a student").fill("bob")
    alice.get_by_role("button", name="Invite").click()
    expect(alice.get_by_text("Bob Tan (bob), invited, no answer yet")).to_be_visible()

    bob = SignIn.open(browser, url, **dark).arrive("bob").page
    expect(bob.get_by_text("You are invited")).to_be_visible()
    bob.get_by_role("link", name="Project", exact=True).click()
    bob.get_by_role("button", name="Accept").click()
    expect(bob.get_by_text("You are in the team.")).to_be_visible()
    bob.get_by_label("one PDF").set_input_files(
        {"name": "ours.pdf", "mimeType": "application/pdf", "buffer": report(1)}
    )
    bob.get_by_role("button", name="Hand in").click()
    expect(bob.get_by_text("Your report is handed in")).to_be_visible()
    with bob.expect_download() as saved:
        bob.get_by_role("link", name=re.compile(r"^Receipt \d+$")).click()
    assert "handed in by: bob" in Path(saved.value.path()).read_text()
    assert bob.evaluate("document.documentElement.scrollWidth") <= 390
    look(bob, "page-project-phone-dark", whole=True)
    is_accessible(bob)

    tara = SignIn.open(browser, url, color_scheme="dark").arrive("tara").page
    tara.get_by_role("link", name="Project", exact=True).click()
    tara.get_by_role("link", name="Reports").click()
    tara.get_by_role("link", name="Score the report of Team 1").click()
    for criterion in load_course(course.settings.course).report.rubric:
        tara.get_by_label(criterion.criterion).fill("8")
    look(tara, "page-staff-score-dark")
    is_accessible(tara)
    tara.get_by_role("button", name="Keep my scores").click()
    expect(tara.get_by_text("Your scores are kept.")).to_be_visible()

    alice.get_by_role("link", name="Course page").click()
    mark = alice.locator("section").filter(has=alice.get_by_role("heading", name="Mark so far"))
    expect(mark).to_contain_text("32.0 of 40")
    expect(mark).to_contain_text("80.0 %")
    look(alice, "page-student-project", whole=True)
    is_accessible(alice)


STAFF_PAGES = {
    "overview": "",
    "class": "assignments/assignment_3",
    "figures": "assignments/assignment_1/figures",
    "edits": "assignments/assignment_1/edits",
    "feedback": "assignments/assignment_3/feedback",
    "similar": "assignments/assignment_1/similar",
    "teams": "project",
    "talks": "project/talks",
    "reports": "project/reports",
    "scores": "project/scores",
    "score": "project/scores/report/1",
    "marks": "project/marks",
    "clock": "clock",
    "gpus": "gpus",
    "journal": "journal",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_ta_looks_at_everything(course: Deployment, browser: Browser, scheme: str) -> None:
    page = SignIn.open(browser, course.settings.bind_url, color_scheme=scheme).arrive("tara").page
    expect(page.get_by_role("heading", name="To do")).to_be_visible()
    for name, path in STAFF_PAGES.items():
        page.goto(f"/services/course/staff/{path}")
        look(page, f"page-staff-{name}-{scheme}", whole=True)
        is_accessible(page)


def test_staffs_pages_fit_a_phone(course: Deployment, browser: Browser) -> None:
    page = SignIn.open(browser, course.settings.bind_url, **PHONE).arrive("tara").page
    for name, path in STAFF_PAGES.items():
        page.goto(f"/services/course/staff/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        look(page, f"page-staff-{name}-phone")


def test_a_ta_decides_about_edits_without_a_mouse(course: Deployment, browser: Browser) -> None:
    page = SignIn.open(browser, course.settings.bind_url).arrive("tara").page
    page.goto("/services/course/staff/assignments/assignment_1/edits")
    card = page.locator("article").filter(has_text="Nobody has decided").first
    who = card.get_attribute("id")
    keys = page.keyboard
    card.get_by_role("radio", name="nothing").focus()
    keys.press("ArrowDown")
    expect(card.get_by_role("radio", name="another amount")).to_be_checked()
    keys.press("Tab")
    expect(card.get_by_label("How much")).to_be_focused()
    keys.type("500")
    keys.press("Tab")
    expect(card.get_by_label("Unit")).to_have_value("points")
    keys.press("Tab")
    keys.type("The set-up is not yours to change.")
    keys.press("Tab")
    keys.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("cannot be taken off")
    card = page.locator(f"#{who}")
    expect(card.get_by_label("Remark")).to_have_value("The set-up is not yours to change.")
    look(page, "page-staff-edits-refused", whole=True)
    is_accessible(page)
    card.get_by_label("How much").fill("5.75")
    card.get_by_role("button", name="Decide").click()
    expect(page.get_by_text("Decided; the student reads it in the feedback.")).to_be_visible()
    expect(card).to_contain_text("5 % of the marks (5.75 points) taken off")
    expect(card).to_be_in_viewport()
    card.get_by_text("Decide again").first.click()
    look(page, "page-staff-edits-decided")
    is_accessible(page)
    page.goto("/services/course/staff/journal?did=decide+about+edits")
    expect(page.locator("table")).to_contain_text("The set-up is not yours to change.")


def test_a_ta_approves_feedback_from_the_overview(course: Deployment, browser: Browser) -> None:
    page = SignIn.open(browser, course.settings.bind_url).arrive("tara").page
    to_do = page.locator(".to-do li").filter(has_text="feedback of assignment 3 waits")
    expect(page.locator(".to-do")).not_to_contain_text("assignment 1")
    to_do.get_by_role("link", name="Look and approve").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("points by hand missing: alice, bob")).to_be_visible()
    look(page, "page-staff-approve")
    page.get_by_role("button", name="Approve anyway").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Approved; feedback goes out by itself.")).to_be_visible()
    expect(to_do).to_have_count(0)
    look(page, "page-staff-approved")
    is_accessible(page)


def open_first_pair(page: Page) -> None:
    page.goto("/services/course/staff/assignments/assignment_1/similar")
    page.get_by_role("link", name="Wang, Wenjie and Bob Tan").click()
    expect(page.get_by_role("heading", name="Wang, Wenjie and Bob Tan")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_two_hand_ins_stand_side_by_side(course: Deployment, browser: Browser, scheme: str) -> None:
    page = SignIn.open(browser, course.settings.bind_url, color_scheme=scheme).arrive("tara").page
    open_first_pair(page)
    left, right = page.locator("#one-1"), page.locator("#other-1")
    expect(left).to_contain_text("x_adv = x.clone()")
    expect(right).to_contain_text("image = x.clone()")
    assert left.bounding_box()["x"] < right.bounding_box()["x"]
    assert left.get_attribute("class") == right.get_attribute("class") == "match-1"
    page.get_by_role("navigation", name="Matches").get_by_role("link", name="2").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#one-2 a")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.url.endswith("#other-2")
    look(page, f"page-staff-similar-pair-{scheme}", whole=True)
    is_accessible(page)


def test_side_by_side_is_stacked_on_a_phone_and_a_look_is_noted(
    course: Deployment, browser: Browser
) -> None:
    page = SignIn.open(browser, course.settings.bind_url, **PHONE).arrive("tara").page
    open_first_pair(page)
    left, right = (page.locator(f"#{side}-1").bounding_box() for side in ("one", "other"))
    assert left["y"] + left["height"] <= right["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    look(page, "page-staff-similar-pair-phone", whole=True)
    is_accessible(page)
    page.get_by_label("Remark for the staff").fill("Both were at the same tutorial.")
    page.get_by_role("button", name="I have looked at it").click()
    expect(page.get_by_text("Noted that you have looked at it.")).to_be_visible()
    page.get_by_text("Seen: 1 pair").click()
    expect(page.get_by_text("Both were at the same tutorial.")).to_be_visible()
    look(page, "page-staff-similar-seen-phone", whole=True)


def test_progress_moves_without_reloading(course: Deployment, browser: Browser) -> None:
    page = SignIn.open(browser, course.settings.bind_url).arrive("tara").page
    told = page.locator('[data-text="assignment_4"]')
    expect(told).to_have_text("0 of 36 graded")
    assignment = Classroom(course.settings, []).course.assignments[3]
    received = {
        row.username: row.received
        for row in Exchange(course.settings).ledger.all()
        if row.assignment == assignment.name
    }
    Classroom(course.settings, []).grade(assignment, dict(list(received.items())[:12]))
    # The page asks every five seconds, and the service's answer may be as old.
    expect(told).to_contain_text("12 of 36 graded", timeout=30_000)
