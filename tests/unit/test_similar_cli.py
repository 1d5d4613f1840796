"""`coursehub similar`: from what was collected to what staff see, and what it leaves alone."""

import re
import shutil
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from typer.testing import CliRunner

from coursehub import journal
from coursehub.cli import app
from coursehub.cli.similar import compare_again
from coursehub.cli.steps import Steps
from coursehub.course.due import Action, Key
from coursehub.course.load import load_course
from coursehub.errors import CourseHubError, NotFound
from coursehub.exchange.database import connect
from coursehub.exchange.deadlines import CourseFile
from coursehub.grading.handin import fill, read_notebook, reference_answers
from coursehub.grading.intake import Submission
from coursehub.grading.source import load_source
from coursehub.grading.writing import given, written
from coursehub.settings import CHECKOUT, Settings
from coursehub.similarity.compare import compare
from coursehub.similarity.document import HandIn, Text
from coursehub.similarity.table import Similarities
from tests.deployment import prepare
from tests.submissions.cases import Assignment

NOW = datetime(2021, 2, 6, 12, tzinfo=UTC)
NAME = "assignment_1"


def solved(assignment: Assignment, which: int = 0) -> NotebookNode:
    """A right hand-in: the reference's answers, or of each task the first or last alternative."""
    answers = reference_answers(read_notebook(assignment.source))
    cases = [case for case in assignment.cases if case.kind == "alternative"]
    for case in cases[::which] if which else []:
        [folder] = case.folders
        answers |= {path.stem: path.read_text() for path in folder.glob("*_t?.py")}
    # Plot and written answer are their author's, and the tests know only one.
    answers = {cell: text for cell, text in answers.items() if re.fullmatch(r"a\d_t\d", cell)}
    return fill(read_notebook(assignment.release), answers)


def renamed(notebook: NotebookNode) -> NotebookNode:
    """A copy with other names and remarks, as somebody makes it who wants nobody to see."""
    copy = nbformat.reads(nbformat.writes(notebook), as_version=4)
    for cell in (each for each in copy.cells if re.fullmatch(r"a\d_t\d", each.id)):
        for name in set(re.findall(r"\b([a-z_]+)\b(?= = )", cell.source)):
            cell.source = re.sub(rf"(?<![.\w]){name}\b(?!=)", f"my_{name}", cell.source)
        cell.source = cell.source.replace(" + ", "+").replace("\n\n", "\n# all mine\n\n")
    return copy


