"""A real deployed form for tests and benches: `docker compose` on a real engine."""

import io
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
from docker.models.containers import Container

from coursehub.exchange.client import Client
from coursehub.hub.session import Session
from coursehub.settings import CHECKOUT, Settings, load_settings
from tests.deployment import PEOPLE, free_port, password
from tests.engine import cdi_folder

UP_SECONDS = 240
STOP_SECONDS = 60


@dataclass(frozen=True)
class Composed:
    """A running deployed form."""

    settings: Settings
    variables: dict[str, Any]  # what .env says, unless `put_in_force` changes it
    environment: dict[str, str]
    engine: docker.DockerClient

    @property
    def project(self) -> str:
        """First part of all its names."""
        return self.settings.project

    def compose(self, *command: str, text: str | None = None) -> str:
        """Run `docker compose`; return what it prints.

        Raises:
            AssertionError: with its messages, when it fails.
        """
        return _run(["docker", "compose", *command], self.environment, text)

    def make(self, target: str) -> str:
        """Run one of the README's own commands."""
        return _run(["make", target], self.environment, None)

    def put_in_force(self, **variables: object) -> None:
        """Have .env say these too, beside what it said at first, and the hub go by it."""
        path = Path(self.environment["ENV_FILE"])
        if (text := _lines(self.variables | variables)) != path.read_text():
            path.write_text(text)
            self.compose("up", "--detach", "--wait", "--no-deps", "hub")

    def cli(self, service: str, *command: str, text: str | None = None) -> str:
        """Run `coursehub` inside a service's container."""
        return self.compose("exec", "-T", service, "coursehub", *command, text=text)

    def enrol(self, people: str) -> None:
        """Put people on the roster, each with the tests' password."""
        self.cli("course", "roster", "import", "-", text=people)
        names = [line.partition(",")[0] for line in people.splitlines()[1:]]
        script = (
            "from coursehub.cli.people import _roster; import sys\n"
            "for line in sys.stdin: _roster().set_password(*line.split())"
        )
        lines = "\n".join(f"{name} {password(name)}" for name in names)
        self.compose("exec", "-T", "course", "python", "-c", script, text=lines)

    def service(self, name: str) -> Container:
        """The container of a compose service."""
        return self.containers({"com.docker.compose.service": name})[0]

    def server(self, username: str) -> Container:
        """The container of somebody's server.

        Raises:
            AssertionError: when there is none.
        """
        found = self.containers({"coursehub.user": username}, "coursehub.project")
        assert found, f"{username} has no server"
        return found[0]

    def containers(
        self, labels: dict[str, str], project: str = "com.docker.compose.project"
    ) -> list[Container]:
        """This deployment's containers with these labels, running or not."""
        wanted = [f"{project}={self.project}", *(f"{k}={v}" for k, v in labels.items())]
        if project == "com.docker.compose.project":
            # Compose labels the images too, and so whatever another test starts from them.
            wanted.append("com.docker.compose.oneoff=False")
        return self.engine.containers.list(all=True, filters={"label": wanted})

    def session(self, username: str) -> Session:
        """Sign in."""
        return Session(self.settings.bind_url, username, password(username))

    def client(self, username: str) -> Client:
        """The exchange as this person, with a token from the hub."""
        session = self.session(username)
        token = session.token()
        session.close()
        return Client(f"{self.settings.bind_url}/services/course/api/", token)

    def start(self, username: str, **options: str) -> Session:
        """Sign in and have the own server running.

        Raises:
            AssertionError: when it does not come up, with what the hub says.
        """
        session = self.session(username)
        self.ask_for_server(session, **options)
        self.await_server(session)
        return session

    def ask_for_server(self, session: Session, **options: str) -> None:
        """Press Start, with the profile page's choices."""
        answer = session.api("POST", f"users/{session.username}/server", json=options)
        assert answer.status_code in (201, 202), answer.text

    def await_server(self, session: Session, seconds: float = 120) -> None:
        """Wait until the person's own server answers the person."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            model = session.http.get(f"/hub/api/users/{session.username}").json()
            server = model["servers"].get("", {})
            if server.get("ready"):
                return
            assert server.get("pending"), f"the server of {session.username} failed: {server}"
            time.sleep(0.2)
        raise AssertionError(f"the server of {session.username} did not start: {server}")

    def clear_homes(self) -> None:
        """Stop everybody's server, and forget what they have in their homes."""
        theirs = {"label": [f"coursehub.project={self.project}", "coursehub.user"]}
        for container in self.engine.containers.list(filters=theirs):
            session = self.session(container.labels["coursehub.user"])
            answer = session.api("DELETE", f"users/{session.username}/server")
            assert answer.status_code in (202, 204), answer.text
        deadline = time.monotonic() + STOP_SECONDS
        while self.engine.containers.list(all=True, filters=theirs):
            assert time.monotonic() < deadline, f"servers still run after {STOP_SECONDS} s"
            time.sleep(0.2)
        for volume in self.engine.volumes.list(filters=theirs):
            volume.remove()

    def read_home(self, username: str, path: str) -> bytes:
        """A file of somebody's home."""
        chunks, _ = self.server(username).get_archive(f"/home/student/{path}")
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            member = archive.extractfile(Path(path).name)
            assert member is not None, path
            return member.read()

    def write_home(self, username: str, path: str, content: bytes) -> None:
        """Put a file into somebody's home, as they would."""
        script = (
            "import sys, pathlib; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"
        )
        command = ["docker", "exec", "-i", self.server(username).id or "", "python", "-c", script]
        subprocess.run([*command, path], input=content, env=self.environment, check=True)

    def inside(self, username: str, *command: str) -> tuple[int, str]:
        """Run a command in somebody's server; its exit code and what it prints."""
        done = self.server(username).exec_run(list(command))
        return done.exit_code, done.output.decode(errors="replace")


