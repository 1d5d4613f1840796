"""Marks as tables for other programs: CSV, XLSX and what the LMS takes.

A cell that begins like a formula would be one in a spreadsheet, so a name like ``=1+1`` gets an
apostrophe in front. So does a text that begins with an apostrophe: whoever takes one away from
every text that has one gets back exactly what there was (`unguarded`).
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from coursehub.course.marks import Homework, Marks, Part, State, rounded, written
from coursehub.course.model import Course
from coursehub.errors import CourseHubError

Cell = str | Decimal | None
Table = list[list[Cell]]
"""Rows of cells, the headings first."""

FIELDS = ("number", "name", "username", "email", "homework", "presentation", "report", "mark")
"""What a column of the LMS's table may hold."""

LMS_COLUMNS = "Student Number=number,Name=name,Mark=mark"

# What spreadsheets take for a formula, or skip to find one; also in its full-width form.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001
_GUARD = "'"

# What no XML can hold (XML 1.0, section 2.2), beyond the control characters, which XLSX escapes.
_NO_XML = {0xFFFE: 0xFFFD, 0xFFFF: 0xFFFD}


class Person(Protocol):
    """A student as the tables name them; `exchange.person.Person` is one."""

    @property
    def username(self) -> str:
        """User name."""

    @property
    def number(self) -> str:
        """Student number."""

    @property
    def name(self) -> str:
        """Full name."""

    @property
    def email(self) -> str:
        """Address."""


def marks_table(course: Course, people: Iterable[Person], marks: Mapping[str, Marks]) -> Table:
    """Everything that the marks are made from, a row for each student.

    Points are exact; the parts are in percent of themselves, rounded for reading like the mark,
    which is made from the exact ones.
    """
    names = [each.name for each in course.assignments]
    parts = ("homework", "presentation", "report")
    rows: Table = [
        [
            "username", "number", "name",
            *(f"{name} (of {most})" if (most := _most(marks, name)) else name for name in names),
            *(f"{part} %" for part in parts), "so far", "mark", "missing",
        ]
    ]  # fmt: skip
    for person in people:
        of = marks[person.username]
        rows.append(
            [
                person.username, person.number, person.name,
                *(_points(each) for each in of.homework),
                *(_percent(of.part(part)) for part in parts),
                of.so_far, of.mark, "; ".join(of.missing),
            ]
        )  # fmt: skip
    return rows


def lms_table(people: Iterable[Person], marks: Mapping[str, Marks], columns: str) -> Table:
    """What the LMS's gradebook takes: a student number, a name and a mark.

    A mark, or a part of it in percent, that is not final is left empty: nobody takes it for one.

    Args:
        people: The students.
        marks: Theirs.
        columns: `HEADING=FIELD`, with commas between; the fields are those of `FIELDS`.

    Raises:
        CourseHubError: They cannot be read.
    """
    wanted = [_column(text) for text in columns.split(",")]
    rows: Table = [[heading for heading, _ in wanted]]
    for person in people:
        of = marks[person.username]
        values: dict[str, Cell] = {
            "number": person.number, "name": person.name, "username": person.username,
            "email": person.email, "mark": of.mark,
            **{part.name: _percent(part) if part.final else None for part in of.parts},
        }  # fmt: skip
        rows.append([values[name] for _, name in wanted])
    return rows


def as_csv(rows: Table) -> bytes:
    """The table as CSV (RFC 4180) in UTF-8, with the mark by which spreadsheets know that."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for row in rows:
        writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue().encode("utf-8-sig")


def as_xlsx(rows: Table, title: str) -> bytes:
    """The table as a workbook of one sheet; texts are texts there, whatever they begin with."""
    from xlsxwriter import Workbook  # for workbooks alone; what lists marks can do without

    content = io.BytesIO()
    with Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet(title)
        bold = book.add_format({"bold": True})
        sheet.freeze_panes(1, 0)
        for index, row in enumerate(rows):
            for position, cell in enumerate(row):
                style = None if index else bold
                if isinstance(cell, Decimal):
                    sheet.write_number(index, position, float(cell), style)
                elif cell is not None:
                    sheet.write_string(index, position, cell.translate(_NO_XML), style)
        sheet.autofit()
    return content.getvalue()


def guarded(text: str) -> str:
    """The text as one that no spreadsheet takes for a formula."""
    return f"{_GUARD}{text}" if text.startswith((*_FORMULA, _GUARD)) else text


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    return text.removeprefix(_GUARD)


def _most(marks: Mapping[str, Marks], name: str) -> str:
    """The points that can be earned, as soon as anybody's hand-in tells."""
    for of in marks.values():
        for each in of.homework:
            if each.assignment == name and each.most:
                return written(each.most)
    return ""


def _points(homework: Homework) -> Cell:
    if homework.state == State.EXCUSED:
        return "excused"
    if homework.state not in (State.SETTLED, State.REVIEW):
        return None
    points = written(homework.score)
    return points if "/" in points else Decimal(points)


def _percent(part: Part) -> Cell:
    return None if part.share is None else rounded(100 * part.share)


def _column(text: str) -> tuple[str, str]:
    heading, _, name = text.rpartition("=")
    if not heading.strip() or name.strip() not in FIELDS:
        raise CourseHubError(
            f"{text!r} is no column",
            key="--columns",
            remedy=f"Write HEADING=FIELD, the field being one of {', '.join(FIELDS)}",
        )
    return heading.strip(), name.strip()


def not_final(people: Sequence[Person], marks: Mapping[str, Marks]) -> list[str]:
    """The user names of those whose mark is not final."""
    return [person.username for person in people if not marks[person.username].final]
