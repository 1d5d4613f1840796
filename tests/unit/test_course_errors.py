"""The tree of errors: one line to read, one JSON shape, one table of statuses."""

import pickle

import pytest

from coursehub import errors
from coursehub.errors import HTTP_STATUS, CourseFileError, CourseHubError, ExchangeError, as_json

EVERY = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, CourseHubError)
]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (CourseHubError("it broke"), "it broke"),
        (CourseHubError("it broke.", remedy="Mend it."), "it broke. Mend it."),
        (CourseHubError("it broke", key="k", remedy="Mend it."), "k: it broke. Mend it."),
        (
            CourseHubError("it\nbroke", file="f", key="k", remedy="Mend\n it."),
            "f: k: it broke. Mend it.",
        ),
        (CourseFileError("it broke", file="f", key="k", line=3), "f:3: k: it broke"),
        (CourseFileError("it broke", key="k", line=3), "k: it broke"),
    ],
)
def test_an_error_is_one_line(error: CourseHubError, line: str) -> None:
    assert str(error) == line


@pytest.mark.parametrize("kind", EVERY)
def test_every_error_is_drawn_pickles_and_has_the_one_json_shape(
    kind: type[CourseHubError],
) -> None:
    assert errors.__doc__ is not None and kind.__name__ in errors.__doc__
    error = kind("it broke", remedy="Mend it.")
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied)) == (kind, str(error))
    assert as_json(error) == {
        "error": kind.__name__,
        "message": "it broke",
        "remedy": "Mend it.",
    }


def test_every_exchange_error_has_its_status() -> None:
    assert {kind.__name__: status for kind, status in HTTP_STATUS.items()} == {
        "NotEnrolled": 403,
        "NotAllowed": 403,
        "NotReleased": 404,
        "NotFound": 404,
        "DeadlinePassed": 409,
        "NotPossible": 409,
        "TooLarge": 413,
        "BadSubmission": 422,
        "TooOften": 429,
        "ServiceUnavailable": 503,
    }
    assert set(HTTP_STATUS) == set(ExchangeError.__subclasses__())
    assert errors.__doc__ is not None
    for kind, status in HTTP_STATUS.items():
        drawn = next(line for line in errors.__doc__.splitlines() if f"─ {kind.__name__} " in line)
        assert f" {status} " in drawn
