"""The pairs of a class whose answers are alike, found by the fingerprints that they share."""

import hashlib
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from coursehub.similarity.tokens import tokens_of
from coursehub.similarity.winnow import fingerprints, hashes_of

K = 16
"""Tokens of a fingerprint: a line and a half of Python; less is in everybody's answers."""

WINDOW = 9
"""So 24 tokens in a row, two to three lines, are never overlooked."""

COMMON_SHARE, COMMON_FEWEST = 0.1, 5
"""What more than a tenth of the hand-ins have, and more than five, is how one writes it: it is in a
textbook or follows from the task. Whoever copies from one another are fewer."""

THRESHOLD = 0.4
"""A pair is listed where so much of what one of them wrote, and few others did, is in the other: two
copied tasks of five. Right answers that were written independently came to 0.31 at most."""

FEWEST_TOKENS = 60
"""...and where it is at least so many tokens: five lines or so."""

MOST_PAIRS = 500
"""That are kept, the most alike first: nobody looks through more."""

MOST_CHARACTERS = 20_000
"""Of an answer that are compared."""

_MOST_CANDIDATES = 5_000
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


class Region(NamedTuple):
    """A part that two answers have in common: first and last character, exclusive, in each."""

    start: int
    end: int
    other_start: int
    other_end: int


@dataclass(frozen=True)
class Part:
    """One answer of a pair: both texts, and what they have in common, in order of the first."""

    cell: str
    text: str
    other: str
    regions: tuple[Region, ...]


