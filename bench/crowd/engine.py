"""A Docker engine that runs nothing: as much of its API as the hub uses, over a unix socket.

What it answers is as long as an engine's answers are, since reading them is part of what the hub
does. Every container has the address 127.0.0.1: who is meant the request's path says.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from itertools import count
from typing import Any
from urllib.parse import unquote

from tornado.web import Application, HTTPError, RequestHandler

from coursehub.hub.networks import COMPOSE_ONE_OFF, COMPOSE_PROJECT, COMPOSE_SERVICE, PREFIX

Json = dict[str, Any]
_SERVICES = ("hub", "proxy")


@dataclass
class Container:
    """A container: what it was made of, and its networks."""

    name: str
    made_of: Json
    networks: set[str] = field(default_factory=set)
    running: bool = False
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    _summary: tuple[bool, int, str] = (False, -1, "")

    @cached_property
    def id(self) -> str:
        """Its id, which follows from its name."""
        return identity(self.name)

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.made_of.get("Labels") or {})

    def summary(self) -> str:
        """As it is listed, in JSON; made once for each state and set of networks."""
        state = (self.running, len(self.networks))
        if self._summary[:2] != state:
            self._summary = (*state, json.dumps(_summary(self)))
        return self._summary[2]

    def environment(self) -> dict[str, str]:
        """Its environment."""
        return dict(each.partition("=")[::2] for each in self.made_of.get("Env") or ())


@dataclass
class Engine:
    """Containers and networks by name.

    Attributes:
        started: called with each container that starts.
        ended: called with each container that is removed.
    """

    project: str
    started: Callable[[Container], None] = lambda container: None
    ended: Callable[[Container], None] = lambda container: None
    containers: dict[str, Container] = field(default_factory=dict)
    networks: dict[str, Json] = field(default_factory=dict)
    calls: int = 0
    _names: dict[str, str] = field(default_factory=dict)
    _numbers: count = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        """The services of compose are there from the beginning."""
        for name in _SERVICES:
            labels = {
                COMPOSE_PROJECT: self.project, COMPOSE_SERVICE: name, COMPOSE_ONE_OFF: "False",
            }  # fmt: skip
            self.add(Container(name, {"Image": name, "Labels": labels}, set(), True))

    def add_server(self, name: str, made_of: Json) -> None:
        """A server that runs already, with its network and the services on it."""
        self.make_network({"Name": name, "Labels": made_of["Labels"], "IPAM": self.next_subnet()})
        self.add(Container(name, made_of, {name}, running=True))
        for service in _SERVICES:
            self.containers[service].networks.add(name)

    def next_subnet(self) -> Json:
        """A subnet as networks ask for it, of those from 10.208.0.0 upwards."""
        number = (10 << 24 | 208 << 16) + (next(self._numbers) << (32 - PREFIX))
        dotted = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
        return {"Driver": "default", "Config": [{"Subnet": f"{dotted}/{PREFIX}"}]}

    def make_network(self, asked: Json) -> Json:
        """A network as it is listed."""
        made = {
            "Name": asked["Name"], "Id": identity(asked["Name"]),
            "Created": _stamp(datetime.now(UTC)), "Scope": "local",
            "Driver": "bridge", "EnableIPv6": False, "IPAM": asked["IPAM"],
            "Internal": True, "Attachable": False, "Ingress": False, "ConfigFrom": {"Network": ""},
            "ConfigOnly": False, "Containers": {}, "Options": asked.get("Options") or {},
            "Labels": asked.get("Labels") or {},
        }  # fmt: skip
        self.networks[asked["Name"]] = made
        self._names[made["Id"]] = asked["Name"]
        return made

    def container(self, key: str) -> Container:
        """The container of that name or id."""
        found = self.containers.get(key) or self.containers.get(self._names.get(key, ""))
        if found is None:
            raise HTTPError(404, f"No such container: {key}")
        return found

    def network(self, key: str) -> Json:
        """The network of that name or id."""
        found = self.networks.get(key) or self.networks.get(self._names.get(key, ""))
        if found is None:
            raise HTTPError(404, f"network {key} not found")
        return found

    def add(self, container: Container) -> None:
        """Have a container, be it running or not."""
        self.containers[container.name] = container
        self._names[container.id] = container.name

    def remove(self, container: Container) -> None:
        """Take a container away."""
        del self.containers[container.name]
        self.ended(container)


def application(engine: Engine) -> Application:
    """The engine's HTTP API."""
    start = r"(?:/v[\d.]+)?"
    return Application(
        [
            (rf"{start}/(version|info|_ping)", _About),
            (rf"{start}/images/(.+)/json", _Image),
            (rf"{start}/(containers|networks)(?:/json)?", _Listed, {"engine": engine}),
            (rf"{start}/(containers|networks)/create", _Made, {"engine": engine}),
            (rf"{start}/containers/([^/]+)(?:/(\w+))?", _Container, {"engine": engine}),
            (rf"{start}/networks/([^/]+)(?:/(\w+))?", _Network, {"engine": engine}),
        ],
        log_function=lambda handler: None,
    )


