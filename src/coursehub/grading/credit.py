"""What a test cell that ran to its end earns: all its points, or what its last number says."""

import math
from typing import Any


def credit(value: Any, most: float) -> tuple[float, str]:
    """Return the points of a test that raised nothing, and a remark where they are not all.

    Args:
        value: The value of its last expression; a number there is partial credit, as in nbgrader.
        most: What it can earn.
    """
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        value = value.item()
    if type(value) not in (int, float):
        return most, ""
    if math.isnan(value) or not 0 <= value <= most:
        return 0.0, f"The test's score, {value}, is not between 0 and {most:g}."
    return float(value), "" if value == most else f"Partly right: {value:g} of {most:g} points."
