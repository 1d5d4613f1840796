"""Two hand-ins side by side: what of their texts is in both, without any HTML."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLOURS = 6
"""That tell matches apart, beside their numbers; then they begin again."""


@dataclass(frozen=True)
class Piece:
    """A piece of a text.

    Attributes:
        text: It.
        match: The number of the match that it is; 0 where it is none.
    """

    text: str
    match: int = 0

    @property
    def colour(self) -> int:
        """From 1."""
        return (self.match - 1) % COLOURS + 1


@dataclass(frozen=True)
class SideBySide:
    """One answer of two students.

    Attributes:
        cell: Its name.
        one: The pieces of the first text.
        other: Those of the second.
        matches: The numbers of its matches.
    """

    cell: str
    one: Sequence[Piece]
    other: Sequence[Piece]
    matches: Sequence[int]


def side_by_side(parts: Iterable[Mapping[str, Any]]) -> Iterator[SideBySide]:
    """Cut the answers of a pair (`similarity.table.Found.parts`) where they match.

    Matches are numbered through all answers, in the order of the first text.
    """
    number = 1
    for part in parts:
        numbers = range(number, number + len(part["regions"]))
        number = numbers.stop
        regions = list(zip(part["regions"], numbers, strict=True))
        yield SideBySide(
            part["cell"],
            _pieces(part["text"], [(start, end, n) for (start, end, _, _), n in regions]),
            _pieces(part["other"], [(start, end, n) for (_, _, start, end), n in regions]),
            numbers,
        )


def _pieces(text: str, matches: Sequence[tuple[int, int, int]]) -> list[Piece]:
    pieces, at = [], 0
    for start, end, number in sorted(matches):
        pieces += [Piece(text[at:start]), Piece(text[start:end], number)]
        at = end
    return [piece for piece in (*pieces, Piece(text[at:])) if piece.text]
