"""A lease of a GPU, as the labels of a running container say it: the one truth of who has which."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import docker
from docker.types import DeviceRequest

from coursehub.course.model import Course
from coursehub.course.schedule import say_short
from coursehub.hub.devices import Device
from coursehub.hub.leases import Held, for_grading, is_grading
from coursehub.hub.networks import PROJECT, USER
from coursehub.hub.servers import labelled
from coursehub.settings import Settings

GPU, UNTIL = "coursehub.gpu", "coursehub.gpu.until"
"""Labels of a container that holds a lease, beside those of every user's container."""

GRADING = "coursehub.grading"
"""Label of a container that hand-ins are run in: the number of the request for its GPU."""

_LEFT_FREE = 0.1  # of a shared GPU's memory: each process has a CUDA context beside its share


@dataclass(frozen=True)
class Lease:
    """A device lent to somebody until an instant.

    Attributes:
        device: what is lent.
        username: to whom; a grading has a name of its own (`coursehub.hub.leases.for_grading`).
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
    def holder(self) -> str:
        """To whom, in words."""
        return "grading" if is_grading(self.username) else self.username

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
    wanted = [f"{PROJECT}={settings.project}", GPU, UNTIL]
    held = {_held(each.labels) for each in labelled(client, settings, wanted) if each.holds}
    return [lease_of(each, settings, course) for each in sorted(held, key=_by_end)]


def lease_of(held: Held, settings: Settings, course: Course) -> Lease:
    """A lease with all that is told of it."""
    shared = 1 if is_grading(held.username) else settings.gpu_shared
    text = say_until(held.until, course)
    return Lease(Device(held.device), held.username, held.until, shared, text)


def grading_labels(held: Held, number: int, settings: Settings) -> dict[str, str]:
    """All labels that make a container for hand-ins the holder of a lease."""
    own = {PROJECT: settings.project, GRADING: str(number)}
    return own | Lease(Device(held.device), held.username, held.until).labels


def _held(labels: Mapping[str, str]) -> Held:
    username = labels[USER] if USER in labels else for_grading(labels.get(GRADING, "?"))
    return Held(username, labels[GPU], datetime.fromisoformat(labels[UNTIL]))


def _by_end(held: Held) -> tuple[datetime, str]:
    return held.until, held.username
