"""What students write, as text: the answers of a hand-in by name, and what they were given."""

from collections.abc import Iterator
from typing import NamedTuple

from coursehub.grading.intake import Submission
from coursehub.grading.pairing import originals, pair
from coursehub.grading.snippets import take_answer
from coursehub.grading.source import Source


class Written(NamedTuple):
    """A text; `prose` tells a written answer from code."""

    text: str
    prose: bool = False


def written(source: Source, submission: Submission) -> dict[str, Written]:
    """What a student wrote: grade id of an answer, or path of a module, -> text.

    Of cells and modules with marked snippets it is the text of those alone.

    Args:
        source: The assignment.
        submission: What was handed in.
    """
    found = {}
    for name, notebook in source.notebooks.items():
        cells, theirs = originals(notebook), submission.notebooks[name].cells
        pairing = pair(cells, theirs)
        for cell in cells:
            if cell.answer and cell.number in pairing.best:
                text = theirs[pairing.best[cell.number]].source
                prose = cell.cell.cell_type != "code"
                found[cell.name] = Written(_own(cell.released, text), prose)
    for path, stub in source.modules.items():
        if path in submission.files:
            found[path] = Written(_own(_text(stub), _text(submission.files[path])))
    return found


def given(source: Source) -> Iterator[Written]:
    """What students were given: all cells as they were released, the stubs of answers, modules."""
    for notebook in source.notebooks.values():
        for cell in originals(notebook):
            prose = cell.cell.cell_type != "code"
            yield Written(cell.released, prose)
            if cell.answer:
                yield Written(_own(cell.released, cell.released), prose)
    for stub in source.modules.values():
        yield Written(_text(stub))
        yield Written(_own(_text(stub), _text(stub)))


def _own(released: str, text: str) -> str:
    answer = take_answer(released, text)
    own = answer.text if answer.own is None else answer.own
    # What no database and no page takes: lone surrogates and NUL.
    return own.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
