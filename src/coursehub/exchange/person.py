"""A person of the course, and how people are written down: a CSV file with a line for each."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coursehub.errors import RosterError

COLUMNS = ("username", "number", "name", "email", "role")
ROLES = ("student", "ta", "instructor")
STAFF = ("ta", "instructor")

# "+" separates the parts of a hand-in's folder name in nbgrader's exchange, "*" globs, "/" is "/".
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")
_NUMBER = re.compile(r"[A-Za-z0-9-]{1,32}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True)
class Person:
    """One row of the roster."""

    username: str
    number: str
    name: str
    email: str
    role: str

    @property
    def staff(self) -> bool:
        """Whether this person may see unreleased assignments and grade."""
        return self.role in STAFF


def read_csv(text: str) -> list[Person]:
    """Read a roster from CSV `text` without touching any database.

    Raises:
        RosterError: with `problems`, one line each: "line 7: role 'x' is unknown. Use one of ...".
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    found: list[Person] = []
    problems: list[str] = []
    try:
        rows.fieldnames = _header(rows.fieldnames or ())
        for row in rows:
            values = {name: (row[name] or "").strip() for name in COLUMNS}
            values["username"] = values["username"].lower()
            values["role"] = values["role"].lower()
            person = Person(**values)
            complaints = _problems(person, found)
            if None in row:
                complaints.append("more fields than columns. Quote names that hold a comma")
            problems += [f"line {rows.line_num}: {complaint}" for complaint in complaints]
            found.append(person)
    except csv.Error as error:
        problems.append(
            f"line {rows.reader.line_num}: {error}. Quote the field, or remove the quote"
        )
    if not found and not problems:
        problems.append("line 2: nobody is listed. Add a line for each person")
    if problems:
        raise RosterError(
            f"{len(problems)} of its lines are wrong, nothing was imported",
            remedy="Correct them and import again",
            problems=problems,
        )
    return found


def complaints(told: Mapping[str, str]) -> list[str]:
    """What is wrong with somebody who is to be entered, in sentences.

    Args:
        told: the columns.
    """
    return _problems(Person(**told), ())


def _header(names: Sequence[str]) -> tuple[str, ...]:
    """The columns in the order of the file."""
    header = tuple(name.strip().lower() for name in names)
    if sorted(header) != sorted(COLUMNS):
        columns = ", ".join(header) or "missing"
        raise RosterError(
            f"line 1: the columns are {columns}", remedy=f"Use exactly {', '.join(COLUMNS)}"
        )
    return header


def _problems(person: Person, before: Sequence[Person]) -> list[str]:
    checks = [
        (
            _USERNAME.fullmatch(person.username),
            f"username {person.username!r} may hold a-z, 0-9 and . _ @ - only. Choose another",
        ),
        (
            _NUMBER.fullmatch(person.number),
            f"number {person.number!r} may hold letters, digits and - only. Correct it",
        ),
        (person.name, f"name of {person.username!r} is empty. Fill it in"),
        (
            _EMAIL.fullmatch(person.email),
            f"email {person.email!r} is no address. Write it as name@host",
        ),
        (person.role in ROLES, f"role {person.role!r} is unknown. Use one of {', '.join(ROLES)}"),
        (
            all(person.username != other.username for other in before),
            f"username {person.username!r} stands twice. Remove one",
        ),
        (
            all(person.number.lower() != other.number.lower() for other in before),
            f"number {person.number!r} stands twice. Correct one",
        ),
    ]
    return [complaint for fine, complaint in checks if not fine]
