"""What a student reads about the visible tests of a hand-in."""

from datetime import datetime

from coursehub.exchange.desk import Grading
from coursehub.exchange.protocol import VisibleTest, VisibleTests

_LATER = "Hidden tests are run after the deadline."


def as_message(grading: Grading, now: datetime) -> VisibleTests:
    """A row of the queue, as its student may see it; never why we failed, which is for staff."""
    result = grading.result or {}
    return VisibleTests(
        hand_in=grading.hand_in or 0,
        done=grading.done_at is not None,
        text=_text(grading, now),
        tests=tuple(VisibleTest(**test) for test in result.get("tests", ())),
    )


def _text(grading: Grading, now: datetime) -> str:
    if grading.problem:
        return (
            "The visible tests could not be run, which says nothing about your work; it is handed "
            "in."
        )
    if grading.result is None:
        running = grading.taken_until is not None and grading.taken_until > now
        return "The visible tests are being run." if running else "The visible tests are to be run."
    if grading.result["status"] == "rejected":
        return f"This hand-in cannot be graded: {grading.result['reason']}"
    return _counted(grading.result["tests"], grading.result["hidden"])


def _counted(tests: list[dict[str, object]], hidden: float) -> str:
    later = f" {_LATER}" if hidden else ""
    if not tests:
        return f"No test of this assignment is visible.{later}"
    passed = sum(bool(test["passed"]) for test in tests)
    worth = [test for test in tests if test["max_points"] is not None]
    points = sum(float(str(test["points"] or 0)) for test in worth)
    most = sum(float(str(test["max_points"])) for test in worth)
    scored = f", {points:g} of {most:g} points" if most else ""
    return f"Visible tests: {passed} of {len(tests)} passed{scored}.{later}"
