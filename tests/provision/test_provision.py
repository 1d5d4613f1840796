"""A machine that just booted becomes the course's; what was on it comes back on another one.

`make test` does what needs no second machine and no second version; `make test-provision` all.
"""

import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import docker
import pytest

from coursehub.settings import CHECKOUT
from tests.deployment import PEOPLE, open_course
from tests.images import PARTS, build_images
from tests.provision.certificates import certificate_for
from tests.provision.hosts import Host, fresh_host
from tests.provision.playbooks import Admin, Run

pytestmark = pytest.mark.timeout(2700)  # a machine from nothing, beside whatever else runs here

DOMAIN = "hub.example.edu"
RELEASE = "trixie"
COURSE = "coursehub/course:latest"
MONITORING = (9090, 9093, 9100, 9181, 9182, 9183)
# Secrets that are found wherever they end up.
CANARIES = {name: f"canary-{name}-{uuid4().hex}" for name in ("backup", "token", "environment")}


@dataclass(frozen=True)
class Site:
    """Two machines, and the admin who has them provisioned."""

    admin: Admin
    first: Host
    boot_second: Callable[[], Host]

    @cached_property
    def second(self) -> Host:
        return self.boot_second()

    def provision(self, host: Host, *options: str) -> Run:
        return self.admin.play("site.yml", host.name, *options, secrets=list(CANARIES.values()))