@dataclass(frozen=True)
class Pair:
    """Two hand-ins that are alike.

    Attributes:
        one: Who, of this term.
        other: Who else.
        earlier: The earlier term's archive that the other is from; empty for this term.
        share: How much of what `one` wrote, and few others did, is in the other; from 0 to 1.
        other_share: The same the other way round.
        tokens: How many tokens of `one` that is.
        parts: The answers with something in common.
    """

    one: str
    other: str
    earlier: str
    share: float
    other_share: float
    tokens: int
    parts: tuple[Part, ...]

    @property
    def key(self) -> str:
        """Follows from who and what they wrote: another hand-in makes another pair."""
        told = [self.one, self.other, self.earlier]
        told += [text for part in self.parts for text in (part.cell, part.text, part.other)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Comparison:
    """What came of comparing a class.

    Attributes:
        pairs: The most alike first.
        more: How many pairs are beyond those.
        common: In how many hand-ins something may be without being left out as common.
    """

    pairs: tuple[Pair, ...]
    more: int
    common: int


@dataclass
class _Answer:
    """An answer's tokens.

    Attributes:
        text: As it was written.
        codes: Its tokens.
        spans: The characters that each stands for.
        places: Fingerprint -> its places; in the end only of those that count.
        counts: For each token 1 where it is under a fingerprint that counts.
    """

    text: str
    codes: list[int]
    spans: list[tuple[int, int]]
    places: dict[int, list[int]]
    counts: bytearray


@dataclass
class _Document:
    """A hand-in's answers, how many fingerprints of it count, and how many tokens."""

    hand_in: HandIn
    answers: dict[str, _Answer]
    prints: int = 0
    tokens: int = 0


_Index = Mapping[tuple[str, int], list[int]]
"""Answer and fingerprint -> the numbers of the documents that have it, in order."""


def compare(hand_ins: Iterable[HandIn], released: Iterable[Text]) -> Comparison:
    """Find the pairs that are alike: of this term, and of this term with earlier ones.

    Args:
        hand_ins: Of this term and of earlier ones, one a student. Fingerprints of each are taken
            before the next one is asked for.
        released: What students were given; it never counts.
    """
    given = {value for each in released for value in hashes_of(_answer(each).codes, K)}
    documents = [_document(each, given) for each in hand_ins]
    documents.sort(key=lambda document: bool(document.hand_in.earlier))
    index = _index(documents)
    most = max(COMMON_FEWEST, int(COMMON_SHARE * len(documents)))
    common = {key for key, have in index.items() if len(have) > most}
    for document in documents:
        _leave_out(document, common)
    found = []
    for first, second in _candidates(documents, index):
        pair = _pair(first, second)
        if pair.tokens >= FEWEST_TOKENS and max(pair.share, pair.other_share) >= THRESHOLD:
            found.append(pair)
    found.sort(key=lambda pair: (-max(pair.share, pair.other_share), -pair.tokens, pair.key))
    return Comparison(tuple(found[:MOST_PAIRS]), max(0, len(found) - MOST_PAIRS), most)


def _document(hand_in: HandIn, given: set[int]) -> _Document:
    answers = {name: _answer(each) for name, each in hand_in.answers.items()}
    for answer in answers.values():
        for value, place in fingerprints(answer.codes, K, WINDOW):
            if value not in given:
                answer.places.setdefault(value, []).append(place)
    return _Document(hand_in, answers)


def _answer(each: Text) -> _Answer:
    text = each.text[:MOST_CHARACTERS]
    tokens = tokens_of(text, prose=each.prose)
    codes = [token.code for token in tokens]
    spans = [(token.start, token.end) for token in tokens]
    return _Answer(text, codes, spans, {}, bytearray(len(codes)))


def _index(documents: Sequence[_Document]) -> dict[tuple[str, int], list[int]]:
    index: dict[tuple[str, int], list[int]] = {}
    for number, document in enumerate(documents):
        for name, answer in document.answers.items():
            for value in answer.places:
                index.setdefault((name, value), []).append(number)
    return index


def _leave_out(document: _Document, common: set[tuple[str, int]]) -> None:
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


def _candidates(
    documents: Sequence[_Document], index: _Index
) -> Iterator[tuple[_Document, _Document]]:
    """Those that share enough fingerprints to be worth a closer look, the likeliest first."""
    likely = []
    for number, document in enumerate(documents):
        if document.hand_in.earlier:
            break  # they come last, and are not compared with one another
        shared: Counter[int] = Counter()
        for name, answer in document.answers.items():
            for value in answer.places:
                have = index[name, value]
                shared.update(have[bisect_right(have, number) :])
        for other, count in shared.items():
            fewest = min(document.prints, documents[other].prints)
            if count >= fewest * THRESHOLD / 2 and _two_people(document, documents[other]):
                likely.append((count / fewest, number, other))
    likely.sort(reverse=True)
    for _, number, other in likely[:_MOST_CANDIDATES]:
        yield documents[number], documents[other]


def _two_people(one: _Document, other: _Document) -> bool:
    return one.hand_in.known_as.isdisjoint(other.hand_in.known_as)


def _pair(one: _Document, other: _Document) -> Pair:
    parts, tokens, other_tokens = [], 0, 0
    for name in sorted(one.answers.keys() & other.answers.keys()):
        first, second = one.answers[name], other.answers[name]
        runs = sorted(_runs(first, second))
        tokens += sum(sum(first.counts[a : a + size]) for a, _, size in runs)
        other_tokens += sum(sum(second.counts[b : b + size]) for _, b, size in runs)
        regions = tuple(
            Region(*_span(first, a, size), *_span(second, b, size)) for a, b, size in runs
        )
        if regions:
            parts.append(Part(name, first.text, second.text, regions))
    return Pair(
        one.hand_in.who, other.hand_in.who, other.hand_in.earlier,
        tokens / max(1, one.tokens), other_tokens / max(1, other.tokens), tokens, tuple(parts),
    )  # fmt: skip


def _span(answer: _Answer, place: int, size: int) -> tuple[int, int]:
    return answer.spans[place][0], answer.spans[place + size - 1][1]


def _runs(one: _Answer, other: _Answer) -> list[tuple[int, int, int]]:
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
