"""The process sandbox: what is isolated, and bombs beside an honest neighbour."""

import json
from collections.abc import Iterator

import pytest

from coursehub.grading.sandbox import Ended, Sandbox, open_sandbox
from coursehub.grading.sandbox.process import SHARED
from tests.contract.bombs import (
    BOMBS,
    HONEST_ANSWER,
    NEXT,
    TIGHT,
    Site,
    beside_a_neighbour,
    run,
    site,
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox("process") as opened:
        yield opened


@pytest.fixture(scope="module")
def workers(sandbox: Sandbox) -> Iterator[Site]:
    with site(sandbox) as both:
        yield both


def test_it_says_what_it_shares(sandbox: Sandbox) -> None:
    assert not sandbox.real
    assert SHARED in sandbox.missing()


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_harms_nobody(workers: Site, bomb: str) -> None:
    end, answers = beside_a_neighbour(workers, bomb)

    assert end in BOMBS[bomb]
    assert set(answers) == {HONEST_ANSWER}
    assert workers.bombs.links["student"].left() == 0
    # The next hand-in finds nothing of it.
    assert run(workers.bombs, NEXT) == [[], 42]


def test_an_end_is_told_with_its_reason_and_last_words(workers: Site) -> None:
    with workers.bombs.processes(TIGHT, {}, {}) as processes:
        processes.student.send(b"print('last words', flush=True)\nraise SystemExit(3)")
        with pytest.raises(Ended) as ended:
            processes.student.receive(10)
        with pytest.raises(Ended):
            processes.student.send(b"more")

    assert ended.value.why == "exited"
    assert ended.value.text == "it ended by itself with exit status 3"
    assert "last words" in ended.value.said
    assert ended.value.peak > 0


def test_files_come_as_bytes_and_chance_is_fresh(workers: Site) -> None:
    draw = b"import random, json\nanswer = [random.random(), open('data/x.csv').read()]"
    drawn = []
    for _ in range(2):
        with workers.bombs.processes(TIGHT, {"data/x.csv": b"1,2"}, {}) as processes:
            processes.student.send(draw)
            drawn.append(json.loads(processes.student.receive(10)))

    assert [text for _, text in drawn] == ["1,2", "1,2"]
    assert drawn[0][0] != drawn[1][0]
