"""`coursehub autograde --again` after a source was corrected: what changes, and what never does."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from rich.console import Console
from typer.testing import CliRunner, Result

from coursehub.cli import app
from coursehub.cli.changes import Points, Standing, changes, show_changes
from coursehub.cli.progress import progress
from coursehub.grading import runner
from tests.contract.miniature import ASSIGNMENT, HIDDEN, Miniature
from tests.deployment import open_course, prepare

STUDENTS = ("amy", "ben", "cho")


def autograde(course: Miniature, students: Sequence[str] = STUDENTS, *words: str) -> Result:
    """`coursehub autograde`, with what it prints."""
    environment = os.environ | course.settings.environment() | {"COLUMNS": "200"}
    named = [f"--student={student}" for student in students]
    command = ["autograde", ASSIGNMENT, "--jobs=1", *named, *words]
    return CliRunner().invoke(app, command, env=environment)


def given(course: Miniature, student: str) -> dict[str, tuple[object, ...]]:
    """Cell -> automatic points, points by hand, extra credit, the most, whether to look again."""
    with course.gradebook() as gradebook:
        notebook = gradebook.find_submission_notebook(ASSIGNMENT, ASSIGNMENT, student)
        return {
            grade.name: (
                grade.auto_score, grade.manual_score, grade.extra_credit, grade.max_score,
                grade.needs_manual_grade,
            )
            for grade in notebook.grades
        }  # fmt: skip


def correct_the_source(course: Miniature) -> None:
    """The hidden test was wrong and gets more points, one test goes, and one comes."""
    path = course.folder / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    source = nbformat.read(path, as_version=4)
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in source.cells}
    cells["hidden"].source = cells["hidden"].source.replace(HIDDEN, "assert double(1) == 3, 'odd'")
    cells["hidden"].metadata.nbgrader.points = 6
    marks = {**cells["visible"].metadata.nbgrader, "grade_id": "more"}
    more = new_code_cell("assert double(2) < 5", metadata={"nbgrader": marks}, id="more")
    source.cells.remove(cells["visible"])
    source.cells.append(more)
    nbformat.write(source, path)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Miniature]:
    """Three hand-ins, graded, then by hand as well; then the source is corrected."""
    now = datetime.now(UTC)
    miniature = Miniature(prepare(tmp_path_factory.mktemp("again"), open_course(now=now)))
    answers = {"amy": "2 * x", "ben": "x + 2", "cho": "2 * x"}
    for student, answer in answers.items():
        text = f"def double(x):\n    return {answer}"
        miniature.collected(student, answer=text, received=now - timedelta(hours=1))
    first = autograde(miniature)
    assert first.exit_code == 0, first.output
    with miniature.gradebook() as gradebook:

        def grade(student: str, cell: str, **points: float) -> None:
            found = gradebook.find_grade(cell, ASSIGNMENT, ASSIGNMENT, student)
            for name, value in points.items():
                setattr(found, name, value)
            found.needs_manual_grade = False

        grade("amy", "hidden", manual_score=1)
        for student in STUDENTS:
            grade(student, "written", manual_score=4)
        grade("ben", "visible", extra_credit=0.5)
        comment = gradebook.find_comment("written", ASSIGNMENT, ASSIGNMENT, "ben")
        comment.manual_comment = "Good."
        gradebook.db.commit()
    miniature.first = first
    correct_the_source(miniature)
    miniature.second = autograde(miniature, STUDENTS, "--again")
    yield miniature


def test_outside_a_terminal_there_is_a_plain_line_for_each(course: Miniature) -> None:
    lines = [line for line in course.first.output.splitlines() if line.startswith("Autograding")]
    assert [line.partition(" done, ")[0] for line in lines] == [
        f"Autograding {ASSIGNMENT}: {number} of 3" for number in (1, 2, 3)
    ]
    assert "2 left, about" in lines[0]
    assert "\x1b" not in course.first.output
    assert "\r" not in course.first.output


def test_points_follow_the_corrected_source(course: Miniature) -> None:
    assert course.second.exit_code == 0, course.second.output
    assert given(course, "amy")["more"] == (2, None, None, 2, False)
    assert given(course, "ben")["hidden"] == (6, None, None, 6, False)
    assert given(course, "cho")["hidden"] == (0, None, None, 6, False)
    assert "visible" not in given(course, "amy")
    with course.gradebook() as gradebook:
        assert gradebook.find_submission(ASSIGNMENT, "cho").score == 2 + 4
        assert gradebook.find_assignment(ASSIGNMENT).max_score == 6 + 2 + 5


def test_what_a_person_gave_stays_and_is_looked_at_where_it_may_be_wrong(
    course: Miniature,
) -> None:
    assert given(course, "amy")["hidden"] == (0, 1, None, 6, True)
    assert given(course, "ben")["written"] == (0, 4, None, 5, False)
    assert given(course, "ben")["visible"] == (0, None, 0.5, 0, False)
    with course.gradebook() as gradebook:
        comment = gradebook.find_comment("written", ASSIGNMENT, ASSIGNMENT, "ben")
        assert comment.manual_comment == "Good."


def test_the_table_says_what_changed(course: Miniature) -> None:
    table = [line.split("  ") for line in course.second.output.splitlines()]
    rows = {
        tuple(word.strip() for word in line[:50] if word.strip())
        for line in table
        if line[0].strip() in STUDENTS or line[0].strip() == ""
    }
    assert ("amy", "hidden", "3 of 3", "0 of 6", "kept: set by hand (1)") in rows
    assert ("amy", "visible", "2 of 2", "—", "no longer in the source") in rows
    assert ("amy", "more", "—", "2 of 2", "new in the source") in rows
    assert ("amy", "total", "7", "7", "same") in rows
    kept = "no longer in the source; kept: set by hand (+ 0.5 extra)"
    assert ("ben", "visible", "2 of 2", "0 of 0", kept) in rows
    assert ("ben", "total", "6.5", "12.5") in rows


def test_the_students_version_can_be_made_anew(course: Miniature) -> None:
    runner.release(course.make_config, ASSIGNMENT)
    assert "more" in {cell.id for cell in course.released().cells}


def test_again_without_a_change_says_so_and_asks_nobody_to_look(course: Miniature) -> None:
    before = given(course, "ben")
    again = autograde(course, ["ben"], "--again")
    assert "No points changed." in again.output
    assert f"{ASSIGNMENT}: 1 of 1 graded" in again.output
    assert given(course, "ben") == before


def test_who_hands_in_something_else_is_looked_at_again(course: Miniature) -> None:
    place = course.folder / "submitted" / "cho" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    notebook = nbformat.read(place, as_version=4)
    next(cell for cell in notebook.cells if cell.id == "written").source = "Because I say so."
    nbformat.write(notebook, place)
    autograde(course, ["cho"], "--again")
    assert given(course, "cho")["written"] == (None, 4, None, 5, True)


def test_what_cannot_be_graded_is_listed_with_its_reason(course: Miniature) -> None:
    """Somebody whose autograded folder cannot be written; nobody else waits."""
    blocked = course.folder / "autograded" / "zoe"
    blocked.write_text("a file where a folder should be")
    course.collected("zoe")
    done = autograde(course, ["zoe", "amy"], "--again")
    assert done.exit_code == 2
    assert "zoe: not graded: " in done.output
    assert f"{ASSIGNMENT}: 1 of 2 graded" in done.output
    blocked.unlink()
    assert autograde(course, ["zoe"]).exit_code == 0


def test_in_a_terminal_there_is_a_bar() -> None:
    screen = Console(file=StringIO(), force_terminal=True, width=120)
    with progress("Autograding", 2, screen) as batch:
        batch.start("amy")
        batch.start("ben")
        batch.finish("amy")
        batch.finish("ben")
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "Autograding: amy, ben" in text
    assert "2/2" in text


def test_a_hostile_name_is_no_markup() -> None:
    out = StringIO()
    was, now = (Points(value, None, 0.0, 2.0) for value in (1.0, 2.0))
    before, after = ({"[red]x": Standing({"[b]t": each}, each.auto or 0)} for each in (was, now))
    show_changes(before, after, Console(file=out, width=100))
    assert "[red]x" in out.getvalue() and "[b]t" in out.getvalue()
    assert len(list(changes(before, after))) == 2
    assert list(changes(after, after)) == []
