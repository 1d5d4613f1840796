"""How much one hand-in may use while it is graded."""

from dataclasses import dataclass

KiB = 1024
MiB = 1024 * KiB
GiB = 1024 * MiB


@dataclass(frozen=True)
class Limits:
    """What each of a hand-in's two processes may use at most.

    Attributes:
        memory: Bytes, beyond what the warm process holds already; there is no swap.
        disk: Bytes in the only writable folder, the hand-in's own files included.
        inodes: Files and folders there.
        pids: Processes and threads at a time.
        output: Bytes that a cell may print, and that may leave the process past its channel.
        frame: Bytes of one message between a process and the host.
        cell_seconds: Seconds a cell may take.
        call_seconds: Seconds a call from the judge may take.
        total_seconds: Seconds from the start of the processes to their end.
        cpus: Cores.
    """

    memory: int = 2 * GiB
    disk: int = 256 * MiB
    inodes: int = 10_000
    pids: int = 64
    output: int = 1 * MiB
    frame: int = 64 * MiB
    cell_seconds: float = 600
    call_seconds: float = 60
    total_seconds: float = 1800
    cpus: float = 1
