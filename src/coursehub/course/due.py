"""What the clock has to do, and from when on.

Pure: from the course, what staff granted and approved, and what is done, follows what is due. Who
does it, and writes down that it is done, is somewhere else.

An assignment is *closed* for a student from the first instant that is late for them, and for the
class at its deadline. Each close is followed by collecting and autograding; what is collected
then is everything that counts by then, so that of several closes that have passed only the latest
is left to do.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, get_args

from coursehub.course.model import Assignment, Course
from coursehub.course.schedule import as_people_say, say_short, window
from coursehub.course.wallclock import in_utc

Kind = Literal["release", "remind", "settle", "collect", "autograde", "feedback", "solution"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order in which they are done where they are due at the same instant."""

NEEDS: Mapping[Kind, tuple[Kind, ...]] = {
    "collect": ("release",),
    "autograde": ("release", "collect"),
    "feedback": ("release", "collect", "autograde"),
    "solution": ("release", "collect", "autograde", "feedback"),
}
"""What has to wait while something else of the same assignment is due."""


class Key(NamedTuple):
    """What is done once.

    Attributes:
        kind: What.
        assignment: Of which assignment, by its name.
        close: In UTC, the close that it belongs to; of a release the release itself, of settling
            the grant.
    """

    kind: Kind
    assignment: str
    close: datetime


class Grant(NamedTuple):
    """More time for a student.

    Attributes:
        username: Who.
        until: The first instant that is late for them.
        granted: When it was granted.
    """

    username: str
    until: datetime
    granted: datetime


class Approval(NamedTuple):
    """Staff's word that feedback may go out.

    Attributes:
        close: The close up to which they looked.
        at: When they said so.
    """

    close: datetime
    at: datetime


@dataclass(frozen=True)
class Action:
    """Something to do.

    Attributes:
        key: What is done once.
        at: The instant from which it is due, in UTC.
        why: Why, in words.
    """

    key: Key
    at: datetime
    why: str

    @property
    def kind(self) -> Kind:
        """What is to be done."""
        return self.key.kind

    @property
    def assignment(self) -> str:
        """The assignment's name."""
        return self.key.assignment


Granted = Mapping[str, Sequence[Grant]]
"""Assignment name -> the extension that counts of each student who has one."""

Approvals = Mapping[str, Approval]
"""Assignment name -> the last approval of its feedback."""


Decided = Mapping[str, datetime]
"""Assignment name -> when somebody decided last what edits cost, whose points are to be settled."""


def due_actions(
    course: Course,
    now: datetime,
    done: Collection[Key],
    granted: Granted | None = None,
    approvals: Approvals | None = None,
    decided: Decided | None = None,
) -> list[Action]:
    """Return what is due and not done, in the order in which to do it.

    Args:
        course: The course.
        now: The time.
        done: What is done.
        granted: The extensions.
        approvals: What staff approved.
        decided: Decisions whose points are not settled yet.
    """
    instant = in_utc(now)
    everything = _everything(course, instant, done, granted or {}, approvals or {}, decided or {})
    return [action for action in everything if action.at <= instant]


def ready_actions(due: Sequence[Action]) -> list[Action]:
    """Return those of the due actions that wait for no other, in their order."""
    kinds = {(action.assignment, action.kind) for action in due}
    return [
        action
        for action in due
        if not any((action.assignment, kind) in kinds for kind in NEEDS.get(action.kind, ()))
    ]


def coming_actions(
    course: Course,
    now: datetime,
    done: Collection[Key],
    granted: Granted | None = None,
    approvals: Approvals | None = None,
) -> list[Action]:
    """Return what time alone will make due, the earliest first; arguments as `due_actions`."""
    instant = in_utc(now)
    everything = _everything(course, instant, done, granted or {}, approvals or {})
    return [action for action in everything if action.at > instant]


def own_close(course: Course, assignment: Assignment, grant: Grant | None = None) -> datetime:
    """Return the first instant that is late, in UTC: the course's, or a student's with a grant."""
    until = grant.until if grant else None
    return in_utc(window(course, assignment, until).on_time_before)


def last_close(course: Course, assignment: Assignment, granted: Granted) -> datetime:
    """Return when nobody has any more time for an assignment, in UTC."""
    return max(_closes(course, assignment, granted))


def unapproved(course: Course, now: datetime, granted: Granted, approvals: Approvals) -> list[str]:
    """Return the assignments for which nobody has more time, and whose feedback nobody approved.

    Arguments as `due_actions`.
    """
    if not course.feedback.approve:
        return []
    found = []
    for assignment in course.assignments:
        last = last_close(course, assignment, granted)
        approval = approvals.get(assignment.name)
        if last <= now and not (approval and approval.close >= last):
            found.append(assignment.name)
    return found


