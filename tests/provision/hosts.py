"""Fresh machines for tests of `ansible/`: containers in which systemd runs, and nothing of ours.

Each has an own engine once the playbook installed it; its images and volumes lie in a volume that
goes with the machine. On the outer engine the machines see one another, as on a campus network.
"""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import docker
from docker.models.containers import Container

from tests.images import ensure_base_image

# What a machine has that somebody installed Debian on; Ansible needs ssh and Python.
PACKAGES = (
    "systemd systemd-sysv dbus openssh-server python3 python3-apt iproute2 ca-certificates procps"
)
INSTALL = "apt-get update -q && apt-get install -q --yes --no-install-recommends"
# Debian 13's systemd starts on a kernel with the first version of control groups only if told to.
BOOT = ["/lib/systemd/systemd", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]
BOOT_SECONDS = 60
ANSWER_SECONDS = 30
CONTROL_GROUPS = Path("/sys/fs/cgroup")
TOGETHER = dict.fromkeys(("net_cls", "net_prio"), "net_cls,net_prio")
CONNECTS = (
    "import socket; socket.setdefaulttimeout(2); print(socket.socket().connect_ex(('{}', {})))"
)


@dataclass(frozen=True)
class Host:
    """One machine that runs."""

    container: Container

    @property
    def name(self) -> str:
        """What the inventory and `docker` know it by."""
        return str(self.container.name)

    @property
    def address(self) -> str:
        """Its address, as other machines see it."""
        self.container.reload()
        networks = self.container.attrs["NetworkSettings"]["Networks"]
        return str(next(iter(networks.values()))["IPAddress"])

    def run(self, *command: str, text: str | None = None) -> str:
        """Run a command as root; return what it prints.

        Raises:
            AssertionError: with what it says, when it fails.
        """
        interactive = ["--interactive"] if text is not None else []
        done = subprocess.run(
            ["docker", "exec", *interactive, self.name, *command],
            input=text, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def let_in(self, key: str) -> None:
        """Let root in by ssh with this public key."""
        script = "umask 077; mkdir -p /root/.ssh; cat > /root/.ssh/authorized_keys"
        self.run("sh", "-c", script, text=key)

    def serve(self, port: int) -> None:
        """Have a web server of somebody's on this machine, and wait until it answers there."""
        self.run("systemd-run", f"--unit=server-{port}", "python3", "-m", "http.server", str(port))
        self.await_answer(port)

    def await_answer(self, port: int) -> None:
        """Wait until a port answers on the machine itself."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self.reaches("127.0.0.1", port):
            assert time.monotonic() < deadline, f"port {port} does not answer on its own machine"
            time.sleep(0.2)

    def reaches(self, address: str, port: int, *inside: str) -> bool:
        """Whether a connection opens from this machine, or from inside `docker run ...` on it."""
        said = self.run(*inside, "python3", "-c", CONNECTS.format(address, port))
        return said.strip() == "0"

    def holders(self, texts: Sequence[str], *find: str) -> list[str]:
        """Which of the files that `find` finds hold one of the texts."""
        script = f"find {' '.join(find)} -type f -print0 | xargs -0 grep -lsFf /run/texts || true"
        self.run("sh", "-c", "umask 077; cat > /run/texts", text="\n".join(texts) + "\n")
        found = self.run("sh", "-c", script).split()
        self.run("rm", "/run/texts")
        return found

    def compose(self, *command: str, text: str | None = None) -> str:
        """Run `docker compose` of the course."""
        line = ["docker", "compose", "--project-directory", "/opt/coursehub/site", *command]
        return self.run(*line, text=text)


@contextmanager
def fresh_host(
    engine: docker.DockerClient, release: str, shared: str = "", at: str = "/backups"
) -> Iterator[Host]:
    """A machine that just booted; gone with all it holds afterwards.

    Args:
        engine: where it runs.
        release: code name of the Debian release on it.
        shared: name of a volume that other machines have too.
        at: where it sees that.
    """
    _mount_control_groups()
    name = f"host-{uuid4().hex[:8]}"
    volumes = {
        name: {"bind": "/var/lib/docker"},
        "/sys/fs/cgroup": {"bind": "/sys/fs/cgroup", "mode": "rw"},
    }
    container = engine.containers.run(
        host_image(engine, release),
        BOOT,
        name=name,
        hostname=name,
        detach=True,
        privileged=True,
        cgroupns="host",
        tmpfs={"/run": "", "/run/lock": "", "/tmp": ""},
        volumes=volumes | ({shared: {"bind": at}} if shared else {}),
    )
    try:
        _await_boot(container)
        yield Host(container)
    finally:
        container.remove(force=True, v=True)
        engine.volumes.get(name).remove()


def host_image(engine: docker.DockerClient, release: str) -> str:
    """The image of a machine with this release; made if need be."""
    name = f"coursehub-host:{release}"
    if not engine.images.list(name):
        lines = f"FROM {ensure_base_image(engine, release)}\nRUN {INSTALL} {PACKAGES}\n"
        engine.images.build(fileobj=BytesIO(lines.encode()), tag=name, rm=True)
    return name


def _mount_control_groups() -> None:
    """Mount on this machine too what systemd in a fresh one would mount in its own view alone.

    Hierarchies of controllers outlast their mounts, and an engine that is started among some that
    are mounted nowhere no longer notices memory that ran out. Of the second version there is one.
    """
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    options = {folder: options.split(",") for _, folder, _, options, *_ in mounts}
    rows = [line.split() for line in Path("/proc/cgroups").read_text().splitlines()[1:]]
    missing = {TOGETHER.get(name, name) for name, *_, enabled in rows if enabled == "1"} - {
        TOGETHER.get(option, option) for each in options.values() for option in each
    }
    if (CONTROL_GROUPS / "cgroup.controllers").exists() or not missing:
        return
    was = "ro" if "ro" in options[str(CONTROL_GROUPS)] else "rw"
    _mount("-o", "remount,rw", str(CONTROL_GROUPS))
    for name in missing:
        (CONTROL_GROUPS / name).mkdir(exist_ok=True)
        _mount("-t", "cgroup", "-o", name, "cgroup", str(CONTROL_GROUPS / name))
    _mount("-o", f"remount,{was}", str(CONTROL_GROUPS))


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def _await_boot(container: Container) -> None:
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        said = container.exec_run(["systemctl", "is-system-running"]).output.decode().strip()
        if said in ("running", "degraded"):
            return
        time.sleep(0.5)
    raise AssertionError(f"the machine did not boot: {said}")
