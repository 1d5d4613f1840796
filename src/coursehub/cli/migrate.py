"""`coursehub migrate`: the tables of all databases, brought up to date."""

import logging
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from subprocess import CalledProcessError, check_call
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from alembic.util import CommandError
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from coursehub.cli.course import one_line_errors
from coursehub.course.load import load_course
from coursehub.errors import CourseHubError
from coursehub.exchange import migrations
from coursehub.exchange.database import connect
from coursehub.settings import Settings, load_settings, own_programs_first

app = typer.Typer()

PATIENCE = 60
"""Seconds for which a database may not answer yet."""


class Database(StrEnum):
    """The databases, in the order in which they are upgraded."""

    COURSE = "course"
    GRADEBOOK = "gradebook"
    HUB = "hub"


@app.command()
def migrate(
    databases: Annotated[
        list[Database] | None, typer.Argument(help="Which; all unless named.")
    ] = None,
    *,
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DATABASE=REVISION",
            help="Take these databases back to an older revision instead.",
        ),
    ] = None,
) -> None:
    """Bring the databases' tables up to date, and give each role its rights.

    Nothing happens to what is up to date. A server that does not answer yet
    gets a minute. With --to, tables go back to what an older version had; a
    database whose steps cannot go back is left as it is, and the exit code is 2.
    """
    own_programs_first()
    with one_line_errors():
        settings = load_settings()
        settings.make_state()
        if to:
            for database, revision in map(_aim, to):
                typer.echo(f"{database}: at revision {_back(database, revision, settings)}")
            return
        for database in databases or list(Database):
            revision = _upgrade(database, settings)
            typer.echo(f"{database}: at revision {revision}")


def _upgrade(database: Database, settings: Settings) -> str:
    steps: dict[Database, tuple[str | None, Callable[[Settings], str]]] = {
        Database.COURSE: (settings.database, _upgrade_course),
        Database.GRADEBOOK: (settings.gradebook, _upgrade_gradebook),
        Database.HUB: (settings.hub_database, _upgrade_hub),
    }
    url, upgrade = steps[database]
    try:
        _wait_for(str(url))
        return upgrade(settings)
    except ImportError as error:
        raise CourseHubError(
            f"{error.name} is not installed here",
            key=database,
            remedy=f"Run `coursehub migrate {database}` where it is",
        ) from error
    except (CommandError, CalledProcessError) as error:
        raise CourseHubError(
            "its tables are not of this version, or an older one",
            key=database,
            remedy="Take them back with the newer version's `coursehub migrate --to`",
        ) from error
    except SQLAlchemyError as error:
        raise CourseHubError(
            str(getattr(error, "orig", error)).partition("\n")[0],
            key=database,
            remedy="See the database's log, and images/db for its roles",
        ) from error


def _upgrade_course(settings: Settings) -> str:
    return migrations.upgrade(connect(str(settings.database)))


def _upgrade_gradebook(settings: Settings) -> str:
    from coursehub.gradebook.database import upgrade

    return upgrade(str(settings.gradebook), load_course(settings.course).id)


def _upgrade_hub(settings: Settings) -> str:
    from jupyterhub.dbutil import upgrade_if_needed

    url = str(settings.hub_database)
    logging.disable(logging.INFO)  # Alembic's remarks, which JupyterHub switches on
    upgrade_if_needed(url, log=logging.getLogger(__name__))
    return _revision(url)


def _aim(text: str) -> tuple[Database, str]:
    name, _, revision = text.partition("=")
    if name not in list(Database) or not revision:
        raise CourseHubError(
            f"{text!r} is no database and revision", key="to", remedy="Write course=0012, say"
        )
    return Database(name), revision


def _back(database: Database, revision: str, settings: Settings) -> str:
    """Take one database back; nbgrader's and JupyterHub's by their own steps."""
    if database is Database.COURSE:
        return migrations.downgrade(connect(str(settings.database)), revision)
    url = str(settings.gradebook if database is Database.GRADEBOOK else settings.hub_database)
    if _revision(url) == revision:
        return revision
    if database is Database.GRADEBOOK:
        from nbgrader.dbutil import write_alembic_ini
    else:
        from jupyterhub.dbutil import write_alembic_ini
    with TemporaryDirectory() as folder:
        ini = str(Path(folder, "alembic.ini"))
        write_alembic_ini(ini, url)
        try:
            check_call(["alembic", "-c", ini, "downgrade", revision])
        except CalledProcessError as error:
            raise CourseHubError(
                f"its steps do not go back to {revision}",
                key=database,
                remedy="Put the saved databases in place, or stay with the newer version",
            ) from error
    return _revision(url)


def _revision(url: str) -> str:
    from alembic.migration import MigrationContext

    with create_engine(url, poolclass=NullPool).connect() as connection:
        return str(MigrationContext.configure(connection).get_current_revision())


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    engine = create_engine(url, poolclass=NullPool)
    while True:
        try:
            engine.connect().close()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return
