"""Control groups of a container's own, one a hand-in: the kernel holds its memory and cores.

A container may divide what it was given if its control group is mounted in it, as engines do, and
its root may mount. Both versions of the kernel's interface are known: one tree for all controllers,
and a tree for each.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from coursehub.grading.limits import Limits, MiB
from coursehub.grading.sandbox import kernel

CONTROLLERS = ("memory", "cpu", "pids")
# What a fork copies of the pages that it shares with its zygote counts as its own.
COPIES = 256 * MiB
INIT = 4  # the fork's init, and the kernel's own count of what is just ending
PERIOD = 100_000  # microseconds
GONE_SECONDS = 1.0


@dataclass(frozen=True)
class Group:
    """A hand-in's control group.

    Attributes:
        places: controller -> folder; in the newer version all are one.
    """

    places: dict[str, Path]

    @classmethod
    def make(cls, homes: dict[str, Path], name: str, limits: Limits) -> "Group":
        """Make the group `name` below `homes`, which `divide` gave.

        Raises:
            OSError: the kernel refuses.
        """
        places = {controller: home / name for controller, home in homes.items()}
        for place in set(places.values()):
            place.mkdir(exist_ok=True)
        group = cls(places)
        group._limit(limits)
        return group

    def _limit(self, limits: Limits) -> None:
        memory, quota = limits.memory + COPIES, int(limits.cpus * PERIOD)
        one_tree = len(set(self.places.values())) == 1
        if one_tree:
            self._write("memory", "memory.max", memory)
            with suppress(OSError):  # a kernel without swap
                self._write("memory", "memory.swap.max", 0)
            self._write("cpu", "cpu.max", f"{quota} {PERIOD}")
        else:
            self._write("memory", "memory.limit_in_bytes", memory)
            with suppress(OSError):
                self._write("memory", "memory.memsw.limit_in_bytes", memory)
            self._write("cpu", "cpu.cfs_period_us", PERIOD)
            self._write("cpu", "cpu.cfs_quota_us", quota)
        self._write("pids", "pids.max", limits.pids + INIT)

    def enter(self) -> None:
        """Move the calling process into the group; what it starts from now on is in it too."""
        for place in set(self.places.values()):
            (place / "cgroup.procs").write_text("0")

    def kills(self) -> int:
        """How many processes of the group the kernel has killed for want of memory."""
        return kills_in(self.places["memory"])

    def remove(self) -> None:
        """Remove the group, whose processes have ended; the kernel may still be at it."""
        until = time.monotonic() + GONE_SECONDS
        for place in set(self.places.values()):
            while place.exists() and time.monotonic() < until:
                try:
                    place.rmdir()
                except OSError:
                    time.sleep(0.002)

    def _write(self, controller: str, name: str, value: object) -> None:
        (self.places[controller] / name).write_text(str(value))


def kills_in(folder: Path) -> int:
    """What a memory controller's folder tells of kills for want of memory; 0 where nothing."""
    for name in ("memory.events", "memory.oom_control"):
        with suppress(OSError):
            for line in (folder / name).read_text().splitlines():
                word, value = line.split()
                if word == "oom_kill":
                    return int(value)
    return 0


def own_memory() -> Path:
    """The folder of the container's own memory controller."""
    older = Path("/sys/fs/cgroup/memory")
    return older if older.is_dir() else Path("/sys/fs/cgroup")


def divide() -> dict[str, Path] | None:
    """Have the container's control group divided: controller -> the folder for groups below.

    None where that is not possible. The caller is the container's first process.
    """
    try:
        homes = {name: home for name, home in _mounted().items() if name in CONTROLLERS}
        if set(homes) != set(CONTROLLERS):
            return None
        for home in set(homes.values()):
            plain = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
            kernel.mount("none", str(home), None, kernel.MS_REMOUNT | kernel.MS_BIND | plain)
            if (home / "cgroup.controllers").exists():
                _leave(home)
        Group.make(homes, "trial", Limits()).remove()
    except OSError:
        return None
    return homes


def _leave(home: Path) -> None:
    """In the one tree a group either holds processes or is divided."""
    ours = home / "zygote"
    ours.mkdir(exist_ok=True)
    for process in (home / "cgroup.procs").read_text().split():
        (ours / "cgroup.procs").write_text(process)
    wanted = " ".join(f"+{name}" for name in CONTROLLERS)
    (home / "cgroup.subtree_control").write_text(wanted)


def _mounted() -> dict[str, Path]:
    """Controller -> where it is mounted, if what is mounted there is this container's alone."""
    own = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        own |= dict.fromkeys(names.split(","), path)
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        root, place = fields.split()[3:5]
        kind, _, options = rest.split()
        if kind == "cgroup2" and root == own.get(""):
            names = (Path(place) / "cgroup.controllers").read_text().split()
        elif kind == "cgroup":
            names = [name for name in options.split(",") if root == own.get(name)]
        else:
            continue
        found |= dict.fromkeys(names, Path(place))
    return found
