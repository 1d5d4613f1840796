"""The judge: tests of stock assignments run unchanged, and no answer decides its own points."""

from pathlib import Path

import pytest

from coursehub.errors import SandboxError
from coursehub.grading.limits import Limits
from coursehub.grading.verdict import CellResult
from tests.trials import judged

SHORT = Limits(cell_seconds=10, call_seconds=1)
SLOW = Limits(cell_seconds=120, call_seconds=60)
SQUARE = """
#%% setup given
import numpy as np
fresh_seed = 3
#%% answer task
def square(x):
    return x * x
#%% test known 2
assert square(3) == 9, "square(3) is 9"
#%% test drawn 3
import random
random.seed(fresh_seed)
for _ in range(20):
    number = random.randrange(10**6)
    assert square(number) == number * number and type(square(number)) is int
"""


def points(results: dict[str, CellResult]) -> dict[str, float | None]:
    return {name: result.points for name, result in results.items() if result.kind == "test"}


def test_right_and_wrong(tmp_path: Path) -> None:
    right = judged(tmp_path / "right", SQUARE)
    assert points(right) == {"known": 2.0, "drawn": 3.0}
    assert all(result.message == "" for result in right.values())
    wrong = judged(tmp_path / "wrong", SQUARE, {"task": "def square(x):\n    return 9"})
    assert points(wrong) == {"known": 2.0, "drawn": 0.0}
    missing = judged(tmp_path / "missing", SQUARE, {"task": "raise NotImplementedError()"})
    assert points(missing) == {"known": 0.0, "drawn": 0.0}
    assert missing["known"].message == "NameError: name 'square' is not defined"
    assert missing["task"].message == "NotImplementedError"


