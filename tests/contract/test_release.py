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
    """Lines of solutions and hidden tests that stand nowhere else in the source notebook."""
    secret, shown, hiding = set(), set(), False
    for cell in read_notebook(CHECKOUT / "source" / assignment).cells:
        for line in map(str.strip, cell.source.splitlines()):
            if line.startswith("### BEGIN"):
                hiding = True
            elif line.startswith("### END"):
                hiding = False
            else:
                (secret if hiding else shown).add(line)
    return long(secret - shown)


def solved_lines(assignment: str) -> set[str]:
    """Lines of the solved modules that do not stand in the stubs which students complete."""
    solved, given = (
        {line.strip() for path in folder.glob("*.py") for line in path.read_text().splitlines()}
        for folder in (CHECKOUT / "solutions" / assignment, CHECKOUT / "source" / assignment)
    )
    return long(solved - given)


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
    texts = [cell.source for cell in read_notebook(release).cells]
    texts += [path.read_text() for path in release.rglob("*.py")]
    shown = "\n".join(texts)
    assert [line for line in secrets | solved_lines(assignment) if line in shown] == []
