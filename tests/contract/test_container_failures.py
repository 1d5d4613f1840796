"""Servers that do not start: what people read, and that a second try works."""

import asyncio
import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.types import DeviceRequest
from jupyterhub.utils import format_exception

from coursehub.hub import failures
from coursehub.hub.containers import ContainerSpawner
from coursehub.hub.failures import NotStarted
from tests.contract.spawners import Lease, Pool, left_of, make_exchange, spawner, spawning_site
from tests.contract.standins import Site

# The engine, with our images on it.
pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with spawning_site(tmp_path) as site:
        yield site


def fails(own: ContainerSpawner) -> str:
    """What the hub's pages show of a start that fails."""
    with pytest.raises(NotStarted) as failure:
        asyncio.run(own.start())
    message, page = format_exception(failure.value, only_jupyterhub=True)
    assert message == failure.value.message
    assert html.unescape(page) == message
    return message


def fail_then_start(site: Site, name: str = "alice", **options: Any) -> str:
    """What was said; afterwards nothing is left, and a second try works."""
    words = fails(spawner(site, name, **options))
    assert left_of(site, name) == []
    asyncio.run(spawner(site, name).start())
    return words


def test_a_missing_image_is_named_and_not_pulled(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = site.settings.model_copy(update={"student_image": "coursehub/nosuch:latest"})
    words = fail_then_start(site, settings=without)
    assert words == (
        "The image coursehub/nosuch:latest is not on this machine. Ask staff to run make up."
    )


def test_an_engine_that_is_down_is_said_so_and_found_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as down:
        down.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
        words = fails(spawner(site, "alice"))
    assert words.startswith("The container engine does not answer. Try again in a minute")
    asyncio.run(spawner(site, "alice").start())


def test_a_gpu_that_is_gone_is_said_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for request in (
        DeviceRequest(driver="cdi", device_ids=["nvidia.com/gpu=99"]),
        DeviceRequest(count=-1, capabilities=[["gpu"]]),
    ):
        monkeypatch.setattr(Lease, "device_request", request)
        own = spawner(site, "alice", pool=Pool())
        own.profile = "gpu"
        assert fails(own).startswith("The GPU that was yours to use is not there any more.")
        assert left_of(site, "alice") == []


def test_a_full_machine_takes_no_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as full:
        full.setattr(failures, "DISK_FLOOR", 1 << 60)
        assert "disk is nearly full" in fail_then_say(site)
    with monkeypatch.context() as full:
        full.setattr(failures, "MEMORY_FLOOR", 1 << 60)
        assert "All memory of the machine is in use" in fail_then_say(site)
    asyncio.run(spawner(site, "alice").start())


def fail_then_say(site: Site) -> str:
    words = fails(spawner(site, "alice"))
    assert left_of(site, "alice") == []
    return words


def test_no_network_left_is_said_so(tmp_path: Path) -> None:
    with spawning_site(tmp_path, user_subnets="10.214.80.0/28") as site:
        asyncio.run(spawner(site, "bob").start())
        assert "All networks for servers are in use" in fails(spawner(site, "alice"))
        assert left_of(site, "alice") == []


def test_a_server_that_dies_at_once_is_said_so_and_its_last_words_are_logged(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    words = fail_then_start(site, cmd=["bash", "-c", "echo no such module; exit 1"])
    assert words == "Your server ended with an error (exit code 1)."
    assert "no such module" in caplog.text


def test_a_server_that_never_answers_is_given_up(site: Site) -> None:
    words = fail_then_start(site, cmd=["sleep", "60"], http_timeout=2)
    assert words.startswith("JupyterLab did not answer within 2 seconds.")


def test_what_nobody_foresaw_has_a_number_that_is_in_the_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as an exchange whose folders are not there."""
    words = fails(spawner(site, "tara"))
    assert left_of(site, "tara") == []
    number = words.rstrip(".").rsplit(" ", 1)[1]
    assert "root/CS5260" not in words
    assert f"({number})" in caplog.text and "root/CS5260" in caplog.text
    make_exchange(site)
    asyncio.run(spawner(site, "tara").start())


def test_an_engine_too_old_to_mount_folders_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would mount all of the exchange, writable names and all, where hand-ins are to be."""
    monkeypatch.setattr(ContainerSpawner, "_client", docker.APIClient(version="1.44"))
    assert "container engine is too old" in fails(spawner(site, "tara"))
