"""A course database that knows a platform, as after its registration and a first launch."""

from datetime import UTC, datetime

from sqlalchemy import Engine, insert, select

from coursehub.lti.courses import LmsCourse, LmsCourses
from coursehub.lti.platforms import Platforms
from coursehub.lti.tables import contexts, deployments
from tests.lti.services import LINE_ITEM, SCORE, Services

NOW = datetime(2021, 2, 5, 12, tzinfo=UTC)


def linked(engine: Engine, services: Services, context_id: str = "1") -> LmsCourse:
    """A course of `services`' platform, which is ours from now on."""
    platforms = Platforms(engine)
    platform = platforms.find(services.issuer, services.client_id)
    if platform is None:
        wanted = {
            "name": "Test LMS", "issuer": services.issuer, "client_id": services.client_id,
            "auth_login_url": f"{services.issuer}/login", "token_url": services.token_url,
            "jwks_url": f"{services.issuer}/jwks",
        }  # fmt: skip
        platform = platforms.add(wanted, "ines", NOW, deployment_id="1")
    with engine.begin() as connection:
        deployment = connection.execute(
            select(deployments.c.number).where(deployments.c.platform == platform.number)
        ).scalar_one()
        number = connection.execute(
            insert(contexts)
            .values(
                deployment=deployment, context_id=context_id, title="CS5260 in the LMS", ours=True,
                memberships_url=services.memberships_url, lineitems_url=services.lineitems_url,
                scopes=[LINE_ITEM, SCORE], seen=NOW,
            )
            .returning(contexts.c.number)
        ).scalar_one()  # fmt: skip
    return next(each for each in LmsCourses(engine).all() if each.number == number)
