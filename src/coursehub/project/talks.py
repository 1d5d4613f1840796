"""Presentations: who has which slot, drawn fairly, swapped by agreement, moved by staff."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, delete, insert, select, update

from coursehub import journal
from coursehub.course.model import Course
from coursehub.course.slots import Slot, draw, slots
from coursehub.errors import BadSubmission, NotAllowed, NotFound, NotPossible
from coursehub.project import tables
from coursehub.project.people import People, need_reason, need_staff
from coursehub.project.tables import changing
from coursehub.project.teams import Team, note, pick, read_teams


@dataclass(frozen=True)
class Order:
    """The running order.

    Attributes:
        slots: Every slot and the team that has it, if one has.
        waiting: Teams without a slot.
    """

    slots: tuple[tuple[Slot, Team | None], ...]
    waiting: tuple[Team, ...]


@dataclass(frozen=True)
class Draw:
    """A draw as the journal tells of it.

    Attributes:
        at: When.
        by: Who drew.
        seed: The seed.
        teams: The teams' numbers in the order drawn.
        slots: The slot that each got.
        why: The reason, where it was not the first.
    """

    at: datetime
    by: str
    seed: str
    teams: tuple[int, ...]
    slots: tuple[int, ...]
    why: str | None

    @property
    def fits(self) -> bool:
        """Whether the seed draws these teams in this order, into ever later slots."""
        return draw(self.seed, self.teams) == list(self.teams) and sorted(self.slots) == list(
            self.slots
        )


class Talks:
    """The slots of the presentations' class, and who has them."""

    def __init__(self, engine: Engine, course: Callable[[], Course], people: People) -> None:
        """Use the course database; the arguments are those of `Teams`."""
        self._engine = engine
        self._course = course
        self._people = people

    def order(self) -> Order:
        """The running order as it stands."""
        with self._engine.connect() as connection:
            teams = {team.number: team for team in read_teams(connection)}
            holders = {number: team for team, number in _held(connection).items()}
        times = slots(self._course())
        placed = tuple((slot, teams.get(holders.get(slot.number, 0))) for slot in times)
        there = {team.number for _, team in placed if team}
        return Order(placed, tuple(team for n, team in teams.items() if n not in there))

    def slot(self, team: int) -> Slot | None:
        """The slot of the team of that number, or None."""
        query = select(tables.slots.c.number).where(tables.slots.c.team == team)
        with self._engine.connect() as connection:
            number = connection.execute(query).scalar()
        return next((slot for slot in slots(self._course()) if slot.number == number), None)

    def draws(self) -> list[Draw]:
        """All draws so far, the first one first; anybody can draw again with their seeds."""
        return [
            Draw(
                entry.at, entry.who, entry.after["seed"], tuple(entry.after["teams"]),
                tuple(entry.after["slots"]), entry.why,
            )
            for entry in reversed(journal.entries(self._engine, did="draw slots"))
        ]  # fmt: skip

    def assign(
        self,
        by: str,
        now: datetime,
        *,
        seed: str | None = None,
        anew: bool = False,
        reason: str = "",
    ) -> Draw:
        """Draw slots for the teams that have none: the first drawn gets the first free slot.

        Args:
            by: who of the staff.
            now: when.
            seed: what to draw with; a random one unless given. It is kept in the journal.
            anew: take all slots back first; wants a reason.
            reason: why.

        Raises:
            NotAllowed: when `by` is not of the staff, or draws anew without a reason.
            NotPossible: when no team waits, or there are more than slots.
        """
        need_staff(self._people, by)
        why = need_reason(reason) if anew else reason.strip() or None
        seed = seed or secrets.token_hex(8)
        numbers = [slot.number for slot in slots(self._course())]
        with changing(self._engine) as connection:
            held = _held(connection)
            before = {str(team): number for team, number in held.items()} if anew else {}
            if anew:
                held = {}
                connection.execute(delete(tables.swaps))
                connection.execute(delete(tables.slots))
            taken = {team: number for team, number in held.items() if number in numbers}
            waiting = draw(seed, {team.number for team in read_teams(connection)} - taken.keys())
            free = [number for number in numbers if number not in taken.values()]
            _enough(waiting, free)
            given = dict(zip(waiting, free, strict=False))
            _put(connection, given)
            after = {"seed": seed, "teams": waiting, "slots": list(given.values())}
            entry = journal.Entry(
                now, by, "draw slots", about="slots", before=before, after=after, why=why
            )  # fmt: skip
            journal.record(connection, entry)
        return Draw(now, by, seed, tuple(waiting), tuple(given.values()), why)

    def swap(self, name: str, by: str, now: datetime) -> bool:
        """Swap slots with another team, if that team has asked for it; else ask it.

        Args:
            name: the other team's name or number.
            by: a member of the team that asks, or agrees.
            now: when.

        Returns:
            Whether the slots are swapped; otherwise the other team has been asked.

        Raises:
            NotFound: when there is no such team.
            NotPossible: when one of the two has no slot, or they are one.
        """
        with changing(self._engine) as connection:
            teams = read_teams(connection)
            mine, other = _own(teams, by), pick(teams, name)
            held = _held(connection)
            for team in (mine, other):
                if team.number not in held:
                    raise NotPossible(
                        f"{team.name} has no slot yet", remedy="Wait for the draw"
                    )  # fmt: skip
            if mine == other:
                raise NotPossible("that is your own team", remedy="Name the other one")
            asked = (tables.swaps.c.team == other.number) & (tables.swaps.c.other == mine.number)
            if not connection.execute(select(tables.swaps).where(asked)).first():
                self._ask(connection, mine, other, by, now)
                return False
            _exchange(connection, mine, other, by, now, "swap slots")
            return True

    def asked(self, team: int) -> list[int]:
        """The numbers of the teams that have asked this one to swap."""
        query = select(tables.swaps.c.team).where(tables.swaps.c.other == team)
        with self._engine.connect() as connection:
            return sorted(connection.execute(query).scalars())

    def asks(self, team: int) -> list[int]:
        """The numbers of the teams that this one has asked to swap."""
        query = select(tables.swaps.c.other).where(tables.swaps.c.team == team)
        with self._engine.connect() as connection:
            return sorted(connection.execute(query).scalars())

    def refuse(self, name: str, by: str, now: datetime) -> None:
        """Say no to a swap that another team asked for, or take back what one's own asked.

        Raises:
            NotFound: when there is no such team.
            NotPossible: when neither has asked.
        """
        with changing(self._engine) as connection:
            teams = read_teams(connection)
            mine, other = _own(teams, by), pick(teams, name)
            if not connection.execute(delete(tables.swaps).where(_between(mine, other))).rowcount:
                raise NotPossible(f"nobody asked to swap with {other.name}", remedy="All is well")
            note(connection, now, by, "refuse swap", mine, before={"with": other.number})

    def move(self, name: str, number: int, by: str, reason: str, now: datetime) -> None:
        """Give a team another slot; who has it gets the team's own, if it has one.

        Raises:
            NotAllowed: when `by` is not of the staff, or there is no reason.
            NotFound: when there is no such team or slot.
            NotPossible: when the slot is taken by a team for which there would be none.
        """
        need_staff(self._people, by)
        why = need_reason(reason)
        count = len(slots(self._course()))
        if not 1 <= number <= count:
            raise NotFound(f"there is no slot {number}", remedy=f"Slots go from 1 to {count}")
        with changing(self._engine) as connection:
            teams = read_teams(connection)
            team, held = pick(teams, name), _held(connection)
            holder = next((each for each in teams if held.get(each.number) == number), None)
            if holder == team:
                return
            if holder and team.number in held:
                _exchange(connection, team, holder, by, now, "move slot", why)
                return
            if holder:
                raise NotPossible(
                    f"slot {number} is {holder.name}'s, and {team.name} has none to give for it",
                    remedy="Choose a free slot, or draw first",
                )
            before = {"slot": held.get(team.number)}
            connection.execute(delete(tables.slots).where(tables.slots.c.team == team.number))
            _put(connection, {team.number: number})
            _lapse(connection, team)
            note(
                connection, now, by, "move slot", team, before=before, after={"slot": number},
                why=why,
            )  # fmt: skip

    def choose(self, name: str, kind: str, by: str, now: datetime) -> None:
        """Say whether a team gives a talk or shows a poster, as a member or as staff.

        Raises:
            NotFound: when there is no such team.
            NotAllowed: when `by` is neither.
            BadSubmission: when course.yml has no such kind.
        """
        kinds = self._course().presentation.kinds
        if kind not in kinds:
            raise BadSubmission(f"{kind!r} is no choice", remedy=f"Choose {' or '.join(kinds)}")
        with changing(self._engine) as connection:
            team = pick(read_teams(connection), name)
            if by not in team.members:
                need_staff(self._people, by)
            mine = tables.teams.c.number == team.number
            connection.execute(update(tables.teams).where(mine).values(kind=kind))
            before, after = {"kind": team.kind}, {"kind": kind}
            note(connection, now, by, "choose kind", team, before=before, after=after)

    def _ask(self, connection: Connection, mine: Team, other: Team, by: str, now: datetime) -> None:
        if connection.execute(select(tables.swaps).where(_between(mine, other))).first():
            raise NotPossible(f"{other.name} is asked already", remedy="Wait for its answer")
        values = {"team": mine.number, "other": other.number, "asked_by": by, "at": now}
        connection.execute(insert(tables.swaps).values(values))
        note(connection, now, by, "ask to swap", mine, after={"with": other.number})