class _About(RequestHandler):
    def get(self, _what: str) -> None:
        self.finish({"ApiVersion": "1.47", "MinAPIVersion": "1.24", "Version": "27.5.1"})

    head = get


class _Image(RequestHandler):
    def get(self, name: str) -> None:
        self.finish({"Id": f"sha256:{identity(name)}", "Config": {"Cmd": ["lab"], "Env": []}})


class _Of(RequestHandler):
    def initialize(self, engine: Engine) -> None:
        self.engine = engine
        engine.calls += 1

    def write_error(self, status_code: int, **named: Any) -> None:
        problem = named["exc_info"][1]
        self.finish({"message": getattr(problem, "log_message", None) or str(problem)})


class _Listed(_Of):
    def get(self, kind: str) -> None:
        filters = json.loads(self.get_query_argument("filters", "{}"))
        self.set_header("Content-Type", "application/json")
        if kind == "networks":
            wanted = [each for each in self.engine.networks.values() if _fits(each, filters)]
            self.finish(json.dumps(wanted))
            return
        found = [
            each.summary()
            for each in self.engine.containers.values()
            if _fits({"Name": each.name, "Labels": each.labels}, filters)
            and ("status" not in filters or each.running)
        ]
        self.finish(f"[{','.join(found)}]")


class _Made(_Of):
    def post(self, kind: str) -> None:
        asked = json.loads(self.request.body)
        self.set_status(201)
        if kind == "networks":
            self.finish({"Id": self.engine.make_network(asked)["Id"], "Warning": ""})
            return
        name = self.get_query_argument("name")
        networks = set(asked.get("NetworkingConfig", {}).get("EndpointsConfig") or ())
        networks |= {asked["HostConfig"].get("NetworkMode") or name}
        self.engine.add(made := Container(name, asked, networks))
        self.finish({"Id": made.id, "Warnings": []})


class _Container(_Of):
    def get(self, key: str, what: str | None) -> None:
        container = self.engine.container(unquote(key))
        if what == "json":
            self.finish(_inspected(container))
        else:
            self.finish(b"")

    def post(self, key: str, what: str) -> None:
        container = self.engine.container(unquote(key))
        container.running = what == "start"
        if container.running:
            self.engine.started(container)
        self.set_status(204)

    def delete(self, key: str, _what: str | None) -> None:
        self.engine.remove(self.engine.container(unquote(key)))
        self.set_status(204)


class _Network(_Of):
    def get(self, key: str, _what: str | None) -> None:
        network = self.engine.network(unquote(key))
        name = network["Name"]
        nearby = [*_SERVICES, name]  # a server's container has the network's name
        members = [
            c for each in nearby if (c := self.engine.containers.get(each)) and name in c.networks
        ]
        self.finish(network | {"Containers": {each.id: {"Name": each.name} for each in members}})

    def post(self, key: str, what: str) -> None:
        name = self.engine.network(unquote(key))["Name"]
        member = self.engine.container(json.loads(self.request.body)["Container"]).networks
        member.add(name) if what == "connect" else member.discard(name)
        self.finish(b"")

    def delete(self, key: str, _what: str | None) -> None:
        del self.engine.networks[self.engine.network(unquote(key))["Name"]]
        self.set_status(204)