STOCK = {
    "keywords, defaults, several results": (
        "def f(a, *rest, b=2, **more): return a, rest, b, sorted(more.items())",
        "assert f(1, 2, 3, b=4, c=5) == (1, (2, 3), 4, [('c', 5)]) and f(a=1)[2] == 2",
    ),
    "arrays": (
        "import numpy as np\ndef scale(x, k): return x / x.max() * k",
        "import numpy as np\ngot = scale(np.arange(1.0, 5), k=4)\n"
        "np.testing.assert_allclose(got, [1, 2, 3, 4])\n"
        "assert isinstance(got, np.ndarray) and got.dtype == np.float64 and got.shape == (4,)\n"
        "got[0] = 7",
    ),
    "tensors": (
        "import torch\ndef relu(x): return x.clamp(min=0)\nclass P(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__(); self.layer = torch.nn.Linear(3, 2)\n"
        "    def forward(self, x): return self.layer(x)",
        "import torch\nx = torch.tensor([-1.0, 2.0])\ngot = relu(x)\n"
        "assert isinstance(got, torch.Tensor) and type(got) is torch.Tensor\n"
        "assert torch.equal(got, torch.tensor([0.0, 2.0])) and got.dtype == torch.float32\n"
        "model = P()\nassert isinstance(model, torch.nn.Module)\n"
        "with torch.no_grad():\n    out = model(torch.ones(4, 3))\n"
        "assert out.shape == (4, 2) and not out.requires_grad\n"
        "assert sum(p.numel() for p in model.parameters()) == 8\n"
        "assert model.layer.weight.shape == (2, 3) and model.layer.in_features == 3",
    ),
    "gradients of an argument": (
        "import torch\ndef slope(x):\n    y = (x ** 2).sum(); y.backward(); return x.grad",
        "import torch\nassert slope(torch.tensor([3.0], requires_grad=True)).tolist() == [6.0]",
    ),
    "plain variables": (
        "x, name = 3, 'three'\ntable = {'a': [1, 2.5, None]}\nflag = True\nnothing = None",
        "assert x == 3 and type(x) is int and name == 'three' and flag is True\n"
        "assert nothing is None\n"
        "assert table == {'a': [1, 2.5, None]} and isinstance(table, dict)",
    ),
    "built-in exceptions": (
        "def root(x):\n    if x < 0: raise ValueError('negative')\n    return x ** 0.5",
        "try:\n    root(-1)\nexcept ValueError as error:\n    assert str(error) == 'negative'\n"
        "else:\n    raise AssertionError('no ValueError')",
    ),
    "exceptions of one's own": (
        "class Empty(ValueError): pass\ndef pop(): raise Empty('none left')",
        "try:\n    pop()\nexcept Empty as error:\n    assert 'none left' in str(error)\n"
        "else:\n    assert False\n"
        "try:\n    pop()\nexcept ValueError:\n    pass",
    ),
    "pytest.raises": (
        "def f(x): return {}[x]",
        "import pytest\nwith pytest.raises(KeyError):\n    f(1)",
    ),
    "classes": (
        "class Account:\n    rate = 0.5\n"
        "    def __init__(self, owner, balance=0): self.owner, self.balance = owner, balance\n"
        "    def deposit(self, amount):\n        self.balance += amount\n        return self\n"
        "    @property\n    def twice(self): return 2 * self.balance\n"
        "    def __len__(self): return 7\n    def __repr__(self): return f'<{self.owner}>'\n"
        "class Child(Account): pass",
        "a = Account('Ann', balance=5)\nassert a.deposit(3).balance == 8 and a.twice == 16\n"
        "assert len(a) == 7 and repr(a) == '<Ann>' and str(a) == '<Ann>' and Account.rate == 0.5\n"
        "assert isinstance(a, Account) and not isinstance(a, Child)\n"
        "assert issubclass(Child, Account)\n"
        "assert hasattr(a, 'owner') and not hasattr(a, 'none') and a.deposit(0) is a\n"
        "a.balance = 1\nassert a.twice == 2 and Account.__name__ == 'Account'",
    ),
    "operators of a class": (
        "class V:\n    def __init__(self, x): self.x = x\n"
        "    def __add__(self, o): return V(self.x + o.x)\n"
        "    def __mul__(self, k): return V(self.x * k)\n"
        "    def __eq__(self, o): return self.x == o.x\n"
        "    def __lt__(self, o): return self.x < o.x",
        "assert V(1) + V(2) == V(3) and not V(1) == V(2) and V(1) != V(2) and V(1) < V(2)\n"
        "assert (V(2) + V(3)).x == 5",
    ),
    "iteration": (
        "def count(n):\n    for i in range(n): yield i\nclass Bag:\n"
        "    def __init__(self, *x): self.x = x\n    def __iter__(self): return iter(self.x)\n"
        "    def __getitem__(self, i): return self.x[i]",
        "assert list(count(4)) == [0, 1, 2, 3] and sum(count(4)) == 6\n"
        "g = count(2)\nassert next(g) == 0 and next(g) == 1\n"
        "try: g.send(None)\nexcept StopIteration: pass\nelse: assert False\n"
        "try: next(g)\nexcept StopIteration: pass\nelse: assert False\n"
        "import types\nassert isinstance(count(2), types.GeneratorType)\n"
        "b = Bag(5, 6)\nassert [*b] == [5, 6] and b[1] == 6 and 5 in b and 7 not in b",
    ),
    "callbacks": (
        "def minimise(f, start, steps):\n    x = start\n    for _ in range(steps):\n"
        "        x = min((x - 1, x, x + 1), key=f)\n    return x\n"
        "def compose(f, g): return lambda x: f(g(x))",
        "calls = []\ndef cost(x):\n    calls.append(x)\n    return (x - 3) ** 2\n"
        "assert minimise(cost, 0, 5) == 3 and len(calls) >= 5\n"
        "assert compose(lambda x: x + 1, lambda x: 2 * x)(5) == 11\n"
        "import math\nassert compose(math.sqrt, abs)(-16) == 4.0",
    ),
    "callbacks that raise": (
        "def safe(f):\n    try: return f()\n    except ZeroDivisionError as e: return str(e)",
        "assert safe(lambda: 1 / 0) == 'division by zero'",
    ),
    "arguments changed in place": (
        "import numpy as np, torch\ndef sort_it(x): x.sort()\ndef fill(a): a[:] = 7\n"
        "def put(d): d['k'] = [1]\ndef deep(rows): rows[0].append(9)",
        "import numpy as np, torch\nx = [3, 1, 2]\nsame = x\nassert sort_it(x) is None\n"
        "assert same == [1, 2, 3]\na = np.zeros(3)\nfill(a)\nassert a.tolist() == [7, 7, 7]\n"
        "t = torch.zeros(2)\nfill(t)\nassert t.tolist() == [7, 7]\nd = {}\nput(d)\n"
        "assert d == {'k': [1]}\ninner = [1]\ndeep([inner])\nassert inner == [1, 9]",
    ),
    "arguments left alone": (
        "def smooth(x): return sorted(x)",
        "x = [2, 1]\nsmooth(x)\nassert x == [2, 1]",
    ),
    "isinstance and callable": (
        "def f(): return 0.5\ng = lambda x: x",
        "import types\nassert callable(f) and callable(g) and type(f()) is float\n"
        "assert isinstance(f(), float) and isinstance(f, types.FunctionType) and f.__name__ == 'f'",
    ),
    "warnings and stderr": (
        "import warnings, sys\ndef f():\n    warnings.warn('old')\n"
        "    print('noise', file=sys.stderr)\n    return 1",
        "import sys\nprint('from the test', file=sys.stderr)\nassert f() == 1",
    ),
    "numpy scalars": (
        "import numpy as np\ndef mean(x): return np.mean(x)",
        "import numpy as np\nm = mean(np.array([1.0, 2.0]))\n"
        "assert isinstance(m, np.float64) and m == 1.5 and abs(m - 1.5) < 1e-9",
    ),
    "estimators": (
        "from sklearn.linear_model import LinearRegression\n"
        "def fit(x, y): return LinearRegression().fit(x, y)",
        "import numpy as np\nfrom sklearn.base import BaseEstimator\n"
        "x = np.arange(6.0).reshape(-1, 1)\nm = fit(x, 2 * x[:, 0] + 1)\n"
        "assert isinstance(m, BaseEstimator)\nnp.testing.assert_allclose(m.coef_, [2])\n"
        "assert abs(m.predict([[10.0]])[0] - 21) < 1e-9",
    ),
    "large numbers": (
        "def power(n): return 7 ** n",
        "assert power(500) == 7 ** 500 and power(0) == 1 and -power(100) == -(7 ** 100)",
    ),
}


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CellResult]:
    """All of them in one notebook, one after the other."""
    cells = [
        f"#%% answer a{i}\n{answer}\n#%% test t{i} 1\n{test}\n"
        for i, (answer, test) in enumerate(STOCK.values())
    ]
    return judged(tmp_path_factory.mktemp("stock"), "".join(cells), limits=SLOW)


