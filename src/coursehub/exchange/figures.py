"""The exchange's figures for Prometheus: hand-ins, refusals, seconds, and the grading queue.

What the course database knows is read when somebody asks: it is right whichever service died, and
nothing of it begins at zero after a restart.
"""

from collections import Counter as Count
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from coursehub.course.due import KINDS
from coursehub.exchange.clock import Clock
from coursehub.exchange.desk import Desk
from coursehub.exchange.ledger import Ledger
from coursehub.metrics import REGISTRY

SECONDS = Histogram(
    "coursehub_exchange_seconds",
    "How long requests to the exchange took, by what was done",
    ["deed"],
    registry=REGISTRY,
)
REFUSALS = Counter(
    "coursehub_exchange_refusals",
    "Requests that the exchange refused, by the reason that the person was told",
    ["reason"],
    registry=REGISTRY,
)
FAULTS = Counter(
    "coursehub_exchange_faults",
    "Requests that failed by a fault of the exchange or of what it needs",
    registry=REGISTRY,
)


class CourseFigures(Collector):
    """What the course database says now."""

    def __init__(self, engine: Engine, assignments: Callable[[], Iterable[str]]) -> None:
        """Read the database behind `engine`; `assignments` names those that there are."""
        self._engine = engine
        self._assignments = assignments

    def describe(self) -> Iterator[Metric]:
        """Nothing beforehand: registering asks no database."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Read it; a database that is away is a figure too."""
        try:
            found = list(figures(self._engine, self._assignments(), datetime.now(UTC)))
        except SQLAlchemyError:
            found = []
        answers = GaugeMetricFamily(
            "coursehub_database_answers", "1 where the course database answers, else 0"
        )
        answers.add_metric([], float(bool(found)))
        yield from [answers, *found]


def figures(engine: Engine, assignments: Iterable[str], now: datetime) -> Iterator[Metric]:
    """The figures of the course database at `now`.

    Raises:
        SQLAlchemyError: it does not answer.
    """
    yield _hand_ins(Ledger(engine), assignments)
    yield from _desk(Desk(engine), now)
    yield _clock(Clock(engine), now)


def _hand_ins(ledger: Ledger, assignments: Iterable[str]) -> Metric:
    found = CounterMetricFamily(
        "coursehub_hand_ins", "Hand-ins in the ledger", labels=["assignment"]
    )
    for name, count in {**dict.fromkeys(assignments, 0), **ledger.count()}.items():
        found.add_metric([name], count)
    return found


def _desk(desk: Desk, now: datetime) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "coursehub_gradings_waiting", "Gradings that wait or are being done", labels=["kind"]
    )
    oldest = GaugeMetricFamily(
        "coursehub_gradings_oldest_seconds", "How long the oldest of them waits", labels=["kind"]
    )
    graders = GaugeMetricFamily(
        "coursehub_graders",
        "Graders that are there: those that grade, and those whose sandbox is not real",
        labels=["state"],
    )
    since = desk.oldest(now)
    for kind, count in desk.waiting(now).items():
        waiting.add_metric([kind], count)
        oldest.add_metric([kind], (now - since[kind]).total_seconds() if kind in since else 0)
    problems = [problem is None for problem in desk.services(now).values()]
    graders.add_metric(["grading"], problems.count(True))
    graders.add_metric(["hindered"], problems.count(False))
    yield from (waiting, oldest, graders)


def _clock(clock: Clock, now: datetime) -> Metric:
    failing = GaugeMetricFamily(
        "coursehub_clock_failing",
        "What is due by course.yml, failed at its last try and is tried again",
        labels=["kind"],
    )
    found = Count(deed.key.kind for deed in clock.deeds() if deed.is_failing(now))
    for kind in KINDS:
        failing.add_metric([kind], found[kind])
    return failing
