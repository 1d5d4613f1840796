"""Figures, laid out as plain numbers; the templates draw them as SVG with a table beside."""

from collections.abc import Sequence
from dataclasses import dataclass

BINS = 10
WIDTH, HEIGHT = 400.0, 120.0
"""Of a figure's drawing, in its own units."""

_GAP = 4.0


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        label: What it counts.
        count: How many.
        x: Its left side.
        y: Its top.
        width: In the drawing's units.
        height: In the drawing's units.
        own: Whether it is the one with the reader's own score.
    """

    label: str
    count: int
    x: float
    y: float
    width: float
    height: float
    own: bool = False


@dataclass(frozen=True)
class Histogram:
    """How scores are distributed.

    Attributes:
        bars: From the lowest scores to the highest.
        size: How many scores there are.
        median: The one in the middle.
        most: The points that could be earned.
    """

    bars: tuple[Bar, ...]
    size: int
    median: float
    most: float


def histogram(scores: Sequence[float], most: float, own: float | None = None) -> Histogram:
    """Lay out how scores are distributed.

    Args:
        scores: At least one.
        most: The points that could be earned, more than 0.
        own: The reader's own score, if it is to be pointed out.
    """
    counts = [0] * BINS
    for score in scores:
        counts[_bin(score, most)] += 1
    mine = None if own is None else _bin(own, most)
    slot, top = WIDTH / BINS, max(counts)
    bars = tuple(
        Bar(
            label=_label(index, most),
            count=count,
            x=index * slot + _GAP / 2,
            y=HEIGHT - HEIGHT * count / top,
            width=slot - _GAP,
            height=HEIGHT * count / top,
            own=index == mine,
        )
        for index, count in enumerate(counts)
    )
    return Histogram(bars, len(scores), _median(scores), most)


def _bin(score: float, most: float) -> int:
    share = min(max(score / most, 0.0), 1.0)
    return min(int(share * BINS), BINS - 1)


def _label(index: int, most: float) -> str:
    """The last bin holds full points too."""
    low, high = (most * edge / BINS for edge in (index, index + 1))
    return f"{low:g} to {'' if index == BINS - 1 else 'below '}{high:g}"


def _median(scores: Sequence[float]) -> float:
    in_order, middle = sorted(scores), len(scores) // 2
    if len(scores) % 2:
        return in_order[middle]
    return (in_order[middle - 1] + in_order[middle]) / 2
