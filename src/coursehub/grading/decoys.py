"""Checks that must fail: whether a test can still fail in the student's process.

They run there like the test itself, before and after it. A process that lets one of them pass has
made its comparisons, or all that runs in it, say yes.
"""

import ast
import copy
import random
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from coursehub.grading.plan import parse

_DICE = random.SystemRandom()
_CALLS = re.compile(r"assert_?((array|list|tuple|dict|set|sequence|frame|series|count)_?)*"
                    r"((almost|approx)_?)?(equal|allclose|close)", re.IGNORECASE)  # fmt: skip
_COMPARERS = {"allclose", "equal", "isclose", "array_equal", "array_equiv"}
_ORDERED = (ast.Eq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Is)

# What does not hold for two different numbers a < b: always asked, by the builtin that a test
# uses, and by the library that the notebook has.
_ALWAYS = ("{a} == {b}", "None == {a}", "not {a} < {b}", "[{a}] == [{b}]", "'{a}' == '{b}'")
_BUILTINS = {
    "abs": "abs({a} - {b}) < 1e-9",
    "all": "all([True, {a} == {b}])",
    "any": "any([False, {a} == {b}])",
    "bool": "bool({a} == {b})",
    "callable": "callable({a})",
    "dict": "dict(n={a}) == dict(n={b})",
    "float": "float({a}) == {b}",
    "getattr": "getattr({a}, 'real') == {b}",
    "hasattr": "hasattr({a}, 'n{b}')",
    "int": "int({a}) == {b}",
    "isinstance": "isinstance({a}, str)",
    "issubclass": "issubclass(int, str)",
    "len": "len('{a}') == {b}",
    "list": "list(({a},)) == [{b}]",
    "max": "max({a}, {b}) == {a}",
    "min": "min({a}, {b}) == {b}",
    "range": "list(range({a}, {a} + 2)) == []",
    "repr": "repr({a}) == '{b}'",
    "round": "round({a}.0) == {b}",
    "set": "set(({a},)) == {{{b}}}",
    "sorted": "sorted([{b}, {a}]) == [{b}, {a}]",
    "str": "str({a}) == '{b}'",
    "sum": "sum([{a}, {a}]) == {b}",
    "tuple": "tuple([{a}]) == ({b},)",
    "type": "type({a}) == str",
    "zip": "list(zip([{a}], [{a}])) == [({b}, {b})]",
}
_LIBRARIES = {
    "numpy": (
        "__import__('numpy').testing.assert_allclose([{a}.0], [{b}.0])",
        "__import__('numpy').testing.assert_array_equal([{a}], [{b}])",
        "__import__('numpy').testing.assert_equal({a}, {b})",
        "assert __import__('numpy').allclose([{a}.0], [{b}.0])",
        "assert __import__('numpy').array_equal([{a}], [{b}])",
        "assert (__import__('numpy').array([{a}]) == [{b}]).all()",
    ),
    "torch": (
        "assert __import__('torch').allclose(__import__('torch').tensor([{a}.0]), "
        "__import__('torch').tensor([{b}.0]))",
        "assert __import__('torch').equal(__import__('torch').tensor([{a}]), "
        "__import__('torch').tensor([{b}]))",
        "__import__('torch').testing.assert_close(__import__('torch').tensor([{a}.0]), "
        "__import__('torch').tensor([{b}.0]))",
    ),
    "unittest": ("__import__('unittest').TestCase().assertEqual({a}, {b})",),
}


@dataclass(frozen=True)
class Decoy:
    """A cell that must fail.

    Attributes:
        source: Its text.
        nonce: What its error has to say; empty where any error will do.
    """

    source: str
    nonce: str


