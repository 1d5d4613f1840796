"""The order of work for one notebook: what is set up, what is the student's, what is judged."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Literal

from IPython.core.inputtransformer2 import TransformerManager

from coursehub.grading.effects import gentle_functions
from coursehub.grading.marks import marks_of, released_text

if TYPE_CHECKING:  # the judge plans too, and nbformat takes a second to import
    from nbformat import NotebookNode

_MOST_TEXT = 20_000  # characters of a student's cell that is looked into

Kind = Literal["setup", "answer", "test", "text"]


@dataclass(frozen=True)
class Step:
    """A cell of the source, in source order.

    Attributes:
        number: Its place, from 0.
        cell: Its grade id, or its cell id where it has none.
        kind: `setup` is code of the source; `answer` is code of the student; `test` is code of
            the source, hidden tests included, that gives points; `text` is not run.
        source: The text to run.
        points: What it can earn.
        manual: A person gives its points.
        defines: The top-level names that the source's version of the cell defines.
        imports: The top-level imports of the source's version; the judge makes them itself.
        released: Of a test, what students received of it.
        gentle: Of an answer, the functions that change no argument in the source's version.
    """

    number: int
    cell: str
    kind: Kind
    source: str
    points: float
    manual: bool
    defines: frozenset[str]
    imports: str = ""
    released: str = ""
    gentle: frozenset[str] = frozenset()


def plan(notebook: "NotebookNode", answers: Mapping[str, str] | None = None) -> tuple[Step, ...]:
    """Return the steps of a source notebook.

    Args:
        notebook: The instructor's notebook.
        answers: Grade id -> text of the student, for cells that students write; by default the
            source's own.
    """
    answers = answers or {}
    steps = []
    for number, cell in enumerate(notebook.cells):
        name, kind = name_of(cell), kind_of(cell)
        marks = marks_of(cell)
        steps.append(
            Step(
                number=number,
                cell=name,
                kind=kind,
                source=answers.get(name, cell.source),
                points=marks.points if marks else 0.0,
                manual=bool(marks and marks.manual),
                defines=defined_names(cell.source) if kind != "text" else frozenset(),
                imports=imports_of(cell.source) if kind != "text" else "",
                released=released_text(cell) if kind == "test" else "",
                gentle=gentle_functions(parse(cell.source)) if kind == "answer" else frozenset(),
            )
        )
    return tuple(steps)


def name_of(cell: "NotebookNode") -> str:
    """Return a source cell's name: its grade id, or its cell id where it has none."""
    marks = marks_of(cell)
    return marks.id if marks else str(cell.id)


def kind_of(cell: "NotebookNode") -> Kind:
    """Return what a source cell is for."""
    marks = marks_of(cell)
    if cell.cell_type != "code":
        return "text"
    if marks and marks.solution:
        return "answer"
    return "test" if marks and marks.test else "setup"


def parse(text: str) -> ast.Module | None:
    """Parse a cell of the source as IPython would, magics and all; None where it is no Python."""
    try:
        return _tree(_transformed(text))
    except (SyntaxError, ValueError, RuntimeError, MemoryError):
        return None


@lru_cache(maxsize=1024)
def _transformed(text: str) -> str:
    """The cell as plain Python; the same few are asked for with each hand-in."""
    return TransformerManager().transform_cell(text)


def parse_theirs(text: str) -> ast.Module | None:
    """Parse a student's cell, or not where it would take long: with magics, or endless."""
    try:
        return _tree(text) if len(text) <= _MOST_TEXT else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


# Python 3.11 counts the depth of the trees that all threads build as if they were one, and raises
# SystemError when two build at the same time.
_ONE_TREE_AT_A_TIME = Lock()


def _tree(text: str) -> ast.Module:
    with _ONE_TREE_AT_A_TIME:
        return ast.parse(text)


def defined_names(text: str) -> frozenset[str]:
    """Return the names that a cell of the source defines at its top level.

    Those inside if, try, with and for are among them.
    """
    return names_of(parse(text))


def names_of(tree: ast.Module | None) -> frozenset[str]:
    """Return the names that a parsed cell defines at its top level."""
    return frozenset(_names(tree.body)) if tree else frozenset()


def imports_of(text: str) -> str:
    """Return the top-level imports of a cell of the source, one a line."""
    tree = parse(text)
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)] if tree else []
    return "\n".join(ast.unparse(node) for node in imports)


def _names(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield statement.name
            case ast.Import() | ast.ImportFrom():
                for alias in statement.names:
                    if alias.name != "*":
                        yield alias.asname or alias.name.partition(".")[0]
            case _:
                yield from _bound(statement)
                for inner in _bodies(statement):
                    yield from _names(inner)


def _bodies(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        yield from ([getattr(statement, field)] if getattr(statement, field, None) else [])
    for handler in getattr(statement, "handlers", []):
        yield handler.body
    for case in getattr(statement, "cases", []):
        yield case.body


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement binds itself, its nested statements aside."""
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        if isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
        if isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest
        if not isinstance(node, _SCOPES):
            todo += [
                child
                for child in ast.iter_child_nodes(node)
                if not isinstance(child, ast.stmt | ast.ExceptHandler)
            ]


_IMPORTS = (ast.Import, ast.ImportFrom)
_SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
