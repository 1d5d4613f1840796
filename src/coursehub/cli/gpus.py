"""The command about GPUs."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any

import docker
import typer
from docker.errors import DockerException
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from coursehub.cli.course import one_line_errors
from coursehub.course.load import load_course
from coursehub.errors import CourseHubError
from coursehub.hub.devices import Device, Found, find_devices
from coursehub.hub.labels import Lease, leases_of
from coursehub.settings import load_settings

app = typer.Typer()


@app.command()
def gpus(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, for programs, instead of a table.")
    ] = False,
) -> None:
    """Show which GPUs there are, who has which, and until when.

    Times are in the course's timezone. Without any GPU it says where it looked.

    With --json, an object: devices, a list of objects with device and leases
    (username and until, ISO 8601 in UTC), and looked, where devices were looked for.
    A lease for grading has grading:NUMBER instead of a username.
    """
    with one_line_errors():
        settings = load_settings()
        course = load_course(settings.course)
        try:
            client = docker.from_env()
            found = find_devices(client, settings)
            leases = leases_of(client, settings, course)
        except DockerException as error:
            raise CourseHubError(
                f"the Docker engine does not answer ({error})",
                remedy="Start it, or set DOCKER_HOST",
            ) from error
    if as_json:
        typer.echo(json.dumps(_as_object(found, leases), indent=2))
    elif found.devices or leases:
        Console().print(_as_table(found, leases))
    else:
        typer.echo(f"No GPU found. Looked at: {'; '.join(found.looked)}.")


def _by_device(found: Found, leases: Sequence[Lease]) -> dict[Device, list[Lease]]:
    """All devices with their leases; also one that is lent although it is no longer found."""
    held: dict[Device, list[Lease]] = defaultdict(list)
    for device in found.devices:
        held[device] = []
    for lease in leases:
        held[lease.device].append(lease)
    return held


def _as_table(found: Found, leases: Sequence[Lease]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("Device", "Lent to", "Until"):
        table.add_column(column)
    for device, held in _by_device(found, leases).items():
        table.add_row(
            device.name,
            "\n".join(escape(lease.holder) for lease in held) or "free",
            "\n".join(lease.until_text for lease in held),
        )
    return table


def _as_object(found: Found, leases: Sequence[Lease]) -> dict[str, Any]:
    return {
        "devices": [
            {
                "device": device.name,
                "leases": [
                    {"username": lease.username, "until": lease.until.isoformat()} for lease in held
                ],
            }
            for device, held in _by_device(found, leases).items()
        ],
        "looked": list(found.looked),
    }
