"""The tasks of an assignment by the grade ids of its cells, and whether a cell tests anything."""

import ast
import re

# Grade ids of this course's notebooks: a1_t3_test_2, a1_plot, a1_written.
_TASK = re.compile(r"(?:[a-z]+\d+_)?(?:t(?P<number>\d+)(?:_|$).*|(?P<name>.+))")


def task_of(cell: str) -> str:
    """The task of a grade id: ``Task 3`` of ``a1_t3_test_2``, ``Plot`` of ``a1_plot``."""
    found = _TASK.fullmatch(cell)
    if found and found["number"]:
        return f"Task {found['number']}"
    name = (found["name"] if found else cell).replace("_", " ").strip()
    return name[:1].upper() + name[1:] if name else cell


def tests_something(tree: ast.Module | None) -> bool:
    """Whether a test is left, and not only a comment and a `print` around the hidden ones.

    Args:
        tree: The cell; None where it is no plain Python, which counts as a test.
    """
    return tree is None or not all(map(_idle, tree.body))


def _idle(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"))) | ast.Expr(value=ast.Constant()):
            return True
        case ast.Import() | ast.ImportFrom() | ast.Pass():
            return True
    return False
