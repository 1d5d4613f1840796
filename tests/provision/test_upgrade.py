"""Another version takes a running one's place, or does not; people's servers notice nothing."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import docker
import pytest

from coursehub.cli.smoke import await_open
from coursehub.hub.kernel import Kernel
from coursehub.settings import CHECKOUT
from tests.compose import Composed, prepared
from tests.deployment import PEOPLE, open_course
from tests.versions import head, next_step, tagged, with_files

PROGRAM = CHECKOUT / "ansible/roles/coursehub/files/coursehub_version.py"
RUN = uuid4().hex[:8]
OLD, NEW, BROKEN, ONE_WAY, TAG = (f"{name}-{RUN}" for name in ("1", "2", "broken", "way", "runs"))
COUNT = (
    "import threading, time\ncount = 0\n"
    "def go():\n    global count\n    while True:\n        count += 1; time.sleep(0.1)\n"
    "threading.Thread(target=go, daemon=True).start()"
)


class Machine:
    """A machine's folder, as the playbook lays it out, and the course that runs from it."""

    def __init__(self, folder: Path, course: Composed) -> None:
        self.folder, self.course = folder, course
        self.kernel: Kernel

    def deploy(self, version: str) -> None:
        """What the playbook sends."""
        site = self.folder / "site"
        shutil.rmtree(site, ignore_errors=True)
        (site / "hub").mkdir(parents=True)
        for name in ("docker-compose.yml", "hub/no-secret"):
            shutil.copy(CHECKOUT / name, site / name)
        (site / ".env").write_text(f"COURSEHUB_VERSION={version}\n")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, str(PROGRAM), f"--folder={self.folder}", *command],
            env=self.course.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        print(done.stdout, done.stderr)
        return done

    def put_in_force(self, version: str) -> subprocess.CompletedProcess[str]:
        self.deploy(version)
        return self.run("put-in-force", version)

    def revision(self) -> str:
        ask = ["psql", "-Atd", "course", "-c", "SELECT version_num FROM alembic_version"]
        return self.course.compose("exec", "-T", "db", *ask).strip()

    def ids(self) -> dict[str, str]:
        """The containers of all services, and of alice's server."""
        names = ("proxy", "hub", "course", "grader", "db", "egress")
        found = {name: str(self.course.service(name).id) for name in names}
        return found | {"alice": str(self.course.server("alice").id)}

    def replaced(self, before: dict[str, str]) -> set[str]:
        return {name for name, container in self.ids().items() if container != before[name]}

    def hand_in(self) -> int:
        """Alice hands in once more; how often she has."""
        with self.course.client("alice") as client:
            client.hand_in(assignment := await_open(client), client.files(assignment))
            return len(client.hand_ins().hand_ins)

    def version(self) -> str:
        return self.course.cli("hub", "--version").strip()


@pytest.fixture(scope="module")
def machine(
    engine: docker.DockerClient, images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """Version 1 runs, alice works and has handed in; the others' images are there."""
    folder = tmp_path_factory.mktemp("machine")
    users = {
        f"COURSEHUB_{name}_IMAGE": f"coursehub/{part}:{TAG}"
        for name, part in (("STUDENT", "student"), ("GPU", "student-gpu"), ("STAFF", "staff"))
    }
    course = open_course(now=datetime.now(UTC))
    with (
        tagged(engine, OLD, NEW, BROKEN, ONE_WAY, TAG),
        prepared(folder / "settings", course, IMAGE_TAG=TAG, **users) as running,
    ):
        with_files(engine, NEW, next_step())
        with_files(engine, BROKEN, next_step("raise RuntimeError('as if it were wrong')"))
        with_files(engine, ONE_WAY, next_step(back=""))
        machine = Machine(folder / "machine", running)
        assert machine.put_in_force(OLD).returncode == 0
        running.enrol(PEOPLE)
        machine.kernel = Kernel.start(running.start("alice"))
        machine.kernel.run(COUNT)
        assert machine.hand_in() == 1
        yield machine


def test_a_version_whose_tables_cannot_be_made_changes_nothing(machine: Machine) -> None:
    before = machine.ids()
    done = machine.put_in_force(BROKEN)
    assert done.returncode == 1
    assert "as if it were wrong" in done.stderr
    assert f"{BROKEN} is not in force; {OLD} runs, as before." in done.stderr
    assert machine.replaced(before) == set()
    assert machine.revision() == head()
    assert OLD in (machine.folder / "site/.env").read_text()


def test_users_servers_outlive_an_upgrade_and_the_way_back(machine: Machine) -> None:
    before, count = machine.ids(), int(machine.kernel.run("print(count)"))
    assert machine.put_in_force(NEW).returncode == 0
    assert machine.replaced(before) == {"hub", "course", "grader"}
    assert machine.version().endswith(NEW)
    assert int(machine.revision()) == int(head()) + 1
    assert int(machine.kernel.run("print(count)")) > count, "the kernel stood still"
    assert machine.hand_in() == 2

    upgraded, count = machine.ids(), int(machine.kernel.run("print(count)"))
    assert machine.run("roll-back").returncode == 0
    assert machine.replaced(upgraded) == {"hub", "course", "grader"}
    assert machine.version().endswith(OLD)
    assert machine.revision() == head()
    assert int(machine.kernel.run("print(count)")) > count, "the kernel stood still"
    assert machine.hand_in() == 3, "a hand-in was lost"
    assert "3 hand-ins: the chain holds" in machine.course.cli("course", "ledger", "check")
