"""`coursehub marks` and `coursehub excuse`, as staff use them."""

import csv
import stat
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine
from typer.testing import CliRunner, Result

from coursehub.cli import app
from coursehub.course.load import load_course
from coursehub.exchange.database import connect
from coursehub.exchange.roster import Extension, Roster
from coursehub.settings import load_settings
from tests.gradebooks import DAY, Class, new_gradebook

COURSE_FILE = Path(__file__).parents[2] / "course.yml"
COURSE = load_course(COURSE_FILE)
NAMES = [each.name for each in COURSE.assignments]
PEOPLE = """username,number,name,email,role
alice,A0100000J,"Wang, Wenjie",alice@example.edu,student
bob,A0100001H,=Bob,bob@example.edu,student
tara,T0000001A,Tara Lim,tara@example.edu,ta
"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("gradebook") / "gradebook.db"
    new_gradebook(f"sqlite:///{path}", COURSE).dispose()
    return path.read_bytes()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty: bytes) -> Callable[..., Result]:
    """Run a command where alice has all points of the first two, and bob nothing."""
    monkeypatch.setenv("COURSEHUB_STATE", str(tmp_path))
    monkeypatch.setenv("COURSEHUB_COURSE", str(COURSE_FILE))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    Roster(connect(str(load_settings().database))).import_csv(PEOPLE)
    (tmp_path / "gradebook.db").write_bytes(empty)
    engine = create_engine(str(load_settings().gradebook), poolclass=NullPool)
    Class(engine, COURSE, cells=4).hand_in(["alice"], NAMES[:2], lambda *_: {"auto_score": 0.75})

    def invoke(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, result.output
        return result

    return invoke


def test_the_class_with_what_is_missing(run) -> None:
    text = run("marks").output
    alice = next(line for line in text.splitlines() if "Wang, Wenjie" in line)
    assert "(7.5)" in alice
    assert "3, 4, 5, 6, 7, 8: not handed in; presentation, report: no score yet" in alice
    assert "tara" not in text
    assert "2 students, 0 marks are final" in text


def test_one_student_in_full(run) -> None:
    text = run("marks", "--student", "alice").output
    assert "Wang, Wenjie (alice, A0100000J)" in text
    assert "if nothing more came" in text
    assert "missing: assignment_3: not handed in" in text
    assert "tara is no student" in run("marks", "--student", "tara", code=2).output


def test_history_tells_of_an_extension_and_an_excuse(run) -> None:
    assert "nothing was written down yet" in run("marks", "--history", "alice").output
    run("marks", "--by", "ines")
    run("marks", "--by", "tara")
    words = ("excuse", "alice", "assignment_8", "--by", "ines")
    assert "excused: assignment_8" in run(*words, "--reason", "ill").output
    assert "already" in run(*words, "--reason", "ill", code=2).output
    run("marks", "--by", "ines")
    text = run("marks", "--history", "alice").output
    assert text.count("ines") == 2 and "tara" not in text
    assert "8.6" in text and "excused" in text
    assert "counts again" in run(*words, "--reason", "well", "--withdraw").output
    run("marks")
    assert "7.5" in run("marks", "--history", "alice").output.splitlines()[-2]


def test_an_extension_reaches_the_mark_at_once(run) -> None:
    engine = create_engine(str(load_settings().gradebook), poolclass=NullPool)
    with engine.begin() as connection:
        late = (DAY + timedelta(days=5)).strftime("%Y-%m-%d %H:%M:%S.%f")
        connection.exec_driver_sql(
            "UPDATE submitted_assignment SET timestamp = ? WHERE assignment_id = 'assignment_1'",
            (late,),
        )
    assert "(3.8)" in run("marks").output  # late, and without bands worth nothing
    until = DAY + timedelta(days=6)
    Roster(connect(str(load_settings().database))).extend(
        Extension("alice", "assignment_1", until, "ill", "tara", DAY)
    )
    assert "(7.5)" in run("marks").output


def test_exports(run, tmp_path: Path) -> None:
    result = run("marks", "--export", "m.csv", "--lms", "lms.csv")
    assert "alice: the mark is not final, and left empty" in result.output
    with (tmp_path / "m.csv").open(encoding="utf-8-sig", newline="") as text:
        rows = list(csv.DictReader(text))
    assert [row["name"] for row in rows] == ["Wang, Wenjie", "'=Bob"]
    assert rows[0]["assignment_1 (of 4)"] == "3"
    assert stat.S_IMODE((tmp_path / "m.csv").stat().st_mode) == 0o600
    lms = (tmp_path / "lms.csv").read_text(encoding="utf-8-sig")
    assert lms.splitlines() == [
        "Student Number,Name,Mark",
        'A0100000J,"Wang, Wenjie",',
        "A0100001H,'=Bob,",
    ]
    run("marks", "--export", "m.xlsx")
    assert zipfile.is_zipfile(tmp_path / "m.xlsx")
    assert "neither .csv nor .xlsx" in run("marks", "--export", "m.ods", code=2).output
    assert "no column" in run("marks", "--lms", "l.csv", "--columns", "Mark", code=2).output


def test_without_a_gradebook_everything_is_missing(run, tmp_path: Path) -> None:
    (tmp_path / "gradebook.db").unlink()
    assert "2 students, 0 marks are final" in run("marks").output
    assert not (tmp_path / "gradebook.db").exists()
