"""`coursehub roster sync`: the roster follows the LMS, shown first and applied then."""

import getpass
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from coursehub.cli.course import one_line_errors
from coursehub.errors import LtiError, RosterError
from coursehub.exchange.database import connect
from coursehub.exchange.person import complaints
from coursehub.exchange.roster import Roster
from coursehub.lti import members as lms
from coursehub.lti.courses import LmsCourse, LmsCourses
from coursehub.lti.keys import Keys
from coursehub.lti.services import Services
from coursehub.settings import Settings, load_settings

_SHARE = 0.25


def sync(
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Change the roster without being asked.")
    ] = False,
    context: Annotated[
        list[int] | None,
        typer.Option(
            metavar="NUMBER", help="Only these courses of the LMS, as `lti contexts` numbers them."
        ),
    ] = None,
    share: Annotated[
        float, typer.Option(help="The largest share of the students that may be dropped at once.")
    ] = _SHARE,
    force: Annotated[
        bool, typer.Option("--force", help="Drop more than that, and staff as well.")
    ] = False,
    by: Annotated[
        str | None, typer.Option(help="Who asks; by default the user of this machine.")
    ] = None,
) -> None:
    """Let the roster follow the LMS: who is new, who left, whose name, number or role is other.

    It is shown first. On a terminal you are asked; elsewhere --apply applies it.
    Who cannot be told with certainty is listed and left alone. Whoever is dropped
    no longer gets in; hand-ins and marks stay, and the next sync brings back who
    is in the LMS again.
    """
    with one_line_errors():
        settings = load_settings()
        engine = connect(str(settings.database))
        roster, courses = Roster(engine), LmsCourses(engine)
        chosen = _chosen(courses, context)
        found = [_members(settings, each) for each in chosen]
        everybody = [member for members in found for member in members]
        known = _as_it_stands(settings, roster, chosen)
        changes = lms.changes(known, everybody, force=force)
        _show(changes)
        students = sum(not person.staff for person in roster.everyone())
        gone = sum(person.role not in lms.STAFF for person in changes.dropped)
        if gone > share * students and not force:
            raise RosterError(
                f"{gone} of {students} students would be dropped, nothing was changed",
                remedy="Look whether the LMS tells of everybody; then say --force",
            )
        anything = changes.added or changes.changed or changes.dropped or changes.accounts
        if not anything:
            typer.echo("The roster is as the LMS has it.")
        elif not apply and not (sys.stdin.isatty() and typer.confirm("Apply this?")):
            typer.echo("Nothing was changed; --apply does it.")
            return
        titles = ", ".join(each.title or str(each.number) for each in chosen)
        now = datetime.now(UTC)
        roster.follow(
            changes.added,
            [(person.username, other) for person, other in changes.changed],
            [person.username for person in changes.dropped],
            by=by or getpass.getuser(),
            now=now,
            why=f"as the LMS has it in {titles}",
        )
        for (issuer, sub), username in changes.accounts:
            if not roster.link(issuer, sub, username, now):
                typer.echo(f"{username}: the account {sub} is somebody else's", err=True)
        for course, members in zip(chosen, found, strict=True):
            courses.put_members(course.number, [each.sub for each in members])
        if anything:
            typer.echo(
                f"{len(changes.added)} added, {len(changes.changed)} changed, "
                f"{len(changes.dropped)} dropped, {len(changes.accounts)} accounts noted"
            )


def _chosen(courses: LmsCourses, numbers: Sequence[int] | None) -> list[LmsCourse]:
    ours = {each.number: each for each in courses.all() if each.memberships_url}
    if wrong := [each for each in numbers or () if each not in ours]:
        raise LtiError(
            f"the LMS tells us nothing of the people in course {wrong[0]}",
            remedy="See `coursehub lti contexts`; adopt it, and allow the tool names and roles",
        )
    if not ours:
        raise LtiError(
            "no LMS tells us who is in our course",
            remedy="Allow the tool names and roles there, open the course from it once, and "
            "see `coursehub lti contexts`",
        )
    return [ours[each] for each in numbers] if numbers else list(ours.values())


def _members(settings: Settings, course: LmsCourse) -> list[lms.Member]:
    keys = Keys(Path(str(settings.lti_keys)))
    services = Services(course.platform, keys, private=settings.lti_private)
    try:
        return lms.members(course, services)
    finally:
        services.close()


def _as_it_stands(settings: Settings, roster: Roster, chosen: Sequence[LmsCourse]) -> lms.Roster:
    accounts = {
        (issuer, sub): username
        for issuer in {each.platform.issuer for each in chosen}
        for sub, username in roster.accounts(issuer).items()
    }
    return lms.Roster(
        roster.everyone(), roster.former(), accounts, settings.lti_claim, settings.lti_match,
        complaints,
    )  # fmt: skip


def _show(changes: lms.Changes) -> None:
    table = Table("", "Username", "Number", "Name", "Role", "Was", box=SIMPLE_HEAD, pad_edge=False)
    for new in sorted(changes.added, key=lambda each: each["username"]):
        table.add_row("added", *_cells(new))
    for person, other in changes.changed:
        was = ", ".join(getattr(person, name) for name in other)
        table.add_row("changed", *_cells({**person.__dict__, **other}), escape(was))
    for person in changes.dropped:
        table.add_row("dropped", *_cells(person.__dict__))
    if table.row_count:
        Console().print(table)
    for person, why in changes.kept:
        typer.echo(f"{person.username}: left alone: {why}; --force changes it")
    for who, why in changes.unclear:
        typer.echo(f"{who}: left alone: {why}")
    if changes.accounts:
        count = len(changes.accounts)
        typer.echo(f"{count} of the LMS's accounts will be known by whom they belong to")


def _cells(columns: dict[str, str]) -> list[str]:
    return [escape(columns[name]) for name in ("username", "number", "name", "role")]
