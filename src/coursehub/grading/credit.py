"""What a test cell that ran to its end earns: all its points, or what its last number says."""

import ast
import math
from typing import Any

_NUMBERS = {"float", "int", "len", "round", "sum"}


def credit(value: Any, most: float, *, counts: bool) -> tuple[float, str]:
    """Return the points of a test that raised nothing, and a remark where they are not all.

    Args:
        value: The value of its last expression; a number there is partial credit, as in nbgrader.
        most: What it can earn.
        counts: Whether the test ends with a number by its own text.
    """
    if type(value).__module__ in ("numpy", "torch") and getattr(value, "shape", None) == ():
        value = value.item()
    if value is False:
        return 0.0, "The test's last line is False."
    if type(value) not in (int, float):
        return (0.0, "The test's score is no number.") if counts else (most, "")
    if math.isnan(value) or not 0 <= value <= most:
        return 0.0, f"The test's score, {value}, is not between 0 and {most:g}."
    return float(value), "" if value == most else f"Partly right: {value:g} of {most:g} points."


def counts(tree: ast.Module | None) -> bool:
    """Return whether a test ends with a number: what it has added up, or computes there."""
    last = tree.body[-1] if tree and tree.body else None
    match last:
        case ast.Expr(value=ast.Name(id=name)):
            return any(
                isinstance(node, ast.AugAssign)
                and isinstance(node.target, ast.Name)
                and node.target.id == name
                for node in ast.walk(tree or last)
            )
        case ast.Expr(value=ast.Call(func=ast.Name(id=name), args=args)):
            return name in _NUMBERS or (name in ("max", "min") and any(map(_number, args)))
        case ast.Expr(value=ast.BinOp() | ast.Constant() as value):
            constants = [node for node in ast.walk(value) if isinstance(node, ast.Constant)]
            return all(map(_number, constants))
    return False


def _number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)
