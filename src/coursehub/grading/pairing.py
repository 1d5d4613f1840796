"""Which cell of a hand-in is which cell of the source."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nbformat import NotebookNode

from coursehub.grading.marks import Marks, grade_id_of, marks_of, released_text
from coursehub.grading.plan import defined_names, kind_of, name_of, names_of, parse_theirs
from coursehub.grading.source import language_of

_MOST_STRAYS = 200  # cells that are compared by their text, which takes time
_MOST_TEXT = 4_000  # characters of each
_ALIKE = 0.6


@dataclass(frozen=True)
class Original:
    """A cell of the source: its name, marks, and the text that students received."""

    number: int
    name: str
    cell: NotebookNode
    marks: Marks | None
    released: str

    @property
    def answer(self) -> bool:
        """Whether students write in it."""
        return bool(self.marks and self.marks.solution)


@dataclass
class Pairing:
    """How a hand-in's cells belong to the source's.

    Attributes:
        best: Number of a source cell -> index of the handed-in cell that stands for it.
        copies: Number of a source cell -> indices of further cells with its id.
        recognised: Numbers of source cells that were found without their id.
        added: Indices of the student's own cells that hold something.
    """

    best: dict[int, int] = field(default_factory=dict)
    copies: dict[int, list[int]] = field(default_factory=dict)
    recognised: set[int] = field(default_factory=set)
    added: list[int] = field(default_factory=list)


def originals(source: NotebookNode) -> tuple[Original, ...]:
    """Return the cells of a source notebook with all that is known about them."""
    language = language_of(source)
    return tuple(
        Original(number, name_of(cell), cell, marks_of(cell), released_text(cell, language))
        for number, cell in enumerate(source.cells)
    )


def pair(cells: Sequence[Original], handed_in: Sequence[NotebookNode]) -> Pairing:
    """Find each source cell in a hand-in.

    By its grade id: of several copies of an answer the first one that was worked on, of any other
    cell the first one that is as released. Without one by its cell id, by equal text, and answers
    at last by their look and place.
    """
    pairing = Pairing()
    left = _pair_by_grade_id(pairing, cells, handed_in)
    _pair_by_cell_id(pairing, cells, handed_in, left)
    _pair_by_text(pairing, cells, handed_in, left)
    _pair_by_look(pairing, cells, handed_in, left)
    pairing.added = [index for index in left if handed_in[index].source.strip()]
    return pairing


def plain(text: str) -> str:
    """Return a text without what editors and tools change: white space and line endings."""
    return "\n".join(" ".join(line.split()) for line in text.split("\n") if line.strip())


def _pair_by_grade_id(
    pairing: Pairing, cells: Sequence[Original], handed_in: Sequence[NotebookNode]
) -> list[int]:
    claims: dict[str, list[int]] = {}
    for index, cell in enumerate(handed_in):
        claims.setdefault(grade_id_of(cell) or "", []).append(index)
    left = set(range(len(handed_in)))
    for original in cells:
        found = claims.get(original.name, []) if original.marks else []
        if found:
            best = _best(original, found, handed_in)
            pairing.best[original.number] = best
            pairing.copies[original.number] = [index for index in found if index != best]
            left -= set(found)
    return sorted(left)


def _best(original: Original, found: list[int], handed_in: Sequence[NotebookNode]) -> int:
    released = plain(original.released)
    for index in found:
        worked_on = plain(handed_in[index].source) != released
        if worked_on == original.answer:
            return index
    return found[0]


def _missing(pairing: Pairing, cells: Iterable[Original]) -> list[Original]:
    return [original for original in cells if original.number not in pairing.best]


def _claim(pairing: Pairing, original: Original, index: int, left: list[int]) -> None:
    pairing.best[original.number] = index
    left.remove(index)
    if original.marks:
        pairing.recognised.add(original.number)


def _pair_by_cell_id(
    pairing: Pairing,
    cells: Sequence[Original],
    handed_in: Sequence[NotebookNode],
    left: list[int],
) -> None:
    ids = {handed_in[index].id: index for index in reversed(left)}
    for original in _missing(pairing, cells):
        index = ids.pop(original.cell.id, None)
        if index is not None and handed_in[index].source.strip():
            _claim(pairing, original, index, left)


def _pair_by_text(
    pairing: Pairing,
    cells: Sequence[Original],
    handed_in: Sequence[NotebookNode],
    left: list[int],
) -> None:
    texts: dict[tuple[str, str], list[int]] = {}
    for index in reversed(left):
        cell = handed_in[index]
        texts.setdefault((cell.cell_type, plain(cell.source)), []).append(index)
    for original in _missing(pairing, cells):
        key = (original.cell.cell_type, plain(original.released))
        if key[1] and texts.get(key):
            _claim(pairing, original, texts[key].pop(), left)


def _pair_by_look(
    pairing: Pairing,
    cells: Sequence[Original],
    handed_in: Sequence[NotebookNode],
    left: list[int],
) -> None:
    for original in _missing(pairing, cells):
        if not original.answer:
            continue
        scores = {
            index: _score(pairing, original, index, handed_in)
            for index in left[:_MOST_STRAYS]
            if handed_in[index].cell_type == original.cell.cell_type
            and handed_in[index].source.strip()
        }
        best = max(scores, key=lambda index: scores[index], default=None)
        if best is not None and scores[best] >= _ALIKE:
            _claim(pairing, original, best, left)


def _score(
    pairing: Pairing, original: Original, index: int, handed_in: Sequence[NotebookNode]
) -> float:
    """How much a stray cell looks like an answer: by what it defines, its place, its text."""
    text = handed_in[index].source[:_MOST_TEXT]
    names = defined_names(original.cell.source) if kind_of(original.cell) == "answer" else set()
    named = len(names & names_of(parse_theirs(text))) / len(names) if names else 0.0
    before = pairing.best.get(original.number - 1, -1)
    after = pairing.best.get(original.number + 1, len(handed_in))
    placed = ((before, after) == (index - 1, index + 1)) * _ALIKE
    return 2 * named + placed + _alike(original.released[:_MOST_TEXT], text)


def _alike(one: str, other: str) -> float:
    """The share of words that two texts have in common; it takes no longer than they are long."""
    words, others = Counter(one.split()), Counter(other.split())
    return 2 * (words & others).total() / max(1, words.total() + others.total())
