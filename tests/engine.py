"""A Docker engine for tests and benches: the machine's own, or else a private one.

`running_engine()` takes the engine that DOCKER_HOST or the usual socket names. On a machine
without one it installs Debian's (as root) and starts it apart from everything else, with fake GPUs
that are /dev/null inside. What it keeps in the cache folder makes the next run quick:

    data/          images and layers; containers, networks and volumes go at the end of a run
    cdi/           the fake GPUs' specification
    daemon.json    its settings
    log            what it says
    lock           held by the run that uses it
"""

import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import docker
import requests

from coursehub.settings import CHECKOUT
from tests import apt

CACHE = CHECKOUT / ".cache" / "engine"
SOCKET = Path("/var/run/docker.sock")
OLDEST = 26
FAKE_GPUS = 4
START_SECONDS = 60
RELEASE = "trixie"  # Debian's first with an engine that is new enough
NEWER = ("docker.io", "docker-cli", "docker-compose", "docker-buildx")
PROGRAMS = ("dockerd", "docker", "containerd", "runc", "iptables")
PLUGINS = ("compose", "buildx")
REMEDY = f"install a Docker engine, {OLDEST} or newer, with its compose and buildx plugins"


@contextmanager
def running_engine(cache: Path = CACHE) -> Iterator[docker.DockerClient]:
    """An engine that DOCKER_HOST names while the context lasts.

    Raises:
        RuntimeError: with the problem and its remedy, when there is none to be had.
    """
    with _own_engine(cache) if (found := _find()) is None else _as_it_is(found) as engine:
        _require_version(engine)
        _require_plugins()
        yield engine


def cdi_folder(engine: docker.DockerClient) -> Path:
    """Where this engine looks for descriptions of GPUs first."""
    return Path((engine.info().get("CDISpecDirs") or ["/etc/cdi"])[0])


def _find() -> docker.DockerClient | None:
    """The engine that answers here already."""
    if (host := os.environ.get("DOCKER_HOST")) and not host.startswith("unix://"):
        raise RuntimeError(f"DOCKER_HOST is {host}; remedy: an engine on this machine, unix://...")
    try:
        engine = docker.from_env(timeout=120)
        engine.ping()
    except (docker.errors.DockerException, requests.RequestException) as error:
        if host or (SOCKET.exists() and not os.access(SOCKET, os.W_OK)):
            where = host or f"{SOCKET} (is this user in the group docker?)"
            raise RuntimeError(f"the engine at {where} does not answer: {error}") from error
        return None
    return engine


@contextmanager
def _as_it_is(engine: docker.DockerClient) -> Iterator[docker.DockerClient]:
    yield engine
    engine.close()


@contextmanager
def _own_engine(cache: Path) -> Iterator[docker.DockerClient]:
    """A private engine, stopped and emptied of containers at the end."""
    if os.geteuid() != 0:
        raise RuntimeError(f"no Docker engine answers, and starting one needs root; {REMEDY}")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        _wait_for(lock)
        _install()
        host = _write_settings(cache)
        before = os.environ.get("DOCKER_HOST")
        os.environ["DOCKER_HOST"] = host
        process = _start(cache)
        try:
            engine = _await_answer(process, cache)
            _clear(engine)  # what a run that was killed left behind
            yield engine
            _clear(engine)
        finally:
            _stop(process)
            os.environ.pop("DOCKER_HOST")
            if before is not None:
                os.environ["DOCKER_HOST"] = before


def _wait_for(lock: TextIO) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _say("another run uses it; waiting")
        fcntl.flock(lock, fcntl.LOCK_EX)


def _install() -> None:
    """Debian's packages, where a program or plugin is missing."""
    plugins = [Path("/usr/libexec/docker/cli-plugins", f"docker-{name}") for name in PLUGINS]
    if all(map(shutil.which, PROGRAMS)) and all(path.exists() for path in plugins):
        return
    start = time.monotonic()
    _say(f"not on this machine; installing Debian's ({RELEASE})")
    try:
        apt.install([*NEWER, "iptables"], newer=NEWER, release=RELEASE)
    except RuntimeError as error:
        raise RuntimeError(f"no Docker engine answers; {REMEDY}. {error}") from error
    _say(f"installed after {time.monotonic() - start:.0f} s")


def _write_settings(cache: Path) -> str:
    """Everything apart from a system's own engine; returns what DOCKER_HOST is to be.

    Sockets lie in /run, since their paths must be short.
    """
    run = Path("/run", "engine-" + hashlib.sha256(str(cache).encode()).hexdigest()[:8])
    run.mkdir(mode=0o700, exist_ok=True)
    (cache / "cdi").mkdir(exist_ok=True)
    (cache / "cdi/fake.json").write_text(json.dumps(_fake_gpus(), indent=1))
    host = f"unix://{run / 'docker.sock'}"
    settings = {
        "data-root": str(cache / "data"),
        "exec-root": str(run / "exec"),
        "pidfile": str(run / "pid"),
        "hosts": [host],
        "features": {"cdi": True},
        "experimental": True,  # Debian's 26 wants it for CDI
        "cdi-spec-dirs": [str(cache / "cdi")],
        "log-level": "warn",
    }
    (cache / "daemon.json").write_text(json.dumps(settings, indent=1))
    return host


def _fake_gpus() -> dict[str, object]:
    """A CDI specification: devices named like NVIDIA's, which are /dev/null."""
    null = {"hostPath": "/dev/null", "type": "c", "major": 1, "minor": 3}
    return {
        "cdiVersion": "0.6.0",
        "kind": "nvidia.com/gpu",
        "devices": [
            {
                "name": str(number),
                "containerEdits": {"deviceNodes": [null | {"path": f"/dev/nvidia{number}"}]},
            }
            for number in range(FAKE_GPUS)
        ],
    }


def _start(cache: Path) -> subprocess.Popen[bytes]:
    with (cache / "log").open("wb") as log:
        return subprocess.Popen(
            ["dockerd", "--config-file", str(cache / "daemon.json")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # <linux/prctl.h>, PR_SET_PDEATHSIG: even if we are killed, the engine ends.
            preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0),
        )


def _await_answer(process: subprocess.Popen[bytes], cache: Path) -> docker.DockerClient:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(docker.errors.DockerException, requests.RequestException):
            engine = docker.from_env(timeout=120)
            engine.ping()
            return engine
        time.sleep(0.1)
    tail = "\n".join((cache / "log").read_text(errors="replace").splitlines()[-15:])
    raise RuntimeError(f"the private Docker engine did not start; {REMEDY}.\n{tail}")


def _clear(engine: docker.DockerClient) -> None:
    """Remove every container, network and volume of the private engine."""
    for container in engine.containers.list(all=True):
        container.remove(force=True, v=True)
    engine.networks.prune()
    engine.volumes.prune(filters={"all": True})


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(START_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _require_version(engine: docker.DockerClient) -> None:
    version = engine.version()["Version"]
    if int(version.partition(".")[0]) < OLDEST:
        raise RuntimeError(f"the Docker engine here is {version}; {REMEDY}")


def _require_plugins() -> None:
    for plugin in PLUGINS:
        command = ["docker", plugin, "version"]
        if not shutil.which("docker") or subprocess.run(command, capture_output=True).returncode:
            raise RuntimeError(f"`docker {plugin}` does not work here; {REMEDY}")


def _say(what: str) -> None:
    """Tell the person who is waiting why."""
    print(f"engine: {what}", flush=True)
