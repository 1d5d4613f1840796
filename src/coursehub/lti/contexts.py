"""The LMS's courses and the links in them, as launches tell of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, Select, Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from coursehub import journal
from coursehub.errors import LtiError
from coursehub.lti import claims
from coursehub.lti.launch import Launch, section
from coursehub.lti.tables import contexts, create_tables, deployments, resource_links

UNCHANGED = timedelta(minutes=10)
"""For so long a launch that tells nothing new writes nothing."""


@dataclass(frozen=True)
class Context:
    """A course of an LMS.

    Attributes:
        number: our own.
        platform: the number of its platform.
        deployment_id: the platform's name for where the tool was put.
        context_id: the platform's name for the course.
        title: for people.
        ours: whether it is our course, so that its people may be entered and its marks sent.
        memberships_url: where its people are (NRPS), if the platform says.
        lineitems_url: where its columns of marks are (AGS), if the platform says.
        scopes: what the platform allows there.
    """

    number: int
    platform: int
    deployment_id: str
    context_id: str
    title: str
    ours: bool
    memberships_url: str | None
    lineitems_url: str | None
    scopes: tuple[str, ...]


class Contexts:
    """The LMS's courses in the course database."""

    def __init__(self, engine: Engine) -> None:
        """Work on the database behind `engine`."""
        create_tables(engine)
        self._engine = engine

    def all(self) -> list[Context]:
        """Every course that a launch has told of, by number."""
        with self._engine.connect() as connection:
            return [_context(row) for row in connection.execute(_QUERY.order_by(contexts.c.number))]

    def get(self, number: int) -> Context:
        """The course of that number.

        Raises:
            LtiError: when there is none.
        """
        with self._engine.connect() as connection:
            row = connection.execute(_ONE, {"wanted": number}).one_or_none()
        if row is None:
            raise LtiError(
                f"there is no course {number} of an LMS", remedy="See `coursehub lti contexts`"
            )
        return _context(row)

    def learn(self, launch: Launch, now: datetime) -> Context | None:
        """Note the course and the link that a launch came from; None where it names no course."""
        told = section(launch.claims, claims.CONTEXT)
        if "id" not in told:
            return None
        values = _of_context(launch.claims, told)
        key = {"deployment": launch.deployment.number, "context_id": told["id"]}
        link = section(launch.claims, claims.RESOURCE_LINK)
        with self._engine.begin() as connection:
            number = _keep(connection, contexts, key, values, now, {"ours": False})
            if "id" in link:
                key = {"context": number, "resource_link_id": link["id"]}
                _keep(connection, resource_links, key, _of_link(launch, link), now)
            return _context(connection.execute(_ONE, {"wanted": number}).one())

    def adopt(self, number: int, by: str, now: datetime) -> None:
        """Hold the LMS's course to be our course from now on.

        Raises:
            LtiError: when there is none.
        """
        if self.get(number).ours:
            return
        with self._engine.begin() as connection:
            connection.execute(
                update(contexts).where(contexts.c.number == number).values(ours=True)
            )
            journal.record(
                connection, journal.Entry(now, by, "adopt LMS course", about=str(number))
            )

    def links(self, number: int) -> dict[str, str | None]:
        """Resource link id -> the assignment that it opens, of a course."""
        query = select(resource_links.c.resource_link_id, resource_links.c.assignment).where(
            resource_links.c.context == number
        )
        with self._engine.connect() as connection:
            return {link: assignment for link, assignment in connection.execute(query)}


_QUERY = select(
    contexts.c.number, deployments.c.platform, deployments.c.deployment_id, contexts.c.context_id,
    contexts.c.title, contexts.c.ours, contexts.c.memberships_url, contexts.c.lineitems_url,
    contexts.c.scopes,
).join(deployments, deployments.c.number == contexts.c.deployment)  # fmt: skip
_ONE = _QUERY.where(contexts.c.number == bindparam("wanted"))


def _context(row: Any) -> Context:
    *most, scopes = row
    return Context(*most, tuple(scopes))


def _of_context(message: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    grades, members = section(message, claims.GRADES), section(message, claims.MEMBERSHIPS)
    scopes = grades.get("scope", [])
    return {
        "title": str(told.get("title") or told.get("label") or ""),
        "memberships_url": _url(members.get("context_memberships_url")),
        "lineitems_url": _url(grades.get("lineitems")),
        "scopes": [each for each in scopes if isinstance(each, str)]
        if isinstance(scopes, list)
        else [],
    }


def _of_link(launch: Launch, link: Mapping[str, Any]) -> dict[str, Any]:
    lineitem = section(launch.claims, claims.GRADES).get("lineitem")
    assignment = launch.assignment
    return {
        "title": str(link.get("title") or ""),
        "assignment": assignment and assignment[:64],
        "lineitem_url": _url(lineitem),
    }


def _url(value: object) -> str | None:
    return value if isinstance(value, str) and value.startswith(("https://", "http://")) else None


def _keep(
    connection: Connection,
    table: Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    now: datetime,
    first: Mapping[str, Any] | None = None,
) -> int:
    """Insert a row or bring it up to date, and return its number; unchanged rows are left alone."""
    same = [table.c[name] == value for name, value in key.items()]
    row = connection.execute(_with(table, *key), key).mappings().one_or_none()
    if row is None:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        new = {**key, **values, **(first or {}), "seen": now}
        connection.execute(insert(table).values(new).on_conflict_do_nothing())
        return int(connection.execute(select(table.c.number).where(*same)).scalar_one())
    if any(row[name] != value for name, value in values.items()) or row["seen"] < now - UNCHANGED:
        connection.execute(update(table).where(*same).values({**values, "seen": now}))
    return int(row["number"])


@cache
def _with(table: Table, *names: str) -> Select[Any]:
    """The rows with such values, built once: every launch asks."""
    return select(table).where(*(table.c[name] == bindparam(name) for name in names))
