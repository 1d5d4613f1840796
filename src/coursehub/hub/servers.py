"""Users' servers as the engine has them: containers of this machine, or services of a swarm.

Beside the spawner, which knows its own, others ask for all: the networks, the clock, the GPUs.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import docker
from docker.errors import NotFound

from coursehub.settings import Settings

_HOLDING = ("created", "running", "restarting", "paused")  # an exited container holds nothing


class Server(NamedTuple):
    """A container or a service.

    Attributes:
        id: the engine's.
        name: what it is called, which is the name of its network too.
        labels: all its labels.
        holds: whether it still has what its labels say was lent to it.
    """

    id: str
    name: str
    labels: dict[str, str]
    holds: bool


def labelled(
    client: docker.DockerClient, settings: Settings, labels: Sequence[str]
) -> list[Server]:
    """All that bear these labels (blocking).

    Args:
        client: the engine.
        settings: whether servers are services.
        labels: names, or `name=value`.
    """
    return _services(client, labels) if settings.swarm else _containers(client, labels)


def remove(client: docker.DockerClient, settings: Settings, server: str) -> None:
    """Remove one by its id or name; nothing happens when it is gone (blocking)."""
    with suppress(NotFound):
        if settings.swarm:
            client.api.remove_service(server)
        else:
            client.api.remove_container(server, force=True, v=True)


def _containers(client: docker.DockerClient, labels: Sequence[str]) -> list[Server]:
    found = client.api.containers(all=True, filters={"label": list(labels)})
    return [
        Server(
            row["Id"], row["Names"][0].removeprefix("/"), row["Labels"], row["State"] in _HOLDING
        )
        for row in found
        if row["Names"]
    ]


def _services(client: docker.DockerClient, labels: Sequence[str]) -> list[Server]:
    """Services; one whose task has ended is removed by the hub as soon as it looks."""
    found = client.api.services(filters={"label": list(labels)})
    return [
        Server(row["ID"], row["Spec"]["Name"], row["Spec"].get("Labels") or {}, holds=True)
        for row in found
    ]
