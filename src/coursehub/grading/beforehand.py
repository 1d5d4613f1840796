"""What grading would remark about a hand-in, told to its student before they hand it in."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from coursehub.grading.intake import read_submission
from coursehub.grading.rebuild import rebuild
from coursehub.grading.source import load_source
from coursehub.grading.strict import Rejected

MOST = 12
"""Sentences that a person still reads."""


def remarks(released: Mapping[str, bytes], contents: Mapping[str, bytes]) -> list[str]:
    """What would be found, in sentences; nothing is executed.

    Args:
        released: The assignment as students received it: path -> content.
        contents: What is to be handed in: name -> content.
    """
    with TemporaryDirectory(prefix="coursehub-") as scratch:
        source = load_source(_written(Path(scratch, "released"), released))
        folder = _written(Path(scratch, "handed-in"), contents)
        try:
            submission = read_submission(folder, source)
        except Rejected as error:
            return [str(error)]
        found = [
            finding.text.partition("\n")[0]
            for name, notebook in source.notebooks.items()
            for finding in rebuild(notebook, submission.notebooks[name]).findings
        ]
    found += [text for name, data in contents.items() for text in _failed(name, data)]
    rest = len(found) - MOST
    return found[:MOST] + ([f"And {rest} more of this kind."] if rest > 0 else [])


def _failed(name: str, data: bytes) -> Iterator[str]:
    """The tests that failed when the student ran them last, by what the notebook has kept."""
    if not name.endswith(".ipynb"):
        return
    for cell in json.loads(data.decode("utf-8-sig"))["cells"]:
        marks = cell.get("metadata", {}).get("nbgrader", {})
        failed = any(output.get("output_type") == "error" for output in cell.get("outputs", ()))
        if failed and marks.get("grade") and not marks.get("solution"):
            yield f"The test {marks['grade_id']} failed when you ran it last."


def _written(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
