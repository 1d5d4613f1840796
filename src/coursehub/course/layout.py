"""Whether a report looks as course.yml wants: pages, paper, text block, fonts.

The text block is that of the NeurIPS style (``neurips_20xx.sty``): letter paper, 5.5 inches wide
and 9 inches high, 1.5 inches from the left and 1 inch from the top. Lengths are in points, 72 to
the inch, from the lower left corner of the page.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from coursehub.course.project import Report

INCH = 72.0
PAPER = (8.5 * INCH, 11 * INCH)
LEFT, RIGHT = 1.5 * INCH, 7.0 * INCH
BOTTOM, TOP = 1.0 * INCH, 10.0 * INCH
TOLERANCE = INCH / 8
"""How far text may stand out of the block: an overfull line, a hanging accent."""
PAPER_TOLERANCE = 2.0
ENLARGED = 22.0
"""How much deeper the style makes the first page, for the conference's note."""
NARROW, LOW = INCH / 4, INCH / 2
"""How much narrower, or lower, than the block the text of the whole report may be."""
FULL_PAGES = 3
"""From so many pages on one of them is full, and shows how high the text block is."""

_NUMBER = re.compile(r"[\d\s]*")
_REFERENCES = re.compile(r"[\d.\s]*(references|bibliography)\W*", re.I)


class Run(NamedTuple):
    """A piece of text and the box of its baseline."""

    left: float
    low: float
    right: float
    high: float
    text: str


@dataclass(frozen=True)
class Page:
    """What stands on a page.

    Attributes:
        width: In points, as it is shown.
        height: Likewise.
        runs: Its text.
        not_embedded: Names of the fonts in use that the file does not hold.
    """

    width: float
    height: float
    runs: tuple[Run, ...] = ()
    not_embedded: tuple[str, ...] = ()


def findings(report: Report, pages: Sequence[Page]) -> list[str]:
    """Return what is not as it should be, a sentence each, in the order of the pages.

    Args:
        report: What course.yml says of the report.
        pages: What the file holds; not empty.
    """
    return [
        *_too_long(report, pages),
        *_paper(pages),
        *_outside(pages),
        *_too_little(pages),
        *_fonts(pages),
    ]


def counted_pages(report: Report, pages: Sequence[Page]) -> int:
    """Return how many pages count: all, or those up to the references where these do not."""
    if report.references_beyond:
        for index, page in enumerate(pages):
            lines = [line for line in _lines(page) if not _NUMBER.fullmatch(line)]
            for place, line in enumerate(lines):
                if _REFERENCES.fullmatch(line):
                    return index + (place > 0)
    return len(pages)


def _too_long(report: Report, pages: Sequence[Page]) -> Iterator[str]:
    count = counted_pages(report, pages)
    if count > report.max_pages:
        without = " without the references" if count < len(pages) else ""
        yield f"It has {count} pages{without}; {report.max_pages} are allowed."


def _paper(pages: Sequence[Page]) -> Iterator[str]:
    wrong: dict[str, list[int]] = {}
    for number, page in enumerate(pages, start=1):
        sides = ((page.width, PAPER[0]), (page.height, PAPER[1]))
        if any(abs(side - wanted) > PAPER_TOLERANCE for side, wanted in sides):
            size = f"{_inches(page.width)} by {_inches(page.height)} inches"
            wrong.setdefault(size, []).append(number)
    for size, numbers in wrong.items():
        yield f"{_on(numbers)} the paper is {size}; letter is 8.5 by 11."


def _outside(pages: Sequence[Page]) -> Iterator[str]:
    """Yield on which pages text stands out of the block, side by side, and the farthest of it."""
    sides: dict[str, list[tuple[float, int, Run]]] = {}
    for number, page in enumerate(pages, start=1):
        for side, distance, run in _farthest(page, first=number == 1):
            if distance > TOLERANCE:
                sides.setdefault(side, []).append((distance, number, run))
    for side, found in sides.items():
        distance, number, run = max(found, key=lambda each: (each[0], -each[1]))
        up_to, where = ("up to ", f", on page {number}") if len(found) > 1 else ("", "")
        yield (
            f"{_on([page for _, page, _ in found])} text stands {up_to}{_inches(distance)} inches "
            f"{side} the text block{where}: {_quote(run.text)}."
        )


