"""Three machines that just booted become a swarm: who is cut off starts again elsewhere.

The kernel of a machine in a container is this machine's. Where it has no IPsec (`ip xfrm` says so)
the networks between the machines are not encrypted here, and a folder that all three see plays the
shared storage.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import docker
import pytest

from tests.deployment import PEOPLE, open_course
from tests.provision.hosts import Host, fresh_host, host_image
from tests.provision.playbooks import Admin, Run

pytestmark = pytest.mark.timeout(3600)  # three machines from nothing, beside whatever else runs

RELEASE = "trixie"
SHARED = "/srv/coursehub"
FENCE_SECONDS = 20
PATIENCE = 180


@dataclass(frozen=True)
class Cluster:
    """A manager, two workers, and the admin who has them provisioned."""

    engine: docker.DockerClient
    admin: Admin
    manager: Host
    workers: tuple[Host, Host]

    @property
    def hosts(self) -> tuple[Host, ...]:
        return self.manager, *self.workers

    def provision(self, *options: str) -> Run:
        return self.admin.play("site.yml", "coursehub", *options)

    def worker_of(self, student: str) -> Host:
        """The machine on which somebody's server runs, as the swarm has it."""
        script = ("service", "ps", "--filter", "desired-state=running", "--format", "{{.Node}}")
        name = self.manager.run("docker", *script, f"coursehub-user-{student}").strip()
        return next(host for host in self.hosts if host.name == name)

    def student(self, does: str, name: str) -> str:
        """Have a student work; see student.py."""
        program = (Path(__file__).parent / "student.py").read_text()
        command = ("exec", "-T", "course", "python", "-", does, name)
        return self.manager.compose(*command, text=program)

    def cut_off(self, host: Host) -> None:
        host.run("ip", "link", "set", "eth0", "down")

    def plug_in(self, host: Host) -> None:
        """The kernel keeps addresses meanwhile, and forgets the way to other networks."""
        way = self.manager.run("ip", "route", "show", "default").split()
        host.run("ip", "link", "set", "eth0", "up")
        host.run("ip", "route", "add", *way)


