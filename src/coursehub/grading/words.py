"""What students may read of a hidden test that failed: the author's own words, no computed value.

`assert got == want, "Task 2: give a tensor, not a list"` is written for them. What a library says,
as `numpy.testing` about a hidden input and what was expected for it, was written for nobody.
"""

import ast
import linecache
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

_BEGIN, _END = "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"
_CELL = re.compile(r"<ipython-input|<cell ")


def gives_away(error: BaseException) -> bool:
    """Whether the text of an error is to be kept from students.

    So it is when a hidden line failed, unless the text is the author's: an assert's own message, or
    that of an exception raised explicitly, in a cell or in a file that lies beside the notebook.
    """
    places = list(_places(error.__traceback__))
    if not any(_is_hidden(file, line) for file, line in places):
        return False
    return not _is_written(*places[-1])


def _places(trace: TracebackType | None) -> Iterator[tuple[str, int]]:
    """File and line of each frame, the innermost last."""
    while trace:
        yield trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next


def _is_hidden(file: str, line: int) -> bool:
    if not _CELL.match(file):
        return False
    inside = False
    for text in linecache.getlines(file)[:line]:
        inside = _BEGIN in text or (inside and _END not in text)
    return inside


def _is_written(file: str, line: int) -> bool:
    """Whether the statement there says something of its own."""
    if not _CELL.match(file) and Path(file).resolve().parent != Path.cwd():
        return False
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert | ast.Raise):
            says = node.msg if isinstance(node, ast.Assert) else node.exc
            if says is not None and node.lineno <= line <= (node.end_lineno or node.lineno):
                return True
    return False
