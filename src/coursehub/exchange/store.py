"""Hand-ins on disk, in the layout of nbgrader's own exchange, so that stock `collect` finds them.

    ROOT/COURSE/outbound/ASSIGNMENT/          what staff released
    ROOT/COURSE/inbound/WHO+WHAT+WHEN+ID/     hand-ins that may count, reports among them
    ROOT/COURSE/kept/WHO+WHAT+WHEN+ID/        late hand-ins after the one that counts
    ROOT/COURSE/incoming/                     being written; never looked at
    ROOT/COURSE/feedback/HASH.html            what staff released back
    ROOT/COURSE/solutions/ASSIGNMENT/         what students get with it, where they do

nbgrader's collector takes the newest folder of `inbound`. A late hand-in must not replace one that
was on time, so it is kept beside it, in `kept`. Every folder name ends in an id that follows from
the request's idempotency key: a retry finds what an interrupted request left.
"""

import json
import logging
import os
import secrets
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from coursehub.course.late import counting
from coursehub.course.model import Assignment, Work
from coursehub.errors import BadSubmission, NotFound, ReceiptError, ServiceUnavailable
from coursehub.exchange.deadlines import Deadlines
from coursehub.exchange.feedback import page_name
from coursehub.exchange.folders import (
    PLACES,
    SECRET_FILE,
    TIMESTAMP_FILE,
    FolderName,
    folder_id,
    imported_by,
    nbgrader_timestamp,
)
from coursehub.exchange.intake import Accepted, digest
from coursehub.exchange.ledger import HandIn, Ledger, StoredFile

log = logging.getLogger(__name__)

LMS_GRAIN = timedelta(seconds=2)
"""How exactly an archive keeps times (the grain of a zip member's own)."""

WriteReceipt = Callable[[str, Work, datetime, tuple[StoredFile, ...], int, str, str | None], str]


