"""Chromium for the end-to-end tests; what a failed test leaves for the person who looks into it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.deployment import print_logs
from tests.e2e.chromium import find_chromium, launch_options, unpacked_libraries

OUTPUT = Path(__file__).resolve().parents[1] / "output"

# Of what a page comes to say; other tests may have both cores meanwhile.
expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running Chromium, without any page."""
    path = find_chromium()
    with pytest.MonkeyPatch.context() as environment:
        # A bare machine lacks a library that Playwright's own Node needs.
        if libraries := unpacked_libraries():
            environment.setenv("LD_LIBRARY_PATH", libraries, prepend=":")
        playwright = sync_playwright().start()
    chromium = playwright.chromium.launch(**launch_options(path))
    yield chromium
    chromium.close()
    playwright.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    """After a failure: what every open page shows, and the log of hub and servers."""
    report = yield
    if report.failed:
        values = list(getattr(item, "funcargs", {}).values())
        photograph_pages(values, item.name)
        for value in values:
            if settings := getattr(value, "settings", None):
                print_logs([settings.state / "hub.log"])
    return report


def photograph_pages(values: list[object], name: str) -> None:
    """Keep a picture of every open page of the browsers among a test's fixtures."""
    for chromium in (value for value in values if isinstance(value, Browser)):
        _photograph(chromium, name)


def _photograph(chromium: Browser, name: str) -> None:
    pages: list[Page] = [page for context in chromium.contexts for page in context.pages]
    for number, page in enumerate(pages):
        OUTPUT.mkdir(exist_ok=True)
        page.screenshot(path=OUTPUT / f"failed-{name}-{number}.png")
        print(f"{OUTPUT}/failed-{name}-{number}.png shows {page.url}")
