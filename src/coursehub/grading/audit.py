"""What a student changed outside the answers, told so that everybody can judge it."""

import difflib
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from nbformat import NotebookNode

from coursehub.course.model import EditPolicy
from coursehub.grading.pairing import Original, Pairing, plain
from coursehub.grading.snippets import Answer
from coursehub.grading.verdict import Finding

COUNTED = frozenset({"edited", "added", "duplicated", "metadata"})
"""The kinds that a policy may take points for; what is deleted or moved costs nothing."""

_MOST_FINDINGS = 100
_MOST_LINES = 200
_SHOWN_LINES = 24
_SHOWN_WIDTH = 160
_FLAGS = ("grade", "solution", "locked", "task", "points")
_SCHEMAS = (1, 2, 3)


def proposed_penalty(findings: Sequence[Finding], policy: EditPolicy) -> float:
    """Return what the policy proposes to take off, in percent of the assignment's marks.

    Args:
        findings: What the audit found; kinds in `COUNTED` cost the penalty each, up to the cap.
        policy: The course's.
    """
    counted = sum(finding.kind in COUNTED for finding in findings)
    return float(policy.deduction(counted)) if policy.action == "penalise" else 0.0


def audit(
    cells: Sequence[Original],
    handed_in: Sequence[NotebookNode],
    pairing: Pairing,
    answers: dict[str, Answer],
) -> tuple[Finding, ...]:
    """Return what was changed, in source order, the student's own cells last.

    Args:
        cells: The source's cells.
        handed_in: The hand-in's cells.
        pairing: Which is which.
        answers: Grade id -> what was taken.
    """
    if not handed_in:
        return ()
    moved = _moved(pairing)
    findings: list[Finding] = []
    for original in cells:
        index = pairing.best.get(original.number)
        if index is None:
            findings += _deleted(original)
        else:
            findings += _about(original, handed_in[index], answers.get(original.name))
            findings += _where(original, pairing, moved)
    findings += [_added(handed_in[index], index) for index in pairing.added]
    return _bounded(findings)


def _deleted(original: Original) -> Iterator[Finding]:
    if original.answer:
        text = f"The answer {original.name} is missing; it counts as not worked on."
        yield Finding("deleted", original.name, text)
    elif original.marks:
        text = f"The cell {original.name} was deleted; it was put back and costs nothing."
        yield Finding("deleted", original.name, text)


def _about(original: Original, cell: NotebookNode, answer: Answer | None) -> Iterator[Finding]:
    name = original.name
    given, theirs = original.released, cell.source
    if answer:
        given, theirs = answer.given, answer.around
        if answer.marks_lost:
            text = f"The marks of the snippet in {name} were changed; the answer was still found."
            yield Finding("markers", name, text)
    if plain(given) != plain(theirs):
        where = f"{name}, outside the marked snippet," if answer else name
        text = f"The text of {where} was edited; the original was used.\n{_diff(given, theirs)}"
        yield Finding("edited", name, text)
    if original.marks:
        yield from _metadata(original, cell)


def _metadata(original: Original, cell: NotebookNode) -> Iterator[Finding]:
    name = original.name
    if cell.cell_type != original.cell.cell_type:
        text = f"{name} was made a {cell.cell_type} cell; it counts as {original.cell.cell_type}."
        yield Finding("metadata", name, text)
    marks = cell.metadata.get("nbgrader")
    if isinstance(marks, dict) and marks:
        wrong = [flag for flag in _FLAGS if not _same(original, flag, marks)]
        if marks.get("schema_version", 1) not in _SCHEMAS:
            wrong.append("schema_version")
        if wrong:
            text = f"The marks of {name} were changed ({', '.join(wrong)}); the original's count."
            yield Finding("metadata", name, text)
    tags, own = (_tags(each) for each in (cell, original.cell))
    if tags - own:
        text = f"{name} was given tags ({', '.join(sorted(tags - own)[:5])}); they were ignored."
        yield Finding("metadata", name, text)


def _same(original: Original, flag: str, marks: dict[str, object]) -> bool:
    """Whether a mark is as the release has it; older schemas leave some out."""
    if flag not in marks:
        return True
    wanted = getattr(original.marks, flag)
    found = marks[flag]
    if flag != "points":
        return found is wanted
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    return not (original.marks and (original.marks.grade or original.marks.task)) or found == wanted


def _tags(cell: NotebookNode) -> set[str]:
    tags = cell.metadata.get("tags")
    return {str(tag)[:40] for tag in tags} if isinstance(tags, list) else set()


def _where(original: Original, pairing: Pairing, moved: set[int]) -> Iterator[Finding]:
    name = original.name
    if original.number in pairing.recognised:
        text = f"{name} had lost its mark and was recognised by its text and place."
        yield Finding("recognised", name, text)
    if original.number in moved and original.marks:
        yield Finding("moved", name, f"{name} was moved; it counts in its original place.")
    copies = pairing.copies.get(original.number)
    if copies:
        used = "the first one worked on" if original.answer else "the original"
        times = "once more" if len(copies) == 1 else f"{len(copies)} times more"
        text = f"{name} is in the notebook {times}; {used} counts."
        yield Finding("duplicated", name, text)


def _moved(pairing: Pairing) -> set[int]:
    """The fewest source cells that, taken out, leave the others in order."""
    numbers = sorted(pairing.best)
    ends: list[int] = []  # the last place of the best ascending run of each length
    run_of: list[int] = []
    for number in numbers:
        place = pairing.best[number]
        length = bisect_left(ends, place)
        ends[length : length + 1] = [place]
        run_of.append(length)
    wanted, kept = len(ends) - 1, set()
    for number, length in zip(reversed(numbers), reversed(run_of), strict=True):
        if length == wanted:
            kept.add(number)
            wanted -= 1
    return set(numbers) - kept


def _added(cell: NotebookNode, index: int) -> Finding:
    kind = {"code": "code", "markdown": "text"}.get(cell.cell_type, cell.cell_type)
    text = f"A {kind} cell of the student's own, in place {index + 1}; it was not run.\n"
    return Finding("added", "", text + _shown(cell.source.split("\n")[:_MOST_LINES]))


def _diff(given: str, theirs: str) -> str:
    before, after = (_lines(text) for text in (given, theirs))
    diff = difflib.unified_diff(before, after, "released", "handed in", lineterm="", n=1)
    return _shown(list(diff))


def _lines(text: str) -> list[str]:
    lines = [line.rstrip()[:_SHOWN_WIDTH] for line in text.split("\n") if line.strip()]
    return lines[:_MOST_LINES]


def _shown(lines: list[str]) -> str:
    """Lines for people: not too many, not too long, nothing that a terminal obeys."""
    shown = [
        "".join(c if c.isprintable() else " " if c == "\t" else "?" for c in line[:_SHOWN_WIDTH])
        for line in lines[:_SHOWN_LINES]
    ]
    more = len(lines) - len(shown)
    return "\n".join([*shown, f"... {more} more lines"] if more else shown)


def _bounded(findings: list[Finding]) -> tuple[Finding, ...]:
    more = len(findings) - _MOST_FINDINGS
    if more > 0:
        rest = Finding("added", "", f"{more} more changes are not listed.")
        return (*findings[:_MOST_FINDINGS], rest)
    return tuple(findings)
