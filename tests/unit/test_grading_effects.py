"""Which functions change their arguments, told from their text."""

import ast

import pytest

from coursehub.grading.effects import gentle_functions

GENTLE = """
def read(x): return x[0] + x.sum()
def fresh(x):
    y = x.copy()
    y[0] = 1
    y += 1
    return y
def own(x):
    rows = []
    for row in x:
        rows.append(row * 2)
    out = np.zeros_like(x)
    out[:] = np.exp(x)
    return out, rows
def scalar(n, steps=3):
    total = 0
    for k in range(n):
        total += k
    return total
def calls(x): return read(x) + len(x)
def recursive(x): return recursive(x[1:]) if x else 0
def loss(model, x): return model(x).sum()
"""
ROUGH = """
def store(x): x[0] = 1
def part(x): x.T[0] = 1
def alias(x):
    y = x
    y.append(1)
def row(x):
    for r in x:
        r.sort()
def view(x):
    v = x.reshape(-1)
    v += 1
def both(x):
    a, b = x, 1
    a |= {b}
def attribute(x): x.balance -= 1
def deleted(d, k): del d[k]
def shuffled(x): np.random.shuffle(x)
def torchy(x): return x.clamp_(min=0)
def into(x): np.exp(x, out=x)
def other(x): return unknown(x)
def through(x): store(x)
def walrus(x):
    if (y := x): y.pop()
"""


def functions(text: str) -> list[str]:
    return [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]


def test_gentle() -> None:
    # A model may be anything, and is called: in doubt it is not gentle.
    assert gentle_functions(ast.parse(GENTLE)) == set(functions(GENTLE)) - {"loss"}


@pytest.mark.parametrize("name", functions(ROUGH))
def test_rough(name: str) -> None:
    assert name not in gentle_functions(ast.parse(GENTLE + ROUGH))
