"""The answer in an answer cell: the marked snippets where there are some, else all of it."""

import difflib
import re
from dataclasses import dataclass

_START = re.compile(r"\s*#\s*>>>\s*your\s+code\s+starts\s+here\s*")
_END = re.compile(r"\s*#\s*<<<\s*your\s+code\s+ends\s+here\s*")
_MOST_LINES = 2_000  # that are compared; beyond, comparing takes too long


@dataclass(frozen=True)
class Answer:
    """What is taken of an answer cell.

    Attributes:
        text: The cell to run: the released text with the student's snippets, or the whole cell.
        given: The released text around the snippets; empty where the whole cell is the answer.
        around: The student's text around the snippets.
        marks_lost: The marks of the snippets were changed, and the answer was found without them.
        own: The student's snippets alone; None where the whole cell is the answer.
    """

    text: str
    given: str = ""
    around: str = ""
    marks_lost: bool = False
    own: str | None = None


def take_answer(released: str, handed_in: str) -> Answer:
    """Take the student's answer out of a cell.

    Args:
        released: The cell as students received it.
        handed_in: The cell as it came back.
    """
    given = _split(released)
    if given is None or len(given) == 1:
        return Answer(handed_in)
    theirs, lost = _split(handed_in), False
    if theirs is None or len(theirs) != len(given):
        theirs, lost = _split_without_marks(given, handed_in), True
    if theirs is None:
        return Answer(handed_in, marks_lost=True)
    parts = [theirs[i] if i % 2 else given[i] for i in range(len(given))]
    own = _join(theirs[1::2])
    return Answer(_join(parts), _join(given[::2]), _join(theirs[::2]), lost, own)


def _split(text: str) -> list[list[str]] | None:
    """Split lines into given, snippet, given, ...; marks belong to what is given.

    None where marks are not in turn.
    """
    parts: list[list[str]] = [[]]
    for line in text.split("\n"):
        inside = len(parts) % 2 == 0
        if _START.fullmatch(line):
            if inside:
                return None
            parts[-1].append(line)
            parts.append([])
        elif _END.fullmatch(line):
            if not inside:
                return None
            parts.append([line])
        else:
            parts[-1].append(line)
    return parts if len(parts) % 2 else None


def _split_without_marks(given: list[list[str]], text: str) -> list[list[str]] | None:
    """Split a cell whose marks are damaged by the given lines around the snippets.

    None where too little of them is left to tell.
    """
    lines = text.split("\n")
    anchors = [(line.strip(), number) for number, part in enumerate(given[::2]) for line in part]
    if max(len(lines), len(anchors)) > _MOST_LINES:
        return None
    part_of: dict[int, int] = {}
    matcher = difflib.SequenceMatcher(
        None, [anchor for anchor, _ in anchors], [line.strip() for line in lines], autojunk=False
    )
    for block in matcher.get_matching_blocks():
        for step in range(block.size):
            if lines[block.b + step].strip():
                part_of[block.b + step] = anchors[block.a + step][1]
    return _cut_at(part_of, len(given) // 2, lines)


def _cut_at(part_of: dict[int, int], snippets: int, lines: list[str]) -> list[list[str]] | None:
    parts: list[list[str]] = []
    at = 0
    for snippet in range(snippets):
        before = [line for line, part in part_of.items() if part == snippet]
        after = [line for line, part in part_of.items() if part > snippet]
        if not before:
            return None
        start, end = max(before) + 1, min(after, default=len(lines))
        snippet_lines = [
            line
            for line in lines[start:end]
            if not (_START.fullmatch(line) or _END.fullmatch(line))
        ]
        parts += [lines[at:start], snippet_lines]
        at = end
    return [*parts, lines[at:]]


def _mark(line: str) -> bool:
    return bool(_START.fullmatch(line) or _END.fullmatch(line))


def _join(parts: list[list[str]]) -> str:
    return "\n".join(line for part in parts for line in part)
