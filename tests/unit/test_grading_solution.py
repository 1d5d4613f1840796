"""The solution as students may have it."""

from pathlib import Path

import nbformat
import pytest

from coursehub.grading.marks import released_text
from coursehub.grading.solution import solution
from coursehub.grading.source import load_source
from coursehub.settings import CHECKOUT

SOURCES = sorted((CHECKOUT / "source").glob("assignment_*"))


@pytest.mark.parametrize("folder", SOURCES, ids=lambda folder: folder.name)
def test_it_has_the_answers_and_nothing_that_is_hidden(folder: Path) -> None:
    files = solution(folder, CHECKOUT / "solutions" / folder.name, ("agent.py", "ddp_worker.py"))
    [name] = [name for name in files if name.endswith(".ipynb")]
    shown = nbformat.reads(files[name].decode(), as_version=4)
    source = load_source(folder).notebooks[name]
    assert len(shown.cells) == len(source.cells)
    for cell, original in zip(shown.cells, source.cells, strict=True):
        assert not any(f"{edge} {what}" in cell.source for edge in ("BEGIN", "END")
                       for what in ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME"))  # fmt: skip
        if "BEGIN SOLUTION" in original.source:
            assert cell.source != released_text(original)
        if "BEGIN HIDDEN TESTS" in original.source and "BEGIN SOLUTION" not in original.source:
            assert cell.source == released_text(original)
    for module in set(files) - {name}:
        solved = CHECKOUT / "solutions" / folder.name / module
        assert files[module] == solved.read_bytes()
