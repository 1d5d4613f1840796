"""`release/` is exactly what `source/` generates, and gives nothing away."""

from pathlib import Path

import pytest

from coursehub.grading import runner
from coursehub.grading.handin import read_notebook
from coursehub.settings import CHECKOUT

ASSIGNMENTS = sorted(path.name for path in (CHECKOUT / "source").iterdir() if path.is_dir())


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def hidden_lines(assignment: str) -> set[str]:
    """Lines of solutions and hidden tests that stand nowhere else in the source."""
    secret = lines_of(CHECKOUT / "solutions" / assignment)
    shown, hiding = lines_of(CHECKOUT / "source" / assignment), False
    for cell in read_notebook(CHECKOUT / "source" / assignment).cells:
        for line in map(str.strip, cell.source.splitlines()):
            if line.startswith("### BEGIN"):
                hiding = True
            elif line.startswith("### END"):
                hiding = False
            else:
                (secret if hiding else shown).add(line)
    return long(secret - shown)


def lines_of(folder: Path) -> set[str]:
    """The lines of a folder's modules: stubs in source/ and release/, solved in solutions/."""
    texts = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")]
    return {line.strip() for text in texts for line in text.splitlines()}


def long(lines: set[str]) -> set[str]:
    """Those that nobody writes by chance."""
    return {line for line in lines if len(line) > 20}


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_release_is_what_source_generates(assignment: str, tmp_path: Path) -> None:
    made = runner.generate(CHECKOUT / "source", assignment, tmp_path)
    assert contents(made) == contents(CHECKOUT / "release" / assignment), (
        f"run `coursehub generate {assignment}` and commit release/"
    )


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_release_gives_no_solution_and_no_hidden_test_away(assignment: str) -> None:
    secrets = hidden_lines(assignment)
    assert len(secrets) > 20
    release = CHECKOUT / "release" / assignment
    cells = read_notebook(release).cells
    shown = {line.strip() for cell in cells for line in cell.source.splitlines()}
    assert secrets & (shown | lines_of(release)) == set()


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_modules_that_students_complete_are_stubs(assignment: str) -> None:
    for solved in (CHECKOUT / "solutions" / assignment).glob("*.py"):
        stub = (CHECKOUT / "source" / assignment / solved.name).read_text(encoding="utf-8")
        assert "raise NotImplementedError" in stub
        assert "raise NotImplementedError" not in solved.read_text(encoding="utf-8")
