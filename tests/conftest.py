"""What tests of the deployed form share for the whole run: an engine, and the images on it."""

from collections.abc import Iterator

import docker
import pytest
from hypothesis import HealthCheck, settings

from tests.engine import running_engine
from tests.images import build_images

# How quick an example is says nothing where other tests compute beside it.
settings.register_profile(
    "beside others", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("beside others")


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """A Docker engine; DOCKER_HOST names it."""
    with running_engine() as found:
        yield found


@pytest.fixture(scope="session")
def images(engine: docker.DockerClient) -> None:
    """All images, built from this checkout."""
    build_images(engine)