@pytest.mark.parametrize("case", STOCK)
def test_stock_tests_run_unchanged(case: str, stock: dict[str, CellResult]) -> None:
    result = stock[f"t{list(STOCK).index(case)}"]
    assert (result.points, result.message) == (1.0, "")


ANSWER = "def square(x):\n    return 9"
ATTACKS = {
    "ast transformers": "import ast\nclass N(ast.NodeTransformer):\n"
    "    def visit_Assert(self, node): return ast.Pass()\n"
    "get_ipython().ast_transformers.append(N())",
    "input transformers": "get_ipython().input_transformers_cleanup.append("
    "lambda lines: ['pass\\n'])",
    "numpy.testing": "import numpy as np, numpy.testing as nt\n"
    "nt.assert_equal = nt.assert_allclose = np.array_equal = np.allclose = lambda *a, **k: True",
    "builtins": "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.all = lambda x: True\n"
    "builtins.type = lambda *a: int\nbuiltins.isinstance = lambda *a: True",
    "always equal": "class E:\n    def __eq__(self, o): return True\n"
    "    def __ne__(self, o): return False\n    def __abs__(self): return 0\n"
    "    def __sub__(self, o): return 0\n    def __rsub__(self, o): return 0\n"
    "    def __lt__(self, o): return True\n    def __le__(self, o): return True\n"
    "    def __contains__(self, o): return True\n    __hash__ = None\n"
    "    __class__ = int\ndef square(x): return E()",
    "int subclass": "class I(int):\n    def __eq__(self, o): return True\n"
    "    def __sub__(self, o): return 0\n    __hash__ = int.__hash__\n"
    "def square(x): return I(9)",
    "all in one": "class E:\n    def same(self, *a): return self\n"
    "    __sub__ = __rsub__ = __abs__ = __lt__ = __le__ = __add__ = __radd__ = same\n"
    "    def __bool__(self): return True\n    def __len__(self): return 1\n"
    "def square(x): return E()",
    "a difference of nothing": "class E:\n    def __sub__(self, o): return self\n"
    "    __rsub__ = __sub__\n    def __abs__(self): return 0.0\ndef square(x): return E()",
    "the end of a loop": "def square(x): raise StopIteration",
    "class for a function": "class square:\n    def __init__(self, x): pass\n"
    "    def __eq__(self, o): return True\n    def __rsub__(self, o): return 0\n"
    "    def __sub__(self, o): return 0",
    "exit": "import sys\ndef square(x): sys.exit(0)",
    "exit in the cell": "import sys\nsys.exit(0)",
    "_exit": "import os\ndef square(x): os._exit(0)",
    "_exit in the cell": "import os\nos._exit(0)",
    "killed parent": "import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "os.kill(os.getpid(), signal.SIGKILL)",
    "atexit": "import atexit, os\natexit.register(lambda: os._exit(0))\n"
    "def square(x): raise SystemExit(0)",
    "frames": "import gc, inspect, sys\ndef square(x):\n    seen = {}\n"
    "    for f in inspect.stack(): seen.update(f.frame.f_locals)\n"
    "    for o in gc.get_objects():\n"
    "        if isinstance(o, dict) and 'fresh_seed' in o: seen.update(o)\n"
    "    return 9 if 'randrange' in repr(seen) else x * (x - 1)",
    "memorised": "seen = []\ndef square(x):\n    seen.append(x)\n    return seen[0] ** 2",
    "probes redefined": "def probe_square(f): return [x * x for x in range(5)]\n"
    "fresh_seed = 0\ndef square(x): return 9",
    "seeded": "fresh_seed = 3\nimport random\nrandom.seed = lambda *a: None\n"
    "random.randrange = lambda *a: 3",
    "lazy": "class L:\n    def __init__(self, x): self.x = x\n"
    "    def __getattr__(self, n): return L(n)\n    def __call__(self, *a): return self\n"
    "    def __bool__(self): return True\ndef square(x): return L(x)",
    "stack of calls": "def square(x):\n    return square(x)",
    "garbage on the channel": "import os, gc, socket\nfor o in gc.get_objects():\n"
    "    if isinstance(o, socket.socket): os.write(o.fileno(), b'\\0\\0\\0\\5hello' * 9)",
    "channel closed": "import os\nos.closerange(3, 64)",
    "forged replies": "import gc, socket\nfrom coursehub.grading import wire\n"
    "body = wire.encode(['ok', True, []])\nfor o in gc.get_objects():\n"
    "    if isinstance(o, socket.socket):\n        for i in range(200):\n"
    "            for m in ({'op': 'reply', 'id': i, 'body': body},\n"
    "                      {'op': 'done', 'points': 2.0, 'message': '', 'outputs': [],\n"
    "                       'seconds': 0.0, 'peak': 0.0}):\n                f = wire.encode(m)\n"
    "                o.sendall(len(f).to_bytes(4, 'big') + f)",
    "late threads": "import threading, time\ndef late():\n    time.sleep(0.2)\n"
    "    square.__code__ = (lambda x: x).__code__\nthreading.Thread(target=late).start()",
    "sleeping": "import signal, time\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
    "def square(x):\n    while True: time.sleep(60)",
    "deep": "def square(x):\n    a = []\n    for i in range(100000): a = [a]\n    return a",
    "huge": "import numpy as np\ndef square(x): return np.zeros(2 ** 27)",
    "recursive": "def square(x):\n    a = []; a.append(a); return a",
    "_exit when looked at": "import os\nimport coursehub.grading.given as given\n"
    "given.Given.value = lambda *a: os._exit(0)",
    "the judge shall import": "def square(x): pass\n"
    "square = type('T', (), {'__module__': 'test.__main__'})()",
    "main": "import __main__\n__main__.__dict__.clear()",
    "judge's module": "import coursehub.grading.student_side as square",
}
JUDGED = """
#%% setup given
fresh_seed = 3
def probe_square(f):
    return [f(x) for x in range(5)]
#%% answer task
def square(x):
    return x * x
#%% test exact 1
import random
random.seed(fresh_seed)
for _ in range(3):
    n = random.randrange(10**6)
    assert square(n) == n * n
#%% test close 1
for n in (4, 5, 6):
    assert abs(square(n) - n * n) < 1e-6
#%% test array 1
import numpy as np
np.testing.assert_allclose(square(np.arange(4.0)), np.arange(4.0) ** 2)
#%% test within 1
assert 16 in [square(4)] and [square(5)] == [25] and not square(4) != 16
#%% test looped 1
for got, want in zip(map(square, (2, 4)), (4, 16)):
    assert got == want
assert all(map(lambda n: square(n) == n * n, (4, 5)))
#%% test probed 1
assert probe_square(square) == [0, 1, 4, 9, 16]
"""


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_gives_points(attack: str, tmp_path: Path) -> None:
    text = ATTACKS[attack]
    text = text if "square" in text else f"{ANSWER}\n{text}"
    results = judged(tmp_path, JUDGED, {"task": text}, limits=SHORT)
    assert points(results) == dict.fromkeys(
        ("exact", "close", "array", "within", "looped", "probed"), 0.0
    )
    assert all(result.message for result in results.values() if result.kind == "test")


