"""The stack of a swarm's workers follows from docker-compose.yml, and Docker's client takes it."""

import json
import os
import subprocess
from typing import Any

import pytest

from coursehub.cli.stack import stack_of
from coursehub.errors import CourseHubError
from coursehub.settings import CHECKOUT

ONE = "docker-compose.yml"
# As ansible/roles/coursehub names them in .env.
FILES = [f"--file=docker-compose{each}.yml" for each in ("", ".metrics", ".swarm")]
ID = f"sha256:{'a' * 64}"


def client(*command: str, text: str | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if "COURSEHUB" not in name}
    done = subprocess.run(
        ["docker", *command], cwd=CHECKOUT, env=environment | {"ENV_FILE": "/dev/null"},
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def composed(*profiles: str) -> dict[str, Any]:
    wanted = [f"--profile={each}" for each in profiles]
    return json.loads(client("compose", *FILES, *wanted, "config", "--format", "json"))


def made(compose: dict[str, Any]) -> dict[str, Any]:
    return stack_of(compose, lambda name: ID, {"pgpass": "coursehub-pgpass-1"})


def test_only_the_grader_leaves_the_manager() -> None:
    """What is added to docker-compose.yml stays where the database is, unless it says so."""
    grader = composed("stack")["services"]["grader"]
    found = made(composed("stack"))
    assert list(found["services"]) == ["grader"]
    service = found["services"]["grader"]
    assert service["deploy"]["placement"] == {"constraints": ["node.role==worker"]}
    assert service["environment"] == grader["environment"]
    assert service["image"] == ID
    assert (service["cap_drop"], service["read_only"]) == (["ALL"], True)
    assert service["deploy"]["resources"]["limits"] == {"pids": grader["pids_limit"]}
    assert set(found["networks"]) == {"grading", "lms"}


def test_the_managers_own_services_are_those_of_one_machine_without_the_grader() -> None:
    alone = json.loads(client("compose", f"--file={ONE}", "config", "--format", "json"))
    assert set(alone["services"]) - set(composed()["services"]) == {"grader"}


def test_secrets_are_the_swarms_and_nothing_of_their_volume_leaves() -> None:
    found = made(composed("stack"))
    (secret,) = found["services"]["grader"]["secrets"]
    assert secret["target"] == "/run/secrets/coursehub/pgpass"
    assert (secret["uid"], secret["mode"]) == ("1000", 0o400)
    assert "secrets" not in found["volumes"]
    assert found["secrets"] == {
        "coursehub-pgpass-1": {"name": "coursehub-pgpass-1", "external": True}
    }


def test_course_and_hand_ins_lie_on_shared_storage_and_the_graders_own_does_not() -> None:
    volumes = made(composed("stack"))["volumes"]
    places = {name: each.get("driver_opts", {}).get("device") for name, each in volumes.items()}
    assert places == {
        "config": "/srv/coursehub/config", "course": "/srv/coursehub/course",
        "exchange": "/srv/coursehub/exchange", "grader": None,
    }  # fmt: skip


def test_dockers_own_client_takes_the_stack() -> None:
    text = json.dumps(made(composed("stack")))
    assert "image: sha256:" in client("stack", "config", "--compose-file", "-", text=text)


@pytest.mark.parametrize("key", ["privileged", "devices", "shm_size"])
def test_what_a_stack_cannot_say_is_refused_and_not_left_out(key: str) -> None:
    compose = composed("stack")
    compose["services"]["grader"][key] = True
    with pytest.raises(CourseHubError, match=rf"services\.grader: .*{key}"):
        made(compose)


def test_without_a_place_there_is_no_stack() -> None:
    alone = json.loads(client("compose", f"--file={ONE}", "config", "--format", "json"))
    with pytest.raises(CourseHubError, match=r"docker-compose\.swarm\.yml"):
        made(alone)