def _everything(
    course: Course,
    now: datetime,
    done: Collection[Key],
    granted: Granted,
    approvals: Approvals,
    decided: Decided | None = None,
) -> list[Action]:
    """Return what is not done, be it due or still to come."""
    found = [
        action
        for assignment in course.assignments
        for action in (
            *_of(course, assignment, now, granted, approvals),
            *_settling_decisions(course, assignment, decided or {}),
        )
        if not _is_done(action, done)
    ]
    return sorted(found, key=lambda action: (action.at, KINDS.index(action.kind)))


def _is_done(action: Action, done: Collection[Key]) -> bool:
    """Tell whether it is; what is done once and for all also where its time was moved since."""
    if action.kind in ("release", "solution"):
        return any(key[:2] == action.key[:2] for key in done)
    return action.key in done


def _of(
    course: Course, assignment: Assignment, now: datetime, granted: Granted, approvals: Approvals
) -> Iterator[Action]:
    closes = _closes(course, assignment, granted)
    yield _release(course, assignment)
    yield from _reminders(course, assignment, now, granted)
    yield from _settling(course, assignment, granted)
    passed = [close for close in sorted(closes) if close <= now]
    for close in (*passed[-1:], *(close for close in sorted(closes) if close > now)):
        what = closes[close]
        said = say_short(close, course) if what == _GRANTED else _say_close(close, course)
        why = f"{what} {said}"
        yield Action(Key("collect", assignment.name, close), close, why)
        yield Action(Key("autograde", assignment.name, close), close, why)
    yield from _feedback(course, assignment, max(closes), approvals.get(assignment.name))


def _closes(course: Course, assignment: Assignment, granted: Granted) -> dict[datetime, str]:
    """Return when an assignment closes for anybody, in UTC, and what each of these instants is.

    An extension that is granted once it is over, or taken back then, closes at that moment: what
    counts is another from then on. With credit for late hand-ins the end of the last band is a
    close too.
    """
    deadline = own_close(course, assignment)
    found = {deadline: "its deadline,"}
    for until, moment in _times(granted.get(assignment.name, ())):
        if max(until, moment) > deadline:
            over = until < moment
            found.setdefault(max(until, moment), _GRANTED if over else "the end of an extension,")
    if course.late.bands:
        for close in tuple(found):
            end = close + course.late.bands[-1].within
            found.setdefault(end, "the end of credit for late hand-ins,")
    return found


def _times(grants: Sequence[Grant]) -> set[tuple[datetime, datetime]]:
    """Return until when and when more time was granted: once what a whole class was."""
    return {(in_utc(grant.until), in_utc(grant.granted)) for grant in grants}


_GRANTED = "an extension granted"


def _release(course: Course, assignment: Assignment) -> Action:
    at = in_utc(window(course, assignment).release)
    return Action(Key("release", assignment.name, at), at, f"its release, {say_short(at, course)}")


def _reminders(
    course: Course, assignment: Assignment, now: datetime, granted: Granted
) -> Iterator[Action]:
    """Yield one before each end of somebody's own time; afterwards nobody is reminded."""
    release = in_utc(window(course, assignment).release)
    deadline = own_close(course, assignment)
    ends = {max(until, deadline) for until, _ in _times(granted.get(assignment.name, ()))}
    for close in sorted({deadline, *ends}):
        at = close - course.reminder
        if at > release and now < close:
            why = f"it is due soon, {_say_close(close, course)}"
            yield Action(Key("remind", assignment.name, close), at, why)


def _settling(course: Course, assignment: Assignment, granted: Granted) -> Iterator[Action]:
    """Yield it where points may be there when more time is granted: less is taken off then."""
    deadline = own_close(course, assignment)
    times = _times(granted.get(assignment.name, ()))
    late = [moment for until, moment in times if deadline <= moment < until]
    if late:
        why = f"an extension granted {say_short(max(late), course)}"
        yield Action(Key("settle", assignment.name, max(late)), max(late), why)


def _settling_decisions(
    course: Course, assignment: Assignment, decided: Decided
) -> Iterator[Action]:
    if at := decided.get(assignment.name):
        why = f"a decision about edits {say_short(at, course)}"
        yield Action(Key("settle", assignment.name, in_utc(at)), in_utc(at), why)


def _feedback(
    course: Course, assignment: Assignment, last: datetime, approval: Approval | None
) -> Iterator[Action]:
    if not course.feedback.approve:
        at, why = last, "nobody has more time, and nobody needs to approve it"
    elif approval and in_utc(approval.close) >= last:
        at = max(last, in_utc(approval.at))
        why = f"nobody has more time, and staff approved it {say_short(approval.at, course)}"
    else:
        return
    yield Action(Key("feedback", assignment.name, last), at, why)
    if course.solution.after == "feedback":
        yield Action(Key("solution", assignment.name, last), at, "it comes with the feedback")


def _say_close(close: datetime, course: Course) -> str:
    """Say a deadline as people do: the last minute, or second, that is in time."""
    return say_short(as_people_say(close), course)
