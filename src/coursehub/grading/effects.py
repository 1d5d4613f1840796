"""What functions of the source do to their arguments, as far as reading tells.

Most only read them. A student's function that changes them all the same could make a test compute
its expectation from what is left.
"""

import ast
import builtins
from collections.abc import Iterator

from coursehub.grading.sharing import CHANGING

_FRESH = {
    "abs", "all", "any", "argmax", "argmin", "array", "astype", "bool", "clone", "copy", "deepcopy",
    "dict", "dot", "empty_like", "exp", "float", "full_like", "int", "item", "len", "list", "log",
    "max", "mean", "min", "norm", "ones_like", "prod", "range", "set", "size", "sorted", "sqrt",
    "std", "str", "sum", "tolist", "tuple", "var", "zeros_like",
}  # fmt: skip
_IN_PLACE = {
    "copyto", "delattr", "fill_diagonal", "heapify", "heappop", "heappush", "insort", "place",
    "put", "put_along_axis", "putmask", "setattr", "shuffle",
}  # fmt: skip
_BUILTINS = set(dir(builtins))


def gentle_functions(tree: ast.Module | None) -> frozenset[str]:
    """Return the functions of a cell that change none of their arguments; in doubt, not."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)] if tree else []
    gentle: set[str] = set()
    while more := {f.name for f in functions if f.name not in gentle and _gentle(f, gentle)}:
        gentle |= more
    return frozenset(gentle)


def _gentle(function: ast.FunctionDef, known: set[str]) -> bool:
    a = function.args
    names = {
        each.arg for each in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if each
    }
    nodes = list(ast.walk(function))
    while more := {name for node in nodes for name in _bound(node, names)} - names:
        names |= more
    return not any(_changes(node, names, known | {function.name}) for node in nodes)


def _bound(node: ast.AST, names: set[str]) -> Iterator[str]:
    """The names that a node binds to an argument, or to a part of one."""
    match node:
        case ast.Assign(targets=targets, value=value):
            pass
        case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
            targets = [target]
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            targets = [target]
        case ast.NamedExpr(target=target, value=value):
            targets = [target]
        case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
            targets = [target]
        case _:
            return
    if _part_of(value, names):
        for target in targets:
            for each in ast.walk(target):
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                    yield each.id


def _part_of(node: ast.expr, names: set[str]) -> bool:
    """Whether an expression may be an argument itself, or share memory with one."""
    match node:
        case ast.Name(id=name):
            return name in names
        case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Starred(value=value):
            return _part_of(value, names)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.BoolOp(values=parts):
            return any(_part_of(part, names) for part in parts)
        case ast.IfExp(body=one, orelse=other):
            return _part_of(one, names) or _part_of(other, names)
        case ast.Call(func=function, args=args):
            if _name(function) in _FRESH:
                return False
            whose = [function.value] if isinstance(function, ast.Attribute) else []
            return any(_part_of(part, names) for part in (*whose, *args))
    return False


def _changes(node: ast.AST, names: set[str], known: set[str]) -> bool:
    """Whether a node may change an argument in place."""
    match node:
        case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
            return _part_of(value, names)
        case ast.Attribute(value=value, ctx=ast.Store() | ast.Del()):
            return _part_of(value, names)
        case ast.AugAssign(target=ast.Name(id=name)):
            return name in names
        case ast.Call(func=function, args=args, keywords=keywords):
            given = [*args, *(each.value for each in keywords)]
            touched = any(_part_of(part, names) for part in given)
            name = _name(function)
            if isinstance(function, ast.Attribute):
                by_name = name in CHANGING or name.rstrip("_") + "_" == name
                return (by_name and _part_of(function.value, names)) or (
                    touched and (name in _IN_PLACE or any(each.arg == "out" for each in keywords))
                )
            return touched and (name in _IN_PLACE or name not in _BUILTINS | known)
    return False


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
