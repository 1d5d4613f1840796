"""Stopping servers that nobody uses: stock jupyterhub-idle-culler, later near a deadline.

What use is, the servers themselves say (`lab.activity`), and only they: to the proxy an open tab
that asks every few seconds what there is looks like work.
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from coursehub.course.idle import idle_limit
from coursehub.course.load import load_course
from coursehub.settings import Settings

SERVICE = "cull"
_LOOK_SECONDS = 60
_LONGEST_REPORT_SECONDS = 300

Arbiter = Callable[..., bool]


def culler_service(settings: Settings) -> dict[str, Any]:
    """The culler for `c.JupyterHub.services`: a small process of its own beside the hub."""
    seconds = settings.idle_minutes * 60
    return {
        "name": SERVICE,
        "display": False,
        "command": [
            *(sys.executable, "-m", "jupyterhub_idle_culler"),
            f"--timeout={seconds}",
            f"--cull-every={_LOOK_SECONDS}",
            f"--config={settings.site / 'hub' / 'idle_culler_config.py'}",
        ],
        "environment": settings.environment(),
    }


def culler_role() -> dict[str, Any]:
    """The culler's rights for `c.JupyterHub.load_roles`: see servers' activity, stop servers."""
    return {
        "name": SERVICE,
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": [SERVICE],
    }


def report_environment(settings: Settings) -> dict[str, str]:
    """For a user's server: tell the hub of activity often enough for `settings.idle_minutes`."""
    seconds = min(_LONGEST_REPORT_SECONDS, settings.idle_minutes * 60 // 4)
    return {"JUPYTERHUB_ACTIVITY_INTERVAL": str(seconds)}


def arbiter(settings: Settings) -> Arbiter:
    """What `c.IdleCuller.cull_arbiter_hook` asks about each server."""

    def is_over(*, inactive: timedelta, inactive_limit: float, **_: Any) -> bool:
        """Whether a server has been idle too long.

        The course file is read each time that matters, so that a moved deadline counts at once.

        Raises:
            CourseFileError: the culler logs it and stops nothing.
        """
        usual = timedelta(seconds=inactive_limit)
        if inactive < usual:
            return False
        return inactive >= idle_limit(load_course(settings.course), datetime.now(UTC), usual)

    return is_over
