"""A server whose user's home is full: it starts all the same, writes elsewhere, and says why.

Whatever a server writes by itself goes to a folder in memory, and it opens with `lab.room_page`.
Once there is room the process takes its own place and starts as usual, at the same address.
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coursehub.lab.lease import LABEXTENSIONS
from coursehub.lab.room import Room, look, say_size

PAGE = "coursehub/room"
"""The page about a home's room, below the server's own address."""

MARK = "COURSEHUB_RESCUE"
"""Set in the environment of a server that was started this way."""

LIMIT = "COURSEHUB_HOME_BYTES"
"""How the hub tells a server what its home may hold."""

_before: dict[str, str] | None = None
_again = False


def configure_room(c: Any) -> None:
    """In a server's configuration `c`: let JupyterLab say when there is little room."""
    c.LabApp.extra_labextensions_path.append(str(LABEXTENSIONS))


def home_limit() -> int:
    """Bytes that this server's home may hold, as the hub says; 0: no limit."""
    return int(os.environ.get(LIMIT) or 0)  # noqa: TID251


def in_rescue() -> bool:
    """Whether this server was started for a home that was full."""
    return MARK in os.environ  # noqa: TID251


def prepare(home: Path) -> Room:
    """Look at the home before anything is written; prepare for one that is full."""
    global _before
    room = look(home, home_limit())
    if room.full:
        print(f"{home} is full: {say_size(room.free)} left. A start to make room.", file=sys.stderr)
        _before = dict(os.environ)  # noqa: TID251
        os.environ |= elsewhere(Path(tempfile.mkdtemp(prefix="rescue-")))  # noqa: TID251
    elif room.limit and not room.enforced:
        print(
            f"The limit of {home}, {say_size(room.limit)}, is NOT ENFORCED by its filesystem: what "
            "the home holds is measured.",
            file=sys.stderr,
        )
    return room


def elsewhere(place: Path) -> Mapping[str, str]:
    """The environment of a server that writes nothing to its home by itself.

    Args:
        place: a folder in memory.
    """
    return {
        MARK: "1",
        "JUPYTERHUB_DEFAULT_URL": f"/{PAGE}",
        "JUPYTER_RUNTIME_DIR": str(place / "runtime"),
        "JUPYTER_DATA_DIR": str(place / "data"),
        "JUPYTER_CONFIG_DIR": str(place / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(place / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(place / "workspaces"),
        "IPYTHONDIR": str(place / "ipython"),
        "XDG_CACHE_HOME": str(place / "cache"),
        "XDG_DATA_HOME": str(place / "share"),
        "XDG_STATE_HOME": str(place / "state"),
        "MPLCONFIGDIR": str(place / "matplotlib"),
        "PYTHONPYCACHEPREFIX": str(place / "pycache"),
        "HISTFILE": str(place / "history"),
    }


def start_again() -> None:
    """Have the server start as usual once it has ended; see `follow`."""
    global _again
    _again = True


def follow() -> None:
    """After the server: start in its place, if that was asked for, in the environment of before."""
    if _again:
        environment = _before if _before is not None else dict(os.environ)  # noqa: TID251
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
