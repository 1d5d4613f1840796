"""A Jupyter Server extension that tells the hub whether the server is in use.

Jupyter Server itself counts what kernels and terminals print, and every request. Here

- a busy kernel counts although it prints nothing, and so does a program running in a terminal;
- a process that holds a GPU counts, unless it is a kernel that waits for its next cell;
- a request counts if it changes something: an open tab asks every few seconds what there is.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from tornado.ioloop import PeriodicCallback
from traitlets import Float
from traitlets.config import LoggingConfigurable

_SETTING = "coursehub_last_activity"  # Jupyter Server counts every setting named so
_GPU_DEVICE = re.compile(r"/dev/nvidia\d+$")
_ASKING = ("GET", "HEAD", "OPTIONS")


def configure_activity(c: Any) -> None:
    """Add this extension to a server's configuration `c`."""
    c.ServerApp.jpserver_extensions.update({__name__: True})


class Activity(LoggingConfigurable):
    """Looks from time to time whether something runs."""

    seconds = Float(60, help="Time between two looks.").tag(config=True)

    def __init__(self, app: Any) -> None:
        """Watch the server `app`."""
        super().__init__(config=app.config)
        self._app = app

    def look(self) -> None:
        """Note the time if something runs."""
        if any((self._busy_kernels(), self._busy_terminals(), self._busy_gpu())):
            self._app.web_app.settings[_SETTING] = datetime.now(UTC)

    def _busy_kernels(self) -> bool:
        return any(kernel.execution_state == "busy" for kernel in self._kernels())

    def _busy_terminals(self) -> bool:
        manager = self._app.web_app.settings.get("terminal_manager")
        terminals = manager.terminals.values() if manager else ()
        return any(runs_in_front(terminal.ptyproc) for terminal in terminals)

    def _busy_gpu(self) -> bool:
        return bool(set(gpu_users()) - self._idle_commands())

    def _idle_commands(self) -> set[bytes]:
        idle = (each for each in self._kernels() if each.execution_state != "busy")
        return {command_line(each.provisioner.pid) for each in idle if each.provisioner}

    def _kernels(self) -> list[Any]:
        manager = self._app.kernel_manager
        return [manager.get_kernel(each) for each in manager.list_kernel_ids()]


def runs_in_front(shell: Any) -> bool:
    """Whether something other than the `shell` itself (a PtyProcess) has its terminal."""
    with suppress(OSError):  # it has just ended
        return os.tcgetpgrp(shell.fd) != os.getpgid(shell.pid)
    return False


def gpu_users(proc: Path = Path("/proc")) -> Iterator[bytes]:
    """The command line of every process of this user that has a GPU's device file open."""
    for process in proc.glob("[0-9]*"):
        if any(map(_GPU_DEVICE.match, open_files(process))):
            yield command_line(int(process.name), proc)


def open_files(process: Path) -> Iterator[str]:
    """The open files of a process, given as its folder in /proc."""
    with suppress(OSError):  # it has just ended, or is somebody else's
        for number in (process / "fd").iterdir():
            with suppress(OSError):  # just closed
                yield str(number.readlink())


def command_line(pid: int, proc: Path = Path("/proc")) -> bytes:
    """The command line of a process.

    A kernel's names its connection file, so it tells kernels apart; processes that it forked, such
    as the workers of a DataLoader, share it.
    """
    with suppress(OSError):
        return (proc / str(pid) / "cmdline").read_bytes()
    return b""


_count = APIHandler.update_api_activity


def count_changes(handler: APIHandler) -> None:
    """Note the time of a request, as `APIHandler.update_api_activity` does, unless it only asks."""
    if handler.request.method not in _ASKING:
        _count(handler)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    APIHandler.update_api_activity = count_changes  # type: ignore[method-assign]
    activity = Activity(app)
    PeriodicCallback(activity.look, activity.seconds * 1000).start()