def _held(connection: Connection) -> dict[int, int]:
    """The slot of each team that has one."""
    return {row.team: row.number for row in connection.execute(select(tables.slots))}


def _put(connection: Connection, given: Mapping[int, int]) -> None:
    for team, number in given.items():
        connection.execute(delete(tables.slots).where(tables.slots.c.team == team))
        connection.execute(insert(tables.slots).values(team=team, number=number))


def _exchange(
    connection: Connection,
    team: Team,
    other: Team,
    by: str,
    now: datetime,
    did: str,
    why: str | None = None,
) -> None:
    """Swap two teams' slots; whatever else they were asked lapses."""
    held = _held(connection)
    pair = (team.number, other.number)
    connection.execute(delete(tables.slots).where(tables.slots.c.team.in_(pair)))
    _put(connection, {pair[0]: held[pair[1]], pair[1]: held[pair[0]]})
    for one, two in (pair, pair[::-1]):
        named = team if one == team.number else other
        before, after = {"slot": held[one]}, {"slot": held[two], "with": two}
        note(connection, now, by, did, named, before=before, after=after, why=why)
        _lapse(connection, named)


def _lapse(connection: Connection, team: Team) -> None:
    """Forget swaps that a team asked for or was asked for: they were about another slot."""
    either = (tables.swaps.c.team == team.number) | (tables.swaps.c.other == team.number)
    connection.execute(delete(tables.swaps).where(either))


def _between(team: Team, other: Team) -> ColumnElement[bool]:
    columns = tables.swaps.c
    return ((columns.team == team.number) & (columns.other == other.number)) | (
        (columns.team == other.number) & (columns.other == team.number)
    )


def _own(teams: Sequence[Team], username: str) -> Team:
    for team in teams:
        if username in team.members:
            return team
    raise NotAllowed(f"{username} is in no team", remedy="Teams swap by their members")


def _enough(waiting: Sequence[int], free: Sequence[int]) -> None:
    if not waiting:
        raise NotPossible("no team waits for a slot", remedy="Take all slots back first (`--anew`)")
    if len(waiting) > len(free):
        raise NotPossible(
            f"{len(waiting)} teams wait, and {len(free)} slots are free",
            remedy="Shorten presentation.minutes or presentation.breaks in course.yml",
        )
