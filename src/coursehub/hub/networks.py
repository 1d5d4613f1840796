"""A network for each server: what a server can reach is who else is on its network.

Only the server and the services that it needs are members. The network is `internal`, and with
`inhibit_ipv4` the host has no address on it either: other servers, databases, the host, the
metadata address and private ranges are not forbidden, there is just no route to them.

In a swarm a network is an overlay, on the server's machine and on this one, and encrypted between
them. The services are containers of docker compose there too: those of a swarm's service could not
be connected to a network while they run.
"""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, ip_network
from typing import Any

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from coursehub.errors import SettingsError, SpawnError
from coursehub.hub.servers import labelled
from coursehub.settings import Settings

log = logging.getLogger(__name__)

PROJECT, USER, ROLE = "coursehub.project", "coursehub.user", "coursehub.role"
"""Labels of a user's container and network; the home volume has the first two."""

COMPOSE_PROJECT, COMPOSE_SERVICE = "com.docker.compose.project", "com.docker.compose.service"
COMPOSE_ONE_OFF = "com.docker.compose.oneoff"
"""Labels that docker compose puts on containers; "one off" are those of `docker compose run`."""

OPTIONS = {"com.docker.network.bridge.inhibit_ipv4": "true"}
"""Of a network on this machine alone; one of a swarm has no address of a host in any case."""

_LEAVE_SECONDS = 10

PREFIX = 28
"""Length of a network's prefix: 13 members, where a server and four services are the most."""


@dataclass(frozen=True)
class Service:
    """A container of a compose service: proxy, hub, db or egress."""

    id: str
    name: str
    networks: set[str]


