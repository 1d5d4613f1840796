"""A folder of the LMS into the ledger: whose files they are, when they came, what is left over.

The LMS holds files, one upload at a time. Whenever all files of an assignment are there, that is a
hand-in, received at the time of the newest of them: so an `agent.py` that is uploaded again makes
another hand-in, with the notebook that was there. Which one counts is decided as always.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby

from coursehub.course.model import Assignment, Course
from coursehub.course.schedule import say, window
from coursehub.errors import BadSubmission, TooLarge
from coursehub.exchange import intake
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.intake import Accepted
from coursehub.exchange.ledger import HandIn
from coursehub.exchange.lms.archive import Archive, Member
from coursehub.exchange.lms.names import Match, Names
from coursehub.exchange.lms.times import key_of
from coursehub.exchange.person import Person


@dataclass(frozen=True)
class Upload:
    """A file of the LMS that belongs to somebody."""

    member: Member
    match: Match
    received: datetime


@dataclass(frozen=True)
class Bundle:
    """What makes one hand-in: whose, when, and the assignment's name for each upload."""

    person: Person
    received: datetime
    uploads: Mapping[str, Upload]


@dataclass(frozen=True)
class LeftOver:
    """A file that is in no hand-in, and why."""

    member: Member
    reason: str


@dataclass
class Sorted:
    """What an archive holds.

    Attributes:
        bundles: The hand-ins, the earliest first.
        left_over: Everything else.
        remarks: What somebody may want to look at, by path.
    """

    bundles: list[Bundle] = field(default_factory=list)
    left_over: list[LeftOver] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class BroughtOver:
    """A hand-in of the archive: its ledger row, None in a dry run, and whether that is new."""

    bundle: Bundle
    row: HandIn | None
    new: bool


def sort_out(
    archive: Archive,
    course: Course,
    assignment: Assignment,
    people: Iterable[Person],
    now: datetime,
    times: Mapping[str, datetime] | None = None,
) -> Sorted:
    """Say what is whose; nothing is read but names and times.

    Args:
        archive: The LMS's folder.
        course: The course.
        assignment: Whose folder it is.
        people: The roster.
        now: Nothing was handed in later than this.
        times: When each file was handed in, by `key_of` its name; the archive's own times unless
            given.
    """
    names = Names(course, assignment, people)
    release = window(course, assignment).release
    found = Sorted()
    uploads = []
    for member in archive.members:
        try:
            if member.refused:
                raise BadSubmission(member.refused)
            match = names.match(member.path)
            time = member.time if times is None else times.get(key_of(member.path))
            uploads.append(Upload(member, match, _believable(time, release, now, course)))
        except BadSubmission as error:
            found.left_over.append(LeftOver(member, error.message))
        else:
            if match.remark:
                found.remarks.append((member.path, match.remark))
    by_person = sorted(uploads, key=lambda upload: upload.match.person.username)
    for _, own in groupby(by_person, key=lambda upload: upload.match.person.username):
        _bundle(archive, assignment, list(own), found)
    found.bundles.sort(key=lambda bundle: (bundle.received, bundle.person.username))
    return found


def bring_over(
    exchange: Exchange,
    archive: Archive,
    assignment: Assignment,
    found: Sorted,
    *,
    imported_by: str,
    dry_run: bool = False,
    on_start: Callable[[str], None] = lambda _: None,
    on_done: Callable[[str], None] = lambda _: None,
) -> list[BroughtOver]:
    """Enter the hand-ins of an archive; those that are there already stay as they are.

    What is no hand-in after all, being no notebook for example, is added to `found.left_over`.

    Args:
        exchange: Where to.
        archive: The LMS's folder.
        assignment: Whose folder it is.
        found: What `sort_out` said of it.
        imported_by: The user name of the member of staff who does it.
        dry_run: Whether everything is looked at, but nothing written.
        on_start: Called with a student's user name before each hand-in.
        on_done: The same after it.

    Raises:
        ServiceUnavailable: The disk did not keep a hand-in; the same again goes on from there.
    """
    done: list[BroughtOver] = []
    failed: list[tuple[Upload, str]] = []
    for bundle in found.bundles:
        on_start(bundle.person.username)
        try:
            files = _accepted(archive, assignment, bundle, exchange.limit)
        except (BadSubmission, TooLarge) as error:
            failed += [(upload, error.message) for upload in bundle.uploads.values()]
        else:
            done.append(_entered(exchange, assignment, bundle, files, imported_by, dry_run))
        on_done(bundle.person.username)
    entered = {id(upload.member) for each in done for upload in each.bundle.uploads.values()}
    reasons = {id(each.member): (each, reason) for each, reason in failed}
    for member, (upload, reason) in reasons.items():
        if member not in entered:
            _leave(found, [upload], reason)
    if not dry_run:
        for username in {each.bundle.person.username for each in done}:
            exchange.store.arrange(username, assignment)
    return done


