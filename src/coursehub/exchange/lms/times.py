"""The LMS's own list of when which file was handed in, where it gives one."""

import csv
import io
from datetime import datetime
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from coursehub.errors import BadSubmission

COLUMNS = ("file", "time")


def read_times(text: str, timezone: ZoneInfo) -> dict[str, datetime]:
    """Read a CSV with the columns `file` and `time`, maybe among others.

    Args:
        text: The CSV. A file is named with or without its folder. A time is like
            ``2021-02-05 23:58:10``, on the clock of `timezone`, or has an offset of its own.
        timezone: The course's.

    Returns:
        Each file's name, as `key_of` writes it, and its time, aware.

    Raises:
        BadSubmission: naming the line that is wrong.
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    found: dict[str, datetime] = {}
    try:
        header = [name.strip().lower() for name in rows.fieldnames or ()]
        rows.fieldnames = header
        if not set(COLUMNS) <= set(header):
            raise BadSubmission("line 1: it lacks the columns file and time")
        for row in rows:
            key = key_of((row["file"] or "").strip())
            time = _time(row["time"] or "", rows.line_num, timezone)
            if found.setdefault(key, time) != time:
                raise BadSubmission(
                    f"line {rows.line_num}: {row['file']} has two times", remedy="Keep one of them"
                )
    except csv.Error as error:
        raise BadSubmission(f"line {rows.reader.line_num}: {error}") from error
    return found


def key_of(path: str) -> str:
    """A file's name as times are looked up by it: without folder, in small letters."""
    return PurePosixPath(path.replace("\\", "/")).name.casefold()


def _time(text: str, line: int, timezone: ZoneInfo) -> datetime:
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadSubmission(
            f"line {line}: {text!r} is no time", remedy="Write it like 2021-02-05 23:58:10"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=timezone)
