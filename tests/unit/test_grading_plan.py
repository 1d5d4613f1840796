"""The steps of a notebook, and the check of its tests."""

import argparse
import ast
import gc
import inspect
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from coursehub.grading.lint import problems, unprotected
from coursehub.grading.plan import defined_names, parse_theirs, plan
from coursehub.grading.sharing import far_names
from coursehub.grading.source import load_source
from coursehub.settings import CHECKOUT
from tests.unit.notebooks import assignment, marked

NAMES = """
%matplotlib inline
!pip list
import os.path, numpy as np
from torch import nn as layers
a = b, (c, *d) = 1, (2, 3)
e: int = 1
if a:
    def f(inner): local = 1
else:
    class G: attribute = 1
try:
    h = [unseen for unseen in a]
except ValueError as error:
    i = 1
finally:
    j = 1
with open(k) as l, open(m): n = 1
for o in (lambda hidden: hidden)(1): p += 1
while (q := 1): pass
files = !ls
"""


def test_defined_names() -> None:
    found = defined_names(NAMES.replace("[unseen for unseen in a]", "[u for u in a]"))
    assert found == set("abcdefGhijlnopq") | {"os", "np", "layers", "files"}


@pytest.mark.parametrize("text", ["%%bash\nls", "def f(:", "", "\0", "%time\n?x", "("])
def test_odd_cells_define_nothing(text: str) -> None:
    assert defined_names(text) == set()


def test_defines_are_the_sources() -> None:
    steps = plan(assignment(), {"square": "other = 1"})
    step = next(step for step in steps if step.cell == "square")
    assert (step.source, step.defines) == ("other = 1", {"square"})
    assert [step.number for step in steps] == list(range(8))


def test_far_names() -> None:
    def of(text: str) -> frozenset[str]:
        return far_names(text, ast.parse(text))

    assert of("def fixture_model(): ...\ndef probe_x(): ...\ndef other(): ...") == {
        "fixture_model", "probe_x",
    }  # fmt: skip
    assert of("# Fixtures of the net\ndef model(): ...\nclass Net: ...") == {"model", "Net"}
    assert of("# probed\ndef model(): ...") == set()


SETUP = """
import contextlib, copy, inspect, random
from unittest import mock
import numpy as np, torch, matplotlib.pyplot as plt
from torch import nn

def new_model():
    model = nn.Linear(2, 1)
    return model

def fixture_model():
    return new_model()

def probe_gradient(f, model):
    return f(model)

def check(function, tolerance):
    model = new_model()
    assert function(model) < tolerance

def close(got, want):
    assert isinstance(got, torch.Tensor) and abs(got - want) < 1e-6
"""
ANSWER = """
import random
def f(x): return random.random() * x
def change(items): items.append(1)
class Stack:
    def push(self, x): ...
class Full(Exception): ...
network = nn.Sequential()
table = {"a": 1}
"""