@pytest.mark.parametrize("number", [1, 3, 4, 5, 6])
def test_right_answers_of_ones_own_are_no_pair_and_a_renamed_copy_is(number: int) -> None:
    """Of the other assignments the alternatives are the reference's answers, changed in a line."""
    assignment = Assignment(f"assignment_{number}")
    source = load_source(assignment.source)
    one, two, three = (solved(assignment, which) for which in (0, 1, -1))
    named = {"one": one, "two": two, "three": three, "copy": renamed(two)}
    [file] = source.notebooks
    hand_ins = [
        HandIn(
            who,
            {
                name: Text(*each)
                for name, each in written(source, Submission(who, {file: book}, {}, ())).items()
            },
            known_as=frozenset({who}),
        )
        for who, book in named.items()
    ]
    found = compare(hand_ins, [Text(*each) for each in given(source)])
    assert [{pair.one, pair.other} for pair in found.pairs] == [{"two", "copy"}]
    assert found.pairs[0].share > 0.95


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Assignment 1 as it was collected: bob has written on his own, carol has it from alice."""
    made = prepare(tmp_path, (CHECKOUT / "course.yml").read_text()).settings
    assignment = Assignment(NAME)
    shutil.copytree(assignment.source, Path(str(made.course_dir), "source", NAME))
    alice, bob = solved(assignment), solved(assignment, 1)
    everybody = {
        "alice": alice, "bob": bob, "carol": renamed(alice), "ines": alice,
        "untouched1": read_notebook(assignment.release),
        "untouched2": read_notebook(assignment.release),
    }  # fmt: skip
    for who, notebook in everybody.items():
        collect(made, who, nbformat.writes(notebook))
    collect(made, "broken", "{")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COURSEHUB_STATE", str(made.state))
        environment.setenv("COURSEHUB_COURSE", str(made.course))
        yield made


def collect(settings: Settings, who: str, text: str, stamp: str = "12:00:00") -> None:
    folder = Path(str(settings.course_dir), "submitted", who, NAME)
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath(f"{NAME}.ipynb").write_text(text)
    folder.joinpath("timestamp.txt").write_text(f"2021-02-05 {stamp}.000000 UTC")


def again(settings: Settings) -> int | None:
    return compare_again(settings, load_course(settings.course), NAME, NOW)


def table(settings: Settings) -> Similarities:
    return Similarities(connect(str(settings.database)))


def pairs(settings: Settings) -> set[tuple[str, str]]:
    return {(pair.one, pair.other) for pair in table(settings).pairs(NAME)}


def test_the_clock_compares_what_is_new_and_what_staff_saw_stays_seen(settings: Settings) -> None:
    assert again(settings) == 1
    assert pairs(settings) == {("alice", "carol")}  # a member of staff's try is no hand-in
    run = table(settings).run(NAME)
    assert run and list(run.unread) == ["broken"] and "JSON" in run.unread["broken"]
    assert again(settings) is None, "nothing is new"

    [pair] = table(settings).pairs(NAME)
    table(settings).mark_seen(NAME, pair.key, " they worked together\0 ", "tara", NOW)
    collect(settings, "dan", nbformat.writes(read_notebook(Assignment(NAME).release)))
    assert again(settings) == 1
    [pair] = table(settings).pairs(NAME)
    assert (pair.seen_by, pair.seen_at, pair.remark) == ("tara", NOW, "they worked together")
    [entry] = journal.entries(connect(str(settings.database)), did="look at a similar pair")
    assert (entry.who, entry.about, entry.after["other"]) == ("tara", "alice", "carol")
    assert entry.why == "they worked together"

    changed = solved(Assignment(NAME))
    changed.cells[-1].source += "x"
    next(cell for cell in changed.cells if cell.id == "a1_t1").source += "\nprint(1)"
    collect(settings, "carol", nbformat.writes(changed), "13:00:00")
    assert again(settings) == 1
    [new] = table(settings).pairs(NAME)
    assert new.seen_by is None, "she has handed in something else since"
    with pytest.raises(NotFound, match="not in the list any more"):
        table(settings).pair(NAME, pair.key)
    with pytest.raises(CourseHubError, match="2,000 fit"):
        table(settings).mark_seen(NAME, new.key, "x" * 2_001, "tara", NOW)


def test_side_by_side_is_what_students_wrote_in_the_answers_alone(settings: Settings) -> None:
    again(settings)
    [pair] = table(settings).pairs(NAME)
    parts = table(settings).pair(NAME, pair.key).parts
    assert [part["cell"] for part in parts] == [f"a1_t{task}" for task in range(1, 6)]
    for part in parts:
        assert "def " not in part["text"].split("\n")[0]
        assert "your code starts here" not in part["text"] + part["other"]
        for start, end, other_start, other_end in part["regions"]:
            assert part["text"][start:end].strip() and part["other"][other_start:other_end].strip()


@pytest.mark.parametrize("layout", ["lms.zip", "lms", "nbgrader"])
def test_earlier_terms_come_in_as_they_were_exported(
    settings: Settings, tmp_path: Path, layout: str
) -> None:
    bob = nbformat.writes(renamed(solved(Assignment(NAME), 1)))
    place = tmp_path / "terms" / f"2020-{layout}"
    names = {"a0900000X_Old-Student": bob, "A0900001Y_Other": "{", "a0900002Z_Third": bob}
    if layout == "nbgrader":
        for who, text in names.items():
            folder = place / "submitted" / who / NAME
            folder.mkdir(parents=True)
            folder.joinpath(f"{NAME}.ipynb").write_text(text)
        place.joinpath("submitted", "linked").symlink_to("/etc")
    elif layout == "lms":
        place.joinpath(NAME).mkdir(parents=True)
        for who, text in names.items():
            place.joinpath(NAME, f"{who}_{NAME}.ipynb").write_text(text)
    else:
        place.parent.mkdir(parents=True)
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            for who, text in names.items():
                archive.writestr(f"{NAME}/{who}_{NAME}.ipynb", text)
            archive.writestr(f"{NAME}.times.csv", "file,time\n")
    done = CliRunner().invoke(app, ["similar", NAME, "--earlier", str(place)])
    assert done.exit_code == 0, done.output
    assert "7 hand-ins compared, 3 pairs for staff to look at" in done.output
    found = [pair for pair in table(settings).pairs(NAME) if pair.earlier]
    assert {pair.one for pair in found} == {"bob"}
    assert {pair.earlier for pair in found} == {"2020-lms" if "lms" in layout else place.name}
    assert sorted(re.split(r"[ _]", pair.other)[0] for pair in found) == ["a0900000X", "a0900002Z"]
    run = table(settings).run(NAME)
    assert run and run.earlier == {str(place): 3} and len(run.unread) == 2
    # The clock knows of them from then on.
    assert again(settings) is None
    collect(settings, "dan", nbformat.writes(read_notebook(Assignment(NAME).release)))
    assert again(settings) == 3
    place.rename(tmp_path / "moved")
    assert again(settings) == 1, "this term's are compared without them"
    run = table(settings).run(NAME)
    assert run and run.earlier == {str(place): 0} and "not there" in run.unread[str(place)]
    tmp_path.joinpath("moved").rename(place)
    assert again(settings) == 3


def test_a_folder_without_such_hand_ins_is_refused_and_the_result_stays(
    settings: Settings, tmp_path: Path
) -> None:
    again(settings)
    tmp_path.joinpath("empty").mkdir()
    for wrong, said in (("empty", "holds no hand-in"), ("gone", "is not there")):
        done = CliRunner().invoke(app, ["similar", NAME, "--earlier", str(tmp_path / wrong)])
        assert done.exit_code == 2 and said in " ".join(done.output.split())
    assert pairs(settings) == {("alice", "carol")}


def test_what_goes_wrong_holds_up_no_grading(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a source nothing can be compared; nothing that waits to be graded needs it here."""
    for folder in ("source", "submitted"):
        shutil.rmtree(Path(str(settings.course_dir), folder))
    steps = Steps(settings, CourseFile(settings.course))
    key = Key("autograde", NAME, NOW)
    assert steps.do(Action(key, NOW, "it is due"), 1)["graded"] == 0
    assert "assignment_1: hand-ins were not compared: " in caplog.text
