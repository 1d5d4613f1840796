"""What a student's pages say of the project and the mark so far, without any HTML."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from coursehub.course.marks import MISSING, Marks, Part, rounded
from coursehub.course.model import Course
from coursehub.course.schedule import say, say_short, time_left
from coursehub.course.slots import presentation_week
from coursehub.course.wallclock import in_utc
from coursehub.home.project_sources import Own
from coursehub.home.sources import Line, Section
from coursehub.home.words import count, say_late

SOON = timedelta(minutes=10)
"""So long after a hand-in its check may well be under way."""

PAGE = "project"
"""The address of the project's page, below the course page's."""


def sections(course: Course, now: datetime, own: Own, marks: Marks) -> list[Section]:
    """The project's part of a student's course page.

    Args:
        course: The course.
        now: The time.
        own: The student's project.
        marks: Their marks as they may see them.
    """
    return [
        _team(course, now, own),
        _presentation(course, own),
        _report(course, now, own),
        mark_so_far(course, marks),
    ]


# --- teams --------------------------------------------------------------------------------------


def forming(course: Course, now: datetime) -> bool:
    """Whether students change teams themselves."""
    until = course.teams.until
    return until is None or in_utc(now) < in_utc(until.ends(course.tz))


def said_until(course: Course) -> str:
    """Until when students change teams themselves, in full; empty where it is always."""
    until = course.teams.until
    return "" if until is None else say(until.starts(course.tz), course)


def room(course: Course, own: Own) -> int:
    """How many more students the own team can have."""
    there = len(own.team.members) if own.team else 1
    return max(course.teams.largest - there, 0)


def possible(course: Course, now: datetime, own: Own) -> str:
    """What the student can do about teams now, in a sentence or two."""
    if not forming(course, now):
        if own.team:
            return "Teams are formed; if yours has to change, ask the course staff."
        return "You are in no team. Staff place those who are left; ask them."
    if not own.team and own.invitations:
        return "You are in no team: accept an invitation, or invite somebody and have a team by it."
    if not own.team:
        return "You are in no team. Invite somebody, and you have a team by it."
    if free := room(course, own):
        return f"Your team has room for {free} more."
    return f"Your team is full with {len(own.team.members)} students."


def size_remark(course: Course, members: int) -> str:
    """What is wrong with a team's size; empty if nothing is."""
    rule = course.teams
    if members < rule.smallest:
        return f"too small: teams have {rule.smallest} students at least"
    if members > rule.largest:
        return f"too large: teams have {rule.largest} students at most"
    return ""


def named(names: Mapping[str, str], usernames: Iterable[str]) -> str:
    """People by name."""
    return "; ".join(names.get(username, username) for username in usernames)


def _team(course: Course, now: datetime, own: Own) -> Section:
    lines = []
    if own.team:
        members = named(own.names, own.team.members)
        remark = size_remark(course, len(own.team.members)).capitalize()
        lines.append(Line(own.team.name, members, remark))
        if own.team.invited:
            invited = named(own.names, own.team.invited)
            lines.append(Line("Invited", invited, "No answer yet"))
    for team in () if own.team else own.invitations:
        lines.append(Line("You are invited", f"{team.name}: {named(own.names, team.members)}"))
    if until := said_until(course):
        ended = "" if forming(course, now) else "It is over"
        lines.append(Line("Students form teams until", until, ended))
    words = "Change the team" if forming(course, now) else "More about the team"
    return Section("Team", lines, possible(course, now, own), ((words, f"{PAGE}#team"),))


# --- presentations ------------------------------------------------------------------------------


def kind_of(course: Course, team: Any) -> str:
    """What a team presents: its choice, or the first that there is."""
    return str(team.kind or course.presentation.kinds[0])


def slot_text(course: Course, own: Own) -> str:
    """When the own team presents: ``Fri 23 Apr 18:30 to 18:35``; empty before the draw."""
    if own.slot is None:
        return ""
    return f"{say_short(own.slot.starts, course)} to {own.slot.ends.astimezone(course.tz):%H:%M}"


def _presentation(course: Course, own: Own) -> Section:
    lines = []
    if own.slot:
        lines.append(
            Line("Your slot", slot_text(course, own), f"Number {own.slot.number} in the order")
        )
    else:
        week = presentation_week(course)
        lines.append(Line("Your slot", "not drawn yet", f"Presentations are in week {week.number}"))
    if own.team:
        lines.append(Line("What", kind_of(course, own.team)))
    if own.asked:
        who = ", ".join(team.name for team in own.asked)
        lines.append(Line("Asked to swap slots", who, "Agree or decline on the project page"))
    if own.asks:
        who = ", ".join(team.name for team in own.asks)
        lines.append(Line("You asked to swap", who, "No answer yet"))
    text = "" if own.team else "Teams present their projects together."
    links = (("The running order and swaps", f"{PAGE}#presentation"),)
    return Section("Presentation", lines, text, links)


