"""nbgrader's pipeline with our seams: what counts, what does not, and nobody stops others."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from coursehub.errors import NoGpu, SandboxError
from coursehub.exchange.roster import Extension
from coursehub.grading import pipeline, runner
from coursehub.grading.sandbox import Gpu
from coursehub.grading.source import Source
from coursehub.grading.verdict import Verdict
from coursehub.settings import CHECKOUT
from tests.contract.miniature import ASSIGNMENT, HIDDEN, Miniature
from tests.deployment import course_text, prepare

FULL = {"visible": 2, "hidden": 3}
NOW = datetime.now(UTC).replace(microsecond=0)
DUE = NOW - timedelta(minutes=30)


def warn_on_stderr(notebook: NotebookNode) -> None:
    notebook.cells[
        0
    ].source = "import sys\ndef double(x):\n    print('slow', file=sys.stderr)\n    return 2 * x"


def skip_the_tests(notebook: NotebookNode) -> None:
    notebook.cells[0].source = "def double(x):\n    return 0"
    for cell in notebook.cells[1:3]:
        cell.metadata.tags = ["skip-execution"]


def copy_a_test(notebook: NotebookNode) -> None:
    copy = NotebookNode(notebook.cells[1])
    copy.id = "a-copy"
    notebook.cells.append(copy)


def delete_a_test(notebook: NotebookNode) -> None:
    del notebook.cells[1]


def claim_an_old_schema(notebook: NotebookNode) -> None:
    notebook.cells.append(
        new_code_cell(
            "1", metadata={"nbgrader": {"grade_id": "x", "grade": True, "points": 9,
                                        "solution": False, "locked": False, "schema_version": 1}}
        )
    )  # fmt: skip


def kept(course: Miniature, student: str) -> NotebookNode:
    """The notebook that staff see."""
    path = course.folder / "autograded" / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Miniature:
    """One class, everybody with another surprise, graded in one go."""
    text = course_text(released=NOW - timedelta(days=1), due=DUE)
    miniature = Miniature(prepare(tmp_path_factory.mktemp("course"), text))
    on_time = DUE - timedelta(hours=1)
    for student, change in {
        "right": None,
        "warns": warn_on_stderr,
        "skips": skip_the_tests,
        "copies": copy_a_test,
        "deletes": delete_a_test,
        "schema": claim_an_old_schema,
    }.items():
        miniature.collected(student, change, received=on_time)
    miniature.collected("wrong", answer="def double(x):\n    return x + 2", received=on_time)
    miniature.collected(
        "dies", answer="def double(x):\n    import os; os._exit(0)", received=on_time
    )
    miniature.collected("broken", raw=b'{"cells": [', received=on_time)
    miniature.collected("alice", received=DUE + timedelta(minutes=5))
    miniature.collected("bob", received=DUE + timedelta(minutes=5))
    until = DUE + timedelta(hours=1)
    miniature.roster.extend(Extension("bob", ASSIGNMENT, until, "ill", "ines", NOW))
    miniature.outcome = miniature.autograde(
        path.name for path in (miniature.folder / "submitted").iterdir()
    )
    return miniature


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        ("right", FULL),
        ("warns", FULL),
        ("copies", FULL),
        ("deletes", FULL),
        ("schema", FULL),
        ("wrong", {"visible": 2, "hidden": 0}),
        ("skips", {"visible": 0, "hidden": 0}),
        ("dies", {"visible": 0, "hidden": 0}),
        ("broken", {"visible": 0, "hidden": 0}),
    ],
)
def test_points(course: Miniature, student: str, expected: dict[str, float]) -> None:
    assert course.outcome[student].done, course.outcome[student].problem
    points = course.points(student)
    assert {name: points[name] for name in expected} == expected


def test_what_cannot_be_read_is_rejected_with_its_reason(course: Miniature) -> None:
    verdict = course.outcome["broken"].verdict
    assert verdict is not None
    assert verdict.status == "rejected"
    assert "JSON" in verdict.reason
    assert verdict.reason in kept(course, "broken").cells[0].source
    assert all("BEGIN SOLUTION" not in cell.source for cell in kept(course, "broken").cells)


def test_what_was_changed_stands_on_top_for_staff(course: Miniature) -> None:
    top = kept(course, "deletes").cells[0].source
    assert "visible" in top and "deleted" in top
    assert [cell.id for cell in kept(course, "deletes").cells[1:3]] == ["answer", "visible"]


def test_a_failed_test_shows_its_message_to_staff(course: Miniature) -> None:
    cells = {cell.id: cell for cell in kept(course, "wrong").cells}
    (error,) = [each for each in cells["hidden"].outputs if each.output_type == "error"]
    assert "twice 21 is 42" in error.evalue
    assert not [each for each in cells["visible"].outputs if each.output_type == "error"]


def test_stocks_own_command_grades_the_class_by_the_same_pipeline(course: Miniature) -> None:
    """`nbgrader autograde`; the formgrader's button is the same call of nbgrader's API."""
    folder = course.folder / "autograded"
    before = {path: path.read_bytes() for path in folder.glob("*/*/*.ipynb")}
    run = subprocess.run(
        [Path(sys.executable).parent / "nbgrader", "autograde", ASSIGNMENT, "--force"],
        cwd=CHECKOUT,
        env={
            **course.settings.environment(),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(course.settings.state),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert {path.parts[-3] for path in folder.glob("*/*/*.ipynb")} == {
        path.parts[-3] for path in before
    }
    assert course.points("wrong")["hidden"] == 0
    assert course.points("right")["hidden"] == 3


def test_graded_again_what_a_person_gave_stays(course: Miniature) -> None:
    with course.gradebook() as gradebook:
        hidden = gradebook.find_grade("hidden", ASSIGNMENT, ASSIGNMENT, "copies")
        hidden.manual_score, hidden.extra_credit = 1, 0.5
        gradebook.find_comment("answer", ASSIGNMENT, ASSIGNMENT, "copies").manual_comment = "well"
        gradebook.db.commit()
    course.autograde(["copies"])
    with course.gradebook() as gradebook:
        hidden = gradebook.find_grade("hidden", ASSIGNMENT, ASSIGNMENT, "copies")
        assert (hidden.auto_score, hidden.manual_score, hidden.extra_credit) == (3, 1, 0.5)
        assert not hidden.needs_manual_grade  # nothing is new: nobody has to look again
        comment = gradebook.find_comment("answer", ASSIGNMENT, ASSIGNMENT, "copies")
        assert comment.manual_comment == "well"


def test_what_is_graded_is_known_until_something_newer_is_handed_in(course: Miniature) -> None:
    assert runner.is_graded(course.folder, ASSIGNMENT, "warns")
    stamp = course.folder / "submitted" / "warns" / ASSIGNMENT / "timestamp.txt"
    before = stamp.read_text()
    stamp.write_text(NOW.strftime("%Y-%m-%d %H:%M:%S.%f UTC"))
    assert not runner.is_graded(course.folder, ASSIGNMENT, "warns")
    stamp.write_text(before)


def test_the_formgrader_shows_the_due_date_before_anybody_is_graded(tmp_path: Path) -> None:
    text = course_text(released=NOW - timedelta(days=1), due=DUE)
    miniature = Miniature(prepare(tmp_path, text))
    with miniature.gradebook() as gradebook:
        due = gradebook.find_assignment(ASSIGNMENT).duedate
        assert due == DUE.replace(tzinfo=None, microsecond=999_999)
        assert gradebook.assignment_submissions(ASSIGNMENT) == []


def test_late_penalty_and_extension_follow_the_course(course: Miniature) -> None:
    with course.gradebook() as gradebook:
        late = gradebook.find_submission(ASSIGNMENT, "alice")
        extended = gradebook.find_submission(ASSIGNMENT, "bob")
        assert late.total_seconds_late == pytest.approx(300, abs=2)
        assert (late.score, late.late_submission_penalty) == (5, 5)
        assert (late.student.last_name, late.student.first_name) == ("Wang, Wenjie", "A0100000J")
        assert (extended.total_seconds_late, extended.late_submission_penalty) == (0, 0)
        assert gradebook.find_submission(ASSIGNMENT, "right").total_seconds_late == 0


def test_points_by_hand_change_the_penalty_before_feedback(course: Miniature) -> None:
    with course.gradebook() as gradebook:
        written = gradebook.find_grade("written", ASSIGNMENT, ASSIGNMENT, "alice")
        written.manual_score = 4
        gradebook.db.commit()
    runner.feedback(course.make_config, ASSIGNMENT)
    with course.gradebook() as gradebook:
        late = gradebook.find_submission(ASSIGNMENT, "alice")
        assert (late.score, late.late_submission_penalty) == (9, 9)


def test_feedback_keeps_the_message_and_hides_the_test(course: Miniature) -> None:
    runner.feedback(course.make_config, ASSIGNMENT)
    page = course.folder / "feedback" / "wrong" / ASSIGNMENT / f"{ASSIGNMENT}.html"
    text = page.read_text()
    assert "twice 21 is 42" in text
    assert HIDDEN not in text
    assert "double(21)" not in text


NOTHING = Source(Path("nothing"), {}, {})


class Flaky:
    """A sandbox whose first workers break as soon as they are used."""

    name, real = "flaky", True

    def __init__(self, broken: int) -> None:
        self.broken, self.started, self.ended = broken, 0, 0

    @contextmanager
    def worker(self, **_: object) -> Iterator[object]:
        self.started += 1
        try:
            yield self if self.started <= self.broken else None
        finally:
            self.ended += 1

    def processes(self, *_: object) -> None:
        raise SandboxError("the zygote is gone")


def flaky_grade(monkeypatch: pytest.MonkeyPatch, sandbox: Flaky) -> str:
    """Grade with a worker that may be broken; what the real pipeline did is not of interest."""

    def grade(source: object, folder: Path, worker: Flaky | None, **_: object) -> pipeline.Graded:
        if worker is not None:
            worker.processes()
        verdict = Verdict(folder.name, "graded", "", {}, {}, (), (), 0.0)
        return pipeline.Graded(verdict, {}, {}, 0)

    monkeypatch.setattr(pipeline, "grade", grade)
    with pipeline.Grader(sandbox) as grader:
        return grader.grade(NOTHING, Path("alice")).verdict.status


def test_what_fails_for_reasons_of_ours_is_tried_once_more_afresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox = Flaky(broken=1)
    assert flaky_grade(monkeypatch, sandbox) == "graded"
    assert (sandbox.started, sandbox.ended) == (2, 2)


def test_what_fails_twice_is_no_verdict_and_no_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Flaky(broken=2)
    with pytest.raises(SandboxError, match="the zygote is gone"):
        flaky_grade(monkeypatch, sandbox)
    assert (sandbox.started, sandbox.ended) == (2, 2)


def test_an_error_in_our_own_parts_concerns_one_hand_in_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox = Flaky(broken=0)
    monkeypatch.setattr(pipeline, "read_submission", lambda *_: 1 / 0)
    with pipeline.Grader(sandbox) as grader, pytest.raises(SandboxError, match="ZeroDivision"):
        grader.grade(NOTHING, Path("alice"))


def test_a_gpu_is_lent_for_as_long_as_hand_ins_need_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker has it, and it goes back before a worker without one starts."""
    happened: list[str] = []

    @contextmanager
    def lend() -> Iterator[Gpu]:
        happened.append("lent")
        yield Gpu("nvidia.com/gpu=0", held=lambda: "over" not in happened)
        happened.append("back")

    class Sandbox(Flaky):
        @contextmanager
        def worker(self, **wanted: object) -> Iterator[object]:
            gpu = wanted.get("gpu")
            happened.append(f"worker with {gpu.request if isinstance(gpu, Gpu) else gpu}")
            yield self

    def grade(source: object, folder: Path, worker: object, **_: object) -> pipeline.Graded:
        verdict = Verdict(folder.name, "graded", "", {}, {}, (), (), 0.0)
        return pipeline.Graded(verdict, {}, {}, 0)

    monkeypatch.setattr(pipeline, "grade", grade)
    with pipeline.Grader(Sandbox(0), lend) as grader:
        for gpu in (True, True, False):
            grader.grade(NOTHING, Path("alice"), gpu=gpu)
    assert happened == ["lent", "worker with nvidia.com/gpu=0", "back", "worker with None"]

    happened.clear()
    with pipeline.Grader(Sandbox(0), lend) as grader:
        grader.grade(NOTHING, Path("alice"), gpu=True)
        happened.append("over")
        grader.grade(NOTHING, Path("bob"), gpu=True)
    once = ["lent", "worker with nvidia.com/gpu=0"]
    assert happened == [*once, "over", "back", *once, "back"]

    with pipeline.Grader(Sandbox(0)) as grader, pytest.raises(NoGpu, match="gpu: true"):
        grader.grade(NOTHING, Path("alice"), gpu=True)


