"""The points of a test cell follow from the kernel's reply alone."""

import pytest
from nbformat.v4 import new_code_cell, new_output

from coursehub.grading.scoring import points

NUMBER = new_output("execute_result", {"text/plain": "0.5"})
WARNING = new_output("stream", name="stderr", text="UserWarning: slow")
ERROR = new_output("error", ename="AssertionError", evalue="", traceback=[])


@pytest.mark.parametrize(
    ("outputs", "reply", "expected"),
    [
        ([], "ok", 4.0),
        ([WARNING], "ok", 4.0),
        ([NUMBER], "ok", 4.0),
        ([ERROR], "ok", 0.0),
        ([], "error", 0.0),
        ([NUMBER, ERROR], "error", 0.0),
        ([], None, 0.0),
        ([NUMBER], None, 0.0),
    ],
)
def test_points(outputs: list, reply: str | None, expected: float) -> None:
    cell = new_code_cell("check()", outputs=outputs, metadata={"nbgrader": {"points": 4}})
    assert points(cell, reply) == expected
