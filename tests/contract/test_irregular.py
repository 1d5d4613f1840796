"""Hand-ins with links and named pipes in submitted/: nothing is followed, nothing waits."""

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from nbgrader.apps import NbGraderAPI

from coursehub.grading import runner
from tests.contract.miniature import ASSIGNMENT, Miniature
from tests.deployment import open_course, prepare

ELSEWHERE = "hidden tests of all assignments"
SECONDS = 120  # far more than four small hand-ins take, far less than for ever


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Miniature]:
    """Links and pipes beside the notebook, in its place, and in place of the whole folder."""
    root = tmp_path_factory.mktemp("irregular")
    miniature = Miniature(prepare(root, open_course(now=datetime.now(UTC))))
    secret = root / "secret.txt"
    secret.write_text(ELSEWHERE)
    for student in ("beside", "stamp", "notebook", "pipe", "folder", "honest"):
        miniature.collected(student)
    beside = handed_in(miniature, "beside")
    (beside / "data.txt").symlink_to(secret)
    (beside / "all").symlink_to(root, target_is_directory=True)
    (beside / "nowhere").symlink_to(root / "not there")
    os.mkfifo(beside / "pipe")
    (beside / "deep").mkdir()
    (beside / "deep" / "own.txt").write_text("the student's own")
    (beside / "deep" / "link.txt").symlink_to(secret)
    with socket.socket(socket.AF_UNIX) as made:
        before = Path.cwd()
        os.chdir(beside)  # the name of a socket must be short
        made.bind("socket")
        os.chdir(before)
    stamp = handed_in(miniature, "stamp") / "timestamp.txt"
    stamp.unlink()
    os.mkfifo(stamp)
    notebook = handed_in(miniature, "notebook") / f"{ASSIGNMENT}.ipynb"
    notebook.unlink()
    notebook.symlink_to(handed_in(miniature, "honest") / notebook.name)
    notebook = handed_in(miniature, "pipe") / f"{ASSIGNMENT}.ipynb"
    notebook.unlink()
    os.mkfifo(notebook)
    folder = handed_in(miniature, "folder")
    folder.rename(root / "elsewhere")
    folder.symlink_to(root / "elsewhere", target_is_directory=True)
    yield miniature


def handed_in(course: Miniature, student: str) -> Path:
    return course.folder / "submitted" / student / ASSIGNMENT


def kept(course: Miniature, student: str) -> dict[str, bytes]:
    """What lies in the autograded folder; a pipe in it would stop this test."""
    folder = course.folder / "autograded" / student / ASSIGNMENT
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if not path.is_dir()
    }


@pytest.mark.timeout(SECONDS)
def test_nobody_waits_and_nothing_is_followed(course: Miniature) -> None:
    students = ("beside", "stamp", "notebook", "pipe", "folder", "honest")
    outcome = course.autograde(students)
    assert [name for name in students if not outcome[name].done] == [], outcome
    assert kept(course, "beside").keys() == {
        f"{ASSIGNMENT}.ipynb", "timestamp.txt", "submission_secret.txt", "deep/own.txt",
    }  # fmt: skip
    for student in students:
        assert not any(ELSEWHERE.encode() in content for content in kept(course, student).values())
    assert course.points("honest")["hidden"] == 3
    assert course.points("beside")["hidden"] == 3
    assert course.points("stamp")["hidden"] == 3
    for student in ("notebook", "pipe", "folder"):
        assert outcome[student].verdict.status == "rejected", student  # type: ignore[union-attr]
        assert course.points(student)["hidden"] == 0


@pytest.mark.timeout(SECONDS)
def test_what_was_left_out_is_told(course: Miniature) -> None:
    text = kept(course, "beside")[f"{ASSIGNMENT}.ipynb"].decode()
    top = nbformat.reads(text, as_version=4).cells[0].source
    for told in ("data.txt is a link", "pipe is a named pipe", "socket is a socket"):
        assert told in top


@pytest.mark.timeout(SECONDS)
def test_nbgraders_own_step_does_the_same(course: Miniature) -> None:
    """What the formgrader's button and `nbgrader autograde` call."""
    api = NbGraderAPI(config=course.make_config())
    for student in ("beside", "pipe"):
        answer = api.autograde(ASSIGNMENT, student)
        assert answer["success"], answer
    assert "data.txt" not in kept(course, "beside")


def test_what_staff_put_beside_the_source_may_be_a_link(course: Miniature, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("1,2\n")
    (course.folder / "source" / ASSIGNMENT / "data.csv").symlink_to(data)
    runner.release(course.make_config, ASSIGNMENT)
    assert (course.folder / "release" / ASSIGNMENT / "data.csv").read_text() == "1,2\n"
