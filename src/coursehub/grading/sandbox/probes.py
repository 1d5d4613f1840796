"""What can be done from inside, tried: each probe returns plain facts for `selftest` to judge."""

import errno
import os
import signal
import socket
import tempfile
import time
from pathlib import Path

from coursehub.grading.sandbox import kernel

CONNECT_SECONDS = 0.5
PIECE = 1 << 20


def identity() -> dict[str, object]:
    """Who this process is, and what it may do and see."""
    sets = ("CapInh", "CapPrm", "CapEff", "CapAmb")
    return {
        "uid": os.getuid(),
        "groups": os.getgroups(),
        "capabilities": [name for name in sets if int(kernel.status(name), 16)],
        "bounded": not int(kernel.status("CapBnd"), 16),
        "no_new_privs": kernel.status("NoNewPrivs") == "1",
        "filtered": kernel.status("Seccomp") == "2",
        "processes": sorted(int(p.name) for p in Path("/proc").glob("[0-9]*")),
        "environment": sorted(os.environ),  # noqa: TID251 - what a hand-in would see
    }


def interfaces() -> list[str]:
    """Network interfaces beside the loopback, if sockets for them can be made at all."""
    try:
        socket.socket(socket.AF_INET).close()
    except OSError:
        return []
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    return [name for line in lines if (name := line.partition(":")[0].strip()) != "lo"]


def reached(addresses: list[str], port: int) -> list[str]:
    """Which of the host's addresses take a connection."""
    found = []
    for address in addresses:
        try:
            socket.create_connection((address, port), CONNECT_SECONDS).close()
            found.append(address)
        except OSError:
            pass
    return found


def writable() -> list[str]:
    """Folders outside the hand-in's own in which a file can be made."""
    own = {Path(tempfile.gettempdir()).stat().st_dev}
    found = []
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for folder in ["/", "/usr", "/etc", "/var/tmp", "/run", "/home", "/srv", "/opt", *mounts]:
        try:
            if Path(folder).stat().st_dev in own:
                continue
            path = Path(folder, f"probe-{os.getpid()}")
            path.touch(exist_ok=False)
            path.unlink()
            found.append(folder)
        except OSError:
            pass
    return sorted(set(found))


def fill_disk(most: int) -> int:
    """Bytes that can be written until there is no space, at most `most`."""
    written = 0
    path = Path("fill")
    try:
        for number in range(most // PIECE + 1):
            Path(f"fill{number}").write_bytes(bytes(PIECE))
            written += PIECE
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
    for path in Path().glob("fill*"):
        path.unlink()
    return written


def fill_inodes(most: int) -> int:
    """Files that can be made, at most `most`."""
    made = 0
    try:
        while made < most:
            Path(f"inode{made}").touch()
            made += 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    for path in Path().glob("inode*"):
        path.unlink()
    return made


def fill_memory(most: int) -> int:
    """Bytes that can be held and used, at most `most`."""
    held = []
    try:
        while len(held) * PIECE < most:
            held.append(bytearray(b"\1") * PIECE)
    except MemoryError:
        pass
    return len(held) * PIECE


def fill_processes(most: int) -> int:
    """Processes that can be started beside this one, at most `most`."""
    children = []
    try:
        while len(children) < most:
            if (child := os.fork()) == 0:
                signal.pause()
            children.append(child)
    except OSError:
        pass
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return len(children)


def signals(process: int) -> bool:
    """Whether `process` can be signalled."""
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


def linger() -> None:
    """Ignore signals, leave daemons behind that ignore them too, and never end."""
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            break
    while True:
        time.sleep(1)
