"""A grader's warm worker: kept as long as it has what the next assignment imports."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook

from coursehub.grading.imports import SHELL
from coursehub.grading.pipeline import Grader
from coursehub.grading.source import Source


class Rooms:
    """A sandbox that keeps a list of what its workers imported."""

    name, real = "rooms", True

    def __init__(self) -> None:
        self.opened: list[set[str]] = []
        self.open = 0

    @contextmanager
    def worker(self, imports: Mapping[str, tuple[str, ...]]) -> Iterator[object]:
        self.opened.append(set(imports["judge"]) - set(SHELL))
        self.open += 1
        yield object()
        self.open -= 1


def imports(text: str) -> Source:
    return Source(Path("homework"), {"a.ipynb": new_notebook(cells=[new_code_cell(text)])}, {})


def test_a_worker_is_replaced_by_one_that_has_more_and_never_by_one_that_has_less() -> None:
    rooms = Rooms()
    with Grader(rooms) as grader:
        for text in ("import numpy", "import numpy", "import scipy", "import numpy", "pass"):
            grader.prepare(imports(text))
            assert rooms.open == 1
    assert rooms.opened == [{"numpy"}, {"numpy", "scipy"}]
    assert rooms.open == 0
