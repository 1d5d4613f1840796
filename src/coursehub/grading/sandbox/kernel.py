"""The kernel's calls that Python 3.11 does not offer, and what the kernel says of a process.

Names and numbers are those of Linux's own headers.
"""

import ctypes
import fcntl
import os
import platform
import socket
import struct
from pathlib import Path

_C = ctypes.CDLL(None, use_errno=True)

# <linux/sched.h>
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
# <sys/mount.h>
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
# <linux/mount.h>, mount_setattr
_MOUNT_SETATTR = 442
_AT_RECURSIVE = 0x8000
_AT_FDCWD = -100
# <linux/prctl.h>
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS = 38, 39
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
# <linux/sockios.h>, <linux/if.h>
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
# <linux/capability.h>
CAP_SETPCAP, CAP_SYS_ADMIN = 8, 21
_CAPABILITY_VERSION_3 = 0x20080522
_CAPSET = {"x86_64": 126, "aarch64": 91}


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: object) -> int:
    """The system call `number`.

    Raises:
        OSError: the kernel refuses.
    """
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(_C.syscall(ctypes.c_long(number), *wide), f"system call {number}")


def unshare(flags: int) -> None:
    """Leave the namespaces of `flags` for new ones."""
    _checked(_C.unshare(ctypes.c_int(flags)), "unshare")


def prctl(option: int, *arguments: int) -> int:
    """Set or ask something about this process."""
    padded = [ctypes.c_ulong(a) for a in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(_C.prctl(ctypes.c_int(option), *padded), f"prctl {option}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mount, bind or change a mount in this mount namespace."""
    _checked(
        _C.mount(
            source.encode(),
            target.encode(),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            data.encode() or None,
        ),
        f"mount {target}",
    )


def unmount(target: str) -> None:
    """Take `target` out of this mount namespace."""
    _checked(_C.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def mount_all_read_only() -> None:
    """Make every mount of this namespace read-only and without set-uid programs."""

    class Attributes(ctypes.Structure):
        _fields_ = [(n, ctypes.c_uint64) for n in ("set", "clear", "propagation", "userns")]

    attributes = Attributes(MS_RDONLY | MS_NOSUID, 0, 0, 0)
    root = ctypes.c_char_p(b"/")
    size = ctypes.sizeof(attributes)
    syscall(_MOUNT_SETATTR, _AT_FDCWD, root, _AT_RECURSIVE, ctypes.byref(attributes), size)


def set_host_name(name: str) -> None:
    """The name of this UTS namespace."""
    _checked(_C.sethostname(name.encode(), ctypes.c_size_t(len(name))), "sethostname")


def raise_loopback() -> None:
    """Let processes of this network namespace reach one another, and nobody else."""
    name = struct.pack("16sH14x", b"lo", _IFF_UP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, name)


def drop_bounding_set() -> None:
    """Give up the right to ever get a capability again; what is held is still held."""
    if has_capability(CAP_SETPCAP):
        for number in range(64):
            if _C.prctl(PR_CAPBSET_READ, ctypes.c_ulong(number), 0, 0, 0) == 1:
                prctl(PR_CAPBSET_DROP, number)


def drop_capabilities() -> None:
    """Give up every capability."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    syscall(_CAPSET[platform.machine()], header, (ctypes.c_uint32 * 6)())


def status(field: str, process: int | str = "self") -> str:
    """A line of /proc/PID/status, such as CapEff."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return value.strip()
    return ""


def bytes_in(field: str, process: int | str = "self") -> int:
    """A size of /proc/PID/status in bytes, such as VmRSS; 0 where the process is no more."""
    try:
        return int(status(field, process).removesuffix(" kB") or 0) * 1024
    except OSError:
        return 0


def has_capability(number: int) -> bool:
    """Whether this process may use the capability `number`."""
    return bool(int(status("CapEff"), 16) >> number & 1)


def descendants(ancestor: int) -> list[int]:
    """The processes that came from `ancestor`, without it; zombies are none."""
    children: dict[int, list[int]] = {}
    zombies = set()
    for folder in os.listdir("/proc"):  # noqa: PTH208
        if not folder.isdigit():
            continue
        try:
            fields = Path(f"/proc/{folder}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(folder))
        if fields[0] == "Z":
            zombies.add(int(folder))
    found, waiting = [], [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return [process for process in found if process not in zombies]
