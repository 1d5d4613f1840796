"""Tests that need the student's process itself: run in it, last, between checks that must fail."""

from pathlib import Path

import pytest

from coursehub.grading.decoys import changed_test, plain_decoys
from coursehub.grading.verdict import CellResult
from tests.trials import judged

TEXT = """
#%% setup given
import numpy as np
#%% answer a
def same(x): return x
#%% test early 1
helper = np.arange(3)
assert same(helper) is helper
#%% answer b
def double(x): return 2 * x
#%% test apart 1
assert double(21) == 42
### BEGIN HIDDEN TESTS
assert double(1718281) == 3436562
### END HIDDEN TESTS
#%% test late 2
x = [1]
assert same(x) is x
### BEGIN HIDDEN TESTS
assert same(5772156 + len(x)) == 5772157, "not the same"
### END HIDDEN TESTS
"""
BESIDE = {"early", "late"}


def tried(folder: Path, answers: dict[str, str], text: str = TEXT) -> dict[str, CellResult]:
    return judged(folder, text, answers, unprotected=BESIDE)


def test_points_count_and_a_person_looks(tmp_path: Path) -> None:
    right = tried(tmp_path / "right", {})
    assert [right[name].points for name in ("early", "apart", "late")] == [1.0, 1.0, 2.0]
    assert right["apart"].doubt == "" and "it passed" in right["late"].doubt
    wrong = tried(tmp_path / "wrong", {"a": "def same(x): return 1"})
    assert [wrong[name].points for name in ("early", "apart", "late")] == [0.0, 1.0, 0.0]
    assert wrong["late"].message == "AssertionError" and "it failed" in wrong["late"].doubt


def test_names_are_those_of_the_tests_place(tmp_path: Path) -> None:
    text = """
#%% answer a
state = [1]
#%% test early 1
mine = state
assert mine is state and state == [1]
#%% answer b
state = [2]
#%% test between 1
from math import floor
def twice(x): return floor(2 * x)
assert twice(1.6) == 3
#%% test late 1
assert mine is not state and state == [2] and twice(1.6) == floor(3.2)
#%% test apart 1
assert twice(state[0]) == 4
"""
    results = tried(tmp_path, {}, text)
    assert [results[name].message for name in ("early", "between", "late", "apart")] == [""] * 4


def test_what_later_cells_need_of_a_test_is_there_in_time(tmp_path: Path) -> None:
    text = """
#%% test early 1
data = [1, 2]
assert data is data
#%% answer a
total = sum(data)
#%% test apart 1
assert total == 3
"""
    results = tried(tmp_path, {}, text)
    assert results["early"].points == results["apart"].points == 1.0


def test_hidden_tests_come_when_all_others_are_done(tmp_path: Path) -> None:
    """No text of theirs is in the process before, and none of those that are judged apart ever."""
    spy = """
import gc
def same(x):
    texts = [v for d in gc.get_objects() if isinstance(d, dict) for v in d.values()
             if isinstance(v, str)]
    seen = [n for n in ("171" + "8281", "577" + "2156") if any(n in text for text in texts)]
    return x if not seen else None
"""
    results = tried(tmp_path / "spy", {"a": spy})
    assert results["early"].points == 1.0
    assert results["late"].points == 0.0, "the spy sees what is there"
    told = """
import inspect
def same(x):
    if isinstance(x, int):
        text = "".join(inspect.getsourcelines(inspect.currentframe().f_back.f_code)[0])
        print(text)
        raise type(text[:90], (AssertionError,), {})(text)
    return x
"""
    results = tried(tmp_path / "told", {"a": told})
    assert results["late"].points == 0.0
    assert "5772156" not in str(results)


ATTACKS = {
    "asserts stripped": "import ast\nclass S(ast.NodeTransformer):\n"
    "    def visit_Assert(self, n): return ast.copy_location(ast.Pass(), n)\n"
    "get_ipython().ast_transformers.append(S())",
    "asserts about answers stripped": "import ast\nclass S(ast.NodeTransformer):\n"
    "    def visit_Assert(self, n):\n"
    "        return ast.copy_location(ast.Pass(), n) if 'same' in ast.dump(n) else n\n"
    "get_ipython().ast_transformers.append(S())",
    "the shell": "s = type(get_ipython())\nold = s.run_cell\n"
    "s.run_cell = lambda self, *a, **k: old(self, 'pass')",
    "what is sent": "from coursehub.grading import wire\nold = wire.encode\n"
    "def encode(v, *a, **k):\n    if isinstance(v, dict) and 'error' in v: v['error'] = None\n"
    "    return old(v, *a, **k)\nwire.encode = encode",
    "errors made up": "from coursehub.grading import wire\nold = wire.encode\ncount = []\n"
    "def encode(v, *a, **k):\n    if isinstance(v, dict) and 'error' in v:\n"
    "        v['error'] = ['AssertionError', 'x'] if len(count) % 4 else None\n"
    "        count.append(1)\n    return old(v, *a, **k)\nwire.encode = encode",
    "leaving": "import sys\ndef same(x): sys.exit(0)",
    "ending": "import os\ndef same(x): os._exit(0)",
    "killed": "import os\ndef same(x): os.kill(os.getpid(), 9)",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_gives_points(attack: str, tmp_path: Path) -> None:
    answer = "def same(x): return 1\n" + ATTACKS[attack]
    results = tried(tmp_path, {"a": answer, "b": "def double(x): return 1"})
    assert [results[name].points for name in ("early", "apart", "late")] == [0.0, 0.0, 0.0]
    assert results["early"].doubt and results["late"].doubt


def test_always_equal_is_found_by_the_changed_test(tmp_path: Path) -> None:
    text = """
#%% answer a
def f(x): return x
#%% test early 1
assert f(2) == 2
#%% test late 1
import numpy as np
np.testing.assert_allclose(f(np.array([])), [])
assert f(1) in (1, 2) and f("a") == "a", "text"
assert np.array_equal(f([]), [])
"""
    assert [tried(tmp_path / "right", {}, text)[name].points for name in BESIDE] == [1.0, 1.0]
    yes = "class E:\n    def __eq__(self, o): return True\ndef f(x): return E()"
    results = tried(tmp_path / "yes", {"a": yes}, text)
    assert [results[name].points for name in BESIDE] == [0.0, 0.0]
    assert "must fail" in results["early"].doubt


def test_decoys_fail_in_a_process_that_is_in_order() -> None:
    test = "assert " + " and ".join(["abs", "all", "isinstance", "len", "max", "sorted", "zip"])
    for decoy in plain_decoys(test, "import numpy, unittest"):
        with pytest.raises(AssertionError, match=decoy.nonce):
            exec(decoy.source, {})
    assert plain_decoys(test, "") != plain_decoys(test, "")


@pytest.mark.parametrize("test", ["x = 1", "assert f(1)", "for x in y:\n    assert x == 1", "("])
def test_what_has_no_comparison_at_its_top_is_not_changed(test: str) -> None:
    assert changed_test(test) is None
