"""What a person chooses before their server starts: with a GPU or without.

Without any GPU there is nothing to choose and the server starts at once.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from jinja2 import Environment, FileSystemLoader

from coursehub.hub.gpus import GpuPool, Standing
from coursehub.hub.queue import say_length
from coursehub.settings import Settings


class Profiles:
    """The form before a server starts."""

    def __init__(self, pool: GpuPool, settings: Settings, is_staff: Callable[[str], bool]) -> None:
        """Show what `pool` has.

        Args:
            pool: the GPUs.
            settings: memory and cores of students' servers, length of leases, where templates lie.
            is_staff: whether a user name belongs to staff, who have nothing to choose.
        """
        self.pool = pool
        self.settings = settings
        self.is_staff = is_staff
        self._templates = Environment(
            loader=FileSystemLoader(settings.site / "hub" / "templates"), autoescape=True
        )

    async def options_form(self, spawner: Any) -> str:
        """JupyterHub's `Spawner.options_form`: HTML, or nothing where there is no GPU.

        It sends `profile`, which is `cpu` or `gpu`.
        """
        username = spawner.user.name
        if not self.pool.devices or self.is_staff(username):  # staff grade, they do not train
            return ""
        standing = await self.pool.standing()
        left = await self.pool.left_this_week(username)
        used_up = left is not None and left < timedelta(minutes=1)
        return self._templates.get_template("spawn_profiles.html").render(
            memory=say_memory(self.settings.student_memory),
            cores=self.settings.student_cpus,
            availability=say_standing(standing, len(self.pool.devices)),
            length=say_length(timedelta(minutes=self.settings.gpu_lease_minutes)),
            minutes_left=None if left is None else left // timedelta(minutes=1),
            used_up=used_up,
            shared=self.settings.gpu_shared,
        )


def say_memory(limit: str) -> str:
    """Say a limit of memory as people write it: `3G` is `3 GB`."""
    return f"{limit[:-1]} {limit[-1]}B" if limit[-1:].isalpha() else f"{limit} bytes"


def say_standing(standing: Standing, gpus: int) -> str:
    """Say what is free, such as `2 of 4 GPUs free` or `none free, 3 are waiting, …`."""
    if standing.free:
        if standing.places == gpus:
            return f"{standing.free} of {gpus} GPU{'s' if gpus > 1 else ''} free"
        return f"{standing.free} of {standing.places} places on {gpus} GPUs free"
    waiting = f"{standing.waiting} {'is' if standing.waiting == 1 else 'are'} waiting"
    said = ["none free", waiting if standing.waiting else "nobody is waiting"]
    if standing.expected is not None:
        said.append(f"yours in about {say_length(standing.expected)}")
    return ", ".join(said)