@pytest.fixture(scope="module")
def cluster(
    engine: docker.DockerClient, images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("admin")
    shared = f"shared-{uuid4().hex[:8]}"
    with (
        fresh_host(engine, RELEASE, shared, SHARED) as manager,
        fresh_host(engine, RELEASE, shared, SHARED) as first,
        fresh_host(engine, RELEASE, shared, SHARED) as second,
    ):
        found = Cluster(engine, Admin(folder), manager, (first, second))
        write_inventory(found, folder)
        yield found
    engine.volumes.get(shared).remove()


def write_inventory(cluster: Cluster, folder: Path) -> None:
    (folder / "course.yml").write_text(open_course(now=datetime.now(UTC)))
    (folder / "people.csv").write_text(PEOPLE)
    variables: dict[str, object] = {
        # A container has the host's kernel and clock: only what is its own is set.
        "base_swap_megabytes": 0,
        "base_sysctl": {"net.ipv4.tcp_keepalive_time": 600},
        "coursehub_images": "ship",
        "coursehub_course_file": str(folder / "course.yml"),
        "coursehub_roster": str(folder / "people.csv"),
        "coursehub_smoke": False,
        "coursehub_settings": {"COURSEHUB_STUDENT_MEMORY": "1G"},
        "swarm_encrypted": kernel_encrypts(cluster.manager),
        "swarm_fence_seconds": FENCE_SECONDS,
        "tls_domain": "hub.example.edu",
        "tls_mode": "internal",
    }
    cluster.admin.write(cluster.hosts, variables, {"none": "none"})
    path = folder / "inventory.json"
    course = json.loads(path.read_text())["coursehub"]
    for host in cluster.hosts:
        course["hosts"][host.name]["swarm_address"] = host.address
    groups = {
        "coursehub_manager": [cluster.manager],
        "coursehub_workers": cluster.workers,
    }
    named = {name: {"hosts": {host.name: {} for host in hosts}} for name, hosts in groups.items()}
    path.write_text(json.dumps({"coursehub": course} | named))


def kernel_encrypts(host: Host) -> bool:
    state = (
        "unshare --net ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 "
        f"mode transport aead 'rfc4106(gcm(aes))' 0x{'00' * 20} 64"
    )
    command = ["docker", "exec", host.name, "sh", "-c", state]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def until(holds: Callable[[], bool], what: str, seconds: float = PATIENCE) -> float:
    """Wait for it; how long it took."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() < start + seconds, f"after {seconds} s still not: {what}"
        time.sleep(0.5)
    return time.monotonic() - start


def test_three_bare_machines_become_a_swarm(cluster: Cluster) -> None:
    run = cluster.provision()
    token = cluster.manager.run("docker", "swarm", "join-token", "--quiet", "worker").strip()
    assert token.startswith("SWMTKN-") and token not in run.text
    nodes = cluster.manager.run("docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
    assert sorted(nodes.splitlines()) == sorted(f"{host.name} Ready" for host in cluster.hosts)
    running = cluster.manager.compose("ps", "--services", "--filter", "status=running").split()
    assert sorted(running) == ["course", "db", "egress", "hub", "proxy"]


def test_a_second_run_changes_nothing(cluster: Cluster) -> None:
    run = cluster.provision()
    assert run.changed == dict.fromkeys([host.name for host in cluster.hosts], 0), run.text


def test_the_swarms_ports_are_open_to_its_machines_alone(cluster: Cluster) -> None:
    manager, worker = cluster.manager, cluster.workers[0]
    assert worker.reaches(manager.address, 2377)
    with stranger(cluster.engine) as somebody:
        assert somebody.reaches(manager.address, 22)
        assert not somebody.reaches(manager.address, 2377)
        assert not somebody.reaches(worker.address, 7946)


@contextmanager
def stranger(engine: docker.DockerClient) -> Iterator[Host]:
    """Somebody else on the network between the machines."""
    container = engine.containers.run(
        host_image(engine, RELEASE), ["sleep", "infinity"], detach=True
    )
    try:
        yield Host(container)
    finally:
        container.remove(force=True)


def test_students_start_on_both_workers_and_hand_ins_are_graded_there(cluster: Cluster) -> None:
    for name in ("alice", "bob"):
        assert f"handed in by: {name}" in cluster.student("works", name)
    places = {cluster.worker_of(name).name for name in ("alice", "bob")}
    assert places == {host.name for host in cluster.workers}
    query = "SELECT count(*) FROM gradings WHERE done_at IS NOT NULL AND problem IS NULL"
    psql = ("exec", "-T", "db", "psql", "--tuples-only", "--command", query, "course")
    until(lambda: int(cluster.manager.compose(*psql)) >= 2, "both hand-ins are graded", 300)
    assert not cluster.manager.run("docker", "ps", "--quiet", "--filter", "label=coursehub.sandbox")


def test_servers_reach_nobody_but_the_hub_and_the_proxy(cluster: Cluster) -> None:
    alice, bob = cluster.worker_of("alice"), cluster.worker_of("bob")
    inside = ("docker", "exec", container(alice, "alice"))
    of_bob = bob.run(
        "docker", "inspect", "--format", "{{(index .NetworkSettings.Networks "
        '"coursehub-user-bob").IPAddress}}', container(bob, "bob"),
    ).strip()  # fmt: skip
    assert alice.reaches("proxy", 8000, *inside) and alice.reaches("hub", 8081, *inside)
    nobody = [(of_bob, 8888), (alice.address, 22), (cluster.manager.address, 2377),
              ("169.254.169.254", 80)]  # fmt: skip
    assert not [each for each in nobody if alice.reaches(*each, *inside)]


def container(host: Host, student: str) -> str:
    label = f"label=coursehub.user={student}"
    return host.run("docker", "ps", "--quiet", "--filter", label).strip()


def test_status_says_where_servers_are_and_that_nothing_is_wrong_with_the_machines(
    cluster: Cluster,
) -> None:
    said = status(cluster)
    for host in cluster.workers:
        assert host.name in said
    assert "coursehub-user-alice.1" in said and "Hand-ins are graded." in said
    assert not [line for line in said.splitlines() if "WRONG" in line and "swarm" in line], said


def status(cluster: Cluster) -> str:
    """What `make status` says on the manager."""
    command = "cd /opt/coursehub/site && PYTHONPATH=src python3 -m coursehub.status || true"
    return cluster.manager.run("sh", "-c", command)


def test_who_is_cut_off_starts_again_elsewhere_with_the_same_home(cluster: Cluster) -> None:
    lost = cluster.worker_of("alice")
    cluster.cut_off(lost)
    start = time.monotonic()

    def after(holds: Callable[[], bool], what: str) -> None:
        until(holds, what)
        print(f"{time.monotonic() - start:.0f} s after the cut: {what}")

    try:
        after(lambda: "Down" in nodes(cluster), "the swarm has given the machine up")
        # By itself: nobody can tell it to.
        after(lambda: not container(lost, "alice"), "the machine has stopped the server")
        after(lambda: "alice" not in running(cluster), "the hub knows")
        assert f"The machine {lost.name} does not answer the swarm" in status(cluster)
        assert cluster.student("comes-back", "alice").split() == ["kept", "1"]
        print(f"{time.monotonic() - start:.0f} s after the cut: the student is back")
        assert cluster.worker_of("alice").name != lost.name
    finally:
        cluster.plug_in(lost)
    until(lambda: "Down" not in nodes(cluster), "it is back")
    assert not container(lost, "alice"), "two servers write to one home"


def nodes(cluster: Cluster) -> str:
    """The machines, as the manager has them."""
    return cluster.manager.run("docker", "node", "ls")


def running(cluster: Cluster) -> str:
    """Services of users' servers."""
    return cluster.manager.run("docker", "service", "ls", "--format", "{{.Name}}")
