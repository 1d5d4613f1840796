"""Servers of the embedded form: local processes with a home folder each. They isolate nothing."""

import os
from pathlib import Path
from typing import Any

from jupyterhub.spawner import SimpleLocalProcessSpawner
from traitlets import Any as AnyTrait

from coursehub.settings import Settings

WARNING = (
    "This is a demonstration on one machine: servers are ordinary processes and are not isolated "
    "from one another. Do not use it for a real class."
)


class EmbeddedSpawner(SimpleLocalProcessSpawner):
    """Starts JupyterLab as a local process: students with the exchange, staff with formgrader."""

    settings: Settings = AnyTrait(help="The deployment's settings.").tag(config=True)
    is_staff: Any = AnyTrait(help="Whether a user name belongs to staff.").tag(config=True)

    role = "student"
    """`student` or `staff`, by the roster at the time of the start."""

    def __init__(self, **named: Any) -> None:
        """Give the server a home below the deployment's state."""
        super().__init__(**named)
        self.home_dir = str(self.settings.state / "homes" / self.user.name)
        self.default_url = "/lab"

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """The environment of this user's server: nothing of the hub's own."""
        env = super().user_env(env)
        env["COURSEHUB_EXCHANGE_URL"] = self.settings.exchange_url
        for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            env[name] = str(Path(self.home_dir) / ".local" / name.lower())
        env["OMP_NUM_THREADS"] = "1"
        staff = self.role == "staff"
        lab = self.settings.site / "images" / "lab" / self.role
        paths = [lab, self.settings.site] if staff else [lab]
        env["JUPYTER_CONFIG_PATH"] = os.pathsep.join(map(str, paths))
        env["JUPYTER_CONFIG_DIR"] = str(Path(self.home_dir) / ".jupyter")
        if staff:
            env |= self._staff_env()
        return env

    def get_args(self) -> list[str]:
        """Jupyter refuses to run as root unless told; containers and CI do."""
        as_root = ["--allow-root"] if os.geteuid() == 0 else []
        return [*super().get_args(), *as_root]

    async def start(self) -> Any:
        """Make the home, with the shared course folder in it for staff, and start."""
        home = Path(self.home_dir)
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        self.role = "staff" if self.is_staff(self.user.name) else "student"
        course = home / "course"
        if self.role == "student" and course.is_symlink():
            course.unlink()
        elif self.role == "staff" and not course.is_symlink():
            course.symlink_to(str(self.settings.course_dir), target_is_directory=True)
        return await super().start()

    def _staff_env(self) -> dict[str, str]:
        shared = ("state", "site", "course", "exchange", "database", "gradebook")
        names = [f"COURSEHUB_{name.upper()}" for name in shared]
        env = {name: self.settings.environment()[name] for name in names}
        # The formgrader wants the course folder inside the server's own root.
        env["COURSEHUB_COURSE_DIR"] = str(Path(self.home_dir) / "course")
        return env