@pytest.mark.parametrize("when", ["one is done", "one is half recorded"])
def test_after_a_kill_it_goes_on_and_grades_nothing_twice(tmp_path: Path, when: str) -> None:
    """`coursehub autograde`, killed in the middle of its work, and started again."""
    text = course_text(released=NOW - timedelta(days=1), due=DUE)
    miniature = Miniature(prepare(tmp_path, text))
    students = ["amy", "ben", "cho", "dee"]
    for student in students:
        slow = "import time\ntime.sleep(1)\ndef double(x):\n    return 2 * x"
        miniature.collected(student, answer=slow, received=DUE - timedelta(hours=1))
    command = [Path(sys.executable).parent / "coursehub", "autograde", ASSIGNMENT, "--jobs=1"]
    command += [f"--student={student}" for student in students]
    environment = {**os.environ, **miniature.settings.environment()}
    done = partial(runner.is_graded, miniature.folder, ASSIGNMENT)

    def half_recorded(student: str) -> bool:
        return kept_path(miniature, student).exists() and not done(student)

    reached = {"one is done": done, "one is half recorded": half_recorded}[when]
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        while not any(map(reached, students)):
            assert killed.poll() is None, "it ended before it could be killed"
            time.sleep(0.001)
    finally:
        killed.kill()
        killed.wait()
    assert any(map(reached, students))
    before = {student: kept_at(miniature, student) for student in students if done(student)}
    assert len(before) < len(students)
    log = miniature.settings.state / "autograde.log"
    log.write_text("")
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert again.returncode == 0, again.stderr
    assert all(map(done, students))
    assert {student: kept_at(miniature, student) for student in before} == before
    left = sorted(set(students) - before.keys())
    recorded = re.findall(rf"Autograding .*/autograded/(\w+)/{ASSIGNMENT}/", log.read_text())
    assert sorted(recorded) == left, "each of the others once"
    if before:
        assert f"{len(before)} were already" in again.stdout
    assert all(miniature.points(student)["hidden"] == 3 for student in students)


def kept_path(course: Miniature, student: str) -> Path:
    """The notebook that staff see."""
    return course.folder / "autograded" / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"


def kept_at(course: Miniature, student: str) -> int:
    """When the notebook that staff see was written."""
    return kept_path(course, student).stat().st_mtime_ns
