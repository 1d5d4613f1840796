"""Chromium, and what a failed test leaves for the person who looks into it."""

from collections.abc import Iterator

import pytest

from tests.compose import Composed, print_container_logs
from tests.e2e.conftest import browser, photograph_pages

__all__ = ["browser"]


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
