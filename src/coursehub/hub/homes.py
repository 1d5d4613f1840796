"""Whether homes' limits are enforced, said plainly when the hub starts.

Quotas are set by the machine's own service `coursehub-quota` (ansible/roles/storage): the hub has
no right to. What it can see is how the engine's disk is mounted, where its own volume lies too.
"""

import logging
from pathlib import Path

from coursehub.settings import Settings

log = logging.getLogger(__name__)

_QUOTAS = {"prjquota", "pquota"}  # as ext4 and XFS say it


def say_whether_enforced(settings: Settings, mounts: Path = Path("/proc/self/mountinfo")) -> None:
    """Log a warning where homes have a limit that nothing enforces.

    Args:
        settings: the limit, and where the hub's own volume is.
        mounts: what is mounted where.
    """
    if settings.home_limit and not has_project_quotas(settings.state, mounts):
        log.warning(
            "COURSEHUB_HOME_LIMIT: homes' limit of %s is NOT ENFORCED by this disk: servers "
            "measure what a home holds, warn, and start to make room once it is over. Remedy: a "
            "disk with project quotas, see docs/storage.md",
            settings.home_limit,
        )


def has_project_quotas(place: Path, mounts: Path) -> bool:
    """Whether the filesystem in which `place` lies counts by project (proc_pid_mountinfo(5))."""
    options: set[str] = set()
    longest = -1
    for line in mounts.read_text().splitlines():
        fields = line.split()
        point = fields[4]
        if place.is_relative_to(point) and len(point) >= longest:
            longest, options = len(point), set(fields[-1].split(","))
    return not _QUOTAS.isdisjoint(options)
