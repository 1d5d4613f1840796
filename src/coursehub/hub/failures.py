"""Why a server did not start, or ended, in words for the person whose server it is.

What the engine said goes to the hub's log; what people read says what they, or staff, can do.
"""

import html
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
from docker.errors import APIError, DockerException, ImageNotFound
from jupyterhub.spawner import SpawnException

from coursehub.errors import CourseHubError, SpawnError

DISK_FLOOR = 1 * 1024**3
"""Bytes that must be free on the disk before one more server starts."""

MEMORY_FLOOR = 512 * 1024**2
"""Bytes of memory that must be available before one more server starts."""

MEMINFO = Path("/proc/meminfo")

NOT_STARTED = "not started"
"""The reason that the hub's figures give for such a failure."""

_ENGINE = (
    "The container engine does not answer. Try again in a minute; if that does not help, tell staff"
)
_DISK = "The machine's disk is nearly full, so that no more servers can start. Tell staff"
_MEMORY = (
    "All memory of the machine is in use. Try again when other servers have stopped, or tell staff"
)
_GPU = (
    "The GPU that was yours to use is not there any more. Try again, or start without a GPU, and "
    "tell staff"
)
_ENGINE_SAYS = (
    ("could not select device driver", _GPU),
    ("unresolvable CDI devices", _GPU),
    ("CDI device injection failed", _GPU),
    ("nvidia-container-cli", _GPU),
    ("no space left on device", _DISK),
    ("cannot allocate memory", _MEMORY),
)


_FULL = "All machines are full. Try again when other servers have stopped, or tell staff"
_NO_MACHINE = (
    "No machine takes servers at the moment. Try again in a minute; if that does not help, tell "
    "staff"
)
_NO_IMAGE = (
    "The image of your server is not on the machine {machine}. Ask staff to run make provision"
)
_NO_HOME = (
    "Your home is not to be had on the machine {machine}. Try again, and tell staff that the "
    "storage of homes is not mounted there"
)
_SWARM_SAYS = (
    ("insufficient resources", _FULL),
    ("no suitable node", _NO_MACHINE),
    ("no such image", _NO_IMAGE),
    ("bind source path does not exist", _NO_HOME),
)


class NotStarted(SpawnException):
    """A server did not start; the hub's pages show the sentence as it stands."""

    def __init__(self, sentence: str) -> None:
        """Say why.

        Args:
            sentence: what the person reads, plain text.
        """
        super().__init__(sentence, reason=NOT_STARTED, status_code=503)
        self.jupyterhub_message = sentence
        self.jupyterhub_html_message = html.escape(sentence)


def why_not_started(error: Exception, image: str) -> NotStarted | None:
    """The failure in words, or None when nobody foresaw it (then `unforeseen` is the answer).

    Args:
        error: what starting the server raised.
        image: the image it was to run.
    """
    match error:
        case NotStarted():
            return error
        case CourseHubError():
            sentence: str | None = str(error)
        case ImageNotFound():
            sentence = f"The image {image} is not on this machine. Ask staff to run make up"
        case APIError():
            said = str(error).lower()
            sentence = next((words for key, words in _ENGINE_SAYS if key.lower() in said), None)
        case DockerException() | requests.RequestException():
            sentence = _ENGINE
        case _:
            sentence = None
    return NotStarted(f"{sentence[0].upper()}{sentence[1:].rstrip('.')}.") if sentence else None


def unforeseen() -> tuple[NotStarted, str]:
    """A failure without an explanation, and the number that finds it in the hub's log."""
    number = secrets.token_hex(3)
    sentence = (
        "Your server did not start, for a reason that only staff can look up. "
        f"Try again; if that does not help, tell them this number: {number}."
    )
    return NotStarted(sentence), number


def why_not_placed(said: str, machine: str) -> NotStarted | None:
    """Why a swarm does not start a server, in words; None when nobody foresaw it.

    Args:
        said: `Status.Err` of its task.
        machine: the name of the machine that was to run it, if one was.
    """
    known = (words for key, words in _SWARM_SAYS if key in said.lower())
    found = next(known, None) or next(
        (words for key, words in _ENGINE_SAYS if key.lower() in said.lower()), None
    )
    return NotStarted(f"{found.format(machine=machine)}.") if found else None


def why_task_ended(task: Mapping[str, Any], memory: int, *, machine_gone: bool) -> str:
    """Why a server in a swarm ended.

    Args:
        task: as the swarm's manager knows it.
        memory: the server's limit in bytes.
        machine_gone: whether the machine that ran it does not answer.
    """
    if machine_gone:
        return (
            "The machine on which your server ran does not answer any more. Your files are kept: "
            "start again, and your server starts on another one."
        )
    code = task["Status"].get("ContainerStatus", {}).get("ExitCode", 0)
    if code == 137:  # no manager is told whether it was for memory
        return (
            "Your server was stopped: most often that is because it used up its "
            f"{memory / 1024**3:.3g} GB of memory."
        )
    if task["Status"]["State"] == "complete" or code:
        return why_ended({"ExitCode": code, "OOMKilled": False}, memory)
    return why_ended({"ExitCode": 143, "OOMKilled": False}, memory)


def why_ended(state: Mapping[str, Any], memory: int) -> str:
    """Why a container ended.

    Args:
        state: `State` of `docker inspect`.
        memory: the server's limit in bytes.
    """
    code = state["ExitCode"]
    if code == 137 and state["OOMKilled"]:
        return (
            f"Your server was stopped because it used up its {memory / 1024**3:.3g} GB of memory."
        )
    if code in (137, 143):
        return "Your server was stopped from outside: by staff, or by a restart of the machine."
    if code == 0:
        return "Your server ended by itself."
    return f"Your server ended with an error (exit code {code})."


def require_room(disk: Path) -> None:
    """Refuse one more server on a machine that is already full.

    Args:
        disk: a path on the engine's disk.

    Raises:
        SpawnError: when disk or memory is short.
    """
    if shutil.disk_usage(disk).free < DISK_FLOOR:
        raise SpawnError(_DISK)
    if _memory_available() < MEMORY_FLOOR:
        raise SpawnError(_MEMORY)


def _memory_available() -> int:
    """Bytes of memory that a new process can get without swapping (proc(5), MemAvailable)."""
    fields = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024
