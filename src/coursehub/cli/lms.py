"""`coursehub import-lms` and `export-lms`: hand-ins from the LMS's folders, and into them."""

import csv
import getpass
import hashlib
import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from coursehub.cli.course import one_line_errors
from coursehub.cli.progress import progress
from coursehub.course.model import Assignment
from coursehub.course.schedule import say_short
from coursehub.errors import BadSubmission, CourseHubError, TooLarge
from coursehub.exchange.database import connect
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.lms import outgoing
from coursehub.exchange.lms.archive import Archive, opened
from coursehub.exchange.lms.incoming import BroughtOver, LeftOver, Sorted, bring_over, sort_out
from coursehub.exchange.lms.times import read_times
from coursehub.journal import Entry, record
from coursehub.settings import load_settings

app = typer.Typer()

# As people are named on the roster; it becomes part of a folder's name.
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")

ASIDE_LIST = "left-over.csv"


@app.command("import-lms")
def import_lms(
    assignment: Annotated[str, typer.Argument(help="The assignment, e.g. assignment_1.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE.zip", help="The LMS's folder, as it was downloaded.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")
    ] = False,
    times: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="When each file was handed in (columns file and time), in place of the times "
            "in the archive.",
        ),
    ] = None,
    aside: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where files that are in no hand-in are kept; by default FILE-left-over.",
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Who does it; by default the user of this machine.")
    ] = None,
) -> None:
    """Enter what students handed in to the LMS into the ledger, at the LMS's times.

    Files are known by names like a0100000J_Wang-Wenjie_assignment_1.ipynb,
    with some tolerance. Each hand-in gets a receipt that says whose time it is
    and who brought it over; which one counts is decided as for all others. The
    same archive again adds nothing. What is in no hand-in is listed with the
    reason, and kept aside.
    """
    with one_line_errors():
        exchange = Exchange(load_settings())
        course, now, who = exchange.deadlines.course, datetime.now(UTC), _who(by)
        wanted = course.assignment(assignment)
        known = None if times is None else _read_times(times, exchange)
        with opened(file, course.tz, exchange.limit) as archive:
            people = exchange.roster.everyone()
            found = sort_out(archive, course, wanted, people, now, known)
            with progress(assignment, len(found.bundles), Console(stderr=True)) as batch:
                done = bring_over(
                    exchange, archive, wanted, found, imported_by=who, dry_run=dry_run,
                    on_start=batch.start, on_done=batch.finish,
                )  # fmt: skip
            _say(exchange, done, found)
            if found.left_over and not dry_run:
                folder = aside or file.with_name(f"{file.stem}-left-over")
                _keep_aside(archive, found.left_over, folder)
        new = sum(each.new for each in done)
        if new and not dry_run:
            _write_down(file, wanted, done, who, now)
        typer.echo(
            f"{assignment}: {new} hand-ins {'would be ' if dry_run else ''}brought over, "
            f"{len(done) - new} were there already, {len(found.left_over)} files left over"
        )


@app.command("export-lms")
def export_lms(
    assignment: Annotated[str, typer.Argument(help="The assignment, e.g. assignment_1.")],
    to: Annotated[
        Path, typer.Option(metavar="FOLDER|FILE.zip", help="A folder, or an archive to make.")
    ],
    feedback: Annotated[
        bool, typer.Option("--feedback", help="Feedback instead of hand-ins.")
    ] = False,
) -> None:
    """Write the hand-ins that count, or feedback on them, under the LMS's names.

    They lie in a folder named after the assignment; beside it, a CSV with the
    exact time of each, as `import-lms --times` reads it.
    """
    with one_line_errors():
        exchange = Exchange(load_settings())
        course = exchange.deadlines.course
        wanted = course.assignment(assignment)
        files = (outgoing.feedback if feedback else outgoing.hand_ins)(exchange, wanted)
        write = outgoing.write_archive if to.suffix.lower() == ".zip" else outgoing.write_folder
        count = write(files, to, wanted.name, course.tz)
        for username in outgoing.left_out(exchange, wanted):
            typer.echo(f"{username}: left out, no student on the roster", err=True)
        typer.echo(f"{to}: {count} files of {assignment}")


def _say(exchange: Exchange, done: list[BroughtOver], found: Sorted) -> None:
    """List what was brought over, and on standard error what somebody has to look at."""
    course = exchange.deadlines.course
    for each in (each for each in done if each.new):
        person, received = each.bundle.person, say_short(each.bundle.received, course)
        receipt = f", receipt {each.row.number}" if each.row else ""
        typer.echo(f"{person.username} ({person.number}): {received}{receipt}")
    for path, remark in found.remarks:
        typer.echo(f"look at {path}: {remark}", err=True)
    for left in found.left_over:
        typer.echo(f"left over {left.member.path!r}: {left.reason}", err=True)


def _keep_aside(archive: Archive, left_over: list[LeftOver], folder: Path) -> None:
    """Write what is left over beside a list of it, under names of our own."""
    rows = [("file", "reason", "kept as")]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in left_over:
            try:
                content = archive.read(left.member)
            except (BadSubmission, TooLarge):
                kept_as = "only in the archive"
            else:
                kept_as = _own_name(content, left.member.name)
                (folder / kept_as).write_bytes(content)
            rows.append((ascii(left.member.path), left.reason, kept_as))
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        (folder / ASIDE_LIST).write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise CourseHubError(
            f"cannot be written: {error.strerror}",
            file=str(folder),
            remedy="Name a folder with --aside; what was brought over stays",
        ) from error
    typer.echo(f"{folder}: {len(left_over)} files left over, listed in {ASIDE_LIST}", err=True)


def _own_name(content: bytes, name: str) -> str:
    """A name that no other content has, harmless on every system, the same each time."""
    harmless = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[-100:]
    return f"{hashlib.sha256(content).hexdigest()[:12]}_{harmless or 'file'}"


def _write_down(
    file: Path, assignment: Assignment, done: list[BroughtOver], who: str, now: datetime
) -> None:
    """Tell the course's journal of it."""
    with file.open("rb") as archive:
        digest = hashlib.file_digest(archive, "sha256").hexdigest()
    receipts = [each.row.number for each in done if each.new and each.row]
    after = {"file": file.name, "sha256": digest, "receipts": receipts}
    with connect(str(load_settings().database)).begin() as connection:
        record(connection, Entry(now, who, "import-lms", assignment.name, after=after))


def _who(by: str | None) -> str:
    who = (by or getpass.getuser()).lower()
    if not _USERNAME.fullmatch(who):
        raise CourseHubError(
            f"{who!r} is no user name", key="--by", remedy="Name yourself as on the roster"
        )
    return who


def _read_times(path: Path, exchange: Exchange) -> dict[str, datetime]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CourseHubError(
            "it cannot be read as UTF-8 text", file=str(path), remedy="Save it as CSV in UTF-8"
        ) from error
    try:
        return read_times(text, exchange.deadlines.course.tz)
    except BadSubmission as error:
        raise CourseHubError(error.message, file=str(path), remedy=error.remedy) from None
