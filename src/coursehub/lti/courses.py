"""The courses of LMSs that are our course, as launches have told: where their services are."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Engine, delete, insert, select

from coursehub.lti.contexts import Contexts
from coursehub.lti.platforms import Platform, Platforms
from coursehub.lti.tables import contexts, members, resource_links


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
        self._engine = engine
        self._contexts, self._platforms = Contexts(engine), Platforms(engine)

    def all(self) -> list[LmsCourse]:
        """Every course of an LMS that is ours, by number."""
        platforms = {each.number: each for each in self._platforms.all()}
        return [
            LmsCourse(
                each.number, each.title, platforms[each.platform], each.memberships_url,
                each.lineitems_url, frozenset(each.scopes),
            )
            for each in self._contexts.all()
            if each.ours and each.platform in platforms
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
