"""What to do with students who found no team: a proposal, which staff may apply."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coursehub.course.project import Teams


@dataclass(frozen=True)
class Proposal:
    """Where everybody without a right team could go.

    Attributes:
        grow: New members of existing teams, by the team's number.
        merge: Teams that are too small and join another, by number, and that other's number.
        new: Members of new teams.
        left: For whom there is no place, since no team has room and they are too few for one.
        short: Teams that stay too small, for the same reason.
    """

    grow: Mapping[int, tuple[str, ...]]
    merge: Mapping[int, int]
    new: tuple[tuple[str, ...], ...]
    left: tuple[str, ...]
    short: tuple[int, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.grow or self.merge or self.new)


def propose(teams: Mapping[int, int], alone: Sequence[str], rule: Teams) -> Proposal:
    """Return a proposal that changes as little as it can.

    Teams of a right size lose nobody. First teams that are too small are filled, the nearest to
    complete first, and those that cannot be are joined to another. Who is left makes new teams of
    like size. The last few, if they are too few for a team, join the smallest teams with room.

    Args:
        teams: The size of each team, by its number.
        alone: Students without a team, in the order in which they get places.
        rule: How many make a team.
    """
    sizes, waiting = dict(teams), list(alone)
    grow: dict[int, list[str]] = {}
    merge: dict[int, int] = {}

    def admit(team: int, students: Sequence[str]) -> None:
        grow.setdefault(team, []).extend(students)
        sizes[team] += len(students)

    for team in sorted(sizes, key=lambda number: (-sizes[number], number)):
        missing = rule.smallest - sizes[team]
        if 0 < missing <= len(waiting):
            admit(team, waiting[:missing])
            waiting = waiting[missing:]
    for team in sorted(sizes, key=lambda number: (sizes[number], number)):
        host = _host(team, sizes, rule)
        if sizes[team] < rule.smallest and host is not None:
            merge[team] = host
            sizes[host] += sizes.pop(team)
    new, rest = _new_teams(waiting, rule)
    left = []
    for student in rest:
        room = [number for number in sizes if sizes[number] < rule.largest]
        if room:
            admit(min(room, key=lambda number: (sizes[number], number)), [student])
        else:
            left.append(student)
    return Proposal(
        grow={number: tuple(students) for number, students in grow.items()},
        merge=merge,
        new=new,
        left=tuple(left),
        short=tuple(sorted(number for number in sizes if sizes[number] < rule.smallest)),
    )


def _host(team: int, sizes: Mapping[int, int], rule: Teams) -> int | None:
    """Return the smallest team that another one could join as a whole."""
    fitting = [n for n in sizes if n != team and sizes[n] + sizes[team] <= rule.largest]
    return min(fitting, key=lambda number: (sizes[number], number), default=None)


def _new_teams(
    students: Sequence[str], rule: Teams
) -> tuple[tuple[tuple[str, ...], ...], Sequence[str]]:
    """Return teams of like size, as few as can be, and who does not fit into them."""
    wanted = -(-len(students) // rule.largest)
    count = min(wanted, len(students) // rule.smallest)
    placed = students[: count * rule.largest]
    return tuple(tuple(placed[i::count]) for i in range(count)), students[len(placed) :]
