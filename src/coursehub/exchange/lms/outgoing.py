"""Hand-ins that count, or their feedback, under the LMS's names: a folder, or an archive of one."""

import csv
import io
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from coursehub.course.model import Assignment
from coursehub.errors import CourseHubError, ReceiptError
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.intake import digest
from coursehub.exchange.ledger import HandIn
from coursehub.exchange.lms.names import lms_name
from coursehub.exchange.lms.times import COLUMNS
from coursehub.exchange.person import Person

TIMES = "times.csv"
"""End of the file beside it with the exact times, since archives keep them to two seconds."""


@dataclass(frozen=True)
class Outgoing:
    """A file under the LMS's name, and when its hand-in was received."""

    name: str
    content: bytes
    received: datetime


def hand_ins(exchange: Exchange, assignment: Assignment) -> Iterator[Outgoing]:
    """The files of every student's hand-in that counts, by user name.

    Raises:
        ReceiptError: A file is not what its receipt says.
    """
    for person in _students(exchange):
        if row := _counting(exchange, person.username, assignment):
            folder = exchange.store.folder(row)
            for file in row.files:
                content = (folder / file.name).read_bytes()
                if digest(content) != file.sha256:
                    raise ReceiptError(
                        f"{folder / file.name} is not what receipt {row.number} says",
                        remedy="Restore it from the backup",
                    )
                yield Outgoing(lms_name(person, file.name), content, row.received)


def feedback(exchange: Exchange, assignment: Assignment) -> Iterator[Outgoing]:
    """The pages of feedback on every student's hand-in that counts, by user name."""
    for person in _students(exchange):
        if row := _counting(exchange, person.username, assignment):
            for page, content in exchange.store.feedback(row).items():
                yield Outgoing(lms_name(person, page), content, row.received)


def left_out(exchange: Exchange, assignment: Assignment) -> list[str]:
    """Who handed in but is no student on the roster, and so has no name in the LMS."""
    known = {person.username for person in _students(exchange)}
    wanted = (key for key in exchange.ledger.received() if key[1] == assignment.name)
    return sorted(username for username, _ in wanted if username not in known)


def write_folder(files: Iterable[Outgoing], parent: Path, name: str, timezone: ZoneInfo) -> int:
    """Write files into the new folder `name` of `parent`; return how many.

    Raises:
        CourseHubError: The folder is there already, or cannot be written.
    """
    with _new(parent / name) as folder:
        folder.mkdir(mode=0o700, parents=True)
        times = []
        for file in files:
            path = folder / file.name
            with path.open("xb") as target:  # never over another student's
                target.write(file.content)
            os.utime(path, (file.received.timestamp(), file.received.timestamp()))
            times.append((file.name, file.received))
        (parent / f"{name}.{TIMES}").write_text(_as_times(times, timezone), encoding="utf-8")
    return len(times)


def write_archive(files: Iterable[Outgoing], path: Path, name: str, timezone: ZoneInfo) -> int:
    """Write files into the folder `name` of a new archive; return how many.

    Raises:
        CourseHubError: The archive is there already, or cannot be written.
    """
    with _new(path) as fresh, zipfile.ZipFile(fresh, "x", zipfile.ZIP_DEFLATED) as made:
        times = []
        for file in files:
            info = zipfile.ZipInfo(f"{name}/{file.name}", _clock(file.received, timezone))
            info.external_attr = 0o100600 << 16
            made.writestr(info, file.content, zipfile.ZIP_DEFLATED)
            times.append((file.name, file.received))
        path.with_suffix(f".{TIMES}").write_text(_as_times(times, timezone), encoding="utf-8")
    return len(times)


@contextmanager
def _new(path: Path) -> Iterator[Path]:
    """Make a file or folder that is there when it is whole, and otherwise not at all."""
    fresh = path.with_name(f".{path.name}.new")
    if path.exists():
        raise CourseHubError("it is there already", file=str(path), remedy="Name a new one")
    try:
        yield fresh
        fresh.rename(path)
    except OSError as error:
        raise CourseHubError(
            f"cannot be written: {error.strerror}", file=str(path), remedy="Name another place"
        ) from error
    finally:
        if fresh.is_dir():
            shutil.rmtree(fresh)
        fresh.unlink(missing_ok=True)


def _clock(moment: datetime, timezone: ZoneInfo) -> tuple[int, int, int, int, int, int]:
    local = moment.astimezone(timezone)
    return local.year, local.month, local.day, local.hour, local.minute, local.second


def _students(exchange: Exchange) -> list[Person]:
    return [person for person in exchange.roster.everyone() if not person.staff]


def _counting(exchange: Exchange, username: str, assignment: Assignment) -> HandIn | None:
    rows, counts = exchange.store.hand_ins(username, assignment)
    return None if counts is None else rows[counts]


def _as_times(files: Iterable[tuple[str, datetime]], timezone: ZoneInfo) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for name, received in files:
        writer.writerow((name, received.astimezone(timezone).isoformat()))
    return text.getvalue()
