"""What a user's container may do and use: the same for everybody but for size, mounts and GPU.

Each function is a piece of the engine's `HostConfig` or of its mounts, in docker-py's words. A
golden test compares the whole with what the engine makes of it.
"""

from typing import Any

from docker.types import LogConfig, Ulimit

from coursehub.hub.networks import PROJECT, USER

USER_ID = "1000:1000"
"""The account of all our images."""

HOME = "/home/student"
"""Where a user's home volume is mounted, whatever their role."""

_READ_ONLY_IN_EXCHANGE = ("inbound", "kept", "incoming")


def host_config(memory: int, lease: Any | None) -> dict[str, Any]:
    """Limits and confinement of a user's container; CPU ceiling and mounts come from elsewhere.

    Args:
        memory: limit in bytes; there is no swap beyond it.
        lease: the GPU lent to it (`gpus.Lease`), or None.
    """
    return _confinement() | _limits(memory) | _gpu(lease)


def _confinement() -> dict[str, Any]:
    """No capability, no way to a new privilege, nothing to write to but home and /tmp.

    The engine's default seccomp profile stays in force by not being mentioned.
    """
    return {
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "read_only": True,
        # Compiled extensions are unpacked to /tmp and loaded from there; whoever may execute
        # what lies in their home gains nothing by it.
        "tmpfs": {"/tmp": "rw,exec,nosuid,nodev,size=1g,mode=1777"},
        "ipc_mode": "private",
        "cgroupns": "private",
        "init": True,
        # A dead container stays for a moment, so that the hub can say why; the hub removes it.
        "auto_remove": False,
    }


def _limits(memory: int) -> dict[str, Any]:
    """So that one server cannot take the machine from the others, or from the hub."""
    return {
        "mem_limit": memory,
        "memswap_limit": memory,
        "oom_score_adj": 500,  # when the whole machine is short, services go last
        "cpu_shares": 512,  # of 1024 that each service has, when cores are short
        "pids_limit": 512,
        "shm_size": 512 * 1024**2,  # DataLoader's workers pass batches through it
        "ulimits": [
            Ulimit(name="nofile", soft=16384, hard=16384),
            Ulimit(name="core", soft=0, hard=0),
        ],
        "log_config": LogConfig(
            type=LogConfig.types.JSON, config={"max-size": "5m", "max-file": "2"}
        ),
    }


def _gpu(lease: Any | None) -> dict[str, Any]:
    return {"device_requests": [lease.device_request]} if lease else {}


def home(project: str, user: str) -> dict[str, Any]:
    """The mount of somebody's home: a volume that only an administrator ever removes."""
    return {
        "source": "{prefix}-home-{username}",
        "target": HOME,
        "labels": {PROJECT: project, USER: user},
    }


def staff_mounts(project: str, course_id: str) -> list[dict[str, Any]]:
    """The course, the exchange and the course file, for a member of staff.

    Hand-ins are read-only: staff release into the exchange and collect from it, but what students
    handed in stays as the course service wrote it.
    """
    exchange = f"{project}-exchange"
    return [
        {"source": f"{project}-course", "target": f"{HOME}/course"},
        {"source": f"{project}-config", "target": "/srv/config", "read_only": True},
        {"source": exchange, "target": "/srv/exchange"},
        *(
            {
                "source": exchange,
                "target": f"/srv/exchange/root/{course_id}/{folder}",
                "subpath": f"root/{course_id}/{folder}",
                "read_only": True,
            }
            for folder in _READ_ONLY_IN_EXCHANGE
        ),
    ]


def egress(course_host: str = "") -> dict[str, str]:
    """The way to the internet as a server is told, in the two spellings programs look for.

    Args:
        course_host: the name at which the course service is found, where it has one of its own.
    """
    upper = {
        "HTTP_PROXY": "http://egress:3128",
        "HTTPS_PROXY": "http://egress:3128",
        "NO_PROXY": ",".join(filter(None, ("proxy", "hub", course_host, "localhost", "127.0.0.1"))),
    }
    return upper | {name.lower(): value for name, value in upper.items()}
