"""Reading a notebook that somebody else wrote: strict JSON of bounded depth, then its format."""

import json
import math
import re
from collections import Counter
from typing import Any

from nbformat import NotebookNode, from_dict

from coursehub.errors import BadSubmission

MAX_DEPTH = 100
MAX_CELLS = 5_000
NEWEST = (4, 5)
_SAVE_AGAIN = "Open it in JupyterLab, save it there, and hand it in again."
# A string, closed or not, or a bracket; possessive, so that no text makes it slow.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Rejected(BadSubmission):
    """The hand-in cannot be graded; `message` and `remedy` are for the student."""


def read_notebook(name: str, data: bytes) -> NotebookNode:
    """Read a notebook: its cells' types, texts and metadata; outputs and attachments are dropped.

    Args:
        name: Its file name, for the reason.
        data: The bytes of the file.

    Returns:
        A notebook of nbformat 4.5 whose cells all have an id; ids may repeat.

    Raises:
        Rejected: It is no notebook, or none of a version that is graded.
    """
    try:
        return _notebook(_parse(_text(data)))
    except _Wrong as wrong:
        raise Rejected(
            f"The notebook {name} {wrong.problem}", remedy=wrong.remedy or _SAVE_AGAIN
        ) from None


class _Wrong(Exception):
    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem, self.remedy = problem, remedy


def _text(data: bytes) -> str:
    if not data.strip():
        raise _Wrong("is empty")
    if data.startswith(_UTF16) or b"\0" in data[:4]:
        raise _Wrong("is stored as UTF-16, not as UTF-8", "Save it as UTF-8 and hand it in again.")
    if _depth(data) > MAX_DEPTH:
        raise _Wrong(f"is nested more than {MAX_DEPTH} levels deep")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Wrong(f"is not stored as UTF-8 (byte {error.start})") from None


def _depth(data: bytes) -> int:
    deepest = depth = 0
    for token in _TOKEN.finditer(data):
        match data[token.start()]:
            case 0x5B | 0x7B:
                depth += 1
                deepest = max(deepest, depth)
            case 0x5D | 0x7D:
                depth -= 1
    return deepest


def _parse(text: str) -> Any:
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
        )
    except json.JSONDecodeError as error:
        raise _Wrong(
            f"is damaged or cut off: no valid JSON at line {error.lineno}, column {error.colno}"
        ) from None
    except (ValueError, RecursionError):
        raise _Wrong("holds a number that is too long") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise _Wrong(f"names the key {twice[:40]!r} twice in one object")
    return found


def _constant(name: str) -> float:
    raise _Wrong(f"holds {name}, which is no JSON", "Clear all outputs, save, and hand in again.")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _Wrong("holds a number that is too large")
    return value


def _notebook(found: Any) -> NotebookNode:
    if not isinstance(found, dict):
        raise _Wrong("is JSON, but no notebook")
    _check_version(found)
    cells, metadata = found.get("cells"), found.get("metadata", {})
    if not isinstance(cells, list):
        raise _Wrong("has no list of cells")
    if len(cells) > MAX_CELLS:
        raise _Wrong(f"has {len(cells)} cells; {MAX_CELLS} are the most that is graded")
    if not isinstance(metadata, dict):
        raise _Wrong("has metadata of a wrong type")
    return from_dict(
        {
            "nbformat": NEWEST[0],
            "nbformat_minor": NEWEST[1],
            "metadata": _clean(metadata),
            "cells": [_cell(number, cell) for number, cell in enumerate(cells, start=1)],
        }
    )


def _check_version(found: dict[str, Any]) -> None:
    major, minor = found.get("nbformat"), found.get("nbformat_minor", 0)
    if type(major) is not int or type(minor) is not int or minor < 0:
        raise _Wrong("does not say which version of the notebook format it has")
    if major < NEWEST[0]:
        raise _Wrong(f"is of the old notebook format {major}; format 4 is graded")
    if (major, minor) > NEWEST:
        raise _Wrong(f"is of a notebook format that is not known yet, {major}.{minor}")


def _cell(number: int, cell: Any) -> dict[str, Any]:
    if not isinstance(cell, dict):
        raise _Wrong(f"has something that is no cell in place {number}")
    kind, source = cell.get("cell_type"), cell.get("source")
    if kind not in ("code", "markdown", "raw"):
        raise _Wrong(f"has a cell of unknown type in place {number}")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise _Wrong(f"has a cell without text in place {number}")
    metadata = cell.get("metadata", {})
    if not isinstance(metadata, dict):
        raise _Wrong(f"has a cell with metadata of a wrong type in place {number}")
    name = cell.get("id")
    code = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {
        "cell_type": kind,
        "id": _clean(name) if isinstance(name, str) and name else f"handed-{number}",
        "metadata": _clean(metadata),
        "source": _clean(source.replace("\r\n", "\n").replace("\r", "\n")),
        **code,
    }


def _clean(value: Any) -> Any:
    """Replace halves of surrogate pairs, which no file or terminal takes."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value
