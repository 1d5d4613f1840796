"""What several contract tests share."""

from collections.abc import Iterator

import pytest

from tests.deployment import print_logs
from tests.postgres import Postgres, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL; the passwords of its roles are known to this process."""
    with running_postgres() as server, pytest.MonkeyPatch.context() as environment:
        environment.setenv("PGPASSFILE", str(server.passfile))
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    """After a failure with PostgreSQL: the end of its log."""
    report = yield
    if report.failed and (server := getattr(item, "funcargs", {}).get("postgres")):
        print_logs([server.log])
    return report
