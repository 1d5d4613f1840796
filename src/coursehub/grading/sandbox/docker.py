"""The real sandbox: a worker's zygotes live in two containers that reach nothing."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from coursehub.errors import SandboxUnavailable
from coursehub.grading.limits import Limits, MiB
from coursehub.grading.sandbox.link import Demultiplexer
from coursehub.grading.sandbox.worker import Worker

PYTHON = "/opt/coursehub/venv/bin/python"
LABEL = "coursehub.sandbox"
OWNER = "coursehub.sandbox.owner"  # host and process that started it
# What the zygote holds itself, beside the hand-in: its own memory, its supervisor, its init.
RESERVE = 512 * MiB
# Behind each fork's own limit, which is exact: its uid is its alone.
PIDS = 512
_CONTAINER = re.compile("[0-9a-f]{12}")
# For the trusted zygote alone: namespaces and mounts for its forks, and taking rights from them.
CAPABILITIES = ["SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "KILL"]


class DockerSandbox:
    """Zygotes in containers of the student image."""

    name = "docker"
    real = True

    def __init__(self, image: str, engine: docker.DockerClient | None = None) -> None:
        """Use `image` on `engine`, by default the one that DOCKER_HOST or the usual socket names.

        Raises:
            SandboxUnavailable: no engine answers, or it does not have the image.
        """
        self.image = image
        try:
            self._engine = engine or docker.from_env(timeout=120)
            self._engine.images.get(image)
            self._options = self._engine.info().get("SecurityOptions") or []
        except NotFound as error:
            remedy = "Build it with `make images`"
            raise SandboxUnavailable(f"there is no image {image}", remedy=remedy) from error
        except (DockerException, requests.RequestException) as error:
            remedy = "Start it, or grade with `--sandbox process`, which isolates less"
            raise SandboxUnavailable("no Docker engine answers", remedy=remedy) from error
        sweep(self._engine)

    @contextmanager
    def worker(self, **sides: Any) -> Iterator[Worker]:
        """A worker; its containers are gone at the end of the context. `sides` as in `Worker`."""
        worker = Worker(self._start, **sides)
        try:
            yield worker
        finally:
            worker.close()

    def missing(self) -> list[str]:
        """What is not real here, in sentences; empty when everything is."""
        from coursehub.grading.sandbox.selftest import missing

        return missing(self)

    def close(self) -> None:
        """Leave the engine."""
        self._engine.close()

    def __enter__(self) -> "DockerSandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, arguments: list[str]) -> "ContainedZygote":
        try:
            return ContainedZygote(self._engine, self.image, arguments, self._options)
        except (DockerException, requests.RequestException) as error:
            raise SandboxUnavailable(f"no container of {self.image} starts: {error}") from error


class ContainedZygote:
    """A zygote that is process 1 of a container."""

    def __init__(
        self, engine: docker.DockerClient, image: str, arguments: list[str], options: list[str]
    ) -> None:
        """Start it; what it says comes over an attached stream, and is logged nowhere."""
        self._demultiplexer = Demultiplexer()
        security = ["no-new-privileges:true"]
        if any("name=apparmor" in option for option in options):
            security.append("apparmor=unconfined")  # its default profile forbids every mount
        self._shares = _shares(Limits())
        self._container = engine.containers.create(
            image,
            entrypoint=[PYTHON, "-I", "-m", "coursehub.grading.sandbox.zygote"],
            command=["--container", *arguments, "--folder", "/tmp"],
            labels={LABEL: "zygote", OWNER: _owner(os.getpid())},
            user="0:0",
            working_dir="/",
            network_mode="none",
            read_only=True,
            # What modules cache while they are imported; forks see a folder of their own instead.
            tmpfs={"/tmp": "size=16m,mode=0700"},
            cap_drop=["ALL"],
            cap_add=CAPABILITIES,
            security_opt=security,
            ipc_mode="private",
            stdin_open=True,
            healthcheck={"test": ["NONE"]},
            log_config={"type": "none"},
            pids_limit=PIDS,
            **self._shares,
            cpu_period=100_000,
        )
        try:
            self.connection = self._attach(engine)
            self._container.start()
        except BaseException:
            self.kill()
            raise

    def _attach(self, engine: docker.DockerClient) -> socket.socket:
        wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        attached: Any = engine.api.attach_socket(self._container.id, params=wanted)
        self._attached = attached  # owns the connection
        return attached._sock  # type: ignore[no-any-return]

    def plain(self, data: bytes) -> bytes:
        """The container's standard output."""
        return self._demultiplexer.output(data)

    @property
    def place(self) -> str:
        """The container's id."""
        return str(self._container.id)

    def left(self) -> int:
        """How many processes there are in the container beside the zygote itself."""
        return len(self._container.top()["Processes"]) - 1

    def adapt(self, limits: Limits) -> None:
        """Set the container's control group."""
        if (shares := _shares(limits)) == self._shares:
            return
        try:
            self._container.update(**shares)
            self._shares = shares
        except (DockerException, requests.RequestException) as error:
            raise SandboxUnavailable(f"limits cannot be set: {error}") from error

    def post_mortem(self) -> str:
        """Whether memory was the end of it, or what it said last."""
        with suppress(DockerException, requests.RequestException):
            self._container.wait(timeout=5)
            self._container.reload()
            if self._container.attrs["State"].get("OOMKilled"):
                return "memory"
        return self._demultiplexer.said.decode(errors="replace").strip()

    def kill(self) -> None:
        """Kill and remove the container, whatever runs in it."""
        _remove(self._container)


def _shares(limits: Limits) -> dict[str, int]:
    """The container's control group for a hand-in with `limits`."""
    memory = limits.memory + RESERVE
    return {
        "mem_limit": memory,
        "memswap_limit": memory,  # no swap
        "cpu_quota": int(limits.cpus * 100_000),
    }


def sweep(engine: docker.DockerClient) -> None:
    """Remove containers that ended, and those whose owner is no more.

    An owner is a process of this host, or of a container of this engine; that one's name as a host
    is the container's id.
    """
    for container in engine.containers.list(all=True, filters={"label": LABEL}):
        owner = container.labels.get(OWNER, "")
        host, process, _ = [*owner.split(":"), "", ""][:3]
        if host == socket.gethostname():
            orphan = owner != _owner(int(process))
        else:
            orphan = bool(_CONTAINER.fullmatch(host)) and not _runs(engine, host)
        if orphan or container.status in ("exited", "dead"):
            _remove(container)


def _runs(engine: docker.DockerClient, container: str) -> bool:
    try:
        return bool(engine.containers.get(container).status == "running")
    except NotFound:
        return False


def _owner(process: int) -> str:
    """Host, process and when it started: numbers of processes come back."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return f"{socket.gethostname()}:{process}:{fields[19]}"


def _remove(container: Any) -> None:
    """Remove a container; one that is on its way out already is waited for."""
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError:
        with suppress(NotFound):
            container.wait(condition="removed", timeout=60)
