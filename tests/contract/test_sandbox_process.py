"""The process sandbox: what is isolated, and bombs beside an honest neighbour."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from coursehub.grading.sandbox import Ended, Sandbox, open_sandbox
from coursehub.grading.sandbox.process import SHARED
from coursehub.settings import CHECKOUT
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

# Becomes nobody if it is root, and then another program, so that nothing of root is left.
AS_NOBODY = """
import os, sys
from coursehub.grading.sandbox import confine, kernel, seccomp
if os.geteuid() == 0:
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    confine._open_way_to_packages()
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
if sys.argv[1] == "False":
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.confine_calls(internet=True)  # with it go namespaces
os.chdir("/")
os.environ["PYTHONPATH"] = sys.argv[2]
os.execv(sys.executable, [sys.executable, "-m", "tests.contract.bombs"])
"""


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


@pytest.mark.parametrize("user_namespaces", [True, False])
def test_it_works_for_a_user_without_any_privilege(user_namespaces: bool) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(user_namespaces), str(CHECKOUT)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    found = json.loads(asked.stdout)

    assert found["answers"] == [42, 42]
    assert found["ends"] == ["TimedOut", "exited", "killed", "output"]
    assert found["left"] == 0
    assert SHARED in found["missing"]
    assert "Two processes run as the same user." in found["missing"]
    for word in ("network", "reaches", "memory of", "number of processes", "signals"):
        assert not any(word in sentence for sentence in found["missing"])
    # Without namespaces it is honest about what that means.
    sees = "The student's process sees processes that are not its own."
    assert (sees in found["missing"]) is not user_namespaces
