"""The real sandbox: zygotes live in containers that reach nothing, one a side."""

import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, NotFound
from docker.types import DeviceRequest

from coursehub.errors import NoGpu, SandboxError, SandboxUnavailable
from coursehub.grading.limits import Limits, MiB
from coursehub.grading.sandbox.base import Gpu, Imports, Kind, Sandbox
from coursehub.grading.sandbox.link import Demultiplexer

PYTHON = "/opt/coursehub/venv/bin/python"
LABEL = "coursehub.sandbox"
OWNER = "coursehub.sandbox.owner"  # host and process that started it
# What the zygote holds itself, beside the hand-in: its own memory, its supervisor, its init.
RESERVE = 512 * MiB
# Behind each fork's own limit, which is exact: its uid is its alone.
PIDS = 4096
# What modules cache while they are imported; forks see a folder of their own instead.
FOLDERS = {"/tmp": "size=16m,mode=0700"}
# Who opens a door: a process that hands its own streams to the zygote, and waits.
KNOCK = """
import socket, time
with socket.socket(socket.AF_UNIX) as door:
    while door.connect_ex("/tmp/doors"):
        time.sleep(0.01)
    socket.send_fds(door, [b"D"], [0, 1])
    door.recv(1)
"""
_CONTAINER = re.compile("[0-9a-f]{12}")
# For the trusted zygote alone: namespaces and mounts for its forks, and taking rights from them.
CAPABILITIES = ["SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "KILL", "NET_ADMIN"]


class DockerSandbox(Sandbox):
    """Zygotes in containers of the student image, or of the one for GPUs where they have one."""

    name = "docker"
    real = True

    def __init__(
        self, image: str, gpu_image: str, engine: docker.DockerClient | None = None
    ) -> None:
        """Use `image` on `engine`, by default the one that DOCKER_HOST or the usual socket names.

        Where the student's side has a GPU it is in a container of `gpu_image`.

        Raises:
            SandboxUnavailable: no engine answers, or it does not have the image.
        """
        super().__init__()
        self.image, self.gpu_image = image, gpu_image
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

    def missing(self) -> list[str]:
        """What is not real here, in sentences; empty when everything is."""
        from coursehub.grading.sandbox.selftest import missing

        return missing(self)

    def close(self) -> None:
        """Leave the engine."""
        self._engine.close()

    def _kinds(
        self, mains: Mapping[str, str], imports: Imports, gpu: Gpu | None
    ) -> dict[str, Kind]:
        """A container a side; tests are not even in the student's."""
        return {
            side: Kind(
                sides=(side,),
                mains=(main,),
                imports=tuple(imports.get(side, ())),
                gpu=gpu if side == "student" else None,
            )
            for side, main in mains.items()
        }

    def _start(self, kind: Kind) -> "ContainedZygote":
        image = self.gpu_image if kind.gpu else self.image
        try:
            return ContainedZygote(self._engine, image, kind, self._options)
        except APIError as error:
            text = f"no container of {image} starts"
            if kind.gpu:  # the others are well
                remedy = "See whether the image is built, and the device still there."
                raise NoGpu(f"{text} with {kind.gpu.request}: {error}", remedy=remedy) from error
            raise SandboxUnavailable(f"{text}: {error}") from error
        except (DockerException, requests.RequestException) as error:
            raise SandboxUnavailable(f"no container of {image} starts: {error}") from error


class ContainedDoor:
    """A way into a container's zygote: a process in there that handed its streams over."""

    def __init__(self, attached: Any) -> None:
        """Hold the engine's connection to it."""
        self._attached = attached  # owns the connection
        self._demultiplexer = Demultiplexer()
        self.connection: socket.socket = attached._sock

    def plain(self, data: bytes) -> bytes:
        """The process's standard output."""
        return self._demultiplexer.output(data)

    def close(self) -> None:
        """Go out."""
        self.connection.close()
        self._attached.close()


class ContainedZygote:
    """A zygote that is process 1 of a container."""

    def __init__(
        self, engine: docker.DockerClient, image: str, kind: Kind, options: list[str]
    ) -> None:
        """Start it; what it says comes over an attached stream, and is logged nowhere."""
        security = ["no-new-privileges:true"]
        if any("name=apparmor" in option for option in options):
            security.append("apparmor=unconfined")  # its default profile forbids every mount
        self._engine = engine
        self._lock = Lock()
        self._shares = _shares(Limits(), 1)
        self._container = engine.containers.create(
            image,
            entrypoint=[PYTHON, "-I", "-m", "coursehub.grading.sandbox.zygote"],
            command=["--container", "--listen=/tmp/doors", *kind.arguments(), "--folder=/tmp"],
            labels={
                LABEL: "+".join(kind.sides),
                OWNER: _owner(os.getpid()),
                **(kind.gpu.labels if kind.gpu else {}),
            },
            user="0:0",
            working_dir="/",
            network_mode="none",
            read_only=True,
            tmpfs=FOLDERS,
            cap_drop=["ALL"],
            cap_add=CAPABILITIES,
            security_opt=security,
            ipc_mode="private",
            cgroupns="private",
            device_requests=_requests(kind.gpu),
            stdin_open=True,
            healthcheck={"test": ["NONE"]},
            log_config={"type": "none"},
            pids_limit=PIDS,
            **self._shares,
            cpu_period=100_000,
        )
        try:
            if kind.gpu and not kind.gpu.held():
                raise SandboxError("the GPU is lent to this grader no longer")
            self._lifeline = self._attach()
            self._container.start()
        except BaseException:
            self.kill()
            raise

    def _attach(self) -> Any:
        """The zygote lives as long as its standard input is open."""
        wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        return self._engine.api.attach_socket(self._container.id, params=wanted)

    def open_door(self) -> ContainedDoor:
        """One more way in."""
        api = self._engine.api
        command = [PYTHON, "-I", "-S", "-c", KNOCK]
        try:
            process = api.exec_create(self._container.id, command, stdin=True, user="0:0")
            return ContainedDoor(api.exec_start(process["Id"], socket=True))
        except (DockerException, requests.RequestException) as error:
            text = f"nothing runs in the container of a zygote: {error}; {self.post_mortem()}"
            raise SandboxUnavailable(text) from error

    @property
    def place(self) -> str:
        """The container's id."""
        return str(self._container.id)

    def left(self) -> int:
        """How many processes there are in the container beside the zygote and its doors."""
        listed = self._container.top(ps_args="-e -ww -o pid,args")  # else cut to a screen's width
        column = listed["Titles"].index("COMMAND")
        return sum("send_fds" not in each[column] for each in listed["Processes"]) - 1

    def adapt(self, limits: Limits, doors: int) -> None:
        """Set the container's control group, behind those of the hand-ins."""
        with self._lock:
            shares = _shares(limits, doors)
            if doors > 1:  # a neighbour's may be wider
                shares = {name: max(value, self._shares[name]) for name, value in shares.items()}
            if shares == self._shares:
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
        return self._last_words()

    def _last_words(self) -> str:
        lifeline, heard = self._lifeline._sock, Demultiplexer()
        lifeline.settimeout(0)
        with suppress(OSError):
            while data := lifeline.recv(1 << 16):
                heard.output(data)
        return heard.said.decode(errors="replace").strip()

    def kill(self) -> None:
        """Kill and remove the container, whatever runs in it."""
        _remove(self._container)


def _requests(gpu: Gpu | None) -> list[DeviceRequest]:
    if gpu is None:
        return []
    named = isinstance(gpu.request, str)
    return [DeviceRequest(driver="cdi", device_ids=[gpu.request]) if named else gpu.request]


def _shares(limits: Limits, doors: int) -> dict[str, int]:
    """The container's control group for so many hand-ins at a time with `limits`."""
    memory = doors * (limits.memory + RESERVE)
    return {
        "mem_limit": memory,
        "memswap_limit": memory,  # no swap
        "cpu_quota": int(doors * limits.cpus * 100_000),
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