@pytest.fixture(scope="module")
def site(
    engine: docker.DockerClient, images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("admin")
    backups = f"backups-{uuid4().hex[:8]}"
    admin, given = Admin(folder), answers(folder)
    with fresh_host(engine, RELEASE, backups) as first, ExitStack() as later:
        admin.write([first], *given)

        def boot_second() -> Host:
            second = later.enter_context(fresh_host(engine, RELEASE, backups))
            admin.write([first, second], *given)
            return second

        yield Site(admin, first, boot_second)
    engine.volumes.get(backups).remove()


def answers(folder: Path) -> tuple[dict[str, object], dict[str, str]]:
    """What the admin wrote into the inventory, and into the vault."""
    (folder / "course.yml").write_text(open_course(now=datetime.now(UTC)))
    (folder / "people.csv").write_text(PEOPLE)
    certificate, key = certificate_for(DOMAIN)
    (folder / "hub.pem").write_text(certificate)
    CANARIES["key"] = key.splitlines()[2]
    variables: dict[str, object] = {
        # A container has the host's kernel and clock: only what is its own is set.
        "base_swap_megabytes": 0,
        "base_sysctl": {"net.ipv4.tcp_keepalive_time": 600},
        "base_admins": [{"name": "ada", "keys": [f"ssh-ed25519 {'A' * 68} ada@{DOMAIN}"]}],
        "coursehub_images": "ship",
        "coursehub_course_file": str(folder / "course.yml"),
        "coursehub_roster": str(folder / "people.csv"),
        "coursehub_secrets": {"hub/canary": "{{ vault_token }}"},
        "tls_domain": DOMAIN,
        "tls_mode": "files",
        "tls_certificate": certificate,
        "tls_key": "{{ vault_key }}",
        "backup_repository": "/backups",
        "backup_password": "{{ vault_backup }}",
        "backup_environment": {"CANARY": "{{ vault_environment }}"},
    }
    secrets = {f"vault_{name}": value for name, value in CANARIES.items()} | {"vault_key": key}
    return variables, secrets


@pytest.mark.drill
def test_a_check_of_a_bare_machine_changes_nothing(site: Site) -> None:
    before = site.first.run("dpkg-query", "--list")
    site.provision(site.first, "--check")
    assert site.first.run("dpkg-query", "--list") == before
    assert "coursehub" not in site.first.run("ls", "/etc", "/opt", "/usr/local/sbin")


def test_a_bare_machine_becomes_the_courses(site: Site) -> None:
    run = site.provision(site.first)
    assert not run.leaks, run.leaks
    for step in ("signed in", "the server runs", "a cell ran", "the receipt is true"):
        assert step in run.text
    assert not site.first.run("docker", "ps", "--all", "--quiet", "--filter", "name=smoke")
    assert "coursehub-smoke" not in site.first.run("docker", "volume", "ls")
    running = site.first.compose("ps", "--services", "--filter", "status=running").split()
    assert sorted(running) == ["course", "db", "egress", "grader", "hub", "proxy"]


def test_a_second_run_changes_nothing(site: Site) -> None:
    run = site.provision(site.first)
    assert run.changed == {site.first.name: 0}, run.text


@pytest.mark.drill
def test_a_check_shows_what_a_change_would_do(site: Site) -> None:
    extra = json.dumps({"docker_log_size": "20m"})
    run = site.provision(site.first, "--check", "--extra-vars", extra)
    assert '+        "max-size": "20m"' in run.text
    assert "10m" in site.first.run("cat", "/etc/docker/daemon.json")
    assert not run.leaks, run.leaks


def test_the_address_answers_with_the_universitys_certificate(site: Site) -> None:
    context = ssl.create_default_context(cafile=str(site.admin.folder / "hub.pem"))
    with (
        socket.create_connection((site.first.address, 443), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=DOMAIN) as secure,
    ):
        secure.sendall(
            f"GET /hub/login HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: secure.recv(65536), b"")).decode()
    assert answer.startswith("HTTP/1.1 200"), answer
    assert "strict-transport-security" in answer.lower()


def test_the_machine_is_watched_and_nothing_is_wrong(site: Site) -> None:
    site.first.run("systemctl", "start", "coursehub-ledger", "coursehub-look")
    query = "http://127.0.0.1:9090/api/v1/query?query=up"
    found = json.loads(site.first.run("curl", "--silent", query))["data"]["result"]
    up = {each["metric"]["job"]: each["value"][1] for each in found}
    assert up == dict.fromkeys(
        ("hub", "course", "grader", "node", "prometheus", "alertmanager"), "1"
    )
    told = site.first.run("curl", "--silent", "http://127.0.0.1:9100/metrics")
    assert 'node_systemd_unit_state{name="coursehub-backup.service",state="failed"' in told
    for figure in ("coursehub_address_status 200", "coursehub_ledger_holds 1"):
        assert figure in told
    said = site.first.run("make", "--directory", "/opt/coursehub/site", "status")
    assert "Prometheus watches.\nNothing is wrong." in said


def test_who_guesses_from_elsewhere_locks_nobody_out(
    site: Site, engine: docker.DockerClient
) -> None:
    """Behind Caddy the hub tells addresses apart, and believes nobody what they say of theirs."""
    site.first.compose(
        "exec", "-T", "course", "coursehub", "roster", "password", "bob", "--password", "right"
    )
    with neighbour(engine, site.first) as bob, neighbour(engine, site.first) as guesser:
        assert bob.signs_in("right") == [302]
        claimed = bob.host.address
        assert guesser.signs_in("wrong", "12", claimed) == [403] * 10 + [429] * 2
        assert bob.signs_in("right") == [302]


@dataclass(frozen=True)
class Neighbour:
    """Somebody else on the network; see neighbour.py."""

    host: Host

    def signs_in(self, password: str, times: str = "1", *claimed: str) -> list[int]:
        """Try so often to be bob; the status of each."""
        program = (Path(__file__).parent / "neighbour.py").read_text()
        said = self.host.run("python", "-", DOMAIN, "bob", password, times, *claimed, text=program)
        return [int(line) for line in said.split()]


@contextmanager
def neighbour(engine: docker.DockerClient, host: Host) -> Iterator[Neighbour]:
    container = engine.containers.run(
        COURSE, ["sleep", "infinity"], detach=True, extra_hosts={DOMAIN: host.address}
    )
    try:
        yield Neighbour(Host(container))
    finally:
        container.remove(force=True)


@pytest.mark.drill
def test_nothing_else_is_open_to_the_network(site: Site) -> None:
    """A server of somebody's on the machine, and a port that a container publishes."""
    site.first.serve(9150)
    site.first.run(
        "docker", "run", "--detach", "--name=published", "--publish=9200:8000", COURSE,
        "python", "-m", "http.server", "8000",
    )  # fmt: skip
    site.first.await_answer(9200)
    try:
        ports = (22, 80, 443, 2019, 8000, 9150, 9200, *MONITORING)
        found = [port for port in ports if site.second.reaches(site.first.address, port)]
        assert found == [22, 80, 443]
    finally:
        site.first.run("docker", "rm", "--force", "published")


@pytest.mark.drill
def test_containers_reach_public_addresses_alone(site: Site) -> None:
    """From where the egress proxy stands: neither a neighbour on the campus nor the machine.

    But who knows names may be asked for them, wherever that is.
    """
    site.second.serve(9300)
    site.second.serve(53)
    neighbour = site.second.address
    assert site.first.reaches(neighbour, 9300)  # the machine itself may
    network = "coursehub_outside"
    gateway = site.first.run(
        "docker", "network", "inspect", network, "--format={{(index .IPAM.Config 0).Gateway}}"
    )
    inside = ("docker", "run", "--rm", f"--network={network}", COURSE)
    assert not site.first.reaches(neighbour, 9300, *inside)
    assert not site.first.reaches(gateway.strip(), 22, *inside)
    assert not site.first.reaches(neighbour, 53, *inside)
    resolvers = json.dumps({"firewall_resolvers": [neighbour]})
    site.provision(site.first, "--tags", "firewall", "--extra-vars", resolvers)
    assert site.first.reaches(neighbour, 53, *inside)
    assert not site.first.reaches(neighbour, 9300, *inside)
    site.provision(site.first, "--tags", "firewall")


def test_secrets_are_in_no_file_that_others_read_and_in_no_image(site: Site) -> None:
    token = site.first.run("cat", "/etc/coursehub/monitoring/token")
    secrets = [*CANARIES.values(), token]
    assert site.first.holders(secrets, "/", "/run", "/tmp", "-xdev", "-perm", "/o=r") == []
    assert site.first.holders(secrets, "/var/lib/docker/overlay2", "-xdev") == []
    assert "/etc/caddy/tls/key.pem" in site.first.holders(secrets, "/etc")  # they would be found
    mountpoint = site.first.run(
        "docker", "volume", "inspect", "--format={{.Mountpoint}}", "coursehub-secrets"
    )
    path = f"{mountpoint.strip()}/hub/canary"
    assert site.first.run("cat", path) == CANARIES["token"]
    assert site.first.run("stat", "--format=%u %a", path).split() == ["1000", "600"]


@pytest.mark.drill
def test_what_people_made_comes_back_on_another_machine(site: Site) -> None:
    receipt = alice(site.first, "works")
    assert "handed in by: alice" in receipt
    site.first.run("systemctl", "start", "coursehub-backup")
    notes = site.first.run("cat", "/var/lib/prometheus/node-exporter/coursehub-backup.prom")
    assert "coursehub_backup_time_seconds 1" in notes
    site.provision(site.second, "--extra-vars", json.dumps({"coursehub_smoke": False}))
    restored = site.admin.play("restore.yml", site.second.name, secrets=list(CANARIES.values()))
    assert not restored.leaks
    assert "1 hand-ins: the chain holds and every file is what its receipt says" in restored.text
    # The receipt of the first machine is true on the second: it has the same key.
    verify = ["sh", "-c", "cat > /tmp/receipt && coursehub receipt verify /tmp/receipt"]
    assert ": true" in site.second.compose("exec", "-T", "course", *verify, text=receipt)
    assert alice(site.second, "comes-back").split() == ["kept", "1"]
    tokens = {
        host.run("cat", "/etc/coursehub/monitoring/token") for host in (site.first, site.second)
    }
    assert len(tokens) == 1  # Prometheus goes on reading the services' figures


def alice(host: Host, does: str) -> str:
    """Have alice work on a machine; see student.py."""
    program = (Path(__file__).parent / "student.py").read_text()
    return host.compose("exec", "-T", "course", "python", "-", does, text=program)


@pytest.mark.drill
def test_a_backup_can_be_read_with_its_password_alone(site: Site) -> None:
    listing = site.first.run("sh", "-c", "grep -rl alice /backups || true")
    assert listing == ""
    snapshots = "set -a; . /etc/coursehub/backup/environment; restic snapshots --json"
    assert len(json.loads(site.first.run("bash", "-c", snapshots))) == 1


def test_a_new_certificate_is_served_at_once(site: Site) -> None:
    certificate, key = certificate_for(DOMAIN)
    renewed = json.dumps({"tls_certificate": certificate, "tls_key": key})
    run = site.provision(site.first, "--tags", "tls", "--extra-vars", renewed)
    print(f"drill: certificate expired: a new one in force: {run.seconds:.1f} s")
    context = ssl.create_default_context(cadata=certificate)
    with (
        socket.create_connection((site.first.address, 443), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=DOMAIN) as secure,
    ):
        served = secure.getpeercert(binary_form=True)
    assert served == ssl.PEM_cert_to_DER_cert(certificate)


@pytest.mark.drill
def test_users_servers_outlive_an_upgrade_from_the_commit_before(
    site: Site, engine: docker.DockerClient
) -> None:
    """The machine goes to the commit before and comes back; then back by what it kept."""
    with images_of(engine, "HEAD~1") as before:
        older = json.dumps({"coursehub_version": "HEAD~1", "coursehub_smoke": False})
        site.provision(site.first, "--extra-vars", older)
        assert before in site.first.compose("exec", "-T", "hub", "coursehub", "--version")
    alice(site.first, "counts")
    count, server = int(alice(site.first, "counted")), server_of(site.first)
    site.provision(site.first, "--extra-vars", json.dumps({"coursehub_smoke": False}))
    assert before not in site.first.compose("exec", "-T", "hub", "coursehub", "--version")
    assert server_of(site.first) == server
    assert int(alice(site.first, "counted")) > count, "the kernel stood still"
    before_hand_in = hand_ins(site.first)
    assert "handed in by: alice" in alice(site.first, "works")

    site.admin.play("rollback.yml", site.first.name)
    assert before in site.first.compose("exec", "-T", "hub", "coursehub", "--version")
    assert server_of(site.first) == server
    assert hand_ins(site.first) == before_hand_in + 1


def hand_ins(host: Host) -> int:
    """How many the ledger has, whose chain holds."""
    said = host.compose("exec", "-T", "course", "coursehub", "ledger", "check")
    assert "hand-ins: the chain holds" in said
    return int(said.split()[0])


def server_of(host: Host) -> str:
    """The container of alice's server."""
    return host.run("docker", "ps", "--quiet", "--filter", "label=coursehub.user=alice")


@contextmanager
def images_of(engine: docker.DockerClient, commit: str) -> Iterator[str]:
    """The images of a commit, built here under its version's name; gone afterwards."""

    def git(*command: str) -> bytes:
        line = ["git", *command]
        return subprocess.run(line, cwd=CHECKOUT, capture_output=True, check=True).stdout

    name = f"0.1.0-{git('describe', '--tags', '--always', commit).decode().strip()}"
    with TemporaryDirectory(prefix="commit-") as folder:
        tar = ["tar", "--extract", "--directory", folder]
        subprocess.run(tar, input=git("archive", commit), check=True)
        shutil.copytree(CHECKOUT / "images/wheels", Path(folder, "images/wheels"))
        build_images(engine, Path(folder), name)
    try:
        yield name
    finally:
        for part in PARTS:
            engine.images.remove(f"coursehub/{part}:{name}", force=True)