def test_tensors_of_ones_own_are_not_plain(tmp_path: Path) -> None:
    text = """
#%% answer task
import torch
def ones(n):
    return torch.ones(n)
#%% test t 1
import torch
got = ones(3)
assert torch.allclose(got, torch.ones(3))
#%% test u 1
assert isinstance(ones(3), torch.Tensor)
#%% test v 1
assert bool((ones(3) == torch.ones(3)).all())
"""
    fake = (
        "import torch\nclass T(torch.Tensor):\n    @classmethod\n"
        "    def __torch_function__(cls, f, types, args=(), kwargs=None): return True\n"
        "    def __eq__(self, o): return torch.ones(3)\n"
        "torch.allclose = lambda *a, **k: True\n"
        "def ones(n): return torch.zeros(n).as_subclass(T)"
    )
    assert points(judged(tmp_path / "a", text, {"task": fake}, limits=SLOW)) == dict.fromkeys(
        "tuv", 0.0
    )
    assert points(judged(tmp_path / "b", text, limits=SLOW)) == dict.fromkeys("tuv", 1.0)


def test_training_with_fixtures_and_probes(tmp_path: Path) -> None:
    text = """
#%% setup given
import torch
def fixture_model(width):
    torch.manual_seed(0)
    return torch.nn.Linear(width, 1)
def probe_step(step, width):
    model = fixture_model(width)
    before = model.weight.detach().clone()
    step(model, torch.ones(2, width), torch.zeros(2, 1))
    return {"moved": float((model.weight - before).abs().max()), "grad": model.weight.grad}
#%% answer task
def step(model, x, y):
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        for p in model.parameters(): p -= 0.1 * p.grad
    return float(loss)
#%% test t 1
model = fixture_model(3)
first, second = step(model, torch.ones(4, 3), torch.zeros(4, 1)), None
with torch.no_grad():
    out = model(torch.ones(1, 3))
assert type(first) is float and out.shape == (1, 1)
report = probe_step(step, 3)
assert report["moved"] > 1e-3 and isinstance(report["grad"], torch.Tensor)
"""
    right = judged(tmp_path / "a", text, limits=SLOW)["t"]
    assert (right.points, right.message) == (1.0, "")
    lazy = judged(tmp_path / "b", text, {"task": "def step(m, x, y): return 1.0"}, limits=SLOW)["t"]
    assert lazy.points == 0.0


