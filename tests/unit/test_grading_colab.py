"""The link that opens a notebook in Colab."""

import shutil
from pathlib import Path

import nbformat
import pytest

from coursehub.errors import CourseHubError
from coursehub.grading import runner
from coursehub.grading.colab import ADDRESS, link
from coursehub.settings import CHECKOUT

TARGET = "github/nus/cs5260/blob/main/release"
OPENS = f"[▶ Open in Colab]({ADDRESS}/{TARGET}/assignment_7/assignment_7.ipynb)"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A course's own copy of an assignment."""
    return Path(
        shutil.copytree(CHECKOUT / "source" / "assignment_7", tmp_path / "source" / "assignment_7")
    )


def text_of(folder: Path) -> str:
    return (folder / "assignment_7.ipynb").read_text(encoding="utf-8")


def first_cell(folder: Path) -> str:
    return nbformat.read(folder / "assignment_7.ipynb", as_version=4).cells[0].source


def test_the_release_begins_with_it(source: Path, tmp_path: Path) -> None:
    assert link(source, TARGET) == OPENS
    made = runner.generate(source.parent, "assignment_7", tmp_path / "release")
    assert first_cell(made).startswith(f"{OPENS}\n\n# Assignment 7")


def test_another_takes_its_place_and_none_is_as_before(source: Path) -> None:
    before = text_of(source)
    link(source, "/github/somebody/else/blob/2022/release/")
    link(source, TARGET)
    assert first_cell(source).count(ADDRESS) == 1 + before.count(f"<{ADDRESS}>")
    assert first_cell(source).startswith(OPENS)
    assert link(source, "") == ""
    assert text_of(source) == before


@pytest.mark.parametrize(
    "target", ["https://x", "github/nus/cs5260", "gist/1", "github/a/b/blob/c)"]
)
def test_what_colab_does_not_open_is_refused(source: Path, target: str) -> None:
    before = text_of(source)
    with pytest.raises(CourseHubError, match="Write it like github/"):
        link(source, target)
    assert text_of(source) == before
