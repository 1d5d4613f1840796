"""A hand-in as it is compared: the tokens of its answers, and the fingerprints that count."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from coursehub.similarity.tokens import tokens_of
from coursehub.similarity.winnow import fingerprints, hashes_of

K = 16
"""Tokens of a fingerprint: a line and a half of Python; less is in everybody's answers."""

WINDOW = 9
"""So 24 tokens in a row, two to three lines, are never overlooked."""

MOST_CHARACTERS = 20_000
"""Of an answer that are compared."""

_MOST_PLACES = 8  # of one fingerprint in one answer: a text may repeat itself


class Text(NamedTuple):
    """What a student wrote as one answer; `prose` tells a written one from Python."""

    text: str
    prose: bool = False


@dataclass(frozen=True)
class HandIn:
    """What one student wrote.

    Attributes:
        who: The user name; of an earlier term, the name in the archive.
        answers: Name of the cell or module -> text.
        earlier: The earlier term's archive; empty for this term.
        known_as: Names and numbers of the same person; nobody is compared with themselves.
    """

    who: str
    answers: Mapping[str, Text]
    earlier: str = ""
    known_as: frozenset[str] = frozenset()


@dataclass
class Answer:
    """An answer's tokens.

    Attributes:
        text: As it was written.
        codes: Its tokens.
        spans: The characters that each stands for.
        places: Fingerprint -> its places; in the end only of those that count.
        counts: For each token 1 where it is under a fingerprint that counts.
        size: How many places begin with something that students were not given.
    """

    text: str
    codes: list[int]
    spans: list[tuple[int, int]]
    places: dict[int, list[int]]
    counts: bytearray
    size: int = 0

    @property
    def untouched(self) -> bool:
        """Whether it is what students were given, or next to nothing."""
        return self.size < K


@dataclass
class Document:
    """A hand-in's answers, and how many fingerprints and tokens of it count."""

    hand_in: HandIn
    answers: dict[str, Answer]
    prints: int = 0
    tokens: int = 0

    @property
    def size(self) -> int:
        """The size of all answers that were touched."""
        return sum(each.size for each in self.answers.values() if not each.untouched)


def document_of(hand_in: HandIn, given: set[int]) -> Document:
    """Take the fingerprints of a hand-in.

    Args:
        hand_in: The hand-in.
        given: Hashes of all that students were given; none of them is a fingerprint.
    """
    answers = {name: answer_of(each) for name, each in hand_in.answers.items()}
    for answer in answers.values():
        answer.size = sum(value not in given for value in hashes_of(answer.codes, K))
        for value, place in fingerprints(answer.codes, K, WINDOW):
            if value not in given:
                answer.places.setdefault(value, []).append(place)
    return Document(hand_in, answers)


def answer_of(each: Text) -> Answer:
    """Take an answer's tokens."""
    text = each.text[:MOST_CHARACTERS]
    tokens = tokens_of(text, prose=each.prose)
    codes = [token.code for token in tokens]
    spans = [(token.start, token.end) for token in tokens]
    return Answer(text, codes, spans, {}, bytearray(len(codes)))


def leave_out(document: Document, common: set[tuple[str, int]]) -> None:
    """Forget the fingerprints that do not count, and note what the others cover."""
    for name, answer in document.answers.items():
        answer.places = {
            value: places for value, places in answer.places.items() if (name, value) not in common
        }
        for places in answer.places.values():
            for place in places:
                answer.counts[place : place + K] = b"\1" * K
    document.prints = sum(len(answer.places) for answer in document.answers.values())
    document.tokens = sum(sum(answer.counts) for answer in document.answers.values())


def span(answer: Answer, place: int, size: int) -> tuple[int, int]:
    """The first character of so many tokens from a place, and the one after their last."""
    return answer.spans[place][0], answer.spans[place + size - 1][1]


def runs_of(one: Answer, other: Answer) -> list[tuple[int, int, int]]:
    """Equal runs of tokens around shared fingerprints: place, place in the other, length.

    The longest first; no token is in two of them.
    """
    found: dict[int, list[tuple[int, int, int]]] = {}  # by how far the places are apart
    for value in sorted(one.places.keys() & other.places.keys()):
        for a in one.places[value][:_MOST_PLACES]:
            for b in other.places[value][:_MOST_PLACES]:
                runs = found.setdefault(a - b, [])
                if not any(start <= a < start + size for start, _, size in runs):
                    runs.append(_grown(one.codes, other.codes, a, b))
    return list(_apart(run for runs in found.values() for run in runs))


def _grown(one: Sequence[int], other: Sequence[int], a: int, b: int) -> tuple[int, int, int]:
    """The longest equal run through a place of each."""
    back = on = 0
    while back < min(a, b) and one[a - back - 1] == other[b - back - 1]:
        back += 1
    while a + on < len(one) and b + on < len(other) and one[a + on] == other[b + on]:
        on += 1
    return a - back, b - back, back + on


def _apart(runs: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """The longest runs first, each without what longer ones have taken; no short rests."""
    taken: set[int] = set()
    taken_other: set[int] = set()
    for a, b, size in sorted(runs, key=lambda run: (-run[2], run)):
        while size and (a in taken or b in taken_other):
            a, b, size = a + 1, b + 1, size - 1
        while size and (a + size - 1 in taken or b + size - 1 in taken_other):
            size -= 1
        mine, others = range(a, a + size), range(b, b + size)
        if size >= K and taken.isdisjoint(mine) and taken_other.isdisjoint(others):
            taken.update(mine)
            taken_other.update(others)
            yield a, b, size
