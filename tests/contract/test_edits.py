"""Edits outside the answers: proposed by the course, decided by a person, told to the student."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader.apps import NbGraderAPI
from typer.testing import CliRunner, Result

from coursehub.cli import app
from coursehub.cli.edits import course_decisions
from coursehub.errors import CourseHubError, NotFound
from coursehub.gradebook.database import upgrade
from coursehub.grading import runner
from tests.contract.miniature import ASSIGNMENT, Miniature
from tests.deployment import course_text, prepare

NOW = datetime.now(UTC).replace(microsecond=0)
DUE = NOW - timedelta(minutes=30)
ON_TIME = DUE - timedelta(hours=1)
HOSTILE = "</pre><script>window.stolen = 1</script>"
MARKS = 10  # of the miniature


def with_policy(text: str) -> str:
    """A course that proposes 10 percent an edit, at most 30, and gives late hand-ins half."""
    policy = "edits:\n  action: penalise\n  penalty: 10\n  cap: 30\n"
    bands = "late:\n  bands: [{within: 24h, credit: 0.5}]\n"
    text, edits = re.subn(r"edits:\n  action: warn\n  penalty: 0\n", policy, text)
    text, late = re.subn(r"late:\n  bands: \[\]\n", bands, text)
    assert (edits, late) == (1, 1)
    return text


def edit_a_test(notebook: NotebookNode) -> None:
    notebook.cells[1].source = f"print({HOSTILE!r})"


def edit_twice(notebook: NotebookNode) -> None:
    edit_a_test(notebook)
    notebook.cells.append(new_code_cell("mine = 1"))


def add_five(notebook: NotebookNode) -> None:
    notebook.cells += [new_code_cell(f"mine = {number}") for number in range(5)]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Miniature]:
    """A class with edits; everybody has all 5 points of the tests."""
    text = with_policy(course_text(released=NOW - timedelta(days=1), due=DUE))
    miniature = Miniature(prepare(tmp_path_factory.mktemp("edits"), text))
    late = DUE + timedelta(minutes=5)
    for student, change, received in (
        ("alice", edit_a_test, ON_TIME),
        ("bob", edit_twice, late),
        ("carol", add_five, ON_TIME),
        ("dora", None, ON_TIME),
    ):
        miniature.collected(student, change, received=received)
    outcome = miniature.autograde(("alice", "bob", "carol", "dora"))
    assert all(each.done for each in outcome.values()), outcome
    yield miniature


def edits(course: Miniature, *words: str) -> Result:
    """`coursehub edits`."""
    environment = os.environ | course.settings.environment() | {"COLUMNS": "120"}
    return CliRunner().invoke(app, ["edits", ASSIGNMENT, *words], env=environment)


def taken_off(course: Miniature, student: str) -> float:
    with course.gradebook() as gradebook:
        return gradebook.find_submission(ASSIGNMENT, student).late_submission_penalty


def feedback_of(course: Miniature, student: str) -> str:
    runner.feedback(course.make_config, ASSIGNMENT)
    path = course.folder / "feedback" / student / ASSIGNMENT / f"{ASSIGNMENT}.html"
    return path.read_text()


def test_without_a_decision_nothing_is_taken_off(course: Miniature) -> None:
    found = {each.student: each for each in course_decisions(course.settings).hand_ins(ASSIGNMENT)}
    assert set(found) == {"alice", "bob", "carol"}
    proposed = {name: (each.proposal, each.open, each.percent) for name, each in found.items()}
    assert proposed == {"alice": (10, True, 0), "bob": (20, True, 0), "carol": (30, True, 0)}
    assert taken_off(course, "alice") == 0
    assert taken_off(course, "bob") == 2.5  # late
    assert course_decisions(course.settings).overview() == [(ASSIGNMENT, 3, 3)]


def test_undecided_edits_are_named_with_the_feedback(course: Miniature) -> None:
    environment = os.environ | course.settings.environment()
    done = CliRunner().invoke(app, ["feedback", ASSIGNMENT], env=environment)
    assert done.exit_code == 0, done.output
    named = [line.partition(":")[0] for line in done.output.splitlines() if "decide" in line]
    assert named == ["alice", "bob", "carol"]
    shown = NbGraderAPI(config=course.make_config()).generate_feedback(ASSIGNMENT, "alice")
    assert "alice: nobody has decided about the edits" in shown["log"]  # in the formgrader
    page = course.folder / "feedback" / "alice" / ASSIGNMENT / f"{ASSIGNMENT}.html"
    text = page.read_text()
    assert "The text of visible was edited" in text
    assert "may be taken off" not in text
    assert "aken off" not in text


def test_the_list_in_the_terminal(course: Miniature) -> None:
    done = edits(course, "--student=alice")
    assert done.exit_code == 0, done.output
    assert "Wang, Wenjie (alice)" in done.output
    assert "-assert double(2) == 4" in done.output
    assert "Proposed: 10 % of the marks" in done.output
    assert "Not decided: nothing is taken off" in done.output
    assert f"{ASSIGNMENT}: 1 with edits outside the answers, 1 to decide" in done.output


def test_accepted_it_is_taken_off_and_the_student_reads_why(course: Miniature) -> None:
    done = edits(course, "--student=alice", "--accept", "--reason=Tests are <b>ours</b>.",
                 "--by=tara")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "Decided: 10 % taken off by Tara Lim" in done.output
    assert re.search(r"Tara Lim, \w+day \d+ \w+ \d{4}, \d\d:\d\d", " ".join(done.output.split()))
    assert taken_off(course, "alice") == MARKS * 0.10
    text = feedback_of(course, "alice")
    assert "Score: 4.0 / 10.0" in text
    assert "Taken off for the edits outside the answers: 1 points" in text
    assert "10 % of the assignment's marks" in unescape(text)
    assert "a teaching assistant" in text
    assert "Tara" not in text
    assert "&lt;b&gt;ours&lt;/b&gt;" in text
    assert "-assert double(2) == 4" in unescape(text)
    assert "<script>window" not in text
    assert "Late submission penalty" not in text


def test_lateness_and_edits_are_told_apart(course: Miniature) -> None:
    assert edits(course, "--student=bob", "--percent=5", "--by=ines").exit_code == 0
    assert taken_off(course, "bob") == 2.5 + 0.5
    text = feedback_of(course, "bob")
    assert "Late submission penalty (Score: -2.5)" in text
    assert "Taken off for the edits outside the answers: 0.5 points" in text
    assert "an instructor" in text
    assert "Score: 2.0 / 10.0" in text


def test_waived_nothing_is_taken_off(course: Miniature) -> None:
    assert edits(course, "--student=carol", "--accept").exit_code == 0
    assert taken_off(course, "carol") == 3
    assert edits(course, "--student=carol", "--waive", "--reason=Notes.").exit_code == 0
    assert taken_off(course, "carol") == 0
    text = feedback_of(course, "carol")
    assert "Nothing was taken off for the edits outside the answers" in text
    assert "the course staff" in text
    assert "Reason: Notes." in text


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--accept"], "whose edits?"),
        (["--student=dora", "--waive"], "dora has no edits outside the answers"),
        (["--student=alice", "--waive", "--accept"], "one decision at a time"),
        (["--student=alice", "--percent=31"], "at most 30"),
        (["--student=alice", "--percent=-1"], "cannot be taken off"),
        (["--student=alice", "--percent=nan"], "cannot be taken off"),
    ],
)
def test_what_cannot_be_decided(course: Miniature, words: list[str], problem: str) -> None:
    before = taken_off(course, "alice")
    done = edits(course, *words)
    assert done.exit_code == 2
    assert problem in done.output
    assert taken_off(course, "alice") == before


def test_points_by_hand_do_not_change_what_edits_cost(course: Miniature) -> None:
    edits(course, "--student=alice", "--accept")
    with course.gradebook() as gradebook:
        gradebook.find_grade("written", ASSIGNMENT, ASSIGNMENT, "alice").manual_score = 5
        gradebook.db.commit()
    assert "Score: 9.0 / 10.0" in feedback_of(course, "alice")


def test_graded_again_a_decision_holds_for_the_same_edits_alone(course: Miniature) -> None:
    edits(course, "--student=carol", "--accept", "--by=tara")
    course.autograde(["carol"])
    assert taken_off(course, "carol") == 3
    course.collected_again("carol", edit_a_test, received=ON_TIME)
    course.autograde(["carol"])
    assert taken_off(course, "carol") == 0
    hand_in = course_decisions(course.settings).hand_in(ASSIGNMENT, "carol")
    assert (hand_in.decision, hand_in.open) == (None, True)
    assert "Decide again" in edits(course, "--student=carol").output


def test_who_edits_nothing_any_more_owes_nothing(course: Miniature) -> None:
    edits(course, "--student=bob", "--accept")
    course.collected_again("bob", received=ON_TIME)
    course.autograde(["bob"])
    assert taken_off(course, "bob") == 0
    with pytest.raises(NotFound):
        course_decisions(course.settings).hand_in(ASSIGNMENT, "bob")


def test_what_changed_since_it_was_looked_at_is_not_decided(course: Miniature) -> None:
    decisions = course_decisions(course.settings)
    with pytest.raises(CourseHubError, match="graded anew meanwhile"):
        decisions.decide(ASSIGNMENT, "alice", "another digest", "waived", 0, "", "tara")


def test_tables_are_made_once(course: Miniature) -> None:
    upgrade(str(course.settings.gradebook), "cs5260")
    upgrade(str(course.settings.gradebook), "cs5260")
    assert course_decisions(course.settings).hand_ins(ASSIGNMENT)
