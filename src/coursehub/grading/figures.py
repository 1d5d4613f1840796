"""The grader's figures for Prometheus: what it graded, what failed, and how long each took."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import Counter, Histogram

from coursehub.errors import CourseHubError
from coursehub.metrics import REGISTRY

_KINDS = ("full", "rerun", "visible", "collected")
_OUTCOMES = ("graded", "failed")

GRADINGS = Counter(
    "coursehub_gradings",
    "Hand-ins that this grader dealt with; a student's failing code counts as graded",
    ["kind", "outcome"],
    registry=REGISTRY,
)
SECONDS = Histogram(
    "coursehub_grading_seconds",
    "How long each took, the wait for a place on the bench or a GPU among it",
    ["kind"],
    registry=REGISTRY,
    buckets=(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800),
)
for _kind in _KINDS:
    SECONDS.labels(_kind)
    for _outcome in _OUTCOMES:
        GRADINGS.labels(_kind, _outcome)


@contextmanager
def counted(kind: str) -> Iterator[None]:
    """Count a grading; one that is left to others is none.

    Args:
        kind: `full`, `rerun` or `visible` as at the desk, or `collected` by the clock.
    """
    start = perf_counter()
    try:
        yield
    except CourseHubError:
        GRADINGS.labels(kind, "failed").inc()
        raise
    GRADINGS.labels(kind, "graded").inc()
    SECONDS.labels(kind).observe(perf_counter() - start)
