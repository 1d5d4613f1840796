"""The running order of the presentations, to read in a terminal and to print."""

from collections.abc import Mapping
from datetime import datetime
from html import escape

from rich.box import SIMPLE_HEAD
from rich.markup import escape as plain
from rich.table import Table

from coursehub.course.model import Course
from coursehub.course.schedule import say
from coursehub.project.talks import Order
from coursehub.project.teams import Team

COLUMNS = ("Slot", "Time", "Team", "Kind", "Members")

_STYLE = """
  body { font: 11pt/1.4 system-ui, sans-serif; color: #111; background: #fff;
         max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.4em; margin-bottom: 0; }
  table { border-collapse: collapse; width: 100%; margin-top: 1rem; }
  th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0;
           border-bottom: 1px solid #bbb; }
  td:nth-child(-n+2) { white-space: nowrap; font-variant-numeric: tabular-nums; }
  .pause td { border: 0; color: #555; font-style: italic; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
  @media print { body { margin: 0; max-width: none; } @page { margin: 2cm; } }
"""


def running_order_table(course: Course, order: Order, names: Mapping[str, str]) -> Table:
    """The running order as a table for terminals.

    Args:
        course: the course.
        order: who has which slot.
        names: people's names by user name; who is not there goes by the user name.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=_title(course, order))
    for column in COLUMNS:
        table.add_column(column)
    for row in rows(course, order, names):
        table.add_row(*map(plain, row))
    return table


def running_order_html(course: Course, order: Order, names: Mapping[str, str]) -> str:
    """The running order as a page of its own, to print or to hang at the door.

    The arguments are those of `running_order_table`; every text is escaped.
    """
    title = escape(_title(course, order))
    head = "".join(f'<th scope="col">{column}</th>' for column in COLUMNS)
    body = "\n".join(
        ("<tr>" if row[0] else '<tr class="pause">')
        + "".join(f"<td>{escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in rows(course, order, names)
    )
    waiting = "".join(f"<li>{escape(team.name)}</li>" for team in order.waiting)
    left = f"<h2>Without a slot</h2>\n<ul>{waiting}</ul>\n" if waiting else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n{left}"
        "</body>\n</html>\n"
    )


def _title(course: Course, order: Order) -> str:
    starts = f", {say(order.slots[0][0].starts, course)}" if order.slots else ""
    return f"{course.code}: presentations{starts}"


def rows(course: Course, order: Order, names: Mapping[str, str]) -> list[tuple[str, ...]]:
    """A row of `COLUMNS` for each slot up to the last one in use; a pause has no number.

    The arguments are those of `running_order_table`.
    """
    last = max((index for index, (_, team) in enumerate(order.slots) if team), default=-1)
    found: list[tuple[str, ...]] = []
    before = None
    for slot, team in order.slots[: last + 1]:
        if before is not None and slot.starts > before:
            found.append(("", _span(before, slot.starts), "Break", "", ""))
        before = slot.ends
        found.append((str(slot.number), _span(slot.starts, slot.ends), *_of(course, team, names)))
    return found


def _span(starts: datetime, ends: datetime) -> str:
    return f"{starts:%H:%M} to {ends:%H:%M}"


def _of(course: Course, team: Team | None, names: Mapping[str, str]) -> tuple[str, str, str]:
    if team is None:
        return ("free", "", "")
    kind = team.kind or course.presentation.kinds[0]
    return (team.name, kind, ", ".join(names.get(name, name) for name in team.members))
