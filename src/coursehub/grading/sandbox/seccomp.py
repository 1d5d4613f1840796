"""A filter of system calls: what no hand-in needs, and what widens its way to the kernel."""

import ctypes
import errno
import platform
import struct

from coursehub.grading.sandbox import kernel

# <linux/audit.h>, and each call's number in <asm/unistd.h>.
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CALLS = {
    "x86_64": {
        "socket": 41, "socketpair": 53, "clone": 56, "clone3": 435, "kill": 62, "ptrace": 101,
        "chroot": 161, "pivot_root": 155, "mount": 165, "umount2": 166, "swapon": 167,
        "reboot": 169, "init_module": 175, "delete_module": 176, "quotactl": 179, "acct": 163,
        "add_key": 248, "request_key": 249, "keyctl": 250, "kexec_load": 246, "unshare": 272,
        "perf_event_open": 298, "fanotify_init": 300, "open_by_handle_at": 304, "setns": 308,
        "process_vm_readv": 310, "process_vm_writev": 311, "finit_module": 313,
        "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323, "personality": 135,
    },
    "aarch64": {
        "socket": 198, "socketpair": 199, "clone": 220, "clone3": 435, "kill": 129, "ptrace": 117,
        "chroot": 51, "pivot_root": 41, "mount": 40, "umount2": 39, "swapon": 224,
        "reboot": 142, "init_module": 105, "delete_module": 106, "quotactl": 60, "acct": 89,
        "add_key": 217, "request_key": 218, "keyctl": 219, "kexec_load": 104, "unshare": 97,
        "perf_event_open": 241, "fanotify_init": 262, "open_by_handle_at": 265, "setns": 268,
        "process_vm_readv": 270, "process_vm_writev": 271, "finit_module": 273,
        "kexec_file_load": 294, "bpf": 280, "userfaultfd": 282, "personality": 92,
    },
}  # fmt: skip
# The same on every machine.
_NEWER = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442,
}  # fmt: skip
_SPECIAL = ("socket", "socketpair", "clone", "clone3", "kill")

_NAMESPACES = 0x7E020080  # every CLONE_NEW* of <linux/sched.h>
_LOCAL, _INTERNET = (1,), (2, 10, 16)  # <linux/socket.h>: AF_UNIX; AF_INET, AF_INET6
_X32 = 0x40000000

# <linux/bpf_common.h>, <linux/seccomp.h>
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2


def available() -> bool:
    """Whether the calls of this machine are known."""
    return platform.machine() in _CALLS


def confine_calls(*, internet: bool) -> None:
    """Filter this process and all it will start; needs `no_new_privs`.

    Args:
        internet: Whether sockets of the internet's families may be made. Where the network
            namespace is empty they reach nothing, and say so in the words programs know.

    Raises:
        OSError: the kernel refuses.
    """
    program = b"".join(_program((*_LOCAL, *_INTERNET) if internet else _LOCAL))
    text = ctypes.create_string_buffer(program)

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    description = Program(len(program) // 8, ctypes.addressof(text))
    kernel.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(description))


def _program(families: tuple[int, ...]) -> list[bytes]:
    machine = platform.machine()
    calls = _CALLS[machine]
    denied = [number for name, number in calls.items() if name not in _SPECIAL]
    return [
        _step(_LOAD, _ARCH),
        _step(_EQUAL, _ARCHITECTURE[machine], 1, 0),
        _refuse(errno.EPERM),
        _step(_LOAD, _NUMBER),
        *([_step(_AT_LEAST, _X32, 0, 1), _refuse(errno.EPERM)] if machine == "x86_64" else []),
        *(
            step
            for number in [*denied, *_NEWER.values()]
            for step in (_step(_EQUAL, number, 0, 1), _refuse(errno.EPERM))
        ),
        # What clone3 asks for lies in memory, which a filter cannot read; the C library then
        # takes clone.
        *_when(calls["clone3"], _refuse(errno.ENOSYS)),
        *_when(calls["clone"], *_unless_any_bit(_NAMESPACES)),
        *_when(calls["socket"], *_only(families)),
        *_when(calls["socketpair"], *_only(_LOCAL)),
        # Everybody: without a process namespace that is more than the hand-in's own.
        *_when(calls["kill"], *_unless_equal(0xFFFFFFFF)),
        _step(_RETURN, _ALLOW),
    ]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(number: int) -> bytes:
    return _step(_RETURN, _ERROR | number)


def _when(number: int, *steps: bytes) -> list[bytes]:
    """Steps for the call `number`; the others go on behind them."""
    return [_step(_EQUAL, number, 0, len(steps)), *steps]


def _unless_any_bit(bits: int) -> list[bytes]:
    return [
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_ANY_BIT, bits, 0, 1),
        _refuse(errno.EPERM),
        _step(_RETURN, _ALLOW),
    ]


def _unless_equal(value: int) -> list[bytes]:
    return [
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_EQUAL, value, 0, 1),
        _refuse(errno.EPERM),
        _step(_RETURN, _ALLOW),
    ]


def _only(values: tuple[int, ...]) -> list[bytes]:
    allowed = [step for v in values for step in (_step(_EQUAL, v, 0, 1), _step(_RETURN, _ALLOW))]
    return [_step(_LOAD, _FIRST_ARGUMENT), *allowed, _refuse(errno.EAFNOSUPPORT)]
