"""Which code of the source belongs to which side, told from its text alone."""

import ast
import builtins
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

_FAR_PREFIXES = ("fixture_", "probe_")
_FAR_MARK = re.compile(r"#\s*(fixture|probe)s?\b", re.IGNORECASE)
CHANGING = {
    "add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "fill", "insert",
    "pop", "popitem", "popleft", "put", "remove", "reverse", "setdefault", "sort", "update",
}  # fmt: skip
"""Methods that change what they belong to."""
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Split:
    """A set-up cell, divided.

    Attributes:
        here: The text that the judge runs itself.
        there: Names whose values only the student's side has.
        passed: Names that the student's functions may have changed.
        tied: Functions and classes of the judge's that use the student's.
        changes: What each of these changes of the notebook's when it is called.
        here_alone: All of it is the judge's.
    """

    here: str
    there: frozenset[str]
    passed: frozenset[str]
    tied: frozenset[str]
    changes: Mapping[str, frozenset[str]]
    here_alone: bool


def far_names(source: str, tree: ast.Module) -> frozenset[str]:
    """Return the functions and classes of a set-up cell that run on the student's side.

    They are those called `fixture_...` or `probe_...`, and all of a cell whose first line begins
    with `# fixture` or `# probe`: fixtures make live objects, probes reduce them to plain values.
    """
    marked = _FAR_MARK.match(source.lstrip())
    return frozenset(
        statement.name
        for statement in tree.body
        if isinstance(statement, _DEFINITIONS)
        and (marked or statement.name.startswith(_FAR_PREFIXES))
    )


def split(
    tree: ast.Module,
    foreign: Collection[str],
    seed: int,
    changes: Mapping[str, frozenset[str]] | None = None,
) -> Split:
    """Divide a set-up cell of the source.

    What calls or reads the student's functions ran on the student's side already: running it here
    again would train a model twice. What it binds or changes, like a list that it appends to, is
    only there. All else is the judge's own, and nobody else's.

    Args:
        tree: The cell.
        foreign: Names of the student's side, and of functions that use them.
        seed: The value that `fresh_seed` gets.
        changes: What functions of earlier cells change when they are called.
    """
    foreign, changes = set(foreign), dict(changes or {})
    here: list[ast.stmt] = []
    there: set[str] = set()
    passed: set[str] = set()
    tied: set[str] = set()
    for statement in tree.body:
        used = read(statement)
        if isinstance(statement, _DEFINITIONS) and not _head(statement) & foreign:
            here.append(statement)
            if used & foreign:
                foreign.add(statement.name)
                tied.add(statement.name)
                changes[statement.name] = frozenset(changed(statement))
        elif isinstance(statement, ast.Import | ast.ImportFrom) or not used & foreign:
            here.append(_seeded(statement, seed))
            foreign -= stored(statement)
            there -= stored(statement)
        else:
            names = stored(statement) | changed(statement)
            names |= set().union(*(changes.get(name, frozenset()) for name in used & foreign))
            foreign |= names
            there |= names
            passed |= used - names
    module = ast.Module(here, [])
    kept = ast.unparse(ast.fix_missing_locations(module))
    passed -= set(dir(builtins))
    return Split(
        here=kept,
        there=frozenset(there),
        passed=frozenset(passed),
        tied=frozenset(tied),
        changes={name: changes[name] for name in tied},
        here_alone=len(here) == len(tree.body),
    )


def _head(statement: Any) -> set[str]:
    """The names that a definition reads at once: decorators, base classes."""
    parts = [*statement.decorator_list, *getattr(statement, "bases", ())]
    return set().union(*map(read, parts))


def read(node: ast.AST) -> set[str]:
    """Return the names that a piece of code reads, however deep."""
    return {
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
    } | {
        each.target.id
        for each in ast.walk(node)
        if isinstance(each, ast.AugAssign) and isinstance(each.target, ast.Name)
    }


def stored(node: ast.AST) -> set[str]:
    """Return the names that a statement binds; those of functions in it may be among them."""
    names = {
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }
    return names | {each.name for each in ast.walk(node) if isinstance(each, _DEFINITIONS)}


def changed(node: ast.AST) -> set[str]:
    """Return the names whose values a piece of code changes in place: lists, dicts, sets."""
    names: set[str] = set()
    for each in ast.walk(node):
        match each:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)):
                names |= {name} if method in CHANGING else set()
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                names.add(name)
            case ast.Global(names=more):
                names |= set(more)
    own = {a.arg for each in ast.walk(node) if isinstance(each, ast.arguments)
           for a in (*each.posonlyargs, *each.args, *each.kwonlyargs)}  # fmt: skip
    return names - own - (_locals(node) if isinstance(node, _DEFINITIONS) else set())


def _locals(node: ast.AST) -> set[str]:
    shared = {
        name for each in ast.walk(node) if isinstance(each, ast.Global) for name in each.names
    }
    return stored(node) - shared


def _seeded(statement: ast.stmt, seed: int) -> ast.stmt:
    match statement:
        case ast.Assign(targets=[ast.Name(id="fresh_seed")]):
            statement.value = ast.Constant(seed)
        case ast.AnnAssign(target=ast.Name(id="fresh_seed")):
            statement.value = ast.Constant(seed)
    return statement
