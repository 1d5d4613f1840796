"""`coursehub stack`: what of docker-compose.yml runs on a swarm's workers, as a stack file."""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import docker
import typer
from docker.errors import DockerException, NotFound

from coursehub.cli.course import one_line_errors
from coursehub.errors import CourseHubError, SettingsError
from coursehub.settings import Settings, load_settings

app = typer.Typer()

Compose = Mapping[str, Any]

_OWNER = "1000"
_AS_IT_IS = (
    "cap_drop", "command", "entrypoint", "environment", "init", "logging", "networks", "read_only",
    "stop_grace_period", "sysctls", "ulimits",
)  # fmt: skip
# What compose says elsewhere or better than a stack can, and what has no meaning there.
_REPLACED = (
    "build", "depends_on", "deploy", "group_add", "image", "pids_limit", "profiles", "restart",
    "security_opt", "tmpfs", "volumes",
)  # fmt: skip


@app.command()
def stack() -> None:
    """Read what `docker compose config --format json` says; print the stack of a swarm's workers.

    It has the services whose place is said with `deploy`. Images are named by
    their ids, so that no machine looks for them in a registry, and the secrets
    of this service become the swarm's. `make stack` does it all.
    """
    with one_line_errors():
        settings = load_settings()
        compose = json.load(sys.stdin)
        try:
            client = docker.from_env()
            secrets = _secrets(client, settings)
            made = stack_of(compose, lambda name: image_id(client, name), secrets)
        except DockerException as error:
            raise CourseHubError(
                f"the Docker engine does not make it ({error})",
                remedy="Run it on a manager of the swarm, where the images are",
            ) from error
    typer.echo(json.dumps(made, indent=2))  # which is YAML


def stack_of(
    compose: Compose, identify: Callable[[str], str], secrets: Mapping[str, str]
) -> dict[str, Any]:
    """The stack file, as an object, of those services of `compose` that have a place in a swarm.

    Args:
        compose: what `docker compose config --format json` says.
        identify: the id of the image of a name.
        secrets: file -> the swarm's secret, in place of the volume of secrets.

    Raises:
        CourseHubError: a service says something that a stack cannot, or nothing has a place.
    """
    placed = {
        name: service
        for name, service in compose["services"].items()
        if (service.get("deploy") or {}).get("placement")
    }
    if not placed:
        raise CourseHubError(
            "no service has a place in a swarm",
            key="deploy.placement",
            remedy="Name docker-compose.swarm.yml in COMPOSE_FILE, with --profile stack",
        )
    services = {
        name: _service(name, service, identify, secrets) for name, service in placed.items()
    }
    used = [service["networks"] for service in services.values()]
    mounts = [each for service in services.values() for each in service["volumes"]]
    volumes = {each["source"] for each in mounts if each["type"] == "volume"}
    return {
        "version": "3.12",  # the newest that Debian 13's client knows
        "services": services,
        "networks": {
            name: {"name": network["name"], "external": True}
            for name, network in compose["networks"].items()
            if any(name in networks for networks in used)
        },
        "volumes": {name: volume for name, volume in compose["volumes"].items() if name in volumes},
        "secrets": {name: {"name": name, "external": True} for name in secrets.values()},
    }


def _service(
    name: str, service: Compose, identify: Callable[[str], str], secrets: Mapping[str, str]
) -> dict[str, Any]:
    unknown = {key for key, value in service.items() if value} - {*_AS_IT_IS, *_REPLACED}
    if unknown:
        raise CourseHubError(
            f"a stack has no word for {', '.join(sorted(unknown))}",
            key=f"services.{name}",
            remedy="Say it otherwise in docker-compose.yml, or teach coursehub.cli.stack",
        )
    made = {key: service[key] for key in _AS_IT_IS if service.get(key)}
    return made | {
        "image": identify(service["image"]),
        "user": ":".join([_OWNER, *service.get("group_add", [])[:1]]),
        "volumes": [*_mounts(service), *map(_tmpfs, service.get("tmpfs", []))],
        "secrets": _mounted(service, secrets),
        "deploy": _deploy(service),
    }


def _deploy(service: Compose) -> dict[str, Any]:
    deploy = {key: value for key, value in service["deploy"].items() if value}
    limits = deploy.get("resources", {}).get("limits", {}) | {"pids": service["pids_limit"]}
    return deploy | {
        "resources": deploy.get("resources", {}) | {"limits": limits},
        "restart_policy": {"condition": "any", "delay": "5s"},
    }


def _mounts(service: Compose) -> list[dict[str, Any]]:
    """Volumes and folders; parts of a volume are secrets, which the swarm brings."""
    found = [each for each in service.get("volumes", []) if not _subpath(each)]
    return [
        {key: each[key] for key in ("type", "source", "target", "read_only") if key in each}
        for each in found
    ]


def _subpath(mount: Compose) -> str:
    return str((mount.get("volume") or {}).get("subpath", ""))


def _tmpfs(line: str) -> dict[str, Any]:
    """What compose says in one line; a stack's is of mode 1777 in any case."""
    return {"type": "tmpfs", "target": line.partition(":")[0]}


def _mounted(service: Compose, secrets: Mapping[str, str]) -> list[dict[str, Any]]:
    """The swarm's secrets as files where the volume of secrets would be."""
    folders = [each["target"] for each in service.get("volumes", []) if _subpath(each)]
    return [
        {"source": name, "target": f"{folder}/{file}", "uid": _OWNER, "gid": _OWNER, "mode": 0o400}
        for folder in folders
        for file, name in secrets.items()
    ]


def image_id(client: docker.DockerClient, name: str) -> str:
    """The id of an image: each machine then runs this one, and looks for none elsewhere.

    Raises:
        CourseHubError: when it is not on this machine.
    """
    try:
        return str(client.images.get(name).id)
    except NotFound as error:
        raise CourseHubError(f"there is no image {name}", remedy="Run `make images`") from error


def _secrets(client: docker.DockerClient, settings: Settings) -> dict[str, str]:
    """File -> the swarm's secret with its text; a changed text is another secret."""
    folder = Path(str(settings.secrets))
    try:
        texts = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    except OSError as error:
        raise SettingsError(
            f"the secrets cannot be read ({error.strerror})",
            key="COURSEHUB_SECRETS",
            remedy="Run `make up` first, which makes them",
        ) from error
    known = {secret.name for secret in client.secrets.list()}
    names = {}
    for file, text in texts.items():
        name = f"{settings.project}-{file}-{hashlib.sha256(text).hexdigest()[:8]}".replace(".", "-")
        if name not in known:
            client.secrets.create(name=name, data=text)
        names[file] = name
    return names
