"""What staff's pages say of teams and scores, without any HTML."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from coursehub.course.leftovers import Proposal
from coursehub.course.marks import rounded
from coursehub.course.project import Criterion
from coursehub.home.project import named


def proposal_lines(
    proposal: Proposal, teams: Mapping[int, str], names: Mapping[str, str]
) -> Iterator[str]:
    """What could be done with who is left over, a sentence each.

    Args:
        proposal: What is proposed.
        teams: The teams' names, by number.
        names: People's names, by user name.
    """
    for team, students in proposal.grow.items():
        yield f"{named(names, students)}: into {teams[team]}"
    for team, host in proposal.merge.items():
        yield f"{teams[team]} joins {teams[host]}"
    for students in proposal.new:
        yield f"{named(names, students)}: a new team"
    for student in proposal.left:
        yield f"{named(names, [student])}: no team has room; move others, or allow larger teams"
    for team in proposal.short:
        yield f"{teams[team]} stays too small; move others, or allow smaller teams"


@dataclass(frozen=True)
class Scored:
    """What a team's talk or report was given so far.

    Attributes:
        share: In percent, such as ``73.0 %``; empty while nobody is done.
        graders: Who is done, and what their scores come to.
        unfinished: Who is not, and what they have not scored.
        apart: Where graders disagree.
    """

    share: str = ""
    graders: Sequence[str] = ()
    unfinished: Sequence[str] = ()
    apart: Sequence[str] = ()


def scored(of: Any, names: Mapping[str, str]) -> Scored:
    """What scores come to (`course.rubric.Combined`, or None where there are none)."""
    if of is None:
        return Scored()
    return Scored(
        "" if of.share is None else percent(of.share),
        [f"{names.get(who, who)} {percent(share)}" for who, share in of.graders.items()],
        [f"{names.get(who, who)}: {', '.join(left)}" for who, left in of.incomplete.items()],
        [f"{criterion}: {low} to {high}" for criterion, (low, high) in of.apart.items()],
    )


def percent(share: Decimal) -> str:
    """A share from 0 to 1 in percent, rounded as marks are: ``73.0 %``."""
    return f"{rounded(100 * Fraction(share))} %"


@dataclass(frozen=True)
class Judged:
    """One criterion on a grader's form.

    Attributes:
        criterion: Which, and its weight.
        own: What the grader gave or typed; empty for nothing.
        others: What other graders gave, in words.
        apart: Whether graders disagree on it.
    """

    criterion: Criterion
    own: str
    others: Sequence[str]
    apart: bool


def form_rows(
    rubric: Sequence[Criterion],
    given: Mapping[str, Mapping[str, Decimal]],
    grader: str,
    names: Mapping[str, str],
    apart: Mapping[str, Any],
    typed: Mapping[str, str],
) -> list[Judged]:
    """The criteria of a grader's form.

    Args:
        rubric: All criteria.
        given: What each grader gave, by user name and criterion.
        grader: Whose form it is.
        names: People's names, by user name.
        apart: The criteria on which graders disagree.
        typed: What was just typed and refused, by `field`.
    """
    rows = []
    for each in rubric:
        name, mine = each.criterion, given.get(grader, {})
        kept = str(mine[name]) if name in mine else ""
        others = [
            f"{names.get(who, who)} {scores[name]}"
            for who, scores in sorted(given.items())
            if who != grader and name in scores
        ]
        rows.append(Judged(each, typed.get(field(name), kept), others, name in apart))
    return rows


def field(criterion: str) -> str:
    """The name of a criterion's field on the form."""
    return f"of {criterion}"
