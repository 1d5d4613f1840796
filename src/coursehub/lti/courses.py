"""The courses of LMSs that are our course, as launches have told: where their services are."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Engine, Select, delete, insert, select

from coursehub.lti.platforms import Platform
from coursehub.lti.tables import (
    contexts,
    create_tables,
    deployments,
    members,
    platforms,
    resource_links,
)


@dataclass(frozen=True)
class LmsCourse:
    """A course of an LMS (a context) that is ours.

    Attributes:
        number: our own.
        title: its title there.
        platform: whose.
        memberships_url: where its people are told; None: not to us.
        lineitems_url: where the columns of its gradebook are; None: not to us.
        scopes: what may be done with those.
    """

    number: int
    title: str
    platform: Platform
    memberships_url: str | None
    lineitems_url: str | None
    scopes: frozenset[str]


class LmsCourses:
    """The tables `lti_contexts`, `lti_members` and `lti_resource_links`, as services need them."""

    def __init__(self, engine: Engine) -> None:
        """Work on the database behind `engine` (see `exchange.database.connect`)."""
        create_tables(engine)
        self._engine = engine

    def all(self) -> list[LmsCourse]:
        """Every course of an LMS that is ours, by number."""
        with self._engine.connect() as connection:
            return [
                LmsCourse(
                    row.context_number, row.title, Platform(*row[:_WIDTH]), row.memberships_url,
                    row.lineitems_url, frozenset(row.scopes or ()),
                )
                for row in connection.execute(_OURS)
            ]  # fmt: skip

    def any(self) -> bool:
        """Whether there is one at all."""
        with self._engine.connect() as connection:
            ours = select(contexts.c.number).where(contexts.c.ours).limit(1)
            return connection.execute(ours).first() is not None

    def members(self, course: int) -> frozenset[str]:
        """The accounts in a course, as the LMS said last; none where it never did."""
        query = select(members.c.sub).where(members.c.context == course)
        with self._engine.connect() as connection:
            return frozenset(connection.execute(query).scalars())

    def put_members(self, course: int, subs: Iterable[str]) -> None:
        """Note which accounts are in a course."""
        rows = [{"context": course, "sub": sub} for sub in sorted(set(subs))]
        with self._engine.begin() as connection:
            connection.execute(delete(members).where(members.c.context == course))
            if rows:
                connection.execute(insert(members), rows)

    def item_of_link(self, course: int, assignment: str) -> str | None:
        """The line item that the LMS itself made for a link to an assignment."""
        query = select(resource_links.c.lineitem_url).where(
            resource_links.c.context == course,
            resource_links.c.assignment == assignment,
            resource_links.c.lineitem_url.is_not(None),
        )
        with self._engine.connect() as connection:
            return connection.execute(query.order_by(resource_links.c.number).limit(1)).scalar()


_OF_PLATFORM = [platforms.c[name] for name in Platform.__dataclass_fields__]
_WIDTH = len(_OF_PLATFORM)
_OURS: Select[tuple[object, ...]] = (
    select(
        *_OF_PLATFORM, contexts.c.number.label("context_number"), contexts.c.title,
        contexts.c.memberships_url, contexts.c.lineitems_url, contexts.c.scopes,
    )
    .select_from(
        contexts
        .join(deployments, deployments.c.number == contexts.c.deployment)
        .join(platforms, platforms.c.number == deployments.c.platform)
    )
    .where(contexts.c.ours).order_by(contexts.c.number)
)  # fmt: skip
