"""Which code of the source belongs to which side, told from its text alone."""

import ast
import builtins
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

_FAR_PREFIXES = ("fixture_", "probe_")
_FAR_MARK = re.compile(r"#\s*(fixture|probe)s?\b", re.IGNORECASE)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Split:
    """A set-up cell, divided.

    Attributes:
        here: The text that the judge runs itself.
        there: Names whose values only the student's side has.
        passed: Names that the student's functions may have changed.
        tied: Functions and classes of the judge's that use the student's.
    """

    here: str
    there: frozenset[str]
    passed: frozenset[str]
    tied: frozenset[str]


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


def split(tree: ast.Module, foreign: Collection[str], seed: int) -> Split:
    """Divide a set-up cell of the source.

    What calls or reads the student's functions ran on the student's side already: running it here
    again would train a model twice. What does not is the judge's own, and nobody else's.

    Args:
        tree: The cell.
        foreign: Names of the student's side, and of functions that use them.
        seed: The value that `fresh_seed` gets.
    """
    foreign = set(foreign)
    here: list[ast.stmt] = []
    there: set[str] = set()
    passed: set[str] = set()
    tied: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, _DEFINITIONS) and not _head(statement) & foreign:
            here.append(statement)
            if read(statement) & foreign:
                foreign.add(statement.name)
                tied.add(statement.name)
        elif isinstance(statement, ast.Import | ast.ImportFrom) or not read(statement) & foreign:
            here.append(_seeded(statement, seed))
            foreign -= stored(statement)
            there -= stored(statement)
        else:
            names = stored(statement)
            foreign |= names
            there |= names
            passed |= read(statement) - names
    module = ast.Module(here, [])
    kept = ast.unparse(ast.fix_missing_locations(module))
    return Split(kept, frozenset(there), frozenset(passed - set(dir(builtins))), frozenset(tied))


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


def _seeded(statement: ast.stmt, seed: int) -> ast.stmt:
    match statement:
        case ast.Assign(targets=[ast.Name(id="fresh_seed")]):
            statement.value = ast.Constant(seed)
        case ast.AnnAssign(target=ast.Name(id="fresh_seed")):
            statement.value = ast.Constant(seed)
    return statement
