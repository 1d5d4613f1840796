"""The host's part of a trial, against processes that misbehave."""

from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from coursehub.errors import SandboxError, TimedOut
from coursehub.grading import wire
from coursehub.grading.limits import Limits
from coursehub.grading.sandbox.channel import Ended
from coursehub.grading.trial import hold
from tests.trials import notebook

STEPS = notebook("#%% answer a\nx = 1\n#%% test t 2\nassert x == 1\n")
ASK = {"op": "ask", "body": b"?"}
DONE = {
    "op": "done",
    "points": 2.0,
    "message": "",
    "private": False,
    "outputs": [],
    "seconds": 0.1,
    "peak": 5.0,
}
RAN = {"op": "ran", "id": 1, "outputs": [], "error": None, "seconds": 0.1, "peak": 5.0}


class Script:
    """A channel whose other end says what was written down."""

    def __init__(self, *says: Any) -> None:
        self.says = deque(says)
        self.heard: list[Any] = []

    def send(self, frame: bytes) -> None:
        self.heard.append(wire.decode(frame))

    def receive(self, seconds: float) -> bytes:
        said = self.says.popleft() if self.says else TimedOut("silence")
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, bytes) else wire.encode(said)


def held(student: Script, judge: Script) -> dict[str, Any]:
    results = hold(STEPS, SimpleNamespace(student=student, judge=judge), seed=1, limits=Limits())
    return {result.cell: result for result in results}


def test_only_the_judge_gives_points() -> None:
    student = Script(RAN, {**DONE, "op": "reply"}, {"op": "reply", "id": 2, "body": b"x"})
    judge = Script({"op": "done"}, ASK, DONE)
    assert held(student, judge)["t"].points == 2.0
    assert judge.heard[-1] == {"op": "answer", "body": b"x"}


def test_late_and_double_answers_are_skipped() -> None:
    late = {"op": "reply", "id": 1, "body": b"old"}
    student = Script(RAN, RAN, late, late, {"op": "reply", "id": 2, "body": b"new"})
    judge = Script({"op": "done"}, ASK, DONE)
    held(student, judge)
    assert judge.heard[-1]["body"] == b"new"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"garbage", "no answer"),
        ([1, 2], "no answer"),
        ({"op": "done", "points": 2.0}, "no answer"),
        (TimedOut("late"), "did not answer"),
        (Ended("exited", "it left with status 0"), "it left with status 0"),
        (Ended("memory", "it used more memory than allowed."), "more memory"),
    ],
)
def test_a_student_that_fails_loses_this_test_and_those_after_it(said: Any, reason: str) -> None:
    judge = Script({"op": "done"}, ASK, {**DONE, "points": 0.0, "message": "ended"})
    assert held(Script(RAN, said), judge)["t"].points == 0.0
    assert judge.heard[-1]["op"] == "ended" and reason in judge.heard[-1]["text"]
    gone = held(Script(said), Script())
    assert gone["t"].points == 0.0 and reason in gone["t"].message and "cell a" in gone["t"].message


def test_a_flood_ends() -> None:
    judge = Script({"op": "done"}, ASK, {**DONE, "points": 0.0})
    held(Script(RAN, *[{"op": "reply", "id": 9, "body": b""}] * 5000), judge)
    assert "nobody asked" in judge.heard[-1]["text"]


@pytest.mark.parametrize(
    "said",
    [TimedOut("late"), Ended("memory", "memory"), b"garbage", {**DONE, "points": 3.0},
     {**DONE, "points": float("nan")}],
    ids=repr,
)  # fmt: skip
def test_a_judge_that_fails_is_an_error(said: Any) -> None:
    with pytest.raises(SandboxError):
        held(Script(RAN), Script({"op": "done"}, said))


def test_outputs_that_a_student_forges_are_dropped() -> None:
    forged = [{"output_type": "stream", "name": "x", "text": "a"}, 3, {"output_type": "error"},
              {"output_type": "display_data", "data": {"text/plain": "ok", "b": 1}, "metadata": 5},
              {"output_type": "stream", "name": "stdout", "text": "fine", "extra": 1}]  # fmt: skip
    results = held(Script({**RAN, "outputs": forged}), Script({"op": "done"}, DONE))
    assert results["a"].outputs == (
        {"output_type": "display_data", "data": {"text/plain": "ok"}, "metadata": {}},
        {"output_type": "stream", "name": "stdout", "text": "fine"},
    )