def _believable(
    time: datetime | None, release: datetime, now: datetime, course: Course
) -> datetime:
    """The time of a file, if it can have been handed in then.

    Raises:
        BadSubmission: It cannot.
    """
    if time is None:
        raise BadSubmission("nothing says when it was handed in")
    if time < release:
        raise BadSubmission(f"its time is {say(time, course)}, before the release")
    if time > now:
        raise BadSubmission(f"its time is {say(time, course)}, which is still to come")
    return time


def _bundle(archive: Archive, assignment: Assignment, own: list[Upload], found: Sorted) -> None:
    """Say what hand-ins one student's uploads made, and which are in none."""
    there: dict[str, Upload] = {}
    used: set[int] = set()
    own.sort(key=lambda upload: (upload.received, upload.match.copy, upload.member.path))
    for (received, _), group in groupby(own, key=lambda each: (each.received, each.match.copy)):
        there |= _one_of_each(archive, group, found)
        if all(name in there for name in assignment.files):
            found.bundles.append(Bundle(own[0].match.person, received, dict(there)))
            used |= {id(upload.member) for upload in there.values()}
    left = {id(each.member) for each in found.left_over}
    lacking = [name for name in assignment.files if name not in there]
    reason = (
        f"{' and '.join(lacking)} is missing" if lacking else "it was replaced before the rest came"
    )
    _leave(found, (each for each in own if id(each.member) not in used | left), reason)


def _one_of_each(archive: Archive, group: Iterable[Upload], found: Sorted) -> dict[str, Upload]:
    """The uploads of one moment, by the assignment's names; two that differ are both left over."""
    by_file: dict[str, list[Upload]] = {}
    for upload in group:
        by_file.setdefault(upload.match.file, []).append(upload)
    taken = {}
    for file, uploads in by_file.items():
        paths = [upload.member.path for upload in uploads]
        if len(uploads) > 1 and len({_bytes(archive, upload) for upload in uploads}) > 1:
            _leave(found, uploads, f"of {' and '.join(paths)} nothing says which is the newer")
            continue
        taken[file] = uploads[0]
        _leave(found, uploads[1:], f"the same as {paths[0]}")
    return taken


def _bytes(archive: Archive, upload: Upload) -> bytes | None:
    try:
        return archive.read(upload.member)
    except (BadSubmission, TooLarge):
        return None


def _accepted(
    archive: Archive, assignment: Assignment, bundle: Bundle, limit: int
) -> tuple[Accepted, ...]:
    contents = {name: archive.read(each.member) for name, each in bundle.uploads.items()}
    files = intake.accept(contents, assignment.files, limit=limit)
    return tuple(replace(file, sent_as=bundle.uploads[file.name].member.name) for file in files)


def _entered(
    exchange: Exchange,
    assignment: Assignment,
    bundle: Bundle,
    files: tuple[Accepted, ...],
    imported_by: str,
    dry_run: bool,
) -> BroughtOver:
    where = (bundle.person.username, assignment, files, bundle.received)
    if dry_run:
        known = exchange.store.known(*where)
        return BroughtOver(bundle, known, known is None)
    return BroughtOver(bundle, *exchange.store.bring_over(*where, imported_by))


def _leave(found: Sorted, uploads: Iterable[Upload], reason: str) -> None:
    found.left_over += [LeftOver(upload.member, reason) for upload in uploads]
