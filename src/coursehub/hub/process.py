"""Running the embedded hub as a child process: started, awaited, and gone without a trace."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from coursehub.errors import SettingsError, SpawnError
from coursehub.settings import Settings

# <linux/prctl.h>
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_START_SECONDS = 90
_STOP_SECONDS = 30
_POLL_SECONDS = 0.25


@contextmanager
def running_hub(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """The hub with its proxy and course service, answering; stopped with all servers on exit.

    Args:
        settings: where it keeps things and listens; its log goes to STATE/hub.log.

    Raises:
        SettingsError: when a port is taken.
        SpawnError: when it does not answer in time, with the end of its log.
    """
    require_free_ports(settings)
    # Whatever the hub leaves behind becomes our child, so that we can end it.
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    settings.make_state()
    with (settings.state / "hub.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "coursehub.cli", "hub"],
            env=os.environ | settings.environment(),  # noqa: TID251
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Even if we are killed, the hub ends and cleans up.
            preexec_fn=lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),
        )
    try:
        _await_answer(process, settings)
        yield process
    finally:
        _stop(process)


def require_free_ports(settings: Settings) -> None:
    """Make sure that nobody listens where the hub is going to.

    Raises:
        SettingsError: naming the port.
    """
    for port in (settings.port, *(settings.internal_ports + offset for offset in range(3))):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise SettingsError(
                    f"port {port} is taken ({error.strerror})",
                    key="PORT",
                    remedy="Stop what listens there, or choose another with PORT=8100",
                ) from error


def _await_answer(process: subprocess.Popen[bytes], settings: Settings) -> None:
    """Wait for hub and course service through the proxy, as a browser would reach them."""
    deadline = time.monotonic() + _START_SECONDS
    origins = {
        "/hub/api/": settings.public_url,
        "/services/course/api/health": settings.course_origin,
    }
    paths = list(origins)
    with httpx.Client(base_url=settings.bind_url, trust_env=False, timeout=5) as client:
        while paths:
            time.sleep(_POLL_SECONDS)
            host = urlsplit(origins[paths[0]]).netloc
            try:
                if client.get(paths[0], headers={"Host": host}).is_success:
                    paths.pop(0)
                    continue
            except httpx.TransportError:
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                raise SpawnError(
                    f"the hub does not answer at {settings.bind_url}\n"
                    + _end_of(settings.state / "hub.log"),
                    remedy=f"See {settings.state / 'hub.log'}",
                )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the hub politely, then what is left of it; a second Ctrl-C must not cut this short."""
    family = _descendants(process.pid)
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        left = {each for child in family for each in (child, *_descendants(child.pid))}
        for each in left:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(left, timeout=5)
    finally:
        signal.signal(signal.SIGINT, previous)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _end_of(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-30:])
