"""What one student's server can do to another's, to the databases, to the machine: nothing.

Probes go to containers of this test and to stand-ins that it puts up itself, and nowhere else.
"""

import json
from collections.abc import Iterator

import httpx
import pytest
from docker.models.containers import Container

from tests.compose import Composed
from tests.deployed.conftest import lent
from tests.deployed.standins import ANSWER, listening, standing_in

# Runs inside a server: tries each (host, port) and says what came of it.
PROBE = """
import json, socket, sys
found = {}
for host, port in json.loads(sys.argv[1]):
    try:
        socket.create_connection((host, port), timeout=3).close()
        found[f"{host}:{port}"] = "open"
    except OSError as error:
        found[f"{host}:{port}"] = type(error).__name__
print(json.dumps(found))
"""
USER_PORT = 8888


@pytest.fixture(scope="module")
def course(shared: Composed) -> Iterator[Composed]:
    with lent(shared, COURSEHUB_STUDENT_MEMORY="1G") as running:
        for username in ("alice", "bob", "tara"):
            running.start(username)
        yield running


def probe(course: Composed, username: str, targets: list[tuple[str, int]]) -> dict[str, str]:
    code, said = course.inside(username, "python", "-c", PROBE, json.dumps(targets))
    assert code == 0, said
    return dict(json.loads(said.splitlines()[-1]))


def addresses(container: Container) -> list[str]:
    container.reload()
    networks = container.attrs["NetworkSettings"]["Networks"]
    return [each["IPAddress"] for each in networks.values() if each["IPAddress"]]


def variable(course: Composed, username: str, name: str) -> str:
    code, said = course.inside(username, "printenv", name)
    assert code == 0, f"{name} is not set"
    return said.strip()


def test_a_server_reaches_proxy_and_hub(course: Composed) -> None:
    targets = [("proxy", 8000), ("hub", 8081)]
    for username in ("alice", "tara"):
        assert set(probe(course, username, targets).values()) == {"open"}


def test_nobody_reaches_anothers_server(course: Composed) -> None:
    bob = addresses(course.server("bob"))
    reached = probe(course, "bob", [(address, USER_PORT) for address in bob])
    assert set(reached.values()) == {"open"}, "the target itself must be alive"
    for username in ("alice", "tara"):
        targets = [(address, port) for address in bob for port in (USER_PORT, 22, 80)]
        targets.append((course.server("bob").name or "", USER_PORT))
        reached = probe(course, username, targets)
        assert "open" not in reached.values(), reached


def test_students_reach_no_service_behind_the_proxy(course: Composed) -> None:
    ports = {"db": [5432], "course": [8082, 8083], "grader": [8000, 8083], "hub": [8083]}
    targets = [
        (place, port)
        for name, each in ports.items()
        for port in each
        for place in [name, *addresses(course.service(name))]
    ]
    targets += [(address, 8001) for address in ["proxy", *addresses(course.service("proxy"))]]
    reached = probe(course, "alice", targets)
    assert "open" not in reached.values(), reached
    staff = probe(course, "tara", [("db", 5432)])
    assert staff == {"db:5432": "open"}, "staff work on the gradebook"


def test_the_machine_and_private_addresses_are_out_of_reach(course: Composed) -> None:
    bridge = course.engine.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
    with (
        standing_in("chmeta", "169.254.169.254") as metadata,
        standing_in("chprivate", "10.99.99.99", 5432) as database,
        listening(bridge) as host,
    ):
        urls = [httpx.URL(url) for url in (metadata, database, host)]
        for url in urls:
            assert httpx.get(url, trust_env=False).content == ANSWER, "the stand-in must be alive"
        for username in ("alice", "tara"):
            reached = probe(course, username, [(url.host, url.port or 80) for url in urls])
            assert "open" not in reached.values(), reached


def test_the_egress_proxy_refuses_private_addresses(course: Composed) -> None:
    fetch = (
        "import sys, httpx\n"
        "for url in sys.argv[1:]:\n"
        "    try: print(httpx.get(url, timeout=20).status_code)\n"
        "    except httpx.HTTPError as error: print(type(error).__name__)"
    )
    with standing_in("chmeta", "169.254.169.254") as metadata:
        _, said = course.inside("alice", "python", "-c", fetch, metadata, "http://10.99.99.99/",
                                "http://db:5432/", "http://course:8083/metrics",
                                "https://127.0.0.1/")  # fmt: skip
    assert "200" not in said
    assert said.split()[:4] == ["403"] * 4, said


def test_no_name_outside_is_known(course: Composed) -> None:
    script = "import socket; print(socket.gethostbyname('example.com'))"
    code, said = course.inside("alice", "python", "-c", script)
    assert code != 0 and "gaierror" in said


