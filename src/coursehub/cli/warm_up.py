"""`coursehub warm-up`: whether the machine can carry a class, and its programs read into memory."""

import shutil
import time
from contextlib import closing
from typing import Annotated

import docker
import typer
from docker.errors import ContainerError, DockerException, ImageNotFound

from coursehub.cli.course import one_line_errors
from coursehub.errors import CourseHubError, SpawnError
from coursehub.settings import load_settings

app = typer.Typer()

# What a server reads from the disk when it starts, and a first notebook with torch after it.
READ = ["python", "-c", "import jupyterlab, jupyterhub.singleuser, nbgrader, torch, matplotlib"]
LIMITS = {
    "network_mode": "none", "read_only": True, "cap_drop": ["ALL"], "mem_limit": "2g",
    "tmpfs": {"/tmp": ""},
}  # fmt: skip
IDLE_MEGABYTES = 60
"""Memory of a server in which nobody works yet (docs/figures.md)."""
WORKING_MEGABYTES = 500
"""What is reckoned for a server in which somebody works: a kernel, torch, an assignment's data."""
FREE_GIGABYTES = 10
"""Room on the disk below which a class is a risk."""


@app.command("warm-up")
def warm_up(
    servers: Annotated[int, typer.Argument(min=1, help="How many servers are expected.")],
) -> None:
    """Before a class: look whether all is there, and have programs read from the disk already.

    Run it where the engine's socket is, in the container hub. Exit code 2 when
    an image is missing, or memory or the disk is too small for so many.
    """
    with one_line_errors():
        settings = load_settings()
        images = dict.fromkeys((settings.student_image, settings.gpu_image, settings.staff_image))
        try:
            with closing(docker.from_env()) as engine:
                total = engine.info()["MemTotal"] // 1_000_000
                free = shutil.disk_usage(settings.state).free // 1_000_000_000
                for line in shortages(servers, total, free):
                    raise CourseHubError(line.partition(". ")[0], remedy=line.partition(". ")[2])
                for image in images:
                    typer.echo(f"{image}: its programs are in memory after {_read(engine, image)}")
        except DockerException as error:
            raise CourseHubError(
                f"the Docker engine does not answer ({error})", remedy="Start it"
            ) from error
        typer.echo(f"{servers} servers: {total} MB of memory and {free} GB of disk are enough")


def shortages(servers: int, total: int, free: int) -> list[str]:
    """What is too small for so many servers: a problem and a remedy each.

    Args:
        servers: how many work at the same time.
        total: memory of the machine in MB.
        free: room on the disk in GB.
    """
    found = []
    if servers * WORKING_MEGABYTES > total:
        found.append(
            f"{servers} servers in which people work need {servers * WORKING_MEGABYTES} MB, and "
            f"the machine has {total}. Let groups start one after another, or lower "
            "COURSEHUB_IDLE_MINUTES so that idle servers make room"
        )
    if free < FREE_GIGABYTES:
        found.append(f"{free} GB are free on the disk. See docs/operations.md, Disk full")
    return found


def _read(engine: docker.DockerClient, image: str) -> str:
    start = time.monotonic()
    try:
        engine.containers.run(image, READ, remove=True, **LIMITS)
    except ImageNotFound:
        raise SpawnError(f"there is no image {image}", remedy="Run make images") from None
    except ContainerError as error:
        end = (error.stderr or b"").decode(errors="replace").strip().splitlines()[-1:]
        raise SpawnError(
            f"the programs of {image} do not start: {' '.join(end)}", remedy="Build it anew"
        ) from None
    return f"{time.monotonic() - start:.0f} s"
