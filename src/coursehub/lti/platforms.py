"""Which platforms are trusted, and which of their deployments; no launch changes either."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, bindparam, delete, select
from sqlalchemy.exc import IntegrityError

from coursehub import journal
from coursehub.errors import LtiError
from coursehub.lti.tables import (
    contexts,
    create_tables,
    deployments,
    platforms,
    resource_links,
)


@dataclass(frozen=True)
class Platform:
    """An LMS as it is known here.

    Attributes:
        number: our own.
        name: for people.
        issuer: what it calls itself in every message (`iss`).
        client_id: what it calls us.
        auth_login_url: where a launch is asked for (OIDC authorisation endpoint).
        token_url: where access tokens for its services are.
        jwks_url: where its keys are.
        token_audience: whom a request for a token is addressed to; None: the token URL.
    """

    number: int
    name: str
    issuer: str
    client_id: str
    auth_login_url: str
    token_url: str
    jwks_url: str
    token_audience: str | None = None


@dataclass(frozen=True)
class Deployment:
    """A place of a platform, e.g. an account or a course, into which the tool was put."""

    number: int
    platform: int
    deployment_id: str


class Platforms:
    """The trusted platforms in the course database."""

    def __init__(self, engine: Engine) -> None:
        """Work on the database behind `engine`."""
        create_tables(engine)
        self._engine = engine

    def __deepcopy__(self, _memo: object) -> "Platforms":
        """Stay one: traitlets copies what its configuration holds, and a database is no value."""
        return self

    def all(self) -> list[Platform]:
        """Every platform, by number."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(*_COLUMNS).order_by(platforms.c.number))
            return [Platform(*row) for row in rows]

    def find(self, issuer: str, client_id: str | None = None) -> Platform | None:
        """The platform of that issuer and client id.

        Without a client id, which a login initiation may leave out: the issuer's only one.
        """
        with self._engine.connect() as connection:
            rows = [Platform(*row) for row in connection.execute(_OF_ISSUER, {"wanted": issuer})]
        found = [each for each in rows if client_id in (None, each.client_id)]
        return found[0] if len(found) == 1 else None

    def get(self, number: int) -> Platform:
        """The platform of that number.

        Raises:
            LtiError: when there is none.
        """
        with self._engine.connect() as connection:
            row = connection.execute(_ONE, {"wanted": number}).one_or_none()
        if row is None:
            raise LtiError(f"there is no platform {number}", remedy="See `coursehub lti platforms`")
        return Platform(*row)

    def add(
        self, wanted: Mapping[str, Any], by: str, now: datetime, deployment_id: str | None = None
    ) -> Platform:
        """Trust a platform from now on, and a deployment of it where one is named.

        Args:
            wanted: the columns of `Platform` but its number.
            by: who says so, for the journal.
            now: when.
            deployment_id: the first deployment, where it is known already.

        Raises:
            LtiError: when issuer and client id are known already.
        """
        row = {**wanted, "added_at": now, "added_by": by}
        try:
            with self._engine.begin() as connection:
                number = connection.execute(
                    platforms.insert().values(row).returning(platforms.c.number)
                ).scalar_one()
                if deployment_id:
                    new = {"platform": number, "deployment_id": deployment_id, "added_at": now}
                    connection.execute(deployments.insert().values(new))
                after = {"issuer": wanted["issuer"], "client_id": wanted["client_id"]}
                journal.record(
                    connection,
                    journal.Entry(now, by, "trust platform", about=str(number), after=after),
                )
        except IntegrityError as error:
            raise LtiError(
                f"the platform {wanted['issuer']} with client id {wanted['client_id']} is known",
                remedy="See `coursehub lti platforms`, and remove it first",
            ) from error
        return self.get(number)

    def remove(self, number: int, by: str, now: datetime) -> None:
        """Trust a platform no longer, and forget what its launches have told.

        Raises:
            LtiError: when there is none.
        """
        gone = self.get(number)
        own_deployments = select(deployments.c.number).where(deployments.c.platform == number)
        own_contexts = select(contexts.c.number).where(contexts.c.deployment.in_(own_deployments))
        with self._engine.begin() as connection:
            connection.execute(
                delete(resource_links).where(resource_links.c.context.in_(own_contexts))
            )
            connection.execute(delete(contexts).where(contexts.c.deployment.in_(own_deployments)))
            connection.execute(delete(deployments).where(deployments.c.platform == number))
            connection.execute(delete(platforms).where(platforms.c.number == number))
            before = {"issuer": gone.issuer, "client_id": gone.client_id}
            journal.record(
                connection,
                journal.Entry(now, by, "distrust platform", about=str(number), before=before),
            )

    def deployments(self, platform: int) -> list[Deployment]:
        """The known deployments of a platform."""
        with self._engine.connect() as connection:
            return [Deployment(*row) for row in connection.execute(_THEIRS, {"wanted": platform})]

    def deployment(self, platform: int, deployment_id: str) -> Deployment | None:
        """The deployment of that id, if it is known."""
        found = (each for each in self.deployments(platform) if each.deployment_id == deployment_id)
        return next(found, None)

    def add_deployment(self, platform: int, deployment_id: str, by: str, now: datetime) -> None:
        """Accept launches of a deployment from now on; one that is known stays as it is.

        Raises:
            LtiError: when there is no such platform.
        """
        self.get(platform)
        if self.deployment(platform, deployment_id):
            return
        row = {"platform": platform, "deployment_id": deployment_id, "added_at": now}
        after = {"deployment_id": deployment_id}
        with self._engine.begin() as connection:
            connection.execute(deployments.insert().values(row))
            journal.record(
                connection,
                journal.Entry(now, by, "trust deployment", about=str(platform), after=after),
            )


_COLUMNS = [platforms.c[name] for name in Platform.__dataclass_fields__]
_ONE = select(*_COLUMNS).where(platforms.c.number == bindparam("wanted"))
_OF_ISSUER = select(*_COLUMNS).where(platforms.c.issuer == bindparam("wanted"))
_THEIRS = (
    select(deployments.c.number, deployments.c.platform, deployments.c.deployment_id)
    .where(deployments.c.platform == bindparam("wanted"))
    .order_by(deployments.c.number)
)