# --- reports ------------------------------------------------------------------------------------


def check_text(report: Any, now: datetime) -> Sequence[str]:
    """What the check of a report's PDF found (`project.reports.Report`), a sentence each."""
    if report.findings is None and now - report.received < SOON:
        return ["The PDF is being checked: reload the page in a moment."]
    if report.findings is None:
        return ["The PDF is not checked yet; it is kept all the same."]
    return report.findings or ["The check found nothing wrong."]


def punctual(report: Any, own: Own) -> str:
    """Whether a report was on time, in words."""
    return say_late(own.window, report.received) or "on time"


def _report(course: Course, now: datetime, own: Own) -> Section:
    due = say(own.window.due, course)
    lines = [Line("Due", due, time_left(own.window, now).capitalize())]
    counted = next((each for each in own.reports if each.counts), None)
    links = [("Hand in the report" if own.team else "More about the report", f"{PAGE}#report")]
    if counted:
        who = named(own.names, [counted.username])
        when = say_short(counted.received, course)
        what = f"{when} by {who}, {punctual(counted, own)}"
        lines.append(Line("What counts", what, " ".join(check_text(counted, now))))
        if others := len(own.reports) - 1:
            lines.append(Line("Besides", count(others, "other hand-in"), "All are kept"))
        links.append((f"Receipt {counted.number}", f"{PAGE}/reports/{counted.number}.txt"))
    text = "" if counted else "Nothing is handed in yet."
    if not own.team:
        text = "Reports are handed in by teams, and you are in none."
    return Section("Report", lines, text, links)


# --- the mark -----------------------------------------------------------------------------------


def mark_so_far(course: Course, marks: Marks) -> Section:
    """What each part brought so far, what is missing, and how the mark is made.

    Args:
        course: The course.
        marks: A student's, as they may see them.
    """
    lines = [
        Line(part.name.capitalize(), _points(part), _about(course, marks, part))
        for part in marks.parts
        if part.weight
    ]
    word = "Final mark" if marks.final else "Together so far"
    remark = "" if marks.final else "It is the final mark only if nothing more came"
    lines.append(Line(word, f"{marks.so_far} of 100", remark))
    if missing := missing_text(course, marks):
        lines.append(Line("Still missing", missing))
    return Section("Mark so far", lines, recipe(course))


def recipe(course: Course) -> str:
    """How the final mark is made, in a sentence or two."""
    weights = course.weights
    parts = [
        f"{weight} % {name}"
        for name, weight in (
            ("homework", weights.homework),
            ("presentation", weights.presentation),
            ("report", weights.report),
        )
        if weight
    ]
    drop = course.homework.drop_lowest
    left_out = f" without the {count(drop, 'lowest', 'lowest')}" if drop else ""
    return (
        f"The mark is {', '.join(parts)}. Homework is the mean of all "
        f"{len(course.assignments)} assignments{left_out}. Only the final mark is rounded, once."
    )


def missing_text(course: Course, marks: Marks) -> str:
    """What is missing of a mark, assignments by number; empty if nothing is."""
    by_state: dict[str, list[str]] = defaultdict(list)
    for each in marks.homework:
        if each.state in MISSING:
            by_state[str(each.state)].append(each.assignment)
    told = [f"{_numbers(course, names)}: {state}" for state, names in by_state.items()]
    told += [
        f"{part.name}: no score yet" for part in marks.parts if part.share is None and part.weight
    ]
    return "; ".join(told)


def points_text(part: Part) -> str:
    """What a part adds to the mark; empty while there is nothing."""
    return "" if part.share is None else str(rounded(part.points))


def _points(part: Part) -> str:
    return "nothing yet" if part.share is None else f"{rounded(part.points)} of {part.weight}"


def _about(course: Course, marks: Marks, part: Part) -> str:
    if part.name != "homework":
        return "" if part.share is None else f"{rounded(100 * part.share)} %"
    back = [each for each in marks.homework if each.feedback]
    told = f"{len(back)} of {len(course.assignments)} assignments are given back"
    if marks.dropped:
        told += f"; left out: {_numbers(course, marks.dropped)}"
    return told


def _numbers(course: Course, names: Iterable[str]) -> str:
    numbers = [str(course.assignment(name).number) for name in names]
    return f"assignment{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"
