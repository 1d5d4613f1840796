"""The images that are not ours in content: database, proxy, way out; each as compose runs it."""

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import docker
import pytest
from docker.models.containers import Container
from docker.models.networks import Network

PATIENCE = 60
SECRETS = "/run/secrets/coursehub"


class House:
    """Containers and networks of one test, as compose would make them."""

    def __init__(self, engine: docker.DockerClient) -> None:
        self.engine = engine
        self.project = f"image-{uuid4().hex[:8]}"
        self.containers: list[Container] = []
        self.networks: list[Network] = []
        self.volumes: list[str] = []

    def network(self, subnet: str | None = None) -> Network:
        """A network that the host has no address on and that leads nowhere."""
        pool = docker.types.IPAMPool(subnet=subnet) if subnet else None
        network = self.engine.networks.create(
            f"{self.project}-{len(self.networks)}",
            internal=True,
            options={"com.docker.network.bridge.inhibit_ipv4": "true"},
            ipam=docker.types.IPAMConfig(pool_configs=[pool]) if pool else None,
        )
        self.networks.append(network)
        return network

    def start(self, part: str, networks: dict[str, Network], **options: object) -> Container:
        """A service with these names in these networks, without any right."""
        named = {
            "read_only": True, "tmpfs": {"/tmp": "mode=1777"}, "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"], "network_mode": "none",
        } | options  # fmt: skip
        container = self.engine.containers.create(f"coursehub/{part}:latest", **named)
        self.containers.append(container)
        self.engine.networks.get("none").disconnect(container)
        for alias, network in networks.items():
            network.connect(container, aliases=[alias])
        container.start()
        return container

    def python(self, network: Network, script: str, **options: object) -> str:
        """What a Python program in this network prints."""
        return self.engine.containers.run(
            "coursehub/hub:latest", ["python", "-c", script], network=network.name, remove=True,
            **options,
        ).decode()  # fmt: skip

    def volume(self) -> str:
        self.volumes.append(self.engine.volumes.create(f"{self.project}-{len(self.volumes)}").name)
        return self.volumes[-1]

    def clear(self) -> None:
        for container in self.containers:
            container.remove(force=True, v=True)
        for network in self.networks:
            network.remove()
        for name in self.volumes:
            self.engine.volumes.get(name).remove()


@pytest.fixture
def house(engine: docker.DockerClient, images: None) -> Iterator[House]:
    house = House(engine)
    try:
        yield house
    finally:
        for container in house.containers:
            print(f"----- {container.image.tags} -----\n{container.logs(tail=40).decode()}")
        house.clear()


@pytest.fixture
def passwords(tmp_path: Path) -> dict[str, str]:
    """The services' passwords, in files of a folder."""
    tmp_path.chmod(0o755)
    made = {name: secrets.token_urlsafe() + "'\\" for name in ("hub", "course", "grader")}
    for name, password in made.items():
        (tmp_path / f"{name}_password").write_text(password + "\n")
    return made