def lay_out(root: Path, course_id: str) -> Path:
    """Make the folders of one course below the exchange root; return the course's own.

    The root's parent is made private (0700), since nbgrader itself opens the root to everybody.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    root.parent.chmod(0o700)
    for folder in ("outbound", "inbound", "kept", "incoming", "feedback", "solutions"):
        (root / course_id / folder).mkdir(parents=True, exist_ok=True)
    return root / course_id


class Store:
    """Where hand-ins, releases and feedback of one course lie."""

    def __init__(
        self, root: Path, ledger: Ledger, deadlines: Deadlines, write_receipt: WriteReceipt
    ) -> None:
        """Open the exchange below `root`.

        Args:
            root: nbgrader's exchange root (see `lay_out`).
            ledger: where each hand-in gets its row.
            deadlines: decides which hand-in counts.
            write_receipt: called with username, assignment, instant, files, row number, hash, and
                who brought the hand-in over from the LMS, or None.
        """
        self._ledger = ledger
        self._deadlines = deadlines
        self._write_receipt = write_receipt
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._course = lay_out(root, deadlines.course.id)

    def hand_in(
        self, username: str, assignment: Work, files: Sequence[Accepted], key: str
    ) -> HandIn:
        """Keep a hand-in; when this returns, files and ledger row are on disk.

        The same key again returns the first hand-in, if it is the same one.

        Raises:
            BadSubmission: when the key was used for other files.
            ServiceUnavailable: when the disk did not keep what was written.
        """
        return self._keep(username, assignment, files, key, datetime.now, None)

    def bring_over(
        self,
        username: str,
        assignment: Work,
        files: Sequence[Accepted],
        received: datetime,
        imported_by: str,
    ) -> tuple[HandIn, bool]:
        """Keep what somebody handed in to the LMS, at the time that the LMS has for it.

        It is not stamped here, so folder, ledger and receipt say that the time is the LMS's and
        who brought it over. The same files within the grain of that time are there already.

        Args:
            username: whose hand-in it is.
            assignment: what it is of.
            files: its files.
            received: when, by the LMS's clock.
            imported_by: user name of the member of staff who brings it over.

        Returns:
            The hand-in, and whether it is new.

        Raises:
            ServiceUnavailable: when the disk did not keep what was written.
        """
        received = received.astimezone(UTC)
        if row := self.known(username, assignment, files, received):
            return row, False
        key = _key_of_the_lms(received, files)
        try:
            row = self._keep(username, assignment, files, key, lambda _: received, imported_by)
        except (IntegrityError, OSError) as error:  # somebody else did the same meanwhile
            if found := self.known(username, assignment, files, received):
                return found, False
            raise ServiceUnavailable(
                f"the hand-in of {username} could not be brought over",
                remedy="Do it again; what is there already stays",
            ) from error
        return row, True

    def known(
        self,
        username: str,
        assignment: Assignment,
        files: Sequence[Accepted],
        received: datetime,
    ) -> HandIn | None:
        """The hand-in of the same files within the grain of the LMS's time, if there is one."""
        for row in self._ledger.of(username, assignment.name):
            if abs(row.received - received) < LMS_GRAIN and _digests(row) == _contents(files):
                return row
        return None

    def _keep(
        self,
        username: str,
        assignment: Assignment,
        files: Sequence[Accepted],
        key: str,
        clock: Callable[[timezone], datetime],
        imported_by: str | None,
    ) -> HandIn:
        with self._locks[username]:
            known = self._ledger.find(username, assignment.name, key) or self._finish(
                username, assignment, key
            )
            if known:
                return _same(known, files)
            now = clock(UTC)
            name = str(FolderName(username, assignment.name, now, folder_id(key), imported_by))
            # What comes from the LMS has the same name when it is tried again, or by two at once.
            written = self._write(
                f"{name}~{secrets.token_hex(4)}" if imported_by else name, files, now
            )
            row_files = tuple(_stored(file) for file in files)
            destination = self._destination(username, assignment, now)
            written.rename(destination / name)
            _sync(destination)
            return self._append(username, assignment, now, name, key, row_files)

    def hand_ins(self, username: str, assignment: Work) -> tuple[list[HandIn], int | None]:
        """Everything this person handed in, oldest first, and the index of the one that counts."""
        # A hand-in entered by `recover` may stand below later ones in the ledger.
        rows = sorted(self._ledger.of(username, assignment.name), key=lambda row: row.received)
        on_time_before = self._deadlines.on_time_before(username, assignment)
        return rows, counting([row.received for row in rows], on_time_before)

    def arrange(self, username: str, assignment: Work) -> None:
        """Put every hand-in where it belongs now, e.g. after an extension was granted."""
        with self._locks[username]:
            rows, counts = self.hand_ins(username, assignment)
            for index, row in enumerate(rows):
                target = "inbound" if counts is None or index <= counts else "kept"
                place = self._course / target / row.folder
                found = self._find(row)
                if found is None:
                    # One folder that somebody removed must not close the exchange for all.
                    log.error("the files of receipt %s (%s) are gone", row.number, row.folder)
                elif found != place:
                    found.rename(place)
                    _sync(place.parent)

    def folder(self, row: HandIn) -> Path:
        """Where a hand-in lies.

        Raises:
            ReceiptError: when it is gone.
        """
        if found := self._find(row):
            return found
        raise ReceiptError(
            f"the files of receipt {row.number} ({row.folder}) are not in the exchange",
            remedy="Restore them from the backup",
        )

    def check(self) -> int:
        """Compare every ledger row with the bytes on disk; return how many there are.

        Raises:
            ReceiptError: for the first row whose chain, folder or file does not fit.
        """
        rows = self._ledger.check()
        for row in rows:
            folder = self.folder(row)
            for file in row.files:
                if _digest_of(folder / file.name) != file.sha256:
                    raise ReceiptError(
                        f"{folder / file.name} is not what receipt {row.number} says",
                        remedy="Restore it from the backup",
                    )
        return len(rows)

    def recover(self) -> None:
        """Finish what a killed service left; only the service calls this, before it listens.

        What was never visible is dropped: nobody holds a receipt for it. What is visible but has
        no ledger row gets one.
        """
        for folder in (self._course / "incoming").iterdir():
            log.warning("%s was never completed and never receipted: removed", folder.name)
            shutil.rmtree(folder)
        known = {row.folder for row in self._ledger.all()}
        for place in PLACES:
            for folder in sorted((self._course / place).iterdir()):
                if folder.name not in known and (row := self._adopt(folder)):
                    self.arrange(row.username, self._deadlines.course.work(row.assignment))

    def is_released(self, assignment: Assignment) -> bool:
        """Whether staff have put the assignment into the exchange (whatever the time)."""
        return (self._course / "outbound" / assignment.name / assignment.notebook).is_file()

    def released_files(self, assignment: Assignment) -> dict[str, bytes]:
        """Relative path -> content of everything released with the assignment.

        Raises:
            NotFound: when staff have not released it.
        """
        folder = self._course / "outbound" / assignment.name
        if not self.is_released(assignment):
            raise NotFound(f"there is no {assignment.name}", remedy="See the list for what is open")
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }

    def feedback(self, row: HandIn) -> dict[str, bytes]:
        """File name -> HTML of the feedback that staff released for this hand-in, if any.

        The hand-in's secret, by which it is found, never leaves the server, and only the owner's
        own rows get here.
        """
        return {name: page.read_bytes() for name, page in self.feedback_pages(row).items()}

    def feedback_pages(self, row: HandIn) -> dict[str, Path]:
        """File name -> where that feedback lies; nothing of it is read."""
        folder = self._find(row)
        if folder is None:
            return {}
        secret = (folder / SECRET_FILE).read_text()
        found = {}
        for file in row.files:
            notebook, dot, _ = file.name.rpartition(".ipynb")
            if dot:
                page = self._course / "feedback" / page_name(secret, notebook)
                if page.is_file():
                    found[f"{notebook}.html"] = page
        return found

    def put_solution(self, name: str, files: Mapping[str, bytes]) -> None:
        """Let students have an assignment's solution; from now on it is there, all of it."""
        place = self._course / "solutions" / name
        unfinished = place.with_name(f".{name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        for file, content in files.items():
            _write(unfinished / file, content)
        shutil.rmtree(place, ignore_errors=True)
        unfinished.rename(place)

    def solution(self, name: str) -> dict[str, bytes]:
        """File name -> content of an assignment's solution, if students may have it."""
        folder = self._course / "solutions" / name
        found = sorted(folder.iterdir()) if folder.is_dir() else ()
        return {path.name: path.read_bytes() for path in found}

    def being_written(self, name: str) -> bool:
        """Whether a hand-in of this assignment is stamped, but not there yet."""
        return any((self._course / "incoming").glob(f"*+{name}+*"))

    def _find(self, row: HandIn) -> Path | None:
        places = (self._course / place / row.folder for place in PLACES)
        return next((folder for folder in places if folder.is_dir()), None)

    def _destination(self, username: str, assignment: Work, now: datetime) -> Path:
        """`inbound` when a hand-in received now would count, else `kept`."""
        times = [row.received for row in self._ledger.of(username, assignment.name)] + [now]
        counts = counting(times, self._deadlines.on_time_before(username, assignment))
        return self._course / ("inbound" if counts == len(times) - 1 else "kept")

    def _write(self, name: str, files: Sequence[Accepted], now: datetime) -> Path:
        folder = self._course / "incoming" / name
        folder.mkdir(mode=0o755)
        try:
            for file in files:
                _write(folder / file.name, file.content)
            _write(folder / TIMESTAMP_FILE, nbgrader_timestamp(now).encode())
            _write(folder / SECRET_FILE, secrets.token_hex(64).encode())
            _sync(folder)
            kept = all(_digest_of(folder / file.name) == digest(file.content) for file in files)
        except OSError as error:
            log.error("%s cannot be written: %s", folder, error)
            kept = False
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
            raise ServiceUnavailable(
                "the server could not keep the files",
                remedy="Submit again; if it fails again, tell the course staff",
            )
        return folder

    def _append(
        self,
        username: str,
        assignment: Work,
        received: datetime,
        folder: str,
        key: str,
        files: tuple[StoredFile, ...],
    ) -> HandIn:
        return self._ledger.append(
            username=username,
            assignment=assignment.name,
            received=received,
            folder=folder,
            key=key,
            files=files,
            write_receipt=lambda number, sealed: self._write_receipt(
                username, assignment, received, files, number, sealed, imported_by(folder)
            ),
        )

    def _adopt(self, folder: Path) -> HandIn | None:
        """Complete a hand-in that was stored but not yet entered when its process died."""
        try:
            name = FolderName.read(folder.name)
            assignment = self._deadlines.course.work(name.assignment)
        except (ValueError, NotFound) as error:
            log.error("%s is in the exchange, but is no hand-in: %s", folder, error)
            return None
        files = tuple(
            _stored(Accepted(path.name, path.name, path.read_bytes()))
            for path in sorted(folder.iterdir())
            if path.name not in (TIMESTAMP_FILE, SECRET_FILE)
        )
        log.warning("%s had no ledger row: entered", folder.name)
        key = f"recovered:{name.id}"
        return self._append(name.username, assignment, name.received, folder.name, key, files)

    def _finish(self, username: str, assignment: Work, key: str) -> HandIn | None:
        """Enter what interrupted requests left of this student; return what is of this key."""
        entered = {row.folder for row in self._ledger.of(username, assignment.name)}
        for place in PLACES:
            for folder in (self._course / place).glob(f"{username}+{assignment.name}+*"):
                if folder.name not in entered:
                    self._adopt(folder)
        return self._ledger.find(username, assignment.name, f"recovered:{folder_id(key)}")


def _key_of_the_lms(received: datetime, files: Sequence[Accepted]) -> str:
    """The idempotency key of what came from the LMS: the same files at the same time are one."""
    content = [received.isoformat(), sorted(_contents(files).items())]
    return f"lms:{digest(json.dumps(content).encode())}"


def _digests(row: HandIn) -> dict[str, str]:
    return {file.name: file.sha256 for file in row.files}


def _contents(files: Sequence[Accepted]) -> dict[str, str]:
    return {file.name: digest(file.content) for file in files}


def _same(known: HandIn, files: Sequence[Accepted]) -> HandIn:
    if _digests(known) != _contents(files):
        raise BadSubmission("this request was already used for other files", remedy="Submit again")
    return known


def _stored(file: Accepted) -> StoredFile:
    return StoredFile(file.name, file.sent_as, len(file.content), digest(file.content))


def _digest_of(path: Path) -> str | None:
    try:
        return digest(path.read_bytes())
    except OSError:
        return None


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
