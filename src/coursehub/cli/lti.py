"""`coursehub lti`: which LMSs are trusted, their deployments and courses, the tool's keys."""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from coursehub.cli.course import one_line_errors
from coursehub.cli.setup import lti_key_files
from coursehub.course.load import load_course
from coursehub.exchange.database import connect
from coursehub.lti.keys import Keys
from coursehub.lti.registration import VALID
from coursehub.lti.tool import Tool
from coursehub.settings import load_settings

app = typer.Typer()
lti_app = typer.Typer(no_args_is_help=True, help="The connection with LMSs by LTI.")
app.add_typer(lti_app, name="lti")

Number = Annotated[int, typer.Argument(metavar="PLATFORM", help="Its number, see `platforms`.")]
By = Annotated[str | None, typer.Option(help="Who does it; by default the user of this machine.")]


@lti_app.command()
def invite(by: By = None) -> None:
    """Make a link with which an LMS registers itself; it works once, for a day.

    Whoever has the link can have their LMS trusted: hand it to the LMS's admin
    alone.
    """
    with one_line_errors():
        tool = open_tool()
        secret = tool.invitations.make(_who(by), datetime.now(UTC))
        typer.echo(f"{tool.hub}lti13/register/{secret}")
        hours = int(VALID.total_seconds() // 3600)
        typer.echo(f"It works once, within {hours} hours.", err=True)


@lti_app.command()
def platforms() -> None:
    """Show which LMSs are trusted."""
    table = _table("Number", "Name", "Issuer", "Client id", "Deployments")
    with one_line_errors():
        found = open_tool().platforms
        for each in found.all():
            deployments = ", ".join(one.deployment_id for one in found.deployments(each.number))
            table.add_row(str(each.number), each.name, each.issuer, each.client_id, deployments)
    Console().print(table)


@lti_app.command()
def add(
    name: Annotated[str, typer.Argument(help="For people.")],
    *,
    issuer: Annotated[str, typer.Option(help="What the LMS calls itself.")],
    client_id: Annotated[str, typer.Option(help="What the LMS calls this tool.")],
    auth_url: Annotated[str, typer.Option(help="Where launches are asked for.")],
    token_url: Annotated[str, typer.Option(help="Where access tokens are.")],
    jwks_url: Annotated[str, typer.Option(help="Where the LMS's keys are.")],
    deployment: Annotated[str | None, typer.Option(help="A deployment id, if known.")] = None,
    audience: Annotated[
        str | None, typer.Option(help="For tokens, where it is not the token URL.")
    ] = None,
    by: By = None,
) -> None:
    """Trust an LMS that was registered by hand."""
    with one_line_errors():
        wanted = {
            "name": name, "issuer": issuer, "client_id": client_id, "auth_login_url": auth_url,
            "token_url": token_url, "jwks_url": jwks_url, "token_audience": audience,
        }  # fmt: skip
        now = datetime.now(UTC)
        platform = open_tool().platforms.add(wanted, _who(by), now, deployment)
        typer.echo(f"{name}: platform {platform.number}")


@lti_app.command()
def remove(number: Number, by: By = None) -> None:
    """Trust an LMS no longer; what its launches have told is forgotten, people stay."""
    with one_line_errors():
        open_tool().platforms.remove(number, _who(by), datetime.now(UTC))
        typer.echo(f"platform {number}: removed")


@lti_app.command()
def deployments(
    number: Number,
    add: Annotated[str | None, typer.Option(metavar="ID", help="Accept launches of it.")] = None,
    by: By = None,
) -> None:
    """Show an LMS's deployments, or accept another."""
    with one_line_errors():
        found = open_tool().platforms
        if add is not None:
            found.add_deployment(number, add, _who(by), datetime.now(UTC))
        for each in found.deployments(number):
            typer.echo(each.deployment_id)


@lti_app.command()
def contexts(
    adopt: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="This course of the LMS is our course.")
    ] = None,
    by: By = None,
) -> None:
    """Show the LMSs' courses that launches came from, and which of them are our course."""
    table = _table("Number", "Platform", "Title", "Id", "Ours")
    with one_line_errors():
        found = open_tool().contexts
        if adopt is not None:
            found.adopt(adopt, _who(by), datetime.now(UTC))
        for each in found.all():
            ours = "yes" if each.ours else ""
            table.add_row(str(each.number), str(each.platform), each.title, each.context_id, ours)
    Console().print(table)


@lti_app.command("rotate-key")
def rotate_key(
    secrets_folder: Annotated[
        Path | None,
        typer.Option("--secrets", help="Folder of all services' secrets, in the deployed form."),
    ] = None,
) -> None:
    """Sign with the next key from now on.

    LMSs fetch the published keys by themselves; the old key stays among them
    until the next rotation, the next one is there already.
    """
    with one_line_errors():
        if secrets_folder is None:
            first, copies = Path(str(load_settings().lti_keys)), []
        else:
            first, *copies = lti_key_files(secrets_folder)
        keys = Keys(first)
        key = keys.rotate()
        for copy in copies:
            keys.copy_to(copy)
        typer.echo(f"key {key.kid}: in use")


def open_tool() -> Tool:
    """The course as a tool, by the environment's settings."""
    settings = load_settings()
    settings.make_state()
    return Tool(
        connect(str(settings.database)),
        Path(str(settings.lti_keys)),
        lambda: load_course(settings.course),
        settings.public_url,
        private=settings.lti_private,
    )


def _who(by: str | None) -> str:
    return (by or getpass.getuser())[:64]


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