def until(container: Container, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        container.reload()
        assert container.status == "running", container.logs(tail=20).decode()
        assert time.monotonic() < deadline, container.logs(tail=20).decode()
        time.sleep(0.1)


def until_healthy(container: Container) -> None:
    def healthy() -> bool:
        container.reload()
        return container.attrs["State"]["Health"]["Status"] == "healthy"

    until(container, healthy)


def mounted(folder: Path) -> dict[str, dict[str, str]]:
    return {str(folder): {"bind": SECRETS, "mode": "ro"}}


CONNECT = """
import pathlib, psycopg
def connect(role, database, password=None):
    if password is None:
        password = pathlib.Path(f"/run/secrets/coursehub/{role}_password").read_text().strip()
    return psycopg.connect(host="db", user=role, dbname=database, password=password,
                           connect_timeout=5, autocommit=True)
def refused(act, *args):
    try: act(*args)
    except psycopg.Error: return True
    return False
"""

DOORS = """
for role in ("hub", "course", "grader"):
    for database in ("hub", "course", "gradebook", "postgres", "template1"):
        if not refused(connect, role, database): print(role, database)
assert refused(connect, "hub", "hub", "wrong")
assert refused(connect, "postgres", "postgres", "")
"""

STAFF = """
with connect("grader", "gradebook") as grader:
    grader.execute("CREATE TABLE grade (points int)")
    grader.execute("INSERT INTO grade VALUES (6)")
with connect("hub", "hub") as hub:
    hub.execute("CREATE ROLE tara LOGIN PASSWORD 'tara' IN ROLE graders")
connect("tara", "course", "tara")
with connect("tara", "gradebook", "tara") as tara:
    assert refused(tara.execute, "CREATE TABLE mine (x int)")
    assert refused(tara.execute, "SELECT * FROM grade")  # until `coursehub migrate` has said so
assert refused(connect, "tara", "hub", "tara")
"""


def test_the_database_knows_its_roles(
    house: House, passwords: dict[str, str], tmp_path: Path
) -> None:
    network = house.network()
    volumes = mounted(tmp_path) | {house.volume(): {"bind": "/srv/postgresql", "mode": "rw"}}
    db = house.start("db", {"db": network}, volumes=volumes)
    until_healthy(db)
    opened = house.python(network, CONNECT + DOORS, volumes=mounted(tmp_path)).split("\n")
    # The hub leads the graders and so may come in as one of them.
    assert opened == [
        "hub hub", "hub course", "hub gradebook",
        "course course", "course gradebook", "grader course", "grader gradebook", "",
    ]  # fmt: skip
    house.python(network, CONNECT + STAFF, volumes=mounted(tmp_path))
    processes = str(db.top(ps_args="-eo pid,args")["Processes"])
    for password in passwords.values():
        assert password not in db.logs().decode()
        assert password not in processes


def test_the_database_survives_a_kill_and_takes_a_new_password(
    house: House, passwords: dict[str, str], tmp_path: Path
) -> None:
    network = house.network()
    volumes = mounted(tmp_path) | {house.volume(): {"bind": "/srv/postgresql", "mode": "rw"}}
    db = house.start("db", {"db": network}, volumes=volumes)
    until_healthy(db)
    house.python(network, CONNECT + STAFF, volumes=mounted(tmp_path))
    (tmp_path / "course_password").write_text("another")
    db.kill()
    db.start()
    until_healthy(db)
    script = CONNECT + (
        "assert refused(connect, 'course', 'course', 'wrong')\n"
        "connect('course', 'course'), connect('tara', 'gradebook', 'tara')\n"
        "print(*connect('grader', 'gradebook').execute('SELECT points FROM grade').fetchone())"
    )
    assert house.python(network, script, volumes=mounted(tmp_path)) == "6\n"


ROUTES = """
from urllib.error import HTTPError
from urllib.request import Request, urlopen
def status(url, **headers):
    try: return urlopen(Request(url, headers=headers), timeout=5).status
    except HTTPError as error: return error.code
    except OSError: return "nobody"
"""


def test_the_proxys_api_wants_the_token_and_is_in_one_network(house: House, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    token = secrets.token_hex()
    (tmp_path / "proxy_token").write_text(token + "\n")
    core, user = house.network(), house.network()
    proxy = house.start("proxy", {"proxy-api": core, "proxy": user}, volumes=mounted(tmp_path))
    until_healthy(proxy)
    routes = "http://proxy-api:8001/api/routes"
    script = (
        ROUTES + f"print(status('{routes}'), status('{routes}', Authorization='token {token}'))"
    )
    assert house.python(core, script) == "403 200\n"
    # A student's server knows no such name, and at the proxy's address in its network nobody
    # listens; the public port answers.
    script = ROUTES + (
        f"print(status('{routes}'), status('http://proxy:8001/api/routes'), "
        "status('http://proxy:8000/_chp_healthz'))"
    )
    assert house.python(user, script) == "nobody nobody 200\n"
    assert token not in str(proxy.top(ps_args="-eo pid,args")["Processes"])
    assert token not in proxy.logs().decode()


SERVE = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"reached")
http.server.ThreadingHTTPServer(("", 80), Answer).serve_forever()
"""

ASK = """
import socket, sys
for word in sys.argv[1:]:
    method, _, target = word.rpartition(" ")
    with socket.create_connection(("egress", 3128), 10) as proxy:
        proxy.sendall(f"{method} {target} HTTP/1.0\\r\\n\\r\\n".encode())
        answer = b""
        while part := proxy.recv(65536): answer += part
    print(answer.split()[1].decode(), answer.endswith(b"reached"))
"""


def ask(house: House, network: Network, *requests: str) -> dict[str, str]:
    """Status of each request, such as "GET http://example/", and whether the stand-in answered."""
    said = house.engine.containers.run(
        "coursehub/hub:latest", ["python", "-c", ASK, *requests], network=network.name, remove=True
    )
    return dict(zip(requests, said.decode().splitlines(), strict=True))


def test_the_way_out_leads_to_public_addresses_only(house: House) -> None:
    """All of these are networks of this test's own that lead nowhere, with stand-ins in them."""
    inside, metadata, public = (
        house.network("10.213.255.0/28"),
        house.network("169.254.169.240/28"),
        house.network("44.128.7.0/28"),
    )
    names = {"private": inside, "metadata": metadata, "public": public}
    addresses = {}
    for name, network in names.items():
        standin = house.start("hub", {name: network}, command=["python", "-c", SERVE], user="0",
                              cap_add=["NET_BIND_SERVICE"])  # fmt: skip
        standin.reload()
        addresses[name] = standin.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
    egress = house.start("egress", {"egress": inside, "e1": metadata, "e2": public})
    until_healthy(egress)

    allowed = [f"GET http://{addresses['public']}/", "GET http://public/"]
    until(egress, lambda: ask(house, inside, allowed[0])[allowed[0]] == "200 True")
    assert ask(house, inside, *allowed) == dict.fromkeys(allowed, "200 True")

    number = int.from_bytes(bytes(map(int, addresses["private"].split("."))))
    refused = [
        *(f"GET http://{name}/" for name in ("private", "metadata", "localhost", "egress:3128")),
        *(f"GET http://{addresses[name]}/" for name in ("private", "metadata")),
        *(f"CONNECT {addresses[name]}:443" for name in ("private", "metadata")),
        *(f"GET http://{form}/" for form in (number, hex(number), "127.0.0.1", "100.64.0.1")),
        *(f"GET http://{form}/" for form in ("172.17.0.1", "192.168.1.1", "0.0.0.0", "224.0.0.1")),
        *(f"GET http://[{form}]/" for form in ("::1", "fd00::1", "fe80::1", "64:ff9b::a00:1")),
        f"GET http://[::ffff:{addresses['private']}]/",
        f"GET http://{addresses['public']}:8080/",
        f"CONNECT {addresses['public']}:80",
        f"CONNECT {addresses['public']}:22",
        "GET http://egress:3128/squid-internal-mgr/menu",
    ]
    assert ask(house, inside, *refused) == dict.fromkeys(refused, "403 False")


def test_a_students_server_answers_on_a_read_only_root(house: House) -> None:
    home = {house.volume(): {"bind": "/home/student", "mode": "rw"}}
    lab = ["jupyter", "lab", "--no-browser"]
    server = house.start("student", {"server": house.network()}, command=lab, volumes=home)
    check = server.image.attrs["Config"]["Healthcheck"]["Test"][1:]
    until(server, lambda: server.exec_run(check).exit_code == 0)
    written = server.exec_run(["sh", "-c", "cd && touch mine && ls"]).output.decode()
    assert written == "mine\n"
