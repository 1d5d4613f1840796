"""How hostile code is run: fresh confined processes, forked from warm ones.

`open_sandbox` is the way in. Its workers share zygotes, which have imported what the notebook
imports; each hand-in gets a fork for either side, alone in namespaces of its own and without any
right.
"""

from typing import Literal

from coursehub.grading.sandbox.base import Gpu, Sandbox
from coursehub.grading.sandbox.channel import Channel, Ended, TimedOut
from coursehub.grading.sandbox.worker import Processes, Worker

__all__ = [
    "Channel",
    "Ended",
    "Gpu",
    "Processes",
    "Sandbox",
    "TimedOut",
    "Worker",
    "open_sandbox",
]

IMAGE = "coursehub/student:latest"
GPU_IMAGE = "coursehub/student-gpu:latest"


def open_sandbox(
    name: Literal["docker", "process"], *, image: str = IMAGE, gpu_image: str = GPU_IMAGE
) -> Sandbox:
    """The sandbox of that name; a context manager too.

    Raises:
        SandboxUnavailable: there is no engine, or not the image.
    """
    if name == "docker":
        from coursehub.grading.sandbox.docker import DockerSandbox

        return DockerSandbox(image, gpu_image)
    from coursehub.grading.sandbox.process import ProcessSandbox

    return ProcessSandbox()
