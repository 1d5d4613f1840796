"""A lease of a GPU, as the labels of a user's container say it: the one truth of who has which."""

from dataclasses import dataclass, field
from datetime import datetime

import docker
from docker.types import DeviceRequest

from coursehub.course.model import Course
from coursehub.course.schedule import say_short
from coursehub.hub.devices import Device
from coursehub.hub.leases import Held
from coursehub.hub.networks import PROJECT, USER
from coursehub.settings import Settings

GPU, UNTIL = "coursehub.gpu", "coursehub.gpu.until"
"""Labels of a container that holds a lease, beside those of every user's container."""

_HOLDING = ["created", "running", "restarting", "paused"]  # an exited container holds nothing
_LEFT_FREE = 0.1  # of a shared GPU's memory: each process has a CUDA context beside its share


@dataclass(frozen=True)
class Lease:
    """A device lent to somebody until an instant.

    Attributes:
        device: what is lent.
        username: to whom.
        until: aware, in UTC, whole seconds.
        shared: how many servers the device is lent to at most.
        until_text: `until` in words, in the course's timezone.
    """

    device: Device
    username: str
    until: datetime
    shared: int = 1
    until_text: str = field(default="", compare=False)

    @property
    def held(self) -> Held:
        """The lease as the history knows it."""
        return Held(self.username, self.device.name, self.until)

    @property
    def labels(self) -> dict[str, str]:
        """What makes a container the holder of this lease."""
        return {GPU: self.device.name, UNTIL: self.until.isoformat()}

    @property
    def device_request(self) -> DeviceRequest:
        """What to ask the engine for."""
        return self.device.request

    @property
    def environment(self) -> dict[str, str]:
        """What the server knows of its lease."""
        told = {
            "COURSEHUB_GPU": self.device.name,
            "COURSEHUB_GPU_UNTIL": self.until.isoformat(),
            "COURSEHUB_GPU_UNTIL_TEXT": self.until_text,
        }
        if self.shared > 1:
            # https://docs.pytorch.org/docs/stable/notes/cuda.html#memory-management
            share = int((1 - _LEFT_FREE) / self.shared * 100) / 100
            told["PYTORCH_CUDA_ALLOC_CONF"] = f"per_process_memory_fraction:{share}"
        return told


def say_until(until: datetime, course: Course) -> str:
    """Say when a lease ends, to the minute and never later than it does."""
    return say_short(until.replace(second=0), course)


def leases_of(client: docker.DockerClient, settings: Settings, course: Course) -> list[Lease]:
    """The leases there are, read from the labels of this deployment's containers (blocking)."""
    wanted = [f"{PROJECT}={settings.project}", USER, GPU, UNTIL]
    containers = client.api.containers(all=True, filters={"label": wanted, "status": _HOLDING})
    leases = []
    for labels in (container["Labels"] for container in containers):
        until = datetime.fromisoformat(labels[UNTIL])
        leases.append(
            Lease(
                Device(labels[GPU]),
                labels[USER],
                until,
                settings.gpu_shared,
                say_until(until, course),
            )
        )
    return sorted(leases, key=lambda lease: (lease.until, lease.username))
