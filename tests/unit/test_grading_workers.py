"""A grader's warm worker: kept as long as it has what the next assignment imports."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from coursehub.grading import pipeline
from coursehub.grading.imports import SHELL
from coursehub.grading.marking import Bench
from coursehub.grading.pipeline import Grader
from coursehub.grading.sandbox import Gpu
from coursehub.grading.source import Source


class Rooms:
    """A sandbox that keeps a list of what its workers imported."""

    name, real = "rooms", True

    def __init__(self) -> None:
        self.opened: list[set[str]] = []
        self.open = 0

    @contextmanager
    def worker(
        self, imports: Mapping[str, tuple[str, ...]], gpu: Gpu | None = None
    ) -> Iterator[object]:
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


def test_hand_ins_with_a_gpu_have_one_worker_which_gives_it_back_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rooms, lent = Rooms(), []

    @contextmanager
    def lend() -> Iterator[Gpu]:
        lent.append("lent")
        yield Gpu("gpu=0")
        lent.append("back")

    monkeypatch.setattr(pipeline, "grade", lambda *_, **__: None)
    with Bench(rooms, 1, lend) as bench:  # type: ignore[arg-type]
        for gpu in (True, False, True):
            bench.grade(imports("pass"), Path("alice"), gpu=gpu)
        assert (rooms.open, lent) == (2, ["lent"]), "the hand-in without one has its own worker"
        bench.rest(seconds=3600, gpu_seconds=3600)
        assert (rooms.open, lent) == (2, ["lent"])
        bench.rest(seconds=3600, gpu_seconds=0)
        assert (rooms.open, lent) == (1, ["lent", "back"])
        bench.rest(seconds=0, gpu_seconds=0)
        assert rooms.open == 0
