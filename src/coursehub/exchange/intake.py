"""What the exchange accepts: the assignment's own files, nothing else, and nothing is executed."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coursehub.errors import BadSubmission, TooLarge

MAX_FILES = 10

# The LMS's form, e.g. "a0100000J_Wang-Wenjie_assignment_1.ipynb"; the name may hold "_" too.
_LMS_NAME = re.compile(r"(?P<number>[a-z]\d{7}[a-z])_(?P<rest>[^/\\]{1,200})", re.I)


@dataclass(frozen=True)
class Accepted:
    """A file that may be stored: under which name, the name it came with, and its bytes."""

    name: str
    sent_as: str
    content: bytes


def accept(
    sent: Mapping[str, bytes], expected: Sequence[str], *, limit: int
) -> tuple[Accepted, ...]:
    """The files of a hand-in, under the names the assignment gives them.

    Args:
        sent: name as sent -> content.
        expected: the names the assignment asks for: the notebook, then its extra files.
        limit: most bytes in all.

    Raises:
        TooLarge: more than `limit` bytes.
        BadSubmission: a missing, unexpected, doubled, oddly named or unreadable file.
    """
    size = sum(len(content) for content in sent.values())
    if size > limit:
        raise TooLarge(
            f"the files hold {size:,} bytes, {limit:,} are allowed",
            remedy="Clear the notebook's outputs (Edit > Clear Outputs of All Cells) and try again",
        )
    if len(sent) > MAX_FILES:
        raise BadSubmission(
            f"{len(sent)} files were sent", remedy=f"Hand in only {_listed(expected)}"
        )
    found: dict[str, Accepted] = {}
    for sent_as, content in sent.items():
        name = expected_name(sent_as, expected)
        if name in found:
            raise BadSubmission(
                f"{found[name].sent_as} and {sent_as} are both {name}", remedy="Keep one of them"
            )
        if name.endswith(".ipynb"):
            _check_notebook(sent_as, content)
        found[name] = Accepted(name, sent_as, content)
    for name in expected:
        if name not in found:
            raise BadSubmission(
                f"{name} is missing",
                remedy="Put it into the assignment's folder under this name and submit again",
            )
    return tuple(found[name] for name in expected)


def expected_name(sent_as: str, expected: Sequence[str]) -> str:
    """The name under which the assignment knows the file `sent_as`.

    Raises:
        BadSubmission: when it is none of the assignment's files.
    """
    lms = _LMS_NAME.fullmatch(sent_as) if sent_as.isprintable() else None
    for name in expected:
        if sent_as == name or (lms and lms["rest"].endswith(f"_{name}")):
            return name
    raise BadSubmission(
        f"{sent_as!r} is not part of this assignment", remedy=f"Hand in only {_listed(expected)}"
    )


def student_number(sent_as: str) -> str | None:
    """The student number in an LMS-style name, or None. It is a remark, never an identity."""
    lms = _LMS_NAME.fullmatch(sent_as)
    return lms["number"].upper() if lms else None


def digest(content: bytes) -> str:
    """What a file's content is known by in the ledger and in receipts: its SHA-256."""
    return hashlib.sha256(content).hexdigest()


def _check_notebook(sent_as: str, content: bytes) -> None:
    """Refuse only what is no notebook at all; what a broken one is worth is grading's question."""
    try:
        document = json.loads(content.decode("utf-8-sig"))
        fine = isinstance(document, dict) and isinstance(document.get("cells"), list)
    except (ValueError, RecursionError):
        fine = False
    if not fine:
        raise BadSubmission(
            f"{sent_as} is no Jupyter notebook (empty, cut off or another kind of file)",
            remedy="Open it in JupyterLab, save it and submit again",
        )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)
