"""One fork of the zygote: an init in namespaces of its own, and under it the hand-in's process.

The init is trusted and does three things: it separates, it waits, and it tells the supervisor how
its child ended, over a pipe that the child does not have. When it dies, the kernel kills
everything in its process namespace.
"""

import fcntl
import importlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from coursehub.grading.limits import Limits
from coursehub.grading.sandbox import confine, kernel
from coursehub.grading.sandbox.channel import Inside
from coursehub.grading.sandbox.groups import Group

CHANNEL = 3  # the only file descriptor beside standard input, output and error
ABOVE = 100  # more descriptors than a zygote has
OPEN_FILES = 1024
BAD_START = 70  # exit status: the process could not be confined


@dataclass(frozen=True)
class Task:
    """What the host asked for."""

    main: str
    limits: Limits
    files: dict[str, bytes]
    folder: str
    environment: dict[str, str]


@dataclass(frozen=True)
class Fork:
    """A running fork, as its supervisor sees it."""

    init: int  # process id
    uid: int
    channel: int  # non-blocking stream socket to the hand-in's process
    said: int  # what it writes on standard output and error
    reports: int  # lines of JSON: from the confined process before it runs, then from the init


def fork(task: Task, means: confine.Means, group: Group | None) -> Fork:
    """Start a process for `task` in its control group; it has not run yet when this returns.

    Raises:
        OSError: the kernel refuses.
    """
    uid = confine.fresh_uid() if means.fresh_uid else os.geteuid()
    ours, theirs = socket.socketpair()
    said, saying = os.pipe()
    reports, reporting = os.pipe()
    birth = _Birth(task, means, group, uid, theirs, saying, reporting)
    if means.namespaces:
        kernel.unshare(kernel.CLONE_NEWPID)  # for the next child, not for this process
    init = birth.child(birth.init)
    theirs.close()
    os.close(saying)
    os.close(reporting)
    ours.setblocking(False)
    return Fork(init, uid, ours.detach(), said, reports)


def report(pipe: int, **facts: object) -> None:
    """Tell the supervisor."""
    os.write(pipe, json.dumps(facts).encode() + b"\n")


@dataclass(frozen=True)
class _Birth:
    """What the two new processes need until they are what they shall be."""

    task: Task
    means: confine.Means
    group: Group | None
    uid: int
    channel: socket.socket
    saying: int
    reporting: int

    def child(self, body: Callable[[], None]) -> int:
        """Run `body` in a new process, which ends with it; its process id."""
        if child := os.fork():
            return child
        try:
            body()
        except BaseException as error:  # whatever it is must not reach the zygote's own code
            report(self.reporting, failed=f"{type(error).__name__}: {error}")
        finally:
            os._exit(BAD_START)

    def init(self) -> None:
        """Separate, start the hand-in's process, and wait."""
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        os.umask(0o022)
        if self.group:
            self.group.enter()
        # The supervisor takes this back from the init: the kernel shall choose the hand-in.
        with open("/proc/self/oom_score_adj", "w") as preference:  # noqa: PTH123
            preference.write("1000")
        if self.means.namespaces:
            gid = self.uid if self.means.fresh_uid else os.getegid()
            confine.separate(self.task.folder, self.uid, gid, self.task.limits)
        else:
            kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
            if self.means.fresh_uid:
                os.chown(self.task.folder, self.uid, self.uid)
        child = self.child(self.confined)
        _keep_only(self.reporting)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        self._await(child)

    def _await(self, child: int) -> None:
        while True:
            process, status, usage = os.wait4(-1, 0)
            if process == child:
                break
        code = os.waitstatus_to_exitcode(status)
        report(self.reporting, code=code, peak=usage.ru_maxrss * 1024)
        while True:  # until the supervisor kills it, with all that may be left
            try:
                os.wait()
            except ChildProcessError:
                signal.pause()

    def confined(self) -> None:
        """Give up all rights and run."""
        if not self.means.namespaces:
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        channel, reporting = _rearrange(self.channel, self.saying, self.reporting)
        module, _, name = self.task.main.partition(":")
        main = getattr(importlib.import_module(module), name or "main")
        confine.restrict(self.task.folder, self.uid, self.task.limits, self.means)
        _settle(self.task)
        _reseed()
        report(reporting, up=True, resident=kernel.bytes_in("RssAnon"))
        os.close(reporting)
        os._exit(_run(main, Inside(channel)))


def _rearrange(channel: socket.socket, saying: int, reporting: int) -> tuple[socket.socket, int]:
    """Leave nothing open but 0 to 2, the channel and, for a moment, the reports."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    wanted = (nothing, saying, saying, channel.detach(), reporting)
    high = [fcntl.fcntl(number, fcntl.F_DUPFD, ABOVE) for number in wanted]
    for number, source in enumerate(high):
        os.dup2(source, number, inheritable=number < CHANNEL)
    os.closerange(len(high), OPEN_FILES)
    return socket.socket(fileno=CHANNEL), CHANNEL + 1


def _keep_only(number: int) -> None:
    os.closerange(0, number)
    os.closerange(number + 1, OPEN_FILES)


def _run(main: Callable[[Inside], None], channel: Inside) -> int:
    """Run the hand-in's side; its exit status."""
    try:
        main(channel)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _settle(task: Task) -> None:
    """Make the folders and put the files where the hand-in's code looks for them."""
    work = f"{task.folder}/work"
    os.umask(0o077)
    os.makedirs(work, exist_ok=True)  # noqa: PTH103
    os.makedirs(f"{task.folder}/tmp", exist_ok=True)  # noqa: PTH103
    os.chdir(work)
    for name, content in task.files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError(f"{name!r} is no name of a file")
        os.makedirs(path.parent, exist_ok=True)  # noqa: PTH103
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(content)
    os.environ.clear()  # noqa: TID251 - the hand-in's own, made here
    os.environ.update(task.environment, HOME=work, TMPDIR=f"{task.folder}/tmp")  # noqa: TID251
    tempfile.tempdir = None  # the zygote's choice, remembered
    sys.path.insert(0, work)


def _reseed() -> None:
    """Every fork starts with the same generators; none may know another's numbers."""
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(int.from_bytes(os.urandom(4), "big"))
    if torch := sys.modules.get("torch"):
        torch.manual_seed(int.from_bytes(os.urandom(7), "big"))
