"""The README's commands for the deployed form, on a deployment of their own."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from tests.compose import Composed, prepared
from tests.deployment import PEOPLE, open_course


@pytest.fixture(scope="module")
def course(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """Prepared, not started: that is what is tested."""
    text = open_course(now=datetime.now(UTC))
    with prepared(tmp_path_factory.mktemp("make"), text, COURSEHUB_GPUS="none") as deployment:
        yield deployment


def ids(course: Composed) -> dict[str, str]:
    return {each.name: each.id for each in course.containers({})}


def test_up_brings_everything_and_a_second_one_changes_nothing(course: Composed) -> None:
    said = course.make("up")
    assert "(healthy)" in said
    assert httpx.get(f"{course.settings.bind_url}/hub/login", trust_env=False).is_success
    course.enrol(PEOPLE)
    course.start("alice")
    before, server = ids(course), course.server("alice").id
    course.make("up")
    assert ids(course) == before
    assert course.server("alice").id == server


def test_status_names_services_and_servers_and_who_grades(course: Composed) -> None:
    said = course.make("status")
    for part in ("proxy", "hub", "course", "grader", "db", "alice", "Hand-ins are graded.",
                 "Nothing is wrong."):  # fmt: skip
        assert part in said, said


def test_an_edited_course_file_is_in_force_without_a_restart(course: Composed) -> None:
    before = ids(course)
    file = course.settings.course
    file.write_text(file.read_text().replace("Adversarial machine learning", "Attack and defence"))
    course.make("up")
    assert ids(course) == before
    with course.client("alice") as client:
        assert client.assignments().assignments[0].title == "Attack and defence"


def test_a_course_file_with_a_mistake_is_refused_and_the_old_one_stays(course: Composed) -> None:
    file = course.settings.course
    right = file.read_text()
    file.write_text(right.replace("Fri 2021-01-15", "Mon 2021-01-15"))
    try:
        with pytest.raises(AssertionError, match="2021-01-15 is a Friday"):
            course.make("up")
        with pytest.raises(AssertionError, match="The service setup has ended"):
            course.make("status")
    finally:
        file.write_text(right)
    with course.client("alice") as client:
        assert client.assignments().assignments[0].title == "Attack and defence"


def test_services_log_within_bounds_and_come_back_by_themselves(course: Composed) -> None:
    for name in ("proxy", "hub", "course", "grader", "db", "egress"):
        host = course.service(name).attrs["HostConfig"]
        assert host["RestartPolicy"]["Name"] == "unless-stopped", name
        assert host["LogConfig"]["Config"]["max-size"], name
        assert host["CapDrop"] == ["ALL"] and host["ReadonlyRootfs"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name


def test_down_stops_servers_too_and_keeps_what_people_made(course: Composed) -> None:
    course.inside("alice", "sh", "-c", "echo kept > /home/student/notes.txt")
    course.make("down")
    assert not course.containers({})
    assert not course.containers({}, "coursehub.project")
    ours = {"label": f"coursehub.project={course.project}"}
    assert not course.engine.networks.list(filters=ours)
    course.make("up")
    course.start("alice")
    assert course.read_home("alice", "notes.txt") == b"kept\n"
