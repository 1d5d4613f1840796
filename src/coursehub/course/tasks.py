"""The tasks of an assignment, by the grade ids of its cells."""

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