def lint(test: str, later: str = "") -> list[str]:
    notebook = new_notebook(
        cells=[
            marked(new_code_cell(SETUP), "setup", locked=True),
            marked(new_code_cell(ANSWER), "answer", solution=True),
            marked(new_code_cell(test), "test", grade=True, locked=True, points=1),
            marked(new_code_cell(later), "later", solution=True),
        ]
    )
    found = problems(notebook)
    assert unprotected(notebook) == ({"test"} if found else set())
    return [str(problem) for problem in found]


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ("m = nn.Linear(2, 1)\nf(m)", "line 2: the test passes m"),
        ("f(new_model())", "torch.nn.Linear"),
        ("f([new_model().to('cpu')])", "torch.nn.Linear"),
        ("for m in (nn.ReLU(), 1):\n    f(m)", "line 2: the test passes m"),
        ("f(lambda x: x)", "a lambda"),
        ("def helper(x): return x\nf(helper)", "a function of the test's"),
        ("f(x for x in [1])", "a generator"),
        ("f(np.random.default_rng(0))", "default_rng"),
        ("f(torch.Generator().manual_seed(1))", "torch.Generator"),
        ("f(np)", "a module"),
        ("opt = torch.optim.SGD([], 1)\nStack().push(opt)", "torch.optim.SGD"),
        ("check(f, 1)", "line 1: the test passes model"),
        ("inspect.getsource(f)", "looks into the student's f by inspect.getsource"),
        ("assert 'for' not in f.__code__.co_names", "reads f.__code__"),
        ("s = Stack()\nassert isinstance(s, Stack)", "asks for the class"),
        ("assert isinstance(network, nn.Module)", "asks for the class"),
        ("assert issubclass(Full, Exception)", "asks for the class"),
        ("class Mine(Stack): pass", "derives a class from Stack"),
        ("try:\n    f(1)\nexcept (ValueError, Full):\n    pass", "catches"),
        ("x = [1]\nchange(x)\nassert x == [1, 1]", "expects change to change its argument x"),
        ("assert f(1) is f(1)", "compares identity"),
        ("f = lambda x: 1", "redefines the student's f"),
        ("def f(x): return 1", "redefines the student's f"),
        ("f.calls = 1", "replaces something"),
        ("np.linalg.inv = None", "replaces something"),
        ("with mock.patch('numpy.dot'):\n    f(1)", "replaces something"),
        ("with contextlib.redirect_stdout(None):\n    f(1)", "captures what is printed"),
        ("random.seed(0)\nassert f(1) < 1", "seeds its own process"),
        ("assert plt.gcf().axes", "looks at figures"),
        ("s = Stack()\nassert s + 1", "in arithmetic"),
        ("assert hash(network)", "in hash"),
        ("torch.save(network, 'x')", "uses files by torch.save"),
        ("with open('x', 'w') as file:\n    file.write('1')\nassert f('x')", "uses files by open"),
        ("y = f(torch.ones(1))\ny.sum().backward()", "differentiates"),
        ("g = torch.autograd.grad(f(1), [])", "differentiates"),
        ("%run mine.py", "a magic or a shell command"),
        ("!ls", "a magic or a shell command"),
        ("### AUTOTEST f(1)", "AUTOTEST"),
        ("assert (", "is not valid Python"),
        ("\n\nf(nn.ReLU())", "line 3"),
    ],
)
def test_what_cannot_be_judged_outside(test: str, reason: str) -> None:
    found = lint(test)
    assert any(reason in line for line in found), found
    assert all(line.startswith("test, line ") and line.endswith(".") for line in found)


@pytest.mark.parametrize(
    "test",
    [
        "assert f(3) == 9",
        "assert isinstance(f(1), float) and type(f(1)) is float",
        "x = np.ones(3)\nnp.testing.assert_allclose(f(x), x)",
        "assert f(torch.ones(2, 3)).shape == (2,)",
        "close(f(torch.ones(1)), 1)",
        "m = fixture_model()\nassert f(m) == 1\nassert probe_gradient(f, m) == 0",
        "s = Stack()\ns.push(1)\nassert s.size == 1",
        "assert network(torch.ones(2)).shape == (1,)",
        "assert table['a'] == 1 and len(table) == 1",
        "try:\n    f('x')\nexcept TypeError:\n    pass\nelse:\n    raise AssertionError",
        "assert f(1) is not None",
        "assert f(open('given.txt').read()) == 1",
        "def reference(x):\n    return x * x\nfor x in range(5):\n    assert f(x) == reference(x)",
        "m = nn.Linear(2, 1)\nassert f(m.weight.detach().numpy()) == 1",
        "f(nn.functional.relu(torch.ones(1)))",
        "values = [f(x) for x in (1, 2)]\nassert values == sorted(values)",
        "assert sum(map(f, [1, 2])) == 3",
        "assert len(network) == 1 and list(network) and network[0]",
        "%matplotlib inline\n%time assert f(1) == 1",
    ],
)
def test_what_can_be_judged_outside(test: str) -> None:
    assert lint(test) == []


def test_names_for_later_answers() -> None:
    (found,) = lint("data = [1]\nx = 1", "def g(x):\n    return data + x")
    assert "defines data, which later uses" in found and "line 1" in found


def test_assignment_1_can_be_judged_outside() -> None:
    source = load_source(CHECKOUT / "source" / "assignment_1")
    assert problems(source.notebooks["assignment_1.ipynb"]) == ()


class Ring:
    """Garbage that only the collector finds, and that lets other threads run when it does."""

    def __init__(self) -> None:
        self.ring = self

    def __del__(self) -> None:
        time.sleep(0)


def test_cells_are_parsed_in_several_threads_at_once() -> None:
    """Python 3.11 itself fails when two threads build trees at the same time."""
    text = inspect.getsource(argparse)

    def read(_: int) -> object:
        rings = [Ring() for _ in range(20)]
        del rings
        return parse_theirs(text[:18_000].rpartition("\n    def ")[0])

    thresholds = gc.get_threshold()
    gc.set_threshold(50)
    try:
        with ThreadPoolExecutor(3) as pool:
            trees = list(pool.map(read, range(90)))
    finally:
        gc.set_threshold(*thresholds)
    assert all(tree is not None for tree in trees)
