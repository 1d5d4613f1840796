"""What services tell Prometheus: the figures, and to whom."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from sqlalchemy import create_engine

from coursehub.cli.setup import TOKENS, make_secrets
from coursehub.course.due import Key
from coursehub.errors import CourseHubError
from coursehub.exchange.clock import Clock
from coursehub.exchange.database import connect
from coursehub.exchange.desk import LEASE, Desk
from coursehub.exchange.figures import CourseFigures, figures
from coursehub.exchange.ledger import Ledger
from coursehub.grading.figures import GRADINGS, counted
from coursehub.metrics import telling

NOON = datetime(2021, 2, 5, 12, tzinfo=UTC)
TOKEN = "a-token-for-prometheus"  # noqa: S105


@pytest.fixture
def told() -> Iterator[str]:
    registry = CollectorRegistry()
    Counter("apples", "Apples", registry=registry).inc(3)
    with telling(TOKEN, 0, "127.0.0.1", registry) as port:
        yield f"http://127.0.0.1:{port}/metrics"


def test_who_has_the_token_is_told(told: str) -> None:
    answer = httpx.get(told, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False)
    assert answer.is_success and "apples_total 3.0" in answer.text


@pytest.mark.parametrize("given", ["", "Bearer", f"Bearer {TOKEN}x", TOKEN, "Bearer \xe4"])
def test_nobody_else_is(told: str, given: str) -> None:
    answer = httpx.get(told, headers={"Authorization": given.encode()}, trust_env=False)
    assert answer.status_code == 401 and "apples" not in answer.text


def values(database: str, now: datetime = NOON) -> dict[str, float]:
    """The figures of a course with two assignments, as Prometheus reads them."""
    found = {}
    for metric in figures(connect(database), ["assignment_1", "assignment_2"], now):
        for sample in metric.samples:
            found[" ".join([sample.name, *sample.labels.values()])] = sample.value
    return found


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'course.sqlite'}"


def test_an_empty_course_has_all_figures_and_they_are_zero(database: str) -> None:
    found = values(database)
    assert set(found.values()) == {0}
    for name in ("hand_ins_total assignment_2", "gradings_waiting full", "clock_failing release"):
        assert f"coursehub_{name}" in found


def test_the_queue_is_told_with_its_oldest_and_its_graders(database: str) -> None:
    desk = Desk(connect(database))
    desk.ask_for_tests("assignment_1", "alice", 1, NOON - timedelta(minutes=20))
    desk.ask_for_tests("assignment_1", "bob", 2, NOON - timedelta(minutes=10))
    desk.report("one", None, NOON)
    desk.report("two", "the sandbox has the internet", NOON)
    found = values(database)
    assert found["coursehub_gradings_waiting visible"] == 2
    assert found["coursehub_gradings_oldest_seconds visible"] == 20 * 60
    assert found["coursehub_gradings_oldest_seconds full"] == 0
    assert found["coursehub_graders grading"] == found["coursehub_graders hindered"] == 1
    later = values(database, NOON + 2 * LEASE)  # they say nothing any more
    assert later["coursehub_graders grading"] == later["coursehub_graders hindered"] == 0


def test_hand_ins_are_counted_by_assignment_and_nobody_is_named(database: str) -> None:
    Ledger(connect(database)).append(
        username="alice", assignment="assignment_1", received=NOON, folder="f", key="k", files=(),
        write_receipt=lambda number, sealed: "",
    )  # fmt: skip
    found = values(database)
    assert found["coursehub_hand_ins_total assignment_1"] == 1
    assert not [name for name in found if "alice" in name]


def test_what_the_clock_fails_at_is_told_until_it_succeeds_or_is_due_no_more(database: str) -> None:
    clock, key = Clock(connect(database)), Key("release", "assignment_1", NOON)
    clock.take(key, "me", NOON)
    assert values(database)["coursehub_clock_failing release"] == 0
    clock.fail(key, "me", NOON, "no such source", 1)
    assert values(database)["coursehub_clock_failing release"] == 1
    assert values(database, NOON + timedelta(hours=1))["coursehub_clock_failing release"] == 0


def test_a_database_that_is_away_is_a_figure_too(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(CourseFigures(create_engine(f"sqlite:///{tmp_path}/no/such"), list))
    assert b"coursehub_database_answers 0.0" in generate_latest(registry)


def test_a_grading_that_fails_is_counted_apart_and_one_left_to_others_is_not() -> None:
    def counts() -> list[float]:
        return [GRADINGS.labels("rerun", each)._value.get() for each in ("graded", "failed")]

    before = counts()
    with counted("rerun"):
        pass
    with pytest.raises(CourseHubError), counted("rerun"):
        raise CourseHubError("no source")
    with pytest.raises(KeyboardInterrupt), counted("rerun"):
        raise KeyboardInterrupt
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [1, 1]


def test_whoever_needs_a_token_has_the_same_one_in_a_file_of_their_own(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    for name, *others in TOKENS:
        texts = {(tmp_path / each / name).read_text() for each in ("hub", *others)}
        assert len(texts) == 1, name
    token = tmp_path / "monitoring" / "metrics_token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "hub" / "course_token").read_text() != token.read_text()
    assert make_secrets(tmp_path) == []
