"""What ties a test cell to other cells: the names that one defines and another uses."""

import ast
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coursehub.grading.plan import Step, defined_names, parse

_DEFINITIONS = (
    ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
)  # fmt: skip


@dataclass(frozen=True)
class Tie:
    """A name that one test defines and a later one uses.

    Attributes:
        name: The name.
        giver: The test that defines it.
        taker: The test that uses it.
    """

    name: str
    giver: str
    taker: str


def definitions(step: Step) -> str:
    """Return the imports, functions and classes of a test that students can read."""
    tree = parse(step.released)
    kept = [node for node in tree.body if isinstance(node, _DEFINITIONS)] if tree else []
    return "\n".join(ast.unparse(node) for node in kept)


def ties(steps: Sequence[Step]) -> Iterator[Tie]:
    """Yield what ties tests to each other, visible imports, functions and classes aside."""
    defined = {step.cell: defined_names(definitions(step)) for step in steps}
    giver: dict[str, Step] = {}
    for step in steps:
        if step.kind == "test":
            for name in sorted(_needs(step, giver, defined)):
                other = giver.get(name)
                if other and other.kind == "test" and name not in defined[other.cell]:
                    yield Tie(name, other.cell, step.cell)
        giver |= dict.fromkeys(step.defines, step)


def leaks(step: Step, steps: Sequence[Step]) -> Iterator[tuple[str, str]]:
    """Yield the names that only a test defines and later set-up cells or answers use, and which."""
    known: set[str] = set()
    for other in steps:
        if other.kind in ("setup", "answer"):
            used = globals_used(other.source) if other.number > step.number else frozenset()
            for name in sorted(used & step.defines - known - other.defines):
                yield name, other.cell
            known |= other.defines


def globals_used(text: str) -> frozenset[str]:
    """Return the names that a cell of the source takes from the notebook."""
    tree = parse(text)
    if tree is None:
        return frozenset()
    todo = [symtable.symtable(ast.unparse(tree), "cell", "exec")]
    names: set[str] = set()
    while todo:
        table = todo.pop()
        todo += table.get_children()
        names |= {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    return frozenset(names)


def _needs(step: Step, giver: dict[str, Step], defined: dict[str, frozenset[str]]) -> set[str]:
    """The names that a test uses, and those that the tests' functions use that it calls."""
    found: set[str] = set()
    todo = set(globals_used(step.source) - step.defines)
    while todo:
        name = todo.pop()
        found.add(name)
        other = giver.get(name)
        if other and other.kind == "test" and name in defined[other.cell]:
            todo |= globals_used(definitions(other)) - found
    return found
