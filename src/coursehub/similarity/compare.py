"""The pairs of a class whose answers are alike, found by the fingerprints that they share."""

import hashlib
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from coursehub.similarity.document import (
    WINDOW,
    Document,
    HandIn,
    K,
    Text,
    answer_of,
    document_of,
    leave_out,
    runs_of,
    span,
)
from coursehub.similarity.winnow import hashes_of

COMMON_SHARE, COMMON_FEWEST = 0.1, 5
"""What more than a tenth of the hand-ins have, and more than five, is how one writes it: it is in a
textbook or follows from the task. Whoever copies from one another are fewer."""

THRESHOLD = 0.4
"""A pair is listed where so much of what one wrote, and few others did, is in the other: two copied
tasks of five. Right answers that were written independently came to 0.31 at most."""

FEWEST_TOKENS = 60
"""...and where it is at least so many tokens: five lines or so."""

WHOLE, WHOLE_TOKENS = 0.95, 200
"""A pair is listed as well where the answers that are the same are so much of each hand-in, and so
many tokens, though each may be common: a whole that many copied would else be nobody's."""

MOST_PAIRS = 500
"""That are kept, the most alike first: nobody looks through more."""

RULES = (K, WINDOW, COMMON_SHARE, COMMON_FEWEST, THRESHOLD, FEWEST_TOKENS, WHOLE, WHOLE_TOKENS)
"""Another result may come of other ones."""

_MOST_CANDIDATES = 5_000


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
        key: Follows from who and what they wrote: another hand-in makes another pair.
        one: Who, of this term.
        other: Who else.
        earlier: The earlier term's archive that the other is from; empty for this term.
        share: How much of what `one` wrote, and few others did, is in the other; from 0 to 1.
        other_share: The same the other way round.
        tokens: How many tokens of `one` that is.
        parts: The answers with something in common.
        whole: The hand-ins are the same, of parts that are common; shares are of everything then.
    """

    key: str
    one: str
    other: str
    earlier: str
    share: float
    other_share: float
    tokens: int
    parts: tuple[Part, ...]
    whole: bool = False


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


_Index = Mapping[tuple[str, int], list[int]]
"""Answer and fingerprint -> the numbers of the documents that have it, in order."""

_Pairs = Iterator[tuple["Document", "Document"]]


def compare(hand_ins: Iterable[HandIn], released: Iterable[Text]) -> Comparison:
    """Find the pairs that are alike: of this term, and of this term with earlier ones.

    Args:
        hand_ins: Of this term and of earlier ones, one a student. Fingerprints of each are taken
            before the next one is asked for.
        released: What students were given; it never counts.
    """
    given = {value for each in released for value in hashes_of(answer_of(each).codes, K)}
    documents = [document_of(each, given) for each in hand_ins]
    documents.sort(key=lambda document: bool(document.hand_in.earlier))
    index = _index(documents)
    most = max(COMMON_FEWEST, int(COMMON_SHARE * len(documents)))
    common = {key for key, have in index.items() if len(have) > most}
    for document in documents:
        leave_out(document, common)
    found = {}
    for first, second in _likely(documents, index):
        pair = _pair(first, second)
        if pair.tokens >= FEWEST_TOKENS and max(pair.share, pair.other_share) >= THRESHOLD:
            found[id(first), id(second)] = pair
    for first, second in _the_same(documents):
        if (id(first), id(second)) not in found:
            found[id(first), id(second)] = _whole_pair(first, second)
    pairs = sorted(
        found.values(),
        key=lambda pair: (-max(pair.share, pair.other_share), pair.whole, -pair.tokens, pair.key),
    )
    return Comparison(tuple(pairs[:MOST_PAIRS]), max(0, len(pairs) - MOST_PAIRS), most)


def _index(documents: Sequence[Document]) -> dict[tuple[str, int], list[int]]:
    index: dict[tuple[str, int], list[int]] = {}
    for number, document in enumerate(documents):
        for name, answer in document.answers.items():
            for value in answer.places:
                index.setdefault((name, value), []).append(number)
    return index


def _likely(documents: Sequence[Document], index: _Index) -> _Pairs:
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


def _the_same(documents: Sequence[Document]) -> _Pairs:
    """Those of whom nearly all answers are the same, token by token."""
    have: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for number, document in enumerate(documents):
        for name, answer in document.answers.items():
            if not answer.untouched:
                have.setdefault((name, tuple(answer.codes)), []).append(number)
    count = 0
    for number, document in enumerate(documents):
        if document.hand_in.earlier:
            break
        shared: Counter[int] = Counter()
        for name, answer in document.answers.items():
            others = have.get((name, tuple(answer.codes)), [])
            for other in others[bisect_right(others, number) :]:
                shared[other] += answer.size
        for other, tokens in shared.items():
            size = max(document.size, documents[other].size)
            if tokens < max(WHOLE_TOKENS, WHOLE * size) or count >= _MOST_CANDIDATES:
                continue
            if _two_people(document, documents[other]):
                count += 1
                yield document, documents[other]


def _whole_pair(one: Document, other: Document) -> Pair:
    parts, tokens = [], 0
    for name in sorted(one.answers.keys() & other.answers.keys()):
        first, second = one.answers[name], other.answers[name]
        if first.codes == second.codes and not first.untouched:
            tokens += first.size
            length = len(first.codes)
            region = Region(*span(first, 0, length), *span(second, 0, length))
            parts.append(Part(name, first.text, second.text, (region,)))
    return Pair(
        *_names(one, other),
        tokens / one.size, tokens / other.size, tokens, tuple(parts), whole=True,
    )  # fmt: skip


def _two_people(one: Document, other: Document) -> bool:
    return one.hand_in.known_as.isdisjoint(other.hand_in.known_as)


def _pair(one: Document, other: Document) -> Pair:
    parts, tokens, other_tokens = [], 0, 0
    for name in sorted(one.answers.keys() & other.answers.keys()):
        first, second = one.answers[name], other.answers[name]
        runs = sorted(runs_of(first, second))
        tokens += sum(sum(first.counts[a : a + size]) for a, _, size in runs)
        other_tokens += sum(sum(second.counts[b : b + size]) for _, b, size in runs)
        regions = tuple(
            Region(*span(first, a, size), *span(second, b, size)) for a, b, size in runs
        )
        if regions:
            parts.append(Part(name, first.text, second.text, regions))
    return Pair(
        *_names(one, other),
        tokens / max(1, one.tokens), other_tokens / max(1, other.tokens), tokens, tuple(parts),
    )  # fmt: skip


def _names(one: Document, other: Document) -> tuple[str, str, str, str]:
    """The first fields of a pair."""
    told = [[each.hand_in.who, each.hand_in.earlier, each.hand_in.answers] for each in (one, other)]
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:20]
    return key, one.hand_in.who, other.hand_in.who, other.hand_in.earlier
