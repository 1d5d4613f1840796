"""A week in the deployed form: two students and a TA, each in a container, in a browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.compose import Composed
from tests.deployed.conftest import lent
from tests.e2e.pages import Lab, SignIn, look
from tests.e2e.week import (
    ASSIGNMENT,
    OWN_CELL,
    cannot_load_what_a_student_handed_in,
    collects_and_autogrades,
    fetches,
    fetches_feedback,
    gives_feedback,
    grades_by_hand,
    hands_in,
    opens_the_assignment_list,
    opens_the_formgrader,
    reads_feedback,
    sees_the_visible_tests,
    shows_the_receipt,
    solves,
    stays_out_of_the_formgrader,
    validates,
)


@pytest.fixture(scope="module")
def course(shared: Composed) -> Iterator[Composed]:
    with lent(shared) as running:
        yield running


def test_hand_ins_go_to_the_staff_and_come_back(course: Composed, browser: Browser) -> None:
    url = course.settings.bind_url
    alice = SignIn.open(browser, url).enter("alice")
    alices = opens_the_assignment_list(alice)
    fetches(alices)
    solves(alices, course)
    validates(alices)
    hands_in(alices, although=OWN_CELL)
    sees_the_visible_tests(alices, "5 of 5")
    the_receipt_is_true(course, alice, "alice", number=1)

    bob = SignIn.open(browser, url).enter("bob")
    bobs = opens_the_assignment_list(bob)
    fetches(bobs)
    hands_in(bobs, although="were not run")
    sees_the_visible_tests(bobs, "0 of 5")
    the_receipt_is_true(course, bob, "bob", number=2)

    tara = SignIn.open(browser, url).enter("tara")
    stays_out_of_the_formgrader(alice)
    formgrader = opens_the_formgrader(tara)
    collects_and_autogrades(formgrader)
    the_grader_graded_in_a_container(course)
    grades_by_hand(formgrader)
    gives_feedback(formgrader)
    cannot_load_what_a_student_handed_in(tara)
    the_log_names_the_ta(course)

    fetches_feedback(alices)
    reads_feedback(alice)
    look(bob.page, "deployed-bob")


def the_receipt_is_true(course: Composed, lab: Lab, username: str, number: int) -> None:
    text = course.read_home(username, shows_the_receipt(lab, number, username)).decode()
    verified = course.compose(
        "exec", "-T", "course", "sh", "-c",
        "cat > /tmp/receipt && coursehub receipt verify /tmp/receipt", text=text,
    )  # fmt: skip
    assert verified.splitlines()[0].endswith(": true")
    assert f"handed in by: {username}" in verified


def the_grader_graded_in_a_container(course: Composed) -> None:
    """Not the TA's own: it has no engine, and what it would say of its sandbox is not there."""
    said = course.service("grader").logs().decode()
    assert "sandbox 'docker'" in said and f"full grading 3, {ASSIGNMENT} of alice" in said, said
    path = f"course/autograded/alice/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"
    code, kept = course.inside("tara", "cat", path)
    assert code == 0 and "**Graded.**" in kept and "isolates less" not in kept
    assert "Hand-ins are graded." in course.cli("grader", "desk")


def the_log_names_the_ta(course: Composed) -> None:
    said = course.cli("grader", "gradebook", "log", ASSIGNMENT, "--student", "alice")
    assert re.search(r"tara.*a1_written", said), said