def _farthest(page: Page, *, first: bool) -> Iterator[tuple[str, float, Run]]:
    """Yield, for each side, how far text stands out of the block, and that text."""
    bottom = BOTTOM - (ENLARGED if first else 0)
    body = list(_body(page))
    if body:
        left, right = min(body, key=lambda run: run.left), max(body, key=lambda run: run.right)
        low, high = min(body, key=lambda run: run.low), max(body, key=lambda run: run.high)
        yield "left of", LEFT - left.left, left
        yield "right of", right.right - RIGHT, right
        yield "above", high.high - TOP, high
        yield "below", bottom - low.low, low


def _too_little(pages: Sequence[Page]) -> Iterator[str]:
    """Yield that there is no text, or that its block is smaller than the style's."""
    body = [run for page in pages for run in _body(page)]
    if not body:
        yield "There is no text in it, only pictures. Hand in what LaTeX made, not a scan."
        return
    width = max(run.right for run in body) - min(run.left for run in body)
    if width < RIGHT - LEFT - NARROW:
        yield f"The text is {_inches(width)} inches wide; the style's text block is 5.5."
    if len(pages) >= FULL_PAGES:
        height = max(_height(page) for page in pages)
        if height < TOP - BOTTOM - LOW:
            yield f"The text is {_inches(height)} inches high; the style's text block is 9."


def _fonts(pages: Sequence[Page]) -> Iterator[str]:
    where: dict[str, list[int]] = {}
    for number, page in enumerate(pages, start=1):
        for name in page.not_embedded:
            where.setdefault(name, []).append(number)
    for name, numbers in where.items():
        yield f"{_on(numbers)} the font {name} is used, but not embedded."


def _body(page: Page) -> Iterator[Run]:
    """Yield the text of a page that belongs into the block.

    Not so page numbers in the foot, the style's line numbers in the left margin, blanks, and what
    lies off the page, where nobody sees it.
    """
    for run in page.runs:
        in_margin = run.right <= LEFT or run.high <= BOTTOM
        off = (
            run.right <= 0 or run.left >= page.width or run.high <= 0 or run.low >= page.height
        )  # fmt: skip
        if run.text.strip() and not off and not (in_margin and _NUMBER.fullmatch(run.text)):
            yield run


def _height(page: Page) -> float:
    body = list(_body(page))
    return max(run.high for run in body) - min(run.low for run in body) if body else 0.0


def _lines(page: Page) -> list[str]:
    """Return the lines of a page, from its top: runs whose baselines are within two points."""
    lines: list[list[Run]] = []
    for run in sorted(_body(page), key=lambda run: -run.low):
        if lines and lines[-1][0].low - run.low < 2:
            lines[-1].append(run)
        else:
            lines.append([run])
    return ["".join(run.text for run in sorted(line)).strip() for line in lines]


def _on(numbers: Sequence[int]) -> str:
    """Say on which pages: ``On page 3``, ``On pages 1 to 9``, ``On pages 1, 4 and 6``."""
    first, last = numbers[0], numbers[-1]
    if first == last:
        return f"On page {first}"
    if len(numbers) > 2 and last - first == len(numbers) - 1:
        return f"On pages {first} to {last}"
    return f"On pages {', '.join(map(str, numbers[:-1]))} and {last}"


def _inches(points: float) -> str:
    return f"{points / INCH:.2f}".rstrip("0").rstrip(".")


def _quote(text: str) -> str:
    words = " ".join(text.split())
    return f"“{words}”" if len(words) <= 40 else f"“{words[:39]}…”"
