"""What is taken in, what is refused, and with which words."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursehub.grading.intake import Rejected, Submission, read_submission
from coursehub.grading.source import Source
from coursehub.grading.strict import MAX_DEPTH, read_notebook
from tests.unit.notebooks import release, solved, write_source

NAME = "assignment_1.ipynb"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return write_source(tmp_path / "source" / "assignment_1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "alice"
    made.mkdir()
    return made


def put(folder: Path, name: str = NAME, **changes: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(as_json() | changes), encoding="utf-8")
    return path


def as_json() -> dict[str, Any]:
    return json.loads(nbformat.writes(solved()))


def texts(submission: Submission, name: str = NAME) -> list[str]:
    return [cell.source for cell in submission.notebooks[name].cells]


def test_hand_in(folder: Path, source: Source) -> None:
    put(folder)
    (folder / "helper.py").write_text("X = 1")
    (folder / "timestamp.txt").write_text("2021-02-01 00:00:00 UTC")
    found = read_submission(folder, source)
    assert (found.name, found.findings, dict(found.files)) == ("alice", (), {"helper.py": b"X = 1"})
    assert texts(found) == [cell.source for cell in solved().cells]


@pytest.mark.parametrize(
    "name",
    [
        "a0100000J_Wang-Wenjie_assignment_1.ipynb",
        "Assignment_1.ipynb",
        "assignment_1 (2).ipynb",
        "assignment_1-Copy1.ipynb",
        "assignment_1.ipynb.ipynb",
        "assignment 1.ipynb",
        "my solution.ipynb",
        "王文杰.ipynb",
    ],
)
def test_other_names_of_the_notebook(folder: Path, source: Source, name: str) -> None:
    put(folder, name)
    found = read_submission(folder, source)
    assert "x ** 2" in "".join(texts(found))
    assert [finding.kind for finding in found.findings] == ["renamed"]


def test_right_name_wins(folder: Path, source: Source) -> None:
    put(folder)
    put(folder, "assignment_1-Copy1.ipynb", cells=[])
    found = read_submission(folder, source)
    assert "x ** 2" in "".join(texts(found))
    assert [(f.kind, f.cell) for f in found.findings] == [("added", "assignment_1-Copy1.ipynb")]


def test_several_candidates_are_not_guessed_at(folder: Path, source: Source) -> None:
    put(folder, "x_assignment_1.ipynb")
    put(folder, "y_assignment_1.ipynb")
    with pytest.raises(Rejected, match=r"x_assignment_1.ipynb and y_assignment_1.ipynb.*Hand in"):
        read_submission(folder, source)


def test_another_assignments_notebook(folder: Path, source: Source) -> None:
    (folder / "assignment_2.ipynb").write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []})
    )
    with pytest.raises(Rejected, match=r"no notebook named assignment_1.ipynb; it holds"):
        read_submission(folder, source)


def test_one_of_two_notebooks(tmp_path: Path, folder: Path) -> None:
    source = write_source(tmp_path / "two")
    nbformat.write(release(), tmp_path / "two" / "part_2.ipynb")
    source = write_source(tmp_path / "two")
    put(folder)
    found = read_submission(folder, source)
    assert texts(found, "part_2.ipynb") == [] and len(texts(found)) == 8
    assert [(f.kind, f.cell) for f in found.findings] == [("deleted", "part_2.ipynb")]


def _link(path: Path) -> None:
    target = path.parent.parent / "elsewhere.ipynb"
    target.write_text(json.dumps(as_json()))
    path.symlink_to(target)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize(
    ("make", "what"),
    [(_link, "a link"), (os.mkfifo, "a named pipe"), (_socket, "a socket"), (os.mkdir, "a folder")],
)
@pytest.mark.timeout(20)
def test_what_is_no_file(
    folder: Path, source: Source, make: Callable[[Path], None], what: str
) -> None:
    make(folder / NAME)
    with pytest.raises(Rejected, match=f"assignment_1.ipynb is {what}|no notebook named"):
        read_submission(folder, source)
    (folder / NAME).rename(folder / "other") if what != "a folder" else (folder / NAME).rmdir()
    put(folder)
    found = read_submission(folder, source)
    assert not found.files
    assert [what in f.text for f in found.findings] == [True] * (what != "a folder")


def test_linked_folder_is_not_entered(folder: Path, source: Source, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "gradebook.db").write_text("secret")
    put(folder)
    (folder / "data").symlink_to(tmp_path / "secret")
    assert not read_submission(folder, source).files
    (tmp_path / "bob").symlink_to(folder)
    with pytest.raises(Rejected):
        read_submission(tmp_path / "bob", source)


def test_too_large(folder: Path, source: Source) -> None:
    with (folder / NAME).open("wb") as file:
        file.truncate(500 * 2**20)
    with pytest.raises(Rejected, match=r"larger than 50 MiB.*Clear all outputs"):
        read_submission(folder, source)
    put(folder)
    (folder / "big.bin").write_bytes(bytes(60_000))
    (folder / "small.py").write_text("1")
    found = read_submission(folder, source, max_bytes=50_000)
    assert set(found.files) == {"small.py"} and "too large" in found.findings[0].text


def test_nested_modules_stay(folder: Path, source: Source) -> None:
    put(folder)
    (folder / "nets").mkdir()
    (folder / "nets" / "__init__.py").write_text("")
    (folder / "nets" / "__pycache__").mkdir()
    (folder / "nets" / "__pycache__" / "x.cpython-311.pyc").write_text("")
    assert set(read_submission(folder, source).files) == {"nets/__init__.py"}


@pytest.mark.parametrize("name", [b"bad\xff.py", b"new\nline.py", b"esc\x1b[2J.py"])
def test_odd_names_are_named_safely(folder: Path, source: Source, name: bytes) -> None:
    put(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("1")
    found = read_submission(folder, source)
    assert not found.files and found.findings[0].text.isprintable()


def test_nothing_there(folder: Path, source: Source) -> None:
    with pytest.raises(Rejected, match="holds nothing"):
        read_submission(folder, source)
    with pytest.raises(Rejected, match="is no folder"):
        read_submission(folder / "absent", source)


def notebook(**changes: Any) -> bytes:
    return json.dumps(as_json() | changes).encode()


CELL = {"cell_type": "code", "metadata": {}, "source": "", "outputs": [], "execution_count": None}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (notebook()[:-200], "damaged or cut off"),
        (b"not json", "damaged or cut off"),
        (notebook().decode().encode("utf-16"), "UTF-16"),
        (notebook().decode().encode("utf-16-le"), "UTF-16"),
        (b'{"a": "\xff"}', "not stored as UTF-8"),
        (b"[" * 100_000, "levels deep"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "levels deep"),
        (b'{"nbformat": 4, "nbformat": 4}', "'nbformat' twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": [-Infinity]}', "Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "too long"),
        (b"[]", "no notebook"),
        (b"{}", "which version"),
        (notebook(nbformat="4"), "which version"),
        (notebook(nbformat=True), "which version"),
        (notebook(nbformat=3), "old notebook format 3"),
        (notebook(nbformat=5), "not known yet, 5.5"),
        (notebook(nbformat_minor=99), "not known yet, 4.99"),
        (notebook(cells={}), "no list of cells"),
        (json.dumps({k: v for k, v in as_json().items() if k != "cells"}).encode(), "no list"),
        (notebook(cells=[1]), "no cell in place 1"),
        (notebook(cells=[CELL | {"cell_type": "magic"}]), "unknown type in place 1"),
        (notebook(cells=[CELL | {"source": 1}]), "without text in place 1"),
        (notebook(cells=[CELL | {"source": ["a", 1]}]), "without text in place 1"),
        (notebook(cells=[CELL | {"metadata": []}]), "metadata of a wrong type in place 1"),
        (notebook(metadata=[]), "metadata of a wrong type"),
        (notebook(cells=[CELL] * 5001), "5001 cells"),
    ],
)
def test_rejected_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Rejected, match=reason) as raised:
        read_notebook("a.ipynb", data)
    assert raised.value.remedy and len(str(raised.value)) < 300


@pytest.mark.parametrize("minor", range(6))
def test_older_minors_are_upgraded(minor: int) -> None:
    cells = as_json()["cells"]
    if minor < 5:
        cells = [{k: v for k, v in cell.items() if k != "id"} for cell in cells]
    found = read_notebook("a.ipynb", notebook(nbformat_minor=minor, cells=cells))
    assert (found.nbformat, found.nbformat_minor) == (4, 5)
    nbformat.validate(found)


def test_what_does_no_harm() -> None:
    data = notebook(
        cells=[CELL | {"source": ["a = 1\r\n", "b"], "extra": 1}, CELL, CELL | {"id": 3}]
    )
    found = read_notebook("a.ipynb", b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    assert found.cells[0].source == "a = 1\nb"
    same = [CELL | {"id": "twice"}, CELL | {"id": "twice"}]
    assert len(read_notebook("a.ipynb", notebook(cells=same)).cells) == 2


def test_outputs_and_attachments_are_dropped() -> None:
    cell = CELL | {"outputs": [{"output_type": "x"}], "execution_count": "no"}
    text = {"cell_type": "markdown", "metadata": {}, "source": "", "attachments": {"a": "<script>"}}
    found = read_notebook("a.ipynb", notebook(cells=[cell, text]))
    assert found.cells[0].outputs == [] and "attachments" not in found.cells[1]


def test_halves_of_surrogates_are_replaced() -> None:
    cell = CELL | {"source": "s = '\ud800'", "metadata": {"nbgrader": {"grade_id": "\udfff"}}}
    found = read_notebook("a.ipynb", notebook(cells=[cell]))
    nbformat.writes(found).encode()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", [b'"\\"', b"\\", b'"', b'"\\\\', b'{"', b'"a":['])
def test_hostile_texts_take_no_time(piece: bytes) -> None:
    with pytest.raises(Rejected):
        read_notebook("a.ipynb", b"[" + piece * (4_000_000 // len(piece)))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["cells", "metadata", "nbformat", "cell_type", "source", "nbgrader"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(values, values, values, values)
def test_nothing_but_rejected_is_raised(cells: Any, metadata: Any, source: Any, kind: Any) -> None:
    """Whatever stands where: it is read, or refused in words."""
    cell = {"cell_type": "code", "metadata": metadata, "source": source}
    for found in (cells, [cells, cell], [cell, cell | {"cell_type": kind}]):
        try:
            read_notebook("a.ipynb", notebook(cells=found, metadata=metadata))
        except Rejected as error:
            assert error.remedy


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(Rejected):
        read_notebook("a.ipynb", data)


@given(st.integers(1, 200))
def test_depth_is_counted_outside_strings(depth: int) -> None:
    """Brackets in strings are no depth; a hundred levels are allowed and no more."""
    text = json.dumps("[" * 500 + '"{')
    data = notebook(metadata={"a": json.loads("[" * depth + text + "]" * depth)})
    if depth + 2 <= MAX_DEPTH:
        assert read_notebook("a.ipynb", data).cells
    else:
        with pytest.raises(Rejected, match="deep"):
            read_notebook("a.ipynb", data)
