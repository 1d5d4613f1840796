"""Teams: who is in which, and how students form them.

A student invites others, and so has a team; who accepts is in it. They change this themselves until
`teams.until` of course.yml; staff can do so at any time (`coursehub.project.staff`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Row,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from coursehub import journal
from coursehub.course.model import Course
from coursehub.course.schedule import say
from coursehub.course.wallclock import in_utc
from coursehub.errors import DeadlinePassed, NotFound, NotPossible
from coursehub.project import tables
from coursehub.project.people import People, need_student
from coursehub.project.tables import changing


@dataclass(frozen=True)
class Team:
    """A team as it stands.

    Attributes:
        number: Its number, for good.
        name: Its name.
        kind: What it presents, or None if it has not chosen.
        members: User names, in the order in which they came.
        invited: User names of those who have not answered.
    """

    number: int
    name: str
    kind: str | None
    members: tuple[str, ...]
    invited: tuple[str, ...]


class Teams:
    """What students do about teams, and what everybody may read."""

    def __init__(self, engine: Engine, course: Callable[[], Course], people: People) -> None:
        """Use the course database.

        Args:
            engine: the course database, with the project's tables.
            course: the course as it stands now.
            people: who is in the course.
        """
        self._engine = engine
        self._course = course
        self._people = people

    def all(self) -> list[Team]:
        """Every team, by number."""
        with self._engine.connect() as connection:
            return read_teams(connection)

    def of(self, username: str) -> Team | None:
        """The team of a student, or None."""
        with self._engine.connect() as connection:
            return team_of(connection, username)

    def find(self, name: str) -> Team:
        """The team of that name or number.

        Raises:
            NotFound: when there is none.
        """
        return pick(self.all(), name)

    def invitations(self, username: str) -> list[Team]:
        """The teams that a student may accept, by number."""
        mine = tables.invitations.c.username == username
        query = select(tables.invitations.c.team).where(mine)
        with self._engine.connect() as connection:
            numbers = sorted(connection.execute(query).scalars())
            return [team for number in numbers for team in read_teams(connection, number)]

    def alone(self) -> list[str]:
        """The students without a team, by user name."""
        placed = {member for team in self.all() for member in team.members}
        students = (person.username for person in self._people.everyone() if not person.staff)
        return sorted(set(students) - placed)

    def invite(self, username: str, by: str, now: datetime) -> Team:
        """Ask a student into one's team; who has none makes one by it.

        Raises:
            NotEnrolled: when one of the two is no student.
            NotPossible: when the other has a team or is invited already, or the team is full.
            DeadlinePassed: when only staff may change teams.
        """
        self._open(now)
        for name in (by, username):
            need_student(self._people, name)
        with changing(self._engine) as connection:
            if team_of(connection, username):
                raise NotPossible(f"{username} is in a team already", remedy="Ask somebody else")
            team = team_of(connection, by) or self._make(connection, by, now)
            if username in team.invited:
                raise NotPossible(f"{username} is invited already", remedy="Wait for the answer")
            self._room(team)
            values = {"team": team.number, "username": username, "invited_by": by, "at": now}
            connection.execute(insert(tables.invitations).values(values))
            note(connection, now, by, "invite", team, after={"invited": username})
            return read_team(connection, team.number)

    def accept(self, name: str, by: str, now: datetime) -> Team:
        """Join the team that invited one; all other invitations lapse.

        Raises:
            NotFound: when there is no such team.
            NotPossible: when one is not invited or has a team, or the team is full.
            DeadlinePassed: when only staff may change teams.
        """
        self._open(now)
        need_student(self._people, by)
        with changing(self._engine) as connection:
            team = pick(read_teams(connection), name)
            if other := team_of(connection, by):
                raise NotPossible(f"{by} is in {other.name} already", remedy="Leave it first")
            if by not in team.invited:
                raise NotPossible(f"{team.name} has not invited {by}", remedy="Ask a member to")
            self._room(team)
            join(connection, team.number, by, now)
            note(connection, now, by, "join", team, after={"member": by})
            return read_team(connection, team.number)

    def decline(self, name: str, by: str, now: datetime) -> None:
        """Say no to an invitation.

        Raises:
            NotFound: when there is no such team.
            NotPossible: when there is no such invitation.
        """
        with changing(self._engine) as connection:
            team = pick(read_teams(connection), name)
            if by not in team.invited:
                raise NotPossible(f"{team.name} has not invited {by}", remedy="Check its name")
            invitation = (tables.invitations.c.team == team.number) & (
                tables.invitations.c.username == by
            )
            connection.execute(delete(tables.invitations).where(invitation))
            note(connection, now, by, "decline", team, before={"invited": by})

    def leave(self, by: str, now: datetime) -> Team | None:
        """Leave one's team; the last one out closes it.

        Raises:
            NotPossible: when one is in none, or is the last of a team with a report or scores.
            DeadlinePassed: when only staff may change teams.

        Returns:
            The team as it stands then, or None if it is no more.
        """
        self._open(now)
        with changing(self._engine) as connection:
            team = team_of(connection, by)
            if not team:
                raise NotPossible(f"{by} is in no team", remedy="Nothing is to be done")
            connection.execute(delete(tables.members).where(tables.members.c.username == by))
            note(connection, now, by, "leave", team, before={"member": by})
            if team.members != (by,):
                return read_team(connection, team.number)
            close(connection, team, now)
            note(connection, now, by, "close team", team, before={"name": team.name})
            return None

    def _open(self, now: datetime) -> None:
        course = self._course()
        until = course.teams.until
        if until is not None and in_utc(now) >= in_utc(until.ends(course.tz)):
            raise DeadlinePassed(
                f"teams were formed until {say(until.starts(course.tz), course)}",
                remedy="Ask the course staff",
            )

    def _room(self, team: Team) -> None:
        largest = self._course().teams.largest
        if len(team.members) >= largest:
            raise NotPossible(
                f"{team.name} is full with {largest} students", remedy="Join or make another team"
            )

    def _make(self, connection: Connection, first: str, now: datetime) -> Team:
        number = make(connection)
        join(connection, number, first, now)
        team = read_team(connection, number)
        note(connection, now, first, "form team", team, after={"name": team.name, "member": first})
        return team


def read_teams(connection: Connection, only: int | None = None) -> list[Team]:
    """Every team that is not closed, by number, in three queries; or one alone."""

    def rows(table: Table, *in_order: Column[Any]) -> Iterable[Row[Any]]:
        query = select(table).order_by(*in_order)
        return connection.execute(query if only is None else query.where(table.c.team == only))

    members: dict[int, list[str]] = defaultdict(list)
    invited: dict[int, list[str]] = defaultdict(list)
    for row in rows(tables.members, tables.members.c.since, tables.members.c.username):
        members[row.team].append(row.username)
    for row in rows(tables.invitations, tables.invitations.c.username):
        invited[row.team].append(row.username)
    there: ColumnElement[bool] = tables.teams.c.closed.is_(None)
    if only is not None:
        there &= tables.teams.c.number == only
    query = select(tables.teams).where(there).order_by(tables.teams.c.number)
    return [
        Team(
            row.number,
            row.name,
            row.kind,
            tuple(members[row.number]),
            tuple(invited[row.number]),
        )
        for row in connection.execute(query)
    ]


def read_team(connection: Connection, number: int) -> Team:
    """One team, which must be there."""
    [team] = read_teams(connection, number)
    return team


def team_of(connection: Connection, username: str) -> Team | None:
    """The team of a student, or None."""
    query = select(tables.members.c.team).where(tables.members.c.username == username)
    number = connection.execute(query).scalar()
    return None if number is None else read_team(connection, number)


def pick(teams: Sequence[Team], name: str) -> Team:
    """The team of that name or number.

    Raises:
        NotFound: when there is none.
    """
    for team in teams:
        if name in (team.name, str(team.number)):
            return team
    raise NotFound(f"there is no team {name!r}", remedy="See the list of teams")


def make(connection: Connection, name: str | None = None) -> int:
    """Make an empty team; without a name it is called by its number, which is returned."""
    used = set(connection.execute(select(tables.teams.c.name)).scalars())
    number = (connection.execute(select(func.max(tables.teams.c.number))).scalar() or 0) + 1
    chosen = name or f"Team {number}"
    while chosen in used:
        chosen = f"{chosen}'"
    connection.execute(insert(tables.teams).values(number=number, name=chosen))
    return number


def join(connection: Connection, team: int, username: str, now: datetime) -> None:
    """Put a student who has no team into one; what they were invited to lapses."""
    connection.execute(insert(tables.members).values(username=username, team=team, since=now))
    mine = tables.invitations.c.username == username
    connection.execute(delete(tables.invitations).where(mine))


def close(connection: Connection, team: Team, now: datetime) -> None:
    """End a team: nobody is in it, nothing waits for it, and its number is never used again.

    Raises:
        NotPossible: when it has a report or scores, which must not be lost.
    """
    for table, what in ((tables.reports, "a report"), (tables.scores, "scores")):
        if connection.execute(select(table.c.team).where(table.c.team == team.number)).first():
            raise NotPossible(
                f"{team.name} has {what}", remedy="Move its members instead, and keep the team"
            )
    swap = (tables.swaps.c.team == team.number) | (tables.swaps.c.other == team.number)
    connection.execute(delete(tables.swaps).where(swap))
    for table in (tables.slots, tables.invitations, tables.members):
        connection.execute(delete(table).where(table.c.team == team.number))
    ended = update(tables.teams).where(tables.teams.c.number == team.number).values(closed=now)
    connection.execute(ended)


def note(
    connection: Connection,
    now: datetime,
    who: str,
    did: str,
    team: Team,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    why: str | None = None,
) -> None:
    """Write into the journal what was done to a team, in the transaction that does it."""
    entry = journal.Entry(
        at=now, who=who, did=did, about=f"team {team.number}",
        before=before or {}, after=after or {}, why=why,
    )  # fmt: skip
    journal.record(connection, entry)
