"""The course pages as a student, a TA and an instructor see them, in Chromium."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from coursehub.hub.process import running_hub
from tests.classroom import Classroom, course_in_week
from tests.deployment import Deployment, prepare
from tests.e2e.pages import SignIn, look

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
HOSTILE = "<p>Well done.</p><script>window.stolen = document.cookie || 'ran'</script>"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The eighth week of a class of forty: two assignments given back, one graded, one open."""
    state = tmp_path_factory.mktemp("pages")
    deployment = prepare(state, course_in_week(8, datetime.now(UTC).date()))
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
    with running_hub(deployment.settings):
        yield deployment


def test_a_student_sees_where_they_stand(course: Deployment, browser: Browser) -> None:
    alice = SignIn.open(browser, course.settings.bind_url).arrive("alice")
    expect(alice.page.get_by_role("heading", name="Due next")).to_be_visible()
    look(alice.page, "page-student")
    alice.page.screenshot(path="tests/output/page-student-full.png", full_page=True)