def identity(name: str) -> str:
    """An id as the engine gives them."""
    return sha256(name.encode()).hexdigest()


def _fits(thing: Mapping[str, Any], filters: Mapping[str, list[str]]) -> bool:
    labels = {f"{name}={value}" for name, value in thing["Labels"].items()} | {*thing["Labels"]}
    if not labels.issuperset(filters.get("label", ())):
        return False
    return all(re.search(re.escape(name), thing["Name"]) for name in filters.get("name", ()))


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "000Z")


def _ends(container: Container) -> Json:
    return {
        name: {
            "IPAMConfig": None, "Links": None, "Aliases": [container.name], "MacAddress": "",
            "DriverOpts": None, "NetworkID": identity(name), "EndpointID": identity(f"e{name}"),
            "Gateway": "", "IPAddress": "127.0.0.1", "IPPrefixLen": PREFIX, "IPv6Gateway": "",
            "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "DNSNames": [container.name],
        }
        for name in sorted(container.networks)
    }  # fmt: skip


def _mounts(container: Container) -> list[Json]:
    asked = (container.made_of.get("HostConfig") or {}).get("Mounts") or ()
    return [
        {
            "Type": "volume", "Name": each["Source"], "Driver": "local", "Mode": "z", "RW": True,
            "Source": f"/var/lib/docker/volumes/{each['Source']}/_data", "Propagation": "",
            "Destination": each["Target"],
        }
        for each in asked
    ]  # fmt: skip


def _summary(container: Container) -> Json:
    """A container as it is listed."""
    return {
        "Id": container.id, "Names": [f"/{container.name}"], "Image": container.made_of["Image"],
        "ImageID": f"sha256:{identity(container.made_of['Image'])}",
        "Command": "tini -- python -m coursehub.lab.start", "Ports": [],
        "Created": int(container.created.timestamp()), "Labels": container.labels,
        "State": "running" if container.running else "created", "Status": "Up 2 hours (healthy)",
        "HostConfig": {"NetworkMode": container.name},
        "NetworkSettings": {"Networks": _ends(container)}, "Mounts": _mounts(container),
    }  # fmt: skip


def _inspected(container: Container) -> Json:
    """A container in every detail."""
    made_of, folder = container.made_of, f"/var/lib/docker/containers/{container.id}"
    config = {key: each for key, each in made_of.items() if key != "HostConfig"}
    return {
        "Id": container.id, "Created": _stamp(container.created), "Path": "tini", "Args": [],
        "State": {
            "Status": "running" if container.running else "created", "Running": container.running,
            "Paused": False, "Restarting": False, "OOMKilled": False, "Dead": False, "Pid": 4711,
            "ExitCode": 0, "Error": "", "StartedAt": _stamp(container.created), "FinishedAt": "",
        },
        "Image": f"sha256:{identity(made_of['Image'])}", "Name": f"/{container.name}",
        "ResolvConfPath": f"{folder}/resolv.conf", "HostsPath": f"{folder}/hosts",
        "HostnamePath": f"{folder}/hostname", "LogPath": f"{folder}/{container.id}-json.log",
        "RestartCount": 0, "Driver": "overlay2", "Platform": "linux", "MountLabel": "",
        "ProcessLabel": "", "AppArmorProfile": "docker-default", "ExecIDs": None,
        "HostConfig": {"Memory": 0} | (made_of.get("HostConfig") or {}),
        "GraphDriver": {
            "Name": "overlay2",
            "Data": {each: f"/var/lib/docker/overlay2/{container.id}/{each}"
                     for each in ("LowerDir", "MergedDir", "UpperDir", "WorkDir")},
        },
        "Mounts": _mounts(container), "Config": config,
        "NetworkSettings": {
            "Bridge": "", "SandboxID": container.id, "Ports": {}, "Networks": _ends(container),
        },
    }  # fmt: skip
