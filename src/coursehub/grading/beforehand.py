"""What grading would remark about a hand-in, told to its student before they hand it in."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from coursehub.course.tasks import tests_something
from coursehub.grading.intake import read_submission
from coursehub.grading.plan import parse
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
    found += [text for name, data in contents.items() for text in _tested(name, data)]
    rest = len(found) - MOST
    return found[:MOST] + ([f"And {rest} more of this kind."] if rest > 0 else [])


def _tested(name: str, data: bytes) -> Iterator[str]:
    """The tests that failed when the student ran them last, or that they have not run at all.

    It is what the notebook has kept that tells.
    """
    if not name.endswith(".ipynb"):
        return
    not_run = 0
    for cell in json.loads(data.decode("utf-8-sig"))["cells"]:
        marks = cell.get("metadata", {}).get("nbgrader", {})
        if cell["cell_type"] != "code" or not marks.get("grade") or marks.get("solution"):
            continue
        if not tests_something(parse("".join(cell["source"]))):  # what is hidden runs elsewhere
            continue
        if any(output.get("output_type") == "error" for output in cell.get("outputs", ())):
            yield f"The test {marks['grade_id']} failed when you ran it last."
        not_run += cell.get("execution_count") is None and not cell.get("outputs")
    if not_run:
        yield f"{not_run} of the tests in {name} were not run."


def _written(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