def test_a_library_that_an_answer_imports_is_the_judges_own(tmp_path: Path) -> None:
    text = """
#%% answer a
import numpy as np
from math import isclose
def half(x): return x / 2
#%% test t 1
np.testing.assert_allclose(half(3.0), 1.5)
#%% test u 1
assert isclose(half(5.0), 2.5)
"""
    fake = """
class np:
    class testing:
        assert_allclose = staticmethod(lambda *a: None)
isclose = lambda *a: True
def half(x): return 7
"""
    assert points(judged(tmp_path / "a", text, {"a": fake})) == {"t": 0.0, "u": 0.0}
    assert points(judged(tmp_path / "b", text)) == {"t": 1.0, "u": 1.0}


def test_partial_credit(tmp_path: Path) -> None:
    cells = {"1.5": 1.5, "2": 2.0, "True": 2.0, "0": 0.0, "float('nan')": 0.0, "-1": 0.0,
             "3": 0.0, "'text'": 2.0, "f()": 0.0, "None": 2.0}  # fmt: skip
    text = "#%% answer a\ndef f(): return float('nan')\n"
    for number, last in enumerate(cells):
        text += f"#%% test t{number} 2\nassert True\n{last}\n"
    assert list(points(judged(tmp_path, text)).values()) == list(cells.values())


