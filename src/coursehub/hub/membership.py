"""What becomes of somebody whom the roster no longer has, or has as something else.

They need not come to the hub for it: tokens end, and a server with rights that are no longer theirs
stops.
"""

import asyncio
from collections import defaultdict
from typing import Any, NamedTuple

from jupyterhub import orm
from jupyterhub.app import JupyterHub
from sqlalchemy import select

from coursehub.hub.auth import Member, People, groups, roles
from coursehub.hub.clock import Beat, stop_server


class Rights(NamedTuple):
    """The hub groups and roles that somebody has, or is due."""

    groups: set[str]
    roles: set[str]

    @classmethod
    def of(cls, member: Member | None, course_id: str) -> "Rights":
        """What the roster says; nothing for who is not on it."""
        if member is None:
            return cls(set(), set())
        return cls(set(groups(member, course_id)), set(roles(member)))


def follow_roster(people: People, course_id: str) -> Beat:
    """A beat that gives everybody the rights that the roster says, and takes away all others.

    Whoever is dropped, or has a server of a role that is no longer theirs, has to sign in again;
    servers that start or stop at the moment are looked at again in the next round.
    """

    async def beat(hub: JupyterHub) -> None:
        members = {each.username: each for each in await asyncio.to_thread(people.everyone)}
        for user in list(hub.users.values()):
            member = members.get(user.name)
            for spawner in list(user.spawners.values()):
                if spawner.ready and not _fits(spawner, member):
                    hub.log.info("A server stops: its person is %s now.", _say(member))
                    _revoke(hub, user)
                    await stop_server(hub, spawner)
        for name, held in _held(hub).items():
            member = members.get(name)
            if held != (due := Rights.of(member, course_id)):
                hub.log.info("Rights follow the roster: somebody is %s now.", _say(member))
                user = hub.users[orm.User.find(hub.db, name)]
                if member is None:
                    _revoke(hub, user)
                user.sync_groups(sorted(due.groups))
                user.sync_roles([{"name": role} for role in sorted(due.roles)])

    return beat


def _fits(spawner: Any, member: Member | None) -> bool:
    """Whether the person may still have this server."""
    return member is not None and spawner.role == ("staff" if member.staff else "student")


def _say(member: Member | None) -> str:
    return member.role if member else "no longer on it"


def _held(hub: JupyterHub) -> dict[str, Rights]:
    """User name -> what the hub gives them, of everybody who has anything."""
    held: dict[str, Rights] = defaultdict(lambda: Rights(set(), set()))
    for name, group in hub.db.execute(select(orm.User.name, orm.Group.name).join(orm.User.groups)):
        held[name].groups.add(group)
    for name, role in hub.db.execute(select(orm.User.name, orm.Role.name).join(orm.User.roles)):
        held[name].roles.add(role)
    return held


def _revoke(hub: JupyterHub, user: Any) -> None:
    """End every token, those of browsers at servers too, and the cookies of every browser."""
    for owned in (*user.orm_user.api_tokens, *user.orm_user.oauth_codes):
        hub.db.delete(owned)
    user.orm_user.cookie_id = orm.new_token()
    hub.db.commit()
