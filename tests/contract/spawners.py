"""A `ContainerSpawner` as the hub makes it, on a real engine, without the hub."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

from docker.types import DeviceRequest
from jupyterhub.objects import Hub, Server
from traitlets.config import Config

from coursehub.hub.containers import ContainerSpawner
from coursehub.hub.networks import Networks
from tests.contract.standins import IMAGE, Site, a_site, change_links

COURSE = "CS5260"
STAFF = {"tara"}

# Answers any HTTP request, as JupyterLab would.
ANSWER = (
    "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 8888, Listen => 9, "
    "ReuseAddr => 1) or die $!; while (my $c = $s->accept) { sysread $c, my $r, 4096; "
    "print $c qq(HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok); close $c }"
)
LAB = ["perl", "-e", ANSWER]


class ReachableNetworks(Networks):
    """Networks on which this machine has an address, as the hub's container has in real life."""

    def ensure(self, name: str, user: str, role: str) -> None:
        super().ensure(name, user, role)
        network = self._client.networks.get(name)
        last = network.attrs["IPAM"]["Config"][0]["Subnet"].split("/")[0].rsplit(".", 1)
        host = f"{last[0]}.{int(last[1]) + 14}/28"
        change_links("addr", "add", host, "dev", f"br-{network.id[:12]}")


@dataclass
class Pool:
    """Stands in for `gpus.GpuPool`: lends one device to whoever asks, when told to."""

    devices: tuple[str, ...] = ("nvidia.com/gpu=0",)
    lend: bool = True
    released: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def take(self, username: str) -> AsyncIterator[Any]:
        yield Lease() if self.lend else None

    def place(self, username: str) -> None:
        return None

    def release(self, username: str) -> None:
        self.released.append(username)

    def __deepcopy__(self, memo: object) -> "Pool":
        return self


class Lease:
    """Stands in for `gpus.Lease`."""

    labels: Mapping[str, str] = MappingProxyType(
        {"coursehub.gpu": "nvidia.com/gpu=0", "coursehub.gpu.until": "2021-01-22T12:00:00Z"}
    )
    environment: Mapping[str, str] = MappingProxyType({"COURSEHUB_GPU": "nvidia.com/gpu=0"})
    device_request = DeviceRequest(driver="cdi", device_ids=["nvidia.com/gpu=0"])


@contextmanager
def spawning_site(state: Path, **variables: object) -> Iterator[Site]:
    """A site on which everybody's image is the stand-in, for a hub that has just started."""
    images = dict.fromkeys(("student_image", "gpu_image", "staff_image"), IMAGE)
    ContainerSpawner._slots = ContainerSpawner._client = None
    ContainerSpawner._turns.clear()
    with a_site(state, student_memory="128M", **images, **variables) as site:
        yield site


def spawner(
    site: Site, name: str, kind: type[ContainerSpawner] = ContainerSpawner, **options: Any
) -> ContainerSpawner:
    """A spawner as the hub makes it, with a user of that name."""
    own = {
        "settings": site.settings,
        "course_id": COURSE,
        "is_staff": lambda username: username in STAFF,
        "staff_environment": lambda username: {"PGPASSFILE": f"/home/student/.{username}"},
        "networks": ReachableNetworks(site.engine, site.settings),
        "cmd": LAB,
        "http_timeout": 20,
    } | options
    made = kind(
        user=SimpleNamespace(name=name, escaped_name=name, url=f"/user/{name}/"),
        hub=Hub(base_url="/hub/", port=8081),
        config=Config({kind.__name__: own}),
        oauth_client_id=f"jupyterhub-user-{name}",
        api_token="token",
    )
    made.handler = None
    made._server = Server(base_url=f"/user/{name}/")
    return made


def container_of(site: Site, name: str) -> dict[str, Any]:
    return site.engine.api.inspect_container(f"{site.project}-user-{name}")


def left_of(site: Site, name: str) -> list[str]:
    """What there is of somebody's server besides the home."""
    full = f"{site.project}-user-{name}"
    containers = site.engine.containers.list(all=True, filters={"name": full})
    return [each.name for each in [*containers, *site.engine.networks.list(names=[full])]]


def volumes(site: Site) -> set[str]:
    return {each.name for each in site.engine.volumes.list() if site.project in each.name}


def make_exchange(site: Site) -> None:
    """The exchange's folders, which the course service lays out."""
    folders = " ".join(
        f"/x/root/{COURSE}/{each}" for each in ("inbound", "kept", "incoming", "outbound")
    )
    site.engine.containers.run(
        IMAGE, ["bash", "-c", f"mkdir -p {folders} && chown -R 1000:1000 /x"], remove=True,
        volumes={f"{site.project}-exchange": {"bind": "/x"}}, network_mode="none",
    )  # fmt: skip
