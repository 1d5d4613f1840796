"""File names of the LMS: whose file it is, and which, as in ``a0100000J_Wang-Wenjie_agent.py``.

Written, a name is exact: student number, name, the assignment's own file name. Read, it may differ
in case and separators, carry a ``(1)``, or end wrongly; what the number says and what the name says
must not be two students.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from coursehub.course.model import Assignment, Course
from coursehub.errors import BadSubmission
from coursehub.exchange.person import Person

# The student numbers of the syllabus: their first letter is small in file names.
_NUMBER = re.compile(r"[A-Za-z]\d{7}[A-Za-z]")

# What editors, browsers and the LMS put at the end of a name, beside the end that it should have.
_ENDS = (".ipynb", ".json", ".txt", ".py")
_END = re.compile(r"(.*?)\s*(\.ipynb|\.json|\.txt|\.py)", re.I | re.S)
_COPY = re.compile(
    r"(.*?)(?:\s*[(\[](?P<n>\d{1,3})[)\]]|[\s_-]*copy\s*(?P<m>\d{0,3}))", re.I | re.S
)
_COPY_OF = re.compile(r"\s*copy of\s+", re.I)
_SEPARATORS = re.compile(r"[\s_.,-]+")
_ANY_ASSIGNMENT = re.compile(r"(?:^|_)assignment_*0*(\d+)$")

LONGEST_NAME = 100
"""Bytes of a student's name in a file name, of the 255 that file systems allow in all."""


class Unmatched(BadSubmission):
    """The name does not say whose file it is, or which."""


@dataclass(frozen=True)
class Match:
    """What a name says.

    Attributes:
        person: Whose file it is.
        file: The assignment's own name for it.
        copy: 0, or the number that the LMS gave to another one of the same name.
        remark: What somebody may want to look at, or None.
    """

    person: Person
    file: str
    copy: int = 0
    remark: str | None = None


def lms_name(person: Person, file: str) -> str:
    """The name of a student's file in the LMS's form; no two students and files share one.

    Args:
        person: Whose file it is; student numbers hold no ``_``.
        file: The assignment's own name for it.
    """
    number = person.number
    if _NUMBER.fullmatch(number):
        number = number[0].lower() + number[1:-1] + number[-1].upper()
    return "_".join(part for part in (number, _plain(person.name), file) if part)


class Names:
    """Reads the names of one assignment's files."""

    def __init__(self, course: Course, assignment: Assignment, people: Iterable[Person]) -> None:
        """Read files of `assignment`, handed in by one of `people`."""
        everyone = list(people)
        self._students = [person for person in everyone if not person.staff]
        self._by_number = {person.number.casefold(): person for person in everyone}
        self._assignment = assignment
        self._others = [each for each in course.assignments if each != assignment]
        self._exact = {
            _folded(lms_name(person, file)): Match(person, file)
            for person in self._students
            for file in assignment.files
        }

    def match(self, path: str) -> Match:
        """Whose file it is, and which.

        Args:
            path: The name, maybe with folders before it.

        Raises:
            Unmatched: saying why not.
        """
        name = unicodedata.normalize("NFC", PurePosixPath(path).name)
        if exact := self._exact.get(_folded(name)):
            return exact
        if not name.isprintable():
            raise Unmatched("its name holds unprintable characters")
        text, ends, copy = _taken_apart(_COPY_OF.sub("", name, count=1).strip())
        person, rest = self._person(text)
        words = _SEPARATORS.sub("_", unicodedata.normalize("NFKC", rest)).strip("_").casefold()
        file, before = self._file(words, ends)
        return Match(person, file, copy, self._remark(person, before))

    def _person(self, text: str) -> tuple[Person, str]:
        """Whom the number at the beginning belongs to, and what follows it."""
        for end in range(len(text), 0, -1):
            if end == len(text) or not text[end].isalnum():
                person = self._by_number.get(text[:end].casefold())
                if person and person.staff:
                    raise Unmatched(f"{person.number} is {person.name}'s, who is no student")
                if person:
                    return person, text[end:]
        first = re.split(r"[\s_]", text, maxsplit=1)[0]
        if _NUMBER.fullmatch(first):
            raise Unmatched(f"{first} is nobody's student number on the roster")
        raise Unmatched("it does not begin with a student number of the roster")

    def _file(self, words: str, ends: set[str]) -> tuple[str, str]:
        """Which of the assignment's files it is, and what stands before that."""
        found = _ending(words, ends, self._assignment.files)
        if found is None:
            for other in self._others:
                if _ending(words, ends, other.files):
                    raise Unmatched(f"it is a file of {other.name}")
            wanted = " or ".join(self._assignment.files)
            raise Unmatched(f"its name does not end in {wanted}")
        return found

    def _remark(self, person: Person, before: str) -> str | None:
        """Compare the name in the file's name with the roster's."""
        said, known = before, _words(person.name)
        other = _ANY_ASSIGNMENT.search(before)
        if other and _words(before) != known:
            number = self._assignment.number
            if int(other[1]) != number:
                raise Unmatched(f"it says assignment {int(other[1])}, and this is {number}")
            said = before[: other.start()]
        words = _words(said)
        if not words or set(words) <= set(known) or set(known) <= set(words):
            return None
        for one in self._students:
            if _words(one.name) == words and one != person:
                raise Unmatched(
                    f"the number is that of {person.name}, the name that of {one.name}",
                    remedy="Find out whose it is, and correct the file's name",
                )
        return f"the name is not that of {person.name}, whose number it is"


def _taken_apart(name: str) -> tuple[str, set[str], int]:
    """The name without its ends and copy marks, which ends it had, and the number of the copy."""
    ends, copy = set(), 0
    while True:
        name = name.rstrip(" .\t")
        if match := _END.fullmatch(name):
            ends.add(match[2].lower())
        elif match := _COPY.fullmatch(name):
            copy = copy or int(match["n"] or match["m"] or 1)
        else:
            return name, ends, copy
        name = match[1]


def _ending(words: str, ends: set[str], files: Iterable[str]) -> tuple[str, str] | None:
    """Which file the words end in, the longest first, and the words before it."""
    for file in sorted(files, key=len, reverse=True):
        stem, suffix = PurePosixPath(file).stem, PurePosixPath(file).suffix
        if suffix not in _ENDS:
            stem, suffix = file, ""
        # .json and .txt were added to what it is; .ipynb and .py say what it is.
        if ends & {".ipynb", ".py"} - {suffix}:
            continue
        runs = re.findall(r"[^\W\d_]+|\d+", stem.casefold())
        parts = (f"0*{int(run)}" if run.isdigit() else re.escape(run) for run in runs)
        match = re.search(rf"(?:^|_){'_*'.join(parts)}$", words)
        if match:
            return file, words[: match.start()]
    return None


def _plain(name: str) -> str:
    """A student's name as part of a file name: letters, digits and accents, with `-` between."""
    kept = "".join(
        letter if letter.isalnum() or unicodedata.category(letter)[0] == "M" else " "
        for letter in unicodedata.normalize("NFC", name)
    )
    whole = "-".join(kept.split())
    return whole.encode()[:LONGEST_NAME].decode(errors="ignore").rstrip("-")


def _words(name: str) -> list[str]:
    """The words of a name, in the order of the alphabet: peoples differ in which comes first."""
    return sorted(
        re.findall(r"\w+", unicodedata.normalize("NFKC", name).replace("_", " ").casefold())
    )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
