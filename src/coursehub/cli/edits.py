"""`coursehub edits`: what was edited outside the answers, and what is taken off for it."""

import getpass
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from coursehub.cli.course import one_line_errors
from coursehub.course.load import load_course
from coursehub.errors import CourseHubError
from coursehub.exchange.database import connect
from coursehub.exchange.roster import Roster
from coursehub.gradebook.decisions import CourseDecisions
from coursehub.gradebook.edits import Decision, Edited
from coursehub.settings import Settings, load_settings

app = typer.Typer()


@app.command()
def edits(
    assignment: Annotated[str, typer.Argument(help="The assignment, e.g. assignment_1.")],
    student: Annotated[list[str] | None, typer.Option(help="Only this student.")] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Take off what is proposed.")] = False,
    waive: Annotated[bool, typer.Option("--waive", help="Take nothing off.")] = False,
    percent: Annotated[
        float | None, typer.Option(metavar="P", help="Take off P percent of the marks.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; the student reads it.")] = "",
    by: Annotated[
        str | None, typer.Option(help="Who decides; by default the user of this machine.")
    ] = None,
) -> None:
    """Show hand-ins with edits outside the answers, or decide what they cost.

    The edits never count as answers. What course.yml proposes for them is taken
    off only when a person accepts it; here or in the formgrader, under Edits.
    """
    with one_line_errors():
        decisions = course_decisions(load_settings())
        verb = _verb(accept, waive, percent)
        if verb and not student:
            raise CourseHubError("whose edits?", key="--student", remedy="Name one student or more")
        for name in student if verb and student else ():
            seen = decisions.hand_in(assignment, name)
            who = by or getpass.getuser()
            decisions.decide(
                assignment, name, seen.digest, verb, percent or 0.0, reason, who
            )  # fmt: skip
        found = [
            each
            for each in decisions.hand_ins(assignment)
            if not student or each.student in student
        ]
        show(decisions, found)
        left = sum(each.open for each in found)
        typer.echo(f"{assignment}: {len(found)} with edits outside the answers, {left} to decide")


def course_decisions(settings: Settings) -> CourseDecisions:
    """What a deployment's staff decide with."""
    roster = Roster(connect(str(settings.database)))
    return CourseDecisions(load_course(settings.course), str(settings.gradebook), roster)


def show(decisions: CourseDecisions, found: list[Edited], console: Console | None = None) -> None:
    """Print hand-ins, their edits, and how it stands with each."""
    console = console or Console()
    for hand_in in found:
        lines = [edit.text.replace("\n", "\n  ") for edit in hand_in.edits]
        lines.append(f"Proposed: {hand_in.proposal:g} % of the marks")
        lines.append(_stands(decisions, hand_in))
        title = f"{decisions.name(hand_in.student)} ({hand_in.student})"
        text = escape("\n".join(lines))
        console.print(Panel(text, title=escape(title), title_align="left"))


def _stands(decisions: CourseDecisions, hand_in: Edited) -> str:
    if hand_in.decision:
        return f"Decided: {_said(decisions, hand_in.decision)}"
    if hand_in.last:
        return (
            "Decide again: the hand-in was graded anew and its edits are others. "
            f"Before it was: {_said(decisions, hand_in.last)}"
        )
    return "Not decided: nothing is taken off"


def _said(decisions: CourseDecisions, decision: Decision) -> str:
    what = "waived" if decision.verb == "waived" else f"{decision.percent:g} % taken off"
    by = f"by {decisions.name(decision.who)}, {decisions.say(decision.at)}"
    return f"{what} {by}{f': {decision.reason}' if decision.reason else ''}"


def _verb(accept: bool, waive: bool, percent: float | None) -> str:
    asked = {"accepted": accept, "waived": waive, "other": percent is not None}
    verbs = [verb for verb, wanted in asked.items() if wanted]
    if len(verbs) > 1:
        raise CourseHubError(
            "one decision at a time", remedy="Say --accept, --waive or --percent P"
        )
    return verbs[0] if verbs else ""
