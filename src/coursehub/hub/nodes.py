"""The machines of a swarm, as this manager knows them, and what still runs there (blocking)."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import docker
from docker.errors import NotFound

from coursehub.errors import SpawnError
from coursehub.hub.devices import offered_by
from coursehub.hub.networks import PROJECT, USER
from coursehub.settings import Settings

OLDEST_ENGINE = 26
"""The first whose swarm takes new privileges from a container; an older one would say nothing."""

ENDED = ("complete", "shutdown", "failed", "rejected", "remove", "orphaned")
"""States of a task that does not run, and will not."""


class Node(NamedTuple):
    """A machine.

    Attributes:
        id: the swarm's.
        name: the machine's.
        gone: whether it has not answered for so long that the swarm gave it up.
        since: of when the swarm's last news of it are; aware.
    """

    id: str
    name: str
    gone: bool
    since: datetime


class Nodes:
    """The machines, asked for anew each time."""

    def __init__(self, api: docker.APIClient, settings: Settings) -> None:
        """Ask the manager behind `api`."""
        self._api = api
        self._project = settings.project
        self._fence = timedelta(seconds=settings.swarm_fence_seconds)

    def node(self, number: str) -> Node | None:
        """One machine; None when it is of this swarm no longer."""
        try:
            return _node(self._api.inspect_node(number))
        except NotFound:
            return None

    def require_engines(self) -> None:
        """Refuse to start anything where limits would silently not be set.

        Raises:
            SpawnError: when a machine's engine is too old.
        """
        for row in self._api.nodes():
            version = row["Description"]["Engine"]["EngineVersion"]
            if int(version.partition(".")[0]) < OLDEST_ENGINE:
                raise SpawnError(
                    f"The container engine of the machine {row['Description']['Hostname']} is too "
                    f"old ({version})",
                    remedy="Tell staff.",
                )

    def holder_of(self, device: str) -> Node | None:
        """The machine that offers a GPU; None when none does."""
        found = [row for row in self._api.nodes() if device in offered_by(row)]
        return _node(found[0]) if found else None

    def still_running(self, user: str) -> list[dict[str, Any]]:
        """Tasks of somebody's servers that may still run, those of removed services too."""
        tasks = self._api.tasks(filters={"label": [f"{PROJECT}={self._project}", f"{USER}={user}"]})
        return [task for task in tasks if task["Status"]["State"] not in ENDED]

    def fenced_at(self, task: dict[str, Any]) -> datetime | None:
        """When a task that may still run does not, for certain; None while its machine answers.

        A machine that lost its manager stops what it runs by itself (`ansible/roles/swarm`).
        """
        node = self.node(task["NodeID"]) if task.get("NodeID") else None
        if node is None:
            return datetime.min.replace(tzinfo=UTC)
        return node.since + self._fence if node.gone else None


def _node(row: dict[str, Any]) -> Node:
    return Node(
        row["ID"],
        row["Description"]["Hostname"],
        row["Status"]["State"] == "down",
        datetime.fromisoformat(row["UpdatedAt"]),
    )
