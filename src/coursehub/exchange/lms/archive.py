"""A ZIP file from the LMS, read as what strangers made: nothing is extracted by a name in it.

Names, sizes, ratios and kinds are looked at before anything is read, and what is read is counted
(APPNOTE.TXT 6.3.10 says what a member may claim). What cannot be read safely is told apart from
the others, with the reason; an archive that can only be meant to do harm is refused as a whole.
"""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath, PureWindowsPath
from zoneinfo import ZoneInfo

from coursehub.errors import BadSubmission, TooLarge

MAX_MEMBERS = 50_000
MAX_BYTES = 20_000_000_000
"""Of all members together, as they say themselves; no more of each than a hand-in may hold."""

MAX_RATIO = 150
"""How much smaller than its content an archive is at most; notebooks come to about 10."""

_FREE = 100_000_000  # below so many bytes a ratio says nothing
_ENCRYPTED = 0x1 | 0x40  # APPNOTE.TXT, section 4.4.4
_UTF_8 = 0x800
_READABLE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_CHUNK = 1 << 20
_UNIX = 3


@dataclass(frozen=True)
class Member:
    """One file of the archive.

    Attributes:
        path: Its name, folders included, for people.
        time: When it was handed in, aware, by the archive's own clock; None where there is none.
        refused: Why it is not to be read, or None.
        info: What the archive says of it.
    """

    path: str
    time: datetime | None
    refused: str | None
    info: zipfile.ZipInfo = field(repr=False)

    @property
    def name(self) -> str:
        """Its name without folders."""
        return PurePosixPath(self.path.replace("\\", "/")).name


class Archive:
    """An open archive."""

    def __init__(self, file: zipfile.ZipFile, timezone: ZoneInfo, limit: int) -> None:
        """Look at every member of `file`.

        Args:
            file: The archive.
            timezone: Of the clock by which the LMS writes its members' times.
            limit: Most bytes of one member.

        Raises:
            TooLarge: It holds more than any class hands in.
            BadSubmission: Its members share their bytes.
        """
        self._file, self._limit = file, limit
        infos = [info for info in file.infolist() if info.file_size or not info.is_dir()]
        _check_sizes(infos)
        self.members = tuple(_member(info, timezone, limit) for info in infos)

    def read(self, member: Member) -> bytes:
        """The bytes of a member.

        Raises:
            BadSubmission: It is refused, or damaged.
            TooLarge: It holds more than it says.
        """
        if member.refused:
            raise BadSubmission(member.refused)
        content = bytearray()
        try:
            with self._file.open(member.info) as stream:
                while chunk := stream.read(_CHUNK):
                    content += chunk
                    if len(content) > self._limit:
                        raise TooLarge(_too_large(self._limit))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
            raise BadSubmission(f"it is damaged in the archive ({error})") from error
        return bytes(content)


@contextmanager
def opened(path: Path, timezone: ZoneInfo, limit: int) -> Iterator[Archive]:
    """Open an archive; arguments and errors as of `Archive`.

    Raises:
        BadSubmission: It is no ZIP file that can be read.
    """
    try:
        file = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise BadSubmission(
            f"it is no ZIP file that can be read ({error})",
            file=str(path),
            remedy="Download the folder from the LMS again",
        ) from error
    with file:
        yield Archive(file, timezone, limit)


def _check_sizes(infos: list[zipfile.ZipInfo]) -> None:
    packed = sum(info.compress_size for info in infos)
    content = sum(info.file_size for info in infos)
    if len(infos) > MAX_MEMBERS:
        raise TooLarge(
            f"the archive holds {len(infos):,} files, {MAX_MEMBERS:,} are allowed",
            remedy="Download one assignment's folder at a time",
        )
    if content > MAX_BYTES:
        raise TooLarge(
            f"the archive holds {content:,} bytes, {MAX_BYTES:,} are allowed",
            remedy="Download one assignment's folder in several parts",
        )
    if content > _FREE and content > packed * MAX_RATIO:
        raise TooLarge(
            f"the archive holds {content // max(packed, 1)} times its own size: no class hands "
            "in such a thing",
            remedy="Look at what is in it, without unpacking it",
        )
    ends = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < ends:
            raise BadSubmission(
                "files of the archive share their bytes", remedy="Download it from the LMS again"
            )
        ends = info.header_offset + info.compress_size


def _member(info: zipfile.ZipInfo, timezone: ZoneInfo, limit: int) -> Member:
    path = _decoded(info)
    return Member(path, _time(info, timezone), _refused(info, path, limit), info)


def _refused(info: zipfile.ZipInfo, path: str, limit: int) -> str | None:
    mode = info.external_attr >> 16
    checks = (
        (_leaves(path), "its name leads out of its folder"),
        (info.flag_bits & _ENCRYPTED, "it is encrypted"),
        (
            info.create_system == _UNIX and stat.S_IFMT(mode) not in (0, stat.S_IFREG),
            "it is no regular file, but a link or the like",
        ),
        (
            info.compress_type not in _READABLE,
            "it is packed in a way that is not read here",
        ),
        (info.file_size > limit, _too_large(limit)),
    )
    return next((reason for refuse, reason in checks if refuse), None)


def _leaves(path: str) -> bool:
    """Whether a name would be written elsewhere than below its folder, on any system."""
    windows = PureWindowsPath(path)
    return (
        not path.isprintable()
        or path.startswith(("/", "\\"))
        or bool(windows.drive)
        or ".." in windows.parts
    )


def _decoded(info: zipfile.ZipInfo) -> str:
    """The name; many programs write UTF-8 and do not say so."""
    if info.flag_bits & _UTF_8:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.orig_filename


def _time(info: zipfile.ZipInfo, timezone: ZoneInfo) -> datetime | None:
    """The time on the LMS's clock; where clocks show it twice, the earlier of the two."""
    try:
        return datetime(*info.date_time, tzinfo=timezone)
    except ValueError:
        return None


def _too_large(limit: int) -> str:
    return f"it holds more than the {limit:,} bytes that a hand-in may"