def plain_decoys(test: str, around: str) -> list[Decoy]:
    """Return what fails in any process that is in order: comparisons of different values.

    Args:
        test: The test's text, which tells what it compares with.
        around: All text of the notebook, which tells what libraries are there.
    """
    words = set(re.findall(r"\w+", test))
    conditions = [*_ALWAYS, *(text for name, text in _BUILTINS.items() if name in words)]
    checks = [f"assert {condition}" for condition in conditions]
    for library, more in _LIBRARIES.items():
        checks += more if re.search(rf"\b{library}\b", around) else ()
    _DICE.shuffle(checks)
    nonce, other = _nonce(), _nonce()
    alone = _with_numbers(f"assert {_DICE.choice(_ALWAYS)}, '{other}'")
    decoys = [
        Decoy(f"raise AssertionError('{nonce}')", nonce),
        Decoy(alone, other),
        _none_holds([ast.parse(_with_numbers(check)).body[0] for check in checks]),
    ]
    _DICE.shuffle(decoys)
    return decoys


def changed_test(test: str) -> Decoy | None:
    """Return a test with each of its comparisons, in turn, against what nothing is equal to.

    None where a test has no comparison that is sure to run.
    """
    tree = parse(test)
    if tree is None or not any(_impossible(statement) for statement in tree.body):
        return None
    body: list[ast.stmt] = []
    for statement in tree.body:
        checks = _impossible(statement)
        kept = [] if isinstance(statement, ast.Assert) else [statement]
        body += [_leaving(check) for check in checks] or kept
    # What the changed test stumbles over does not matter; only that it does not pass.
    return Decoy(_loop(body, _nonce()), "")


def _none_holds(checks: Iterable[ast.stmt]) -> Decoy:
    nonce = _nonce()
    return Decoy(_loop([_leaving(check) for check in checks], nonce), nonce)


def _loop(body: Iterable[ast.stmt], nonce: str) -> str:
    """A cell that fails at its end, if nothing in it leaves the loop before."""
    ending = ast.parse(f"raise AssertionError('{nonce}')").body
    loop = ast.While(ast.Constant(True), [*body, *ending], [])
    return ast.unparse(ast.fix_missing_locations(ast.Module([loop], [])))


def _leaving(check: ast.stmt) -> ast.stmt:
    """Leave the loop if a check holds."""
    handler = ast.ExceptHandler(ast.Name("Exception", ast.Load()), None, [ast.Pass()])
    return ast.Try([check], [handler], [ast.Break()], [])


def _impossible(statement: ast.stmt) -> list[ast.stmt]:
    """A check with one side replaced by what nothing is equal to, for each side."""
    match statement:
        case ast.Assert(test=ast.BoolOp(op=ast.And(), values=parts)):
            return [check for part in parts for check in _impossible(ast.Assert(part))]
        case ast.Assert(test=ast.Compare(left=left, ops=[op], comparators=[right])):
            if isinstance(op, _ORDERED):
                sides = ((left, _nothing()), (_nothing(), right))
                return [ast.Assert(ast.Compare(a, [op], [b])) for a, b in sides]
            if isinstance(op, ast.In):
                return [ast.Assert(ast.Compare(left, [op], [_nothings()]))]
        case ast.Assert(test=ast.Call() as call) if _name(call) in _COMPARERS:
            return [ast.Assert(each) for each in _other_argument(call)]
        case ast.Expr(value=ast.Call() as call) if _CALLS.fullmatch(_name(call)):
            return [ast.Expr(each) for each in _other_argument(call)]
    return []


def _other_argument(call: ast.Call) -> Iterator[ast.Call]:
    if len(call.args) >= 2 and not any(isinstance(each, ast.Starred) for each in call.args):
        for place in (0, 1):
            other = copy.copy(call)
            other.args = [*call.args]
            other.args[place] = _nothings()
            yield other


def _name(call: ast.Call) -> str:
    """The last part of what is called."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _nothing() -> ast.expr:
    """An object that is equal to nothing else."""
    return ast.Call(ast.Name("object", ast.Load()), [], [])


def _nothings() -> ast.expr:
    """A list of such objects; a lone one would be compared with no element of an empty array."""
    return ast.List([_nothing(), _nothing()], ast.Load())


def _nonce() -> str:
    return secrets.token_hex(8)


def _with_numbers(text: str) -> str:
    low = secrets.randbelow(10**6) + 1000
    return text.format(a=low, b=2 * low + 1 + secrets.randbelow(1000))
