"""What staff do about teams: at any time, with a reason, and it is written down."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, update

from coursehub.course.leftovers import Proposal, propose
from coursehub.course.model import Course
from coursehub.errors import BadSubmission, NotPossible
from coursehub.project import tables
from coursehub.project.people import People, need_reason, need_staff, need_student
from coursehub.project.tables import changing
from coursehub.project.teams import (
    Team,
    close,
    join,
    make,
    note,
    pick,
    read_team,
    read_teams,
    team_of,
)


class Fixes:
    """Staff's changes to teams. They may break the sizes of course.yml; `list` shows it."""

    def __init__(self, engine: Engine, course: Callable[[], Course], people: People) -> None:
        """Use the course database; the arguments are those of `Teams`."""
        self._engine = engine
        self._course = course
        self._people = people

    def create(
        self, members: Sequence[str], by: str, reason: str, now: datetime, name: str | None = None
    ) -> Team:
        """Make a team of students who may have been in others.

        Raises:
            NotAllowed: when `by` is not of the staff, or there is no reason.
            NotEnrolled: when one of them is no student.
            NotPossible: when the name is taken, or a member is the last of a team with work.
        """
        why = self._why(by, reason)
        if not members:
            raise NotPossible("a team of nobody", remedy="Name its members")
        with changing(self._engine) as connection:
            chosen = None if name is None else _free(connection, name)
            return self._create(connection, members, by, why, now, chosen)

    def move(self, username: str, to: str | None, by: str, reason: str, now: datetime) -> None:
        """Put a student into a team, or into none.

        Args:
            username: the student.
            to: the team's name or number; None for no team.
            by: who of the staff.
            reason: why.
            now: when.

        Raises:
            NotAllowed: when `by` is not of the staff, or there is no reason.
            NotEnrolled: when there is no such student.
            NotFound: when there is no such team.
            NotPossible: when the student is the last of a team with work.
        """
        why = self._why(by, reason)
        with changing(self._engine) as connection:
            target = pick(read_teams(connection), to) if to is not None else None
            self._move(connection, username, target, by, why, now)

    def rename(self, name: str, new: str, by: str, reason: str, now: datetime) -> Team:
        """Give a team another name.

        Raises:
            NotAllowed: when `by` is not of the staff, or there is no reason.
            NotFound: when there is no such team.
            NotPossible: when the new name is another's, or none.
        """
        why = self._why(by, reason)
        with changing(self._engine) as connection:
            team = pick(read_teams(connection), name)
            chosen = _free(connection, new)
            mine = tables.teams.c.number == team.number
            connection.execute(update(tables.teams).where(mine).values(name=chosen))
            note(
                connection, now, by, "rename team", team,
                before={"name": team.name}, after={"name": chosen}, why=why,
            )  # fmt: skip
            return read_team(connection, team.number)

    def dissolve(self, name: str, by: str, reason: str, now: datetime) -> Team:
        """End a team; its members are in none then. Returns it as it was.

        Raises:
            NotAllowed: when `by` is not of the staff, or there is no reason.
            NotFound: when there is no such team.
            NotPossible: when it has a report or scores.
        """
        why = self._why(by, reason)
        with changing(self._engine) as connection:
            team = pick(read_teams(connection), name)
            self._close(connection, team, by, why, now)
            return team

    def proposal(self, alone: Sequence[str]) -> Proposal:
        """What could be done with these students, and with teams that are too small."""
        with self._engine.connect() as connection:
            return self._proposal(connection, alone)

    def place(self, alone: Sequence[str], by: str, reason: str, now: datetime) -> Proposal:
        """Do what `proposal` says, all or nothing; returns what was done.

        Raises:
            NotAllowed: when `by` is not of the staff, or there is no reason.
            NotPossible: when a team would lose its last member, and has work.
        """
        why = self._why(by, reason)
        with changing(self._engine) as connection:
            proposal = self._proposal(connection, alone)
            for number, students in proposal.grow.items():
                for student in students:
                    self._move(
                        connection, student, read_team(connection, number), by, why, now
                    )  # fmt: skip
            for number, host in proposal.merge.items():
                for student in read_team(connection, number).members:
                    self._move(connection, student, read_team(connection, host), by, why, now)
            for students in proposal.new:
                self._create(connection, students, by, why, now)
            return proposal

    def _proposal(self, connection: Connection, alone: Sequence[str]) -> Proposal:
        teams = read_teams(connection)
        placed = {member for team in teams for member in team.members}
        sizes = {team.number: len(team.members) for team in teams}
        waiting = [student for student in alone if student not in placed]
        return propose(sizes, waiting, self._course().teams)

    def _create(
        self,
        connection: Connection,
        members: Sequence[str],
        by: str,
        why: str,
        now: datetime,
        name: str | None = None,
    ) -> Team:
        number = make(connection, name)
        team = read_team(connection, number)
        note(connection, now, by, "create team", team, after={"name": team.name}, why=why)
        for username in members:
            self._move(connection, username, team, by, why, now)
        return read_team(connection, number)

    def _move(
        self,
        connection: Connection,
        username: str,
        target: Team | None,
        by: str,
        why: str,
        now: datetime,
    ) -> None:
        """Take a student out of the team they are in, and put them into another."""
        need_student(self._people, username)
        before = team_of(connection, username)
        if (before and before.number) == (target and target.number):
            return
        if before:
            if before.members == (username,):
                self._close(connection, before, by, why, now)
            connection.execute(delete(tables.members).where(tables.members.c.username == username))
            note(
                connection, now, by, "take out", before, before={"member": username}, why=why
            )  # fmt: skip
        if target:
            join(connection, target.number, username, now)
            note(connection, now, by, "put in", target, after={"member": username}, why=why)

    def _close(self, connection: Connection, team: Team, by: str, why: str, now: datetime) -> None:
        close(connection, team, now)
        before = {"name": team.name, "members": list(team.members)}
        note(connection, now, by, "dissolve team", team, before=before, why=why)

    def _why(self, by: str, reason: str) -> str:
        need_staff(self._people, by)
        return need_reason(reason)


def _free(connection: Connection, name: str) -> str:
    """The name as it will be kept.

    Raises:
        BadSubmission: when it cannot be a name.
        NotPossible: when a team has it.
    """
    chosen = " ".join(name.split())
    if not 1 <= len(chosen) <= 64 or not chosen.isprintable() or chosen.isdecimal():
        raise BadSubmission(
            f"{chosen!r} is no name for a team", remedy="Use up to 64 letters, not a number alone"
        )
    query = tables.teams.select().where(tables.teams.c.name == chosen)
    if connection.execute(query).first():
        raise NotPossible(f"another team is or was called {chosen}", remedy="Choose another name")
    return chosen
