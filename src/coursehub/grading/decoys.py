"""Checks that must fail: whether a test can still fail in the student's process.

They run there like the test itself, before and after it. A process that lets one of them pass has
made its comparisons, or all that runs in it, say yes.
"""

import ast
import copy
import random
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from coursehub.grading.plan import parse

_CALLS = re.compile(r"assert_?((array|list|tuple|dict|set|sequence|frame|series|count)_?)*"
                    r"((almost|approx)_?)?(equal|allclose|close)", re.IGNORECASE)  # fmt: skip
_COMPARERS = {"allclose", "equal", "isclose", "array_equal", "array_equiv"}
_ORDERED = (ast.Eq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Is)

# What must not hold for two different numbers a < b, by the builtin that a test uses.
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
    "range": "list(range({a}, {b})) == []",
    "repr": "repr({a}) == '{b}'",
    "round": "round({a}.0) == {b}",
    "set": "set(({a},)) == {{{b}}}",
    "sorted": "sorted([{b}, {a}]) == [{b}, {a}]",
    "str": "str({a}) == '{b}'",
    "sum": "sum([{a}, {a}]) == {b}",
    "tuple": "tuple([{a}]) == ({b},)",
    "type": "type({a}) is str",
    "zip": "list(zip([{a}], [{a}])) == [({b}, {b})]",
}
_ALWAYS = ("{a} == {b}", "{a} is None", "not {a} < {b}", "[{a}] == [{b}]", "'{a}' == '{b}'")
_LIBRARIES = {
    "numpy": (
        "__import__('numpy').testing.assert_allclose([{a}.0], [{b}.0], err_msg='{nonce}')",
        "__import__('numpy').testing.assert_array_equal([{a}], [{b}], err_msg='{nonce}')",
        "__import__('numpy').testing.assert_equal({a}, {b}, err_msg='{nonce}')",
        "assert __import__('numpy').allclose([{a}.0], [{b}.0]), '{nonce}'",
        "assert __import__('numpy').array_equal([{a}], [{b}]), '{nonce}'",
        "assert (__import__('numpy').array([{a}]) == [{b}]).all(), '{nonce}'",
    ),
    "torch": (
        "assert __import__('torch').allclose(__import__('torch').tensor([{a}.0]), "
        "__import__('torch').tensor([{b}.0])), '{nonce}'",
        "assert __import__('torch').equal(__import__('torch').tensor([{a}]), "
        "__import__('torch').tensor([{b}])), '{nonce}'",
        "__import__('torch').testing.assert_close(__import__('torch').tensor([{a}.0]), "
        "__import__('torch').tensor([{b}.0]), msg='{nonce}')",
    ),
    "unittest": ("__import__('unittest').TestCase().assertEqual({a}, {b}, '{nonce}')",),
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
    """Return comparisons of different values, in any order, by what a test compares with.

    Args:
        test: The test's text.
        around: All text of the notebook, which tells what libraries are there.
    """
    words = set(re.findall(r"\w+", test))
    conditions = [*_ALWAYS, *(text for name, text in _BUILTINS.items() if name in words)]
    texts = ["raise AssertionError('{nonce}')", "assert False, '{nonce}'"]
    texts += [f"assert {condition}, '{{nonce}}'" for condition in conditions]
    for library, more in _LIBRARIES.items():
        texts += more if re.search(rf"\b{library}\b", around) else ()
    decoys = [_filled(text) for text in texts]
    random.SystemRandom().shuffle(decoys)
    return decoys


def changed_test(test: str) -> Decoy | None:
    """Return a test with each of its comparisons, in turn, against what nothing is equal to.

    It fails unless one of them holds; None where a test has no comparison that is sure to run.
    """
    tree = parse(test)
    changed = [_changed(statement) for statement in tree.body] if tree else []
    if not any(changed):
        return None
    assert tree
    nonce = secrets.token_hex(8)
    body: list[ast.stmt] = []
    for statement, instead in zip(tree.body, changed, strict=True):
        body += instead or ([] if isinstance(statement, ast.Assert) else [statement])
    body += ast.parse(f"raise AssertionError('{nonce}')").body
    loop = ast.While(ast.Constant(True), body, [])
    module = ast.fix_missing_locations(ast.Module([loop], []))
    return Decoy(ast.unparse(module), "")


def _filled(text: str) -> Decoy:
    low = secrets.randbelow(10**6) + 1000
    nonce = secrets.token_hex(8)
    high = 2 * low + 1 + secrets.randbelow(1000)
    return Decoy(text.format(a=low, b=high, nonce=nonce), nonce)


def _changed(statement: ast.stmt) -> list[ast.stmt]:
    """The checks that a statement becomes; each leaves the loop around it when it holds."""
    return [_escaping(check) for check in _impossible(statement)]


def _escaping(check: ast.stmt) -> ast.stmt:
    handler = ast.ExceptHandler(ast.Name("Exception", ast.Load()), None, [ast.Pass()])
    return ast.Try([check], [handler], [ast.Break()], [])


def _impossible(statement: ast.stmt) -> Iterator[ast.stmt]:
    match statement:
        case ast.Assert(test=ast.BoolOp(op=ast.And(), values=parts)):
            for part in parts:
                yield from _impossible(ast.Assert(part))
        case ast.Assert(test=ast.Compare(left=left, ops=[op], comparators=[right])):
            if isinstance(op, _ORDERED):
                yield ast.Assert(ast.Compare(left, [op], [_nothing()]))
                yield ast.Assert(ast.Compare(_nothing(), [op], [right]))
            elif isinstance(op, ast.In):
                yield ast.Assert(ast.Compare(left, [op], [ast.List([_nothing()], ast.Load())]))
        case ast.Assert(test=ast.Call() as call) if _name(call) in _COMPARERS:
            yield from (ast.Assert(each) for each in _other_argument(call))
        case ast.Expr(value=ast.Call() as call) if _CALLS.fullmatch(_name(call)):
            yield from (ast.Expr(each) for each in _other_argument(call))


def _other_argument(call: ast.Call) -> Iterator[ast.Call]:
    if len(call.args) >= 2 and not any(isinstance(each, ast.Starred) for each in call.args):
        for place in (0, 1):
            other = copy.copy(call)
            other.args = [*call.args]
            # Of one shape: a lone object would be compared with no element of an empty array.
            other.args[place] = ast.List([_nothing(), _nothing()], ast.Load())
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