@contextmanager
def composed(
    state: Path, course: str, people: str = PEOPLE, **variables: object
) -> Iterator[Composed]:
    """A running deployed form whose images are built; gone with all its volumes afterwards.

    Args:
        state: an empty folder for its course file.
        course: text of the course file.
        people: the roster, CSV.
        variables: what .env would hold, such as COURSEHUB_GPUS.
    """
    with prepared(state, course, **variables) as deployment:
        try:
            deployment.compose("up", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS))
            deployment.enrol(people)
            yield deployment
        except BaseException:
            print_container_logs(deployment)
            raise


@contextmanager
def prepared(state: Path, course: str, **variables: object) -> Iterator[Composed]:
    """A deployed form that is not started yet; gone with all its volumes afterwards."""
    deployment = _prepare(state, course, variables)
    try:
        yield deployment
    finally:
        _remove(deployment)


def print_container_logs(deployment: Composed) -> None:
    """Print the end of every container's log, so that a failure shows the world."""
    found = deployment.containers({}) + deployment.containers({}, "coursehub.project")
    for container in found:
        print(f"\n----- {container.name} ({container.status}) -----")
        print(container.logs(tail=60).decode(errors="replace"))


def _prepare(state: Path, course: str, variables: dict[str, Any]) -> Composed:
    state.mkdir(parents=True, exist_ok=True)
    (state / "course.yml").write_text(course)
    (state / "course.yml").chmod(0o644)
    port = free_port()
    project = f"test-{uuid4().hex[:8]}"
    lines = {
        "COURSEHUB_PROJECT": project,
        "COURSEHUB_COURSE": str(state / "course.yml"),
        "COURSEHUB_BIND_URL": f"http://127.0.0.1:{port}",
        "COURSEHUB_USER_SUBNETS": f"10.{port % 100 + 100}.0.0/16",
        "PUBLISH": f"127.0.0.1:{port}",
    } | variables
    (state / ".env").write_text(_lines(lines))
    engine = docker.from_env()
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"} | {
        **{name: str(value) for name, value in lines.items()},
        "ENV_FILE": str(state / ".env"),
        "DOCKER_SOCKET": socket,
        "DOCKER_GROUP": str(Path(socket).stat().st_gid),
        "CDI_FOLDER": str(cdi_folder(engine)),
    }
    settings = load_settings(
        state=state, course=state / "course.yml", form="containers", project=project,
        bind_url=f"http://127.0.0.1:{port}",
    )  # fmt: skip
    return Composed(settings, lines, environment, engine)


def _lines(variables: dict[str, Any]) -> str:
    return "".join(f"{name}={value}\n" for name, value in variables.items())


def _remove(deployment: Composed) -> None:
    for container in deployment.containers({}, "coursehub.project"):
        container.remove(force=True, v=True)
    deployment.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")
    ours = {"label": f"coursehub.project={deployment.project}"}
    for network in deployment.engine.networks.list(filters=ours):
        network.remove()
    for volume in deployment.engine.volumes.list(filters=ours):
        volume.remove()


def _run(command: list[str], environment: dict[str, str], text: str | None) -> str:
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, input=text, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