class Networks:
    """The networks of all users' servers, as the engine has them: nothing is kept here."""

    def __init__(self, client: DockerClient, settings: Settings) -> None:
        """Work on the engine behind `client`; threads may share one `Networks`.

        Raises:
            SettingsError: when COURSEHUB_USER_SUBNETS is no range of IPv4 networks.
        """
        self._client = client
        self._project = settings.project
        self._settings = settings
        # Where the proxy goes by host name it has the course service's too.
        self._aliases = {"proxy": ["proxy", *filter(None, [settings.course_host])]}
        self._range = _range(settings.user_subnets)
        self._choosing = threading.Lock()

    def __deepcopy__(self, _memo: object) -> "Networks":
        """Stay one: traitlets copies what its configuration holds, and an engine is no value."""
        return self

    def ensure(self, name: str, user: str, role: str) -> None:
        """Make the network of a server that is about to be created, with its services on it.

        A network that an earlier server left behind is made anew: its members may be wrong.

        Args:
            name: of the network; the server's container has the same one.
            user: whose server it is.
            role: `student` or `staff`.

        Raises:
            SpawnError: when every network of the range is in use.
        """
        self.remove(name)
        network = self._create(name, {PROJECT: self._project, USER: user, ROLE: role})
        self._complete(network, self._services())

    def remove(self, name: str) -> None:
        """Remove a network, whoever is on it; nothing happens when there is none."""
        for network in self._client.networks.list(names=[name]):
            if network.name == name:  # the engine looks for parts of names
                self._remove(network, self._services(stopped=True))

    def reconcile(self, grace: timedelta = timedelta(minutes=1)) -> None:
        """Bring the networks in line with what runs.

        Services that came back as new containers get onto every network again; networks whose
        server is gone are removed.

        Args:
            grace: how old a network without a server must be; a younger one is being filled.
        """
        servers = self._servers()
        running, known = self._services(), self._services(stopped=True)
        young = datetime.now(UTC) - grace
        for network in self._client.networks.list(filters={"label": f"{PROJECT}={self._project}"}):
            if network.name in servers:
                self._complete(network, running)
            elif datetime.fromisoformat(network.attrs["Created"]) <= young:
                self._remove(network, known)

    def _create(self, name: str, labels: dict[str, str]) -> Network:
        """Take a free subnet; the lock makes two servers at once choose different ones."""
        with self._choosing:
            for subnet in self._free_subnets():
                try:
                    return self._client.networks.create(
                        name,
                        **self._kind(),
                        internal=True,
                        enable_ipv6=False,
                        ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet))]),
                        labels=labels,
                    )
                except APIError as error:
                    if "overlaps" not in str(error):
                        raise
                    log.warning("%s is in use although no network of the engine has it", subnet)
        raise SpawnError(
            "All networks for servers are in use",
            remedy="Try again when other servers have stopped, or ask staff to widen "
            "COURSEHUB_USER_SUBNETS.",
        )

    def _kind(self) -> dict[str, Any]:
        if not self._settings.swarm:
            return {"driver": "bridge", "options": OPTIONS}
        # https://docs.docker.com/engine/network/drivers/overlay/: the option's presence counts.
        options = {"encrypted": ""} if self._settings.swarm_encrypted else {}
        return {"driver": "overlay", "attachable": True, "options": options}

    def _free_subnets(self) -> Iterator[IPv4Network]:
        taken = {
            subnet
            for network in self._client.networks.list()
            for pool in network.attrs["IPAM"]["Config"] or []
            if (subnet := ip_network(pool["Subnet"])).version == 4
        }
        # Ours are as large as what is looked for: a look into a set, where each with each would
        # take seconds once there are thousands.
        others = [subnet for subnet in taken if subnet.prefixlen != PREFIX]
        for subnet in self._range.subnets(new_prefix=PREFIX):
            if subnet not in taken and not any(subnet.overlaps(other) for other in others):
                yield subnet

    def _complete(self, network: Network, services: list[Service]) -> None:
        """Connect the services that this network's server needs and that are not on it yet."""
        wanted = self._wanted(network.attrs.get("Labels") or {})
        for service in services:
            if service.name in wanted and network.name not in service.networks:
                _connect(network, service, self._aliases.get(service.name, [service.name]))

    def _wanted(self, labels: dict[str, str]) -> set[str]:
        staff = {"db"} if labels.get(ROLE) == "staff" else set()
        return {"proxy", "hub"} | staff | ({"egress"} if self._settings.internet else set())

    def _remove(self, network: Network, services: list[Service]) -> None:
        """Take everybody off the network and remove it.

        The engine refuses to start a stopped container whose network is gone: services that do not
        run at the moment are taken off too.
        """
        try:
            network.reload()
            members = set(network.attrs["Containers"] or ())
            members |= {service.id for service in services if network.name in service.networks}
            for member in members:
                _disconnect(network, member)
            remove_empty(network)
        except NotFound:
            log.debug("%s is gone already", network.name)

    def _services(self, *, stopped: bool = False) -> list[Service]:
        labels = [f"{COMPOSE_PROJECT}={self._project}", f"{COMPOSE_ONE_OFF}=False"]
        found = self._client.api.containers(all=stopped, filters={"label": labels})
        return [
            Service(
                row["Id"], row["Labels"][COMPOSE_SERVICE], set(row["NetworkSettings"]["Networks"])
            )
            for row in found
        ]

    def _servers(self) -> set[str]:
        """Names of all users' servers, which are the names of their networks too."""
        found = labelled(self._client, self._settings, [f"{PROJECT}={self._project}"])
        return {server.name for server in found}


def _range(text: str) -> IPv4Network:
    try:
        network = IPv4Network(text)
        if network.prefixlen > PREFIX:
            raise ValueError(f"has no room for a /{PREFIX}")
    except ValueError as error:
        raise SettingsError(
            str(error),
            key="COURSEHUB_USER_SUBNETS",
            remedy="Give a range of private addresses such as 10.213.0.0/16.",
        ) from error
    return network


def _connect(network: Network, service: Service, aliases: list[str]) -> None:
    """Connect a service that may be on the network by now, or may just have ended."""
    try:
        network.connect(service.id, aliases=aliases)
    except APIError as error:
        log.info("%s was not connected to %s: %s", service.name, network.name, error)


def _disconnect(network: Network, container: str) -> None:
    try:
        network.disconnect(container, force=True)
    except APIError as error:
        log.info("%s was not taken off %s: %s", container, network.name, error)


def remove_empty(network: Network) -> None:
    """Remove a network whose members have left; a swarm learns of that a little later."""
    patient = time.monotonic() + _LEAVE_SECONDS
    while True:
        try:
            return network.remove()
        except APIError as error:
            if "in use" not in str(error) or time.monotonic() > patient:
                raise
            time.sleep(0.2)
