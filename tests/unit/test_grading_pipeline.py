"""What lies beside the answers and beside the tests while a hand-in is graded."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_notebook

from coursehub.grading.intake import read_submission
from coursehub.grading.sides import course_files, own_files
from coursehub.grading.source import load_source


def folder(path: Path, **files: str) -> Path:
    path.mkdir()
    nbformat.write(new_notebook(), path / "homework.ipynb")
    for name, text in files.items():
        (path / name.replace("_py", ".py").replace("_csv", ".csv")).write_text(text)
    return path


def test_the_instructors_version_of_a_students_module_is_nowhere(tmp_path: Path) -> None:
    """Who hands none in must not be judged, or helped, by the solution."""
    source = load_source(
        folder(tmp_path / "source", agent_py="def act(): return 1", lib_py="X = 1", data_csv="1")
    )
    handed_in = read_submission(folder(tmp_path / "handed-in", data_csv="2"), source)
    given = course_files(source, {"agent.py"})
    assert set(given) == {"lib.py", "data.csv"}
    assert own_files(source, handed_in) == {}, "the course's data stays the course's"


def test_a_module_that_says_where_to_write_is_the_students(tmp_path: Path) -> None:
    stub = "def act():\n    raise NotImplementedError"
    source = load_source(folder(tmp_path / "source", agent_py=stub))
    own = folder(tmp_path / "handed-in", agent_py="def act(): return 2", mine_py="Y = 1")
    assert course_files(source, ()) == {}
    assert set(own_files(source, read_submission(own, source))) == {"agent.py", "mine.py"}
