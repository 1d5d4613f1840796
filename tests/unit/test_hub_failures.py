"""Failures in words: each kind of error that starting a server can raise."""

import docker
import pytest
import requests
from docker.errors import APIError, DockerException, ImageNotFound

from coursehub.errors import SpawnError
from coursehub.hub.failures import MEMINFO, _memory_available, why_ended, why_not_started


def said(error: Exception) -> str | None:
    failure = why_not_started(error, "coursehub/student:latest")
    return failure and failure.jupyterhub_message


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ImageNotFound("No such image"), "coursehub/student:latest is not on this machine"),
        (DockerException("Error while fetching server API version"), "engine does not answer"),
        (requests.ConnectionError("refused"), "engine does not answer"),
        (requests.ReadTimeout("60 s"), "engine does not answer"),
        (APIError('could not select device driver "" with capabilities: [[gpu]]'), "The GPU"),
        (APIError("CDI device injection failed: unresolvable CDI devices x"), "The GPU"),
        (APIError("write /data: No space left on device"), "disk is nearly full"),
        (APIError("fork/exec: cannot allocate memory"), "All memory of the machine"),
        (
            SpawnError("you left the queue", remedy="Start again."),
            "You left the queue. Start again.",
        ),
    ],
)
def test_what_was_foreseen_is_said_without_the_engines_own_words(
    error: Exception, words: str
) -> None:
    sentence = said(error)
    assert sentence and words in sentence
    assert sentence.endswith(".") and sentence[0].isupper()
    assert isinstance(error, SpawnError | ImageNotFound) or str(error) not in sentence


@pytest.mark.parametrize(
    "error", [APIError("something new"), docker.errors.NotFound("network"), KeyError("x")]
)
def test_what_nobody_foresaw_is_left_to_others(error: Exception) -> None:
    assert said(error) is None


def test_html_in_a_failure_is_shown_not_run() -> None:
    failure = why_not_started(SpawnError("<script>x</script>"), "image")
    assert failure and "<script>" not in failure.jupyterhub_html_message


@pytest.mark.parametrize(
    ("code", "oom", "words"),
    [
        (137, True, "used up its 3 GB of memory"),
        (137, False, "stopped from outside"),
        (143, False, "stopped from outside"),
        (0, False, "ended by itself"),
        (0, True, "ended by itself"),  # a kernel was killed some time before; the server was not
        (1, False, "exit code 1"),
    ],
)
def test_why_a_server_ended(code: int, oom: bool, words: str) -> None:
    assert words in why_ended({"ExitCode": code, "OOMKilled": oom}, 3 * 1024**3)


def test_available_memory_is_less_than_all_there_is() -> None:
    total = int(MEMINFO.read_text().split()[1]) * 1024
    assert 0 < _memory_available() < total