def test_a_student_reads_why_but_no_hidden_input(tmp_path: Path) -> None:
    text = """
#%% answer a
def f(x): return x
#%% test seen 1
f(1234567)
#%% test unseen 1
### BEGIN HIDDEN TESTS
secret = 7654321
f(secret)
### END HIDDEN TESTS
"""
    results = judged(tmp_path, text, {"a": "def f(x): raise ValueError(f'got {x}')"})
    assert results["seen"].message == "Your code raised ValueError: got 1234567"
    assert results["unseen"].message == "Your code raised ValueError"
    assert "7654321" not in str([o.get("evalue") for o in results["unseen"].outputs])


def test_a_module_of_the_students(tmp_path: Path) -> None:
    folder = tmp_path / "student"
    folder.mkdir()
    (folder / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    text = """
#%% setup given
from helper import twice
import helper
#%% answer a
def four(x): return twice(twice(x))
#%% test t 1
from helper import twice as again
assert twice(2) == 4 and helper.twice(3) == 6 and again(1) == 2 and four(1) == 4
"""
    assert judged(tmp_path, text)["t"].message == ""


def test_given_training_is_not_repeated(tmp_path: Path) -> None:
    text = """
#%% setup given
runs = []
#%% answer a
def train(log):
    log.append(1)
    return len(log)
#%% setup run
count = train(runs)
def helper(): return train([])
label = "judge's own"
#%% test t 1
assert count == 1 and helper() == 1 and label == "judge's own"
"""
    assert judged(tmp_path, text)["t"].message == ""


def test_given_values_stay_what_they_are(tmp_path: Path) -> None:
    text = """
#%% setup given
labels = [1, 2, 3]
#%% answer a
def fit(y): return sum(y)
#%% test t 1
fit(labels)
#%% test u 1
assert labels == [1, 2, 3]
"""
    results = judged(tmp_path, text, {"a": "def fit(y): y[:] = [0, 0, 0]; return 6"})
    assert results["u"].points == 1.0


INPUTS = """
#%% setup given
import numpy as np
#%% answer a
def twice(x): return 2 * x
#%% answer b
def grow(x):
    x.append(1)
    return len(x)
#%% test after 1
x = np.array([1.0, 2.0])
got = twice(x)
np.testing.assert_allclose(got, 2 * x)
#%% test alone 1
x = np.ones(3)
twice(x)[0] = 5
y = x.copy()
twice(x)
assert (x == y).all()
#%% test drawn 1
x = np.random.rand(4)
assert np.allclose(twice(x), 2 * x)
#%% test grown 1
x = [1]
assert grow(x) == 2 and x == [1, 1]
"""


def test_inputs_are_not_turned_into_what_gives_the_result(tmp_path: Path) -> None:
    right = judged(tmp_path / "right", INPUTS)
    assert set(points(right).values()) == {1.0}
    zero = "def twice(x):\n    x[:] = 0\n    return x.copy()"
    results = points(judged(tmp_path / "zero", INPUTS, {"a": zero}))
    assert results == {"after": 0.0, "alone": 1.0, "drawn": 0.0, "grown": 1.0}
    sloppy = "def twice(x):\n    z = 2 * x\n    x += 1\n    return z"
    results = points(judged(tmp_path / "sloppy", INPUTS, {"a": sloppy}))
    assert results == {"after": 0.0, "alone": 0.0, "drawn": 0.0, "grown": 1.0}


def test_a_set_up_cell_that_fails_is_nobodys_zero(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="set-up cell given"):
        judged(
            tmp_path,
            "#%% setup given\nimport sys\nif 'coursehub.grading.judge_side' in "
            "sys.modules: raise RuntimeError('broken')\n#%% test t 1\npass\n",
        )


def test_a_judge_that_ends_is_nobodys_zero(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="judge"):
        judged(tmp_path, "#%% test t 1\nimport os\nos._exit(0)\n")


def test_the_source_of_an_answer_is_refused_with_a_reason(tmp_path: Path) -> None:
    text = "#%% answer a\ndef f(): return 1\n#%% test t 1\nimport inspect\ninspect.getsource(f)\n"
    assert "not the judge's to read" in judged(tmp_path, text)["t"].message
