"""Stand-ins for the parts that a user's server may, or must not, meet: small and ours alone."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from uuid import uuid4

import docker
from docker.models.containers import Container

from coursehub.hub.networks import (
    COMPOSE_ONE_OFF,
    COMPOSE_PROJECT,
    COMPOSE_SERVICE,
    PROJECT,
    remove_empty,
)
from coursehub.settings import Settings, load_settings

IMAGE = "debian:bookworm-slim"
PORT = 8000

# Says "here" to whoever connects; Debian's smallest system has this much Perl.
_LISTEN = (
    "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => shift, Listen => 9, "
    "ReuseAddr => 1) or die $!; while (my $c = $s->accept) { print $c 'here'; close $c }"
)
LISTEN = ["perl", "-e", _LISTEN, str(PORT)]


@dataclass(frozen=True)
class Site:
    """A deployment's names on a real engine, without the deployment."""

    engine: docker.DockerClient
    settings: Settings

    @property
    def project(self) -> str:
        """First part of all names."""
        return self.settings.project

    def run(self, name: str, **options: object) -> Container:
        """Run a container of this deployment that listens at `PORT`."""
        return self.engine.containers.run(
            IMAGE, LISTEN, name=f"{self.project}-{name}", detach=True, init=True,
            stop_signal="SIGKILL", **options,
        )  # fmt: skip

    def service(self, name: str) -> Container:
        """A stand-in for a compose service."""
        labels = {
            COMPOSE_PROJECT: self.project,
            COMPOSE_SERVICE: name,
            COMPOSE_ONE_OFF: "False",
        }
        core = f"{self.project}-core"
        if not self.engine.networks.list(names=[core]):
            self.engine.networks.create(core, internal=True)
        return self.run(f"service-{name}-{uuid4().hex[:4]}", labels=labels, network=core)

    def server(self, name: str) -> Container:
        """A stand-in for a user's server, on the network of its name."""
        full = f"{self.project}-user-{name}"
        return self.run(f"user-{name}", labels={PROJECT: self.project}, network=full)

    def remove(self) -> None:
        """Remove whatever carries this deployment's name."""
        for container in self.engine.containers.list(all=True, ignore_removed=True):
            if container.name.startswith(self.project):
                container.remove(force=True, v=True)
        for network in self.engine.networks.list(names=[self.project]):
            for member in network.attrs.get("Containers") or {}:
                network.disconnect(member, force=True)
            remove_empty(network)
        for volume in self.engine.volumes.list():
            if volume.name.startswith(self.project):
                volume.remove()


@contextmanager
def a_site(state: Path, **variables: object) -> Iterator[Site]:
    """A site that is gone afterwards; `variables` are fields of `Settings`."""
    project = f"probe-{uuid4().hex[:8]}"
    chosen = {"user_subnets": "10.214.0.0/20", "form": "containers"} | variables
    site = Site(docker.from_env(), load_settings(state=state, project=project, **chosen))
    try:
        yield site
    finally:
        site.remove()


def reaches(source: Container, host: str, port: int = PORT) -> bool:
    """Whether somebody who listens at `host` answers a program in `source`."""
    script = f'exec 3<>/dev/tcp/{host}/{port} && [ "$(head -c 4 <&3)" = here ]'
    return source.exec_run(["timeout", "2", "bash", "-c", script]).exit_code == 0


def address(container: Container, network: str) -> str:
    """A container's address on a network."""
    container.reload()
    return container.attrs["NetworkSettings"]["Networks"][network]["IPAddress"]


class _Here(BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"here")


@contextmanager
def listening_host(*addresses: str) -> Iterator[int]:
    """A listener on all of this machine's addresses, with some more on a link of the test's own.

    Yields:
        The port.
    """
    link = f"ch{uuid4().hex[:8]}"
    change_links("link", "add", link, "type", "bridge")
    try:
        for each in addresses:
            change_links("addr", "add", f"{each}/32", "dev", link)
        change_links("link", "set", link, "up")
        with ThreadingTCPServer(("0.0.0.0", 0), _Here) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield server.server_address[1]
            server.shutdown()
    finally:
        change_links("link", "delete", link)


def change_links(*words: str) -> None:
    """Change this machine's own links; takes root, as the engine does."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
