"""A user's server as a service of a swarm: what `isolation` says of a container, in its words.

Services know less than containers. What takes the place of what they lack:

=====================  =============================================================================
`memswap_limit`        the workers have no swap (`ansible/roles/swarm` sees to it)
`tmpfs` with `exec`    a volume of the local driver's, a tmpfs that goes with its container
`shm_size`             a tmpfs at /dev/shm
`device_requests`      NVIDIA's runtime, which goes by a variable that no image can set here
`cpu_shares`,          nothing: on a worker there are users' servers and the grader, and no database
`oom_score_adj`
`ipc_mode`,            the engine's own defaults, which are private (the second with control groups
`cgroupns`             of version 2)
=====================  =============================================================================

All else is as it was agreed on: no capability, no new privilege, the engine's seccomp profile, a
root that nobody writes to, limits on memory, cores, processes and files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from docker.types import (
    ContainerSpec,
    DriverConfig,
    Healthcheck,
    Mount,
    Placement,
    Resources,
    RestartPolicy,
    TaskTemplate,
)

from coursehub.hub.devices import GENERIC
from coursehub.hub.isolation import USER_ID, host_config

_DISK_IN_MEMORY = {"type": "tmpfs", "device": "tmpfs", "o": "size=1g,mode=1777,nosuid,nodev"}
_SHARED_MEMORY = 512 * 1024**2
_STOP_SECONDS = 10

RESERVED = 512 * 1024**2
"""Bytes of memory that a machine must have left for one more server."""


@dataclass(frozen=True)
class Wanted:
    """What one server is to be.

    Attributes:
        image: the image's id; a name would be looked up in a public registry by each machine.
        command: what runs in it.
        environment: its variables.
        labels: of the service; the container has the same ones.
        memory: its limit, in bytes.
        cpus: cores it may use at most.
        mounts: home and, for staff, the course, each as docker-py's `Mount`.
        network: name of its network.
        constraints: on which machines it may run.
        gpu: UUID of the GPU lent to it, or None.
        gpu_alone: whether nobody else has that GPU meanwhile.
    """

    image: str
    command: Sequence[str]
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    memory: int
    cpus: float
    mounts: Sequence[Mount]
    network: str
    constraints: Sequence[str]
    gpu: str | None = None
    gpu_alone: bool = True


def task(wanted: Wanted) -> TaskTemplate:
    """The task of a server's service: one, which is never started anew by itself."""
    log = host_config(wanted.memory, None)["log_config"]
    return TaskTemplate(
        container_spec=_container(wanted),
        resources=_resources(wanted),
        restart_policy=RestartPolicy(condition="none"),
        placement=Placement(constraints=list(wanted.constraints)),
        log_driver=DriverConfig(log["Type"], log["Config"]),
        networks=[wanted.network],
    )


def _container(wanted: Wanted) -> ContainerSpec:
    limits = host_config(wanted.memory, None)
    # "void": where NVIDIA's runtime is every container's, it gives this one nothing.
    environment = {**wanted.environment, "NVIDIA_VISIBLE_DEVICES": wanted.gpu or "void"}
    spec = ContainerSpec(
        image=wanted.image,
        args=list(wanted.command),
        env=environment,
        user=USER_ID,
        labels=dict(wanted.labels),
        mounts=[*wanted.mounts, *_memory_mounts()],
        read_only=limits["read_only"],
        init=limits["init"],
        cap_drop=limits["cap_drop"],
        privileges={"NoNewPrivileges": True},
        stop_grace_period=_STOP_SECONDS * 10**9,
        # A swarm kills what is not healthy; whether the server answers is seen by the hub.
        healthcheck=Healthcheck(test=["NONE"]),
    )
    spec["Ulimits"] = limits["ulimits"]  # docker-py has no word for it
    return spec


def _memory_mounts() -> list[Mount]:
    """A /tmp from which compiled extensions are loaded, and what DataLoader's workers share."""
    tmp = Mount("/tmp", None, driver_config=DriverConfig("local", _DISK_IN_MEMORY))
    shared = Mount("/dev/shm", None, type="tmpfs", tmpfs_size=_SHARED_MEMORY, tmpfs_mode=0o1777)
    return [tmp, shared]


def _resources(wanted: Wanted) -> Resources:
    generic = {GENERIC: 1} if wanted.gpu and wanted.gpu_alone else None
    resources = Resources(
        cpu_limit=int(wanted.cpus * 10**9),
        mem_limit=wanted.memory,
        mem_reservation=min(RESERVED, wanted.memory),
        generic_resources=generic,
    )
    resources["Limits"]["Pids"] = host_config(wanted.memory, None)["pids_limit"]
    return resources
