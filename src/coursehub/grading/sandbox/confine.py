"""What a fork of the zygote gives up before it runs anybody's code.

`Means` says what this machine allows. `separate` takes a fork's init into namespaces of its own;
`restrict` takes the rights from the process that runs the hand-in. Both run between fork and use:
no threads, no imports.
"""

import os
import resource
import secrets
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from coursehub.grading.limits import Limits
from coursehub.grading.sandbox import groups, kernel, landlock, seccomp

OWN = kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
OPEN_FILES = 1024
NICE = 10  # a crowd of processes does not starve the supervisor that shares their cores
FIRST_UID = 1 << 20
LAST_UID = (1 << 31) - 2
TERMINALS = "newinstance,ptmxmode=0666,mode=0620,max=16"
PCI = "/sys/bus/pci/devices"
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/sys/devices/system/cpu", PCI, "/dev")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full")


@dataclass(frozen=True)
class Means:
    """What a zygote can take from its forks on this machine."""

    namespaces: bool
    fresh_uid: bool
    landlock: int
    calls: bool
    group: bool  # a control group of the container's own limits memory, pids and cores
    homes: dict[str, Path] | None  # where it can be divided among several hand-ins at once

    @classmethod
    def found(cls, *, container: bool) -> "Means":
        """Look, entering a user namespace if that is the way to the others."""
        namespaces = kernel.has_capability(kernel.CAP_SYS_ADMIN) or _enter_user_namespace()
        return cls(
            namespaces=namespaces and _works(kernel.CLONE_NEWPID | OWN),
            fresh_uid=os.geteuid() == 0 and _widest_uids() is not None,
            landlock=0 if container else landlock.version(),
            calls=seccomp.available(),
            group=container,
            homes=groups.divide() if container else None,
        )


def _works(flags: int) -> bool:
    """Whether a fork can leave its namespaces for others."""
    if (child := os.fork()) == 0:
        try:
            kernel.unshare(flags)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _enter_user_namespace() -> bool:
    """Become master of a user namespace, as oneself; False where that is not allowed."""
    if not _works(kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | OWN):
        return False
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return True


def _widest_uids() -> range | None:
    """Uids that nobody has: the container's or machine's map says which exist."""
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        first, _, count = map(int, line.split())
        low = FIRST_UID if first + count > 2 * FIRST_UID else 10_000
        if first + count > low + 10_000:
            return range(low, min(first + count - 10, LAST_UID))
    return None


def fresh_uid() -> int:
    """A uid that no other process has; the same for its group."""
    uids = _widest_uids()
    if uids is None:
        return os.geteuid()
    return uids.start + secrets.randbelow(len(uids))


def work_folder(own: str, means: Means) -> str:
    """Where the hand-in may write: /tmp itself if it can be its own, else the folder `own`."""
    below = any(f"{path}/".startswith("/tmp/") for path in packages())
    return own if below or not means.namespaces else "/tmp"


def separate(folder: str, uid: int, gid: int, limits: Limits) -> None:
    """Leave everything shared: mounts, network, inter-process communication, host name.

    The caller is process 1 of a process namespace, with the rights of the zygote.

    Raises:
        OSError: the kernel refuses.
    """
    kernel.unshare(OWN)
    kernel.raise_loopback()
    kernel.set_host_name("sandbox")
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    if os.geteuid() != uid:
        _open_way_to_packages()
    kernel.mount_all_read_only()
    plain = kernel.MS_NOSUID | kernel.MS_NODEV
    # With it the zygote and every other process are out of sight.
    kernel.mount("proc", "/proc", "proc", plain | kernel.MS_NOEXEC | kernel.MS_RDONLY)
    # The one place to write; shared memory between a hand-in's processes counts there too.
    size = f"size={limits.disk},nr_inodes={limits.inodes},mode=0700,uid={uid},gid={gid}"
    kernel.mount("tmpfs", folder, "tmpfs", plain, size)
    if Path("/dev/shm").is_dir():
        kernel.mount(folder, "/dev/shm", None, kernel.MS_BIND)
    # Terminals of its own, which `!command` in a notebook wants, and nobody else's.
    kernel.mount("devpts", "/dev/pts", "devpts", kernel.MS_NOSUID | kernel.MS_NOEXEC, TERMINALS)
    if not Path("/dev/ptmx").is_symlink():
        kernel.mount("/dev/pts/ptmx", "/dev/ptmx", None, kernel.MS_BIND)
    if Path(PCI).is_dir():  # gloo reads what network cards there are: none
        kernel.mount("tmpfs", PCI, "tmpfs", plain | kernel.MS_RDONLY, "size=4k,mode=0755")
    with suppress(OSError):  # not mounted everywhere
        kernel.unmount("/dev/mqueue")


def packages() -> list[str]:
    """Folders from which Python imports."""
    return [sys.prefix, sys.base_prefix, *(path for path in sys.path if Path(path).is_dir())]


def _open_way_to_packages() -> None:
    """Show packages below a folder that is closed to others, and nothing else of that folder."""
    below: dict[Path, set[Path]] = {}
    for package in map(Path, packages()):
        for folder in reversed(package.parents):
            if not folder.stat().st_mode & 0o001:
                below.setdefault(folder, set()).add(package)
                break
    for closed, inside in below.items():
        # A folder in one that is shown already is shown with it.
        shown = [p for p in sorted(inside) if not any(o in p.parents for o in inside)]
        opened = [(path, os.open(path, os.O_PATH)) for path in shown]
        kernel.mount("tmpfs", str(closed), "tmpfs", kernel.MS_NOSUID, "size=64k,mode=0755")
        for path, number in opened:
            path.mkdir(parents=True)
            bind = kernel.MS_BIND | kernel.MS_REC
            kernel.mount(f"/proc/self/fd/{number}", str(path), None, bind)
            os.close(number)


def restrict(folder: str, uid: int, limits: Limits, means: Means) -> None:
    """Give up every right that the hand-in does not need, for good.

    Raises:
        OSError: the kernel refuses.
    """
    _limit(limits, means)
    kernel.drop_bounding_set()
    if means.fresh_uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # its own /proc/self is its own
    if means.landlock:
        # Without a mount namespace it is everybody's, and would outlive the hand-in.
        shared = ["/dev/shm", "/dev/pts", "/dev/ptmx"] if means.namespaces else []
        landlock.confine_files(
            [*SYSTEM, *packages()], [folder, *DEVICES, *shared], network=means.namespaces
        )
    if means.calls:
        seccomp.confine_calls(internet=means.namespaces)


def _limit(limits: Limits, means: Means) -> None:
    """Limits a process; where there is a control group they stand behind those of the whole."""
    processes = limits.pids if means.fresh_uid else limits.pids + _threads_of(os.geteuid())
    cores = max(1, round(limits.cpus + 0.5))
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: limits.disk,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_NPROC: processes,
        resource.RLIMIT_CPU: int(limits.total_seconds * cores) + 60,
    }
    if not means.group:
        wanted[resource.RLIMIT_DATA] = kernel.bytes_in("VmData") + limits.memory
    if means.group:
        os.nice(NICE)
    for what, most in wanted.items():
        hard = resource.getrlimit(what)[1]
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (value, value))


def _threads_of(uid: int) -> int:
    """How many threads the user has already: the kernel counts these too."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            if process.stat().st_uid == uid:
                count += int(kernel.status("Threads", process.name))
    return count