def test_nothing_is_shared_but_the_own_home(course: Composed) -> None:
    mounts = {each["Destination"]: each for each in course.server("alice").attrs["Mounts"]}
    assert list(mounts) == ["/home/student"]
    bobs = {each["Name"] for each in course.server("bob").attrs["Mounts"]}
    assert mounts["/home/student"]["Name"] not in bobs
    _, said = course.inside("alice", "find", "/", "-xdev", "-name", "docker*.sock")
    assert ".sock" not in said, said


def test_a_server_has_no_rights(course: Composed) -> None:
    _, status = course.inside("alice", "cat", "/proc/1/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split() == ["1000"] * 4
    assert {facts[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    for place in ("/etc/x", "/opt/coursehub/x", "/usr/local/bin/x"):
        code, said = course.inside("alice", "touch", place)
        assert code != 0 and "Read-only" in said, place


def test_a_fork_bomb_stops_at_its_own_walls(course: Composed) -> None:
    script = (
        "import subprocess\n"
        "kept = []\n"
        "try:\n"
        "    for _ in range(2000): kept.append(subprocess.Popen(['sleep', '20']))\n"
        "except OSError as error: print(type(error).__name__)\n"
        "print(len(kept))\n"
        "for each in kept: each.kill()"
    )
    _, said = course.inside("alice", "python", "-c", script)
    assert said.split()[0] == "BlockingIOError" and int(said.split()[-1]) < 1000, said
    assert probe(course, "bob", [("hub", 8081)]) == {"hub:8081": "open"}


def test_memory_ends_at_the_limit_and_concerns_nobody_else(course: Composed) -> None:
    code, _ = course.inside("alice", "python", "-c", "x = bytearray(3 * 2**30); print(len(x))")
    assert code != 0, "three gigabytes were had where one is allowed"
    host = course.server("alice").attrs["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == 2**30
    assert probe(course, "bob", [("hub", 8081)]) == {"hub:8081": "open"}


def test_a_servers_token_opens_nothing_of_others(course: Composed) -> None:
    token = variable(course, "alice", "JUPYTERHUB_API_TOKEN")
    sign = {"Authorization": f"token {token}"}
    url = course.settings.bind_url
    with httpx.Client(base_url=url, headers=sign, trust_env=False) as http:
        assert http.get("/services/course/api/assignments").status_code == 200
        assert http.get("/user/alice/api/status").status_code == 200
        for path in ("/user/bob/api/status", "/user/tara/api/status", "/hub/api/users",
                     "/hub/api/users/bob", "/hub/api/proxy", "/hub/api/services",
                     "/hub/metrics"):  # fmt: skip
            assert http.get(path).status_code in (403, 404), path
        assert http.post("/hub/api/users/bob/server").status_code in (403, 404)
        assert http.get("/services/course/api/hand-ins").json()["username"] == "alice"


def test_users_see_no_secret_of_the_deployment(course: Composed) -> None:
    secrets = course.compose(
        "run", "--rm", "--no-deps", "-T", "--entrypoint", "sh", "setup",
        "-c", "cd /srv/secrets && find . -type f -not -name '*.pub' -exec cat {} + ",
    )  # fmt: skip
    canaries = [part for part in secrets.replace(":", "\n").split() if len(part) >= 32]
    assert len(canaries) >= 8
    seen = ""
    for username in ("alice", "tara"):
        server = course.server(username)
        seen += json.dumps(server.attrs) + server.logs().decode(errors="replace")
        seen += course.inside(username, "cat", "/proc/1/environ")[1]
    for container in course.containers({}):
        container.reload()
        seen += json.dumps(container.attrs) + container.logs().decode(errors="replace")
    for canary in canaries:
        assert canary not in seen, f"a secret that begins with {canary[:4]} is where it must not be"


def test_secrets_are_private_files(course: Composed) -> None:
    listed = course.compose(
        "run", "--rm", "--no-deps", "-T", "--entrypoint", "sh", "setup",
        "-c", "find /srv/secrets -type f -not -name '*.pub' -printf '%m %p\\n'",
    )  # fmt: skip
    lines = listed.split("\n")
    assert len(lines) > 10
    assert all(line.startswith("600 ") for line in lines if line), listed


def test_who_holds_the_engines_socket_and_who_a_port(course: Composed) -> None:
    holders, publishers = set(), set()
    servers = course.containers({}, "coursehub.project")
    for container in course.containers({}) + servers:
        container.reload()
        name = container.labels.get("com.docker.compose.service", container.name)
        if "docker.sock" in json.dumps(container.attrs["Mounts"]):
            holders.add(name)
        if container.attrs["HostConfig"]["PortBindings"]:
            publishers.add(name)
    assert (holders, publishers) == ({"hub", "grader"}, {"proxy"})
