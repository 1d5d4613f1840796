"""Scores by rubric: each grader gives each criterion a score, for a team's talk and its report."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal

from sqlalchemy import ColumnElement, Connection, Engine, delete, insert, select

from coursehub.course.model import Course
from coursehub.course.project import Criterion
from coursehub.course.rubric import Combined, combine, read_score
from coursehub.course.wallclock import Fault
from coursehub.errors import BadSubmission, NotPossible
from coursehub.project import tables
from coursehub.project.people import People, need_staff
from coursehub.project.tables import changing
from coursehub.project.teams import Team, note, pick, read_teams

Work = Literal["presentation", "report"]


class Scores:
    """What graders gave, and what it comes to."""

    def __init__(self, engine: Engine, course: Callable[[], Course], people: People) -> None:
        """Use the course database; the arguments are those of `Teams`."""
        self._engine = engine
        self._course = course
        self._people = people

    def rubric(self, work: Work) -> Sequence[Criterion]:
        """The criteria of course.yml."""
        course = self._course()
        return course.presentation.rubric if work == "presentation" else course.report.rubric

    def give(
        self, work: Work, name: str, given: Mapping[str, str], by: str, now: datetime
    ) -> Combined:
        """Score some criteria of a team's work; scores given before are replaced.

        Args:
            work: `presentation` or `report`.
            name: the team's name or number.
            given: score, such as ``7.5``, by criterion; all of them or some.
            by: the grader.
            now: when.

        Returns:
            What the team's scores come to then.

        Raises:
            NotAllowed: when `by` is not of the staff.
            NotFound: when there is no such team.
            BadSubmission: when no criterion is named, there is no such one, or that is no score.
            NotPossible: when the team has not handed in a report.
        """
        need_staff(self._people, by)
        if not given:
            raise BadSubmission("no score is given", remedy="Score one criterion or more")
        scores = {self._criterion(work, key): _score(key, text) for key, text in given.items()}
        with changing(self._engine) as connection:
            team = pick(read_teams(connection), name)
            if work == "report":
                _need_report(connection, team)
            mine = _of(work, team, by)
            before = {
                row.criterion: row.score
                for row in connection.execute(select(tables.scores).where(mine))
                if row.criterion in scores
            }
            replaced = mine & tables.scores.c.criterion.in_(list(scores))
            connection.execute(delete(tables.scores).where(replaced))
            for criterion, score in scores.items():
                values = {
                    "work": work, "team": team.number, "grader": by, "criterion": criterion,
                    "score": str(score), "at": now,
                }  # fmt: skip
                connection.execute(insert(tables.scores).values(values))
            after = {criterion: str(score) for criterion, score in scores.items()}
            note(connection, now, by, f"score {work}", team, before=before, after=after)
            return self._combined(connection, work, team.number)[team.number]

    def withdraw(self, work: Work, name: str, by: str, now: datetime) -> None:
        """Take one's scores of a team's work back.

        Raises:
            NotAllowed: when `by` is not of the staff.
            NotFound: when there is no such team.
            NotPossible: when one has given none.
        """
        need_staff(self._people, by)
        with changing(self._engine) as connection:
            team = pick(read_teams(connection), name)
            mine = _of(work, team, by)
            rows = connection.execute(select(tables.scores).where(mine)).all()
            if not rows:
                raise NotPossible(
                    f"{by} has not scored {team.name}", remedy="Nothing is to be done"
                )
            connection.execute(delete(tables.scores).where(mine))
            before = {row.criterion: row.score for row in rows}
            note(connection, now, by, f"withdraw score {work}", team, before=before)

    def all(self, work: Work, only: int | None = None) -> dict[int, Combined]:
        """What the scores come to, by the team's number; of all teams or one, in one query."""
        with self._engine.connect() as connection:
            return self._combined(connection, work, only)

    def given(self, work: Work, team: int) -> dict[str, dict[str, Decimal]]:
        """What each grader gave the team of that number, by grader and criterion."""
        with self._engine.connect() as connection:
            return self._given(connection, work, team).get(team, {})

    def _combined(
        self, connection: Connection, work: Work, only: int | None = None
    ) -> dict[int, Combined]:
        rubric = self.rubric(work)
        found = self._given(connection, work, only)
        return {team: combine(rubric, scores) for team, scores in found.items()}

    def _given(
        self, connection: Connection, work: Work, only: int | None
    ) -> dict[int, dict[str, dict[str, Decimal]]]:
        found: dict[int, dict[str, dict[str, Decimal]]] = defaultdict(lambda: defaultdict(dict))
        query = select(tables.scores).where(tables.scores.c.work == work)
        if only is not None:
            query = query.where(tables.scores.c.team == only)
        for row in connection.execute(query):
            found[row.team][row.grader][row.criterion] = Decimal(row.score)
        return found

    def _criterion(self, work: Work, key: str) -> str:
        names = [each.criterion for each in self.rubric(work)]
        for name in names:
            if name.lower() == key.strip().lower():
                return name
        raise BadSubmission(
            f"the {work} has no criterion {key!r}", remedy=f"There are {', '.join(names)}"
        )


def _score(key: str, text: str) -> Decimal:
    try:
        return read_score(text)
    except Fault as fault:
        raise BadSubmission(fault.problem, key=key, remedy=fault.remedy) from None


def _of(work: Work, team: Team, grader: str) -> ColumnElement[bool]:
    columns = tables.scores.c
    return (columns.work == work) & (columns.team == team.number) & (columns.grader == grader)


def _need_report(connection: Connection, team: Team) -> None:
    query = select(tables.reports.c.number).where(tables.reports.c.team == team.number)
    if not connection.execute(query).first():
        raise NotPossible(f"{team.name} has handed in no report", remedy="Wait for it")
