"""A deployment, Chromium, and what a failed test leaves for the person who looks into it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from tests.compose import Composed, composed, print_container_logs
from tests.deployment import open_course
from tests.e2e.conftest import browser, photograph_pages

__all__ = ["browser"]


@pytest.fixture(scope="package")
def shared(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """A deployment for all files, one after the other; each is `lent` it.

    Its assignment 1 opened an hour ago: the grader releases it by itself.
    """
    variables = {
        "COURSEHUB_GPUS": "none",
        "COURSEHUB_INTERNET": "true",
        "COURSEHUB_STUDENT_MEMORY": "2G",
    }
    text = open_course(now=datetime.now(UTC))
    with composed(tmp_path_factory.mktemp("shared"), text, **variables) as running:
        yield running


@contextmanager
def lent(shared: Composed, **variables: str) -> Iterator[Composed]:
    """The deployment while its hub goes by these variables too; servers and homes are fresh."""
    shared.put_in_force(**variables)
    yield shared
    shared.clear_homes()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    """After a failure: what every open page shows, and the log of every container."""
    report = yield
    if report.failed:
        values = list(getattr(item, "funcargs", {}).values())
        photograph_pages(values, item.name)
        for value in values:
            if isinstance(value, Composed):
                print_container_logs(value)
    return report
