"""A trial, seen from the host: student's and judge's processes, driven in the source's order.

The host believes the judge. What the student's process says is handed to the judge as bytes, and
its outputs are shown, never counted.
"""

import ast
import re
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from coursehub.errors import SandboxError, TimedOut
from coursehub.grading import wire
from coursehub.grading.beside import Beside
from coursehub.grading.credit import counts
from coursehub.grading.limits import Limits
from coursehub.grading.plan import Step, parse
from coursehub.grading.sandbox.channel import Channel, Ended
from coursehub.grading.sharing import far_names
from coursehub.grading.student import GRACE, Lost, Student
from coursehub.grading.ties import definitions
from coursehub.grading.verdict import CellResult

_NESTED = 40  # calls within calls
_SEEDS = re.compile(r"\b(manual_)?seed(_all)?\(")


class Processes(Protocol):
    """The two processes of one trial."""

    student: Channel
    judge: Channel


def hold(
    steps: Iterable[Step],
    processes: Processes,
    *,
    seed: int,
    limits: Limits,
    unprotected: Collection[str] = (),
) -> tuple[CellResult, ...]:
    """Run a notebook on both sides and return what every code cell gave.

    Args:
        steps: The notebook's, answers filled in.
        processes: Fresh ones.
        seed: The run's; the judge draws its inputs from it.
        limits: Of this assignment.
        unprotected: Tests that cannot be judged apart from the student's process.

    Raises:
        SandboxError: The judge or the sandbox failed; nothing is known about the hand-in.
    """
    return _Trial(tuple(steps), processes, seed, limits, unprotected).results()


class _Trial:
    """One notebook's trial."""

    def __init__(
        self,
        steps: Sequence[Step],
        processes: Processes,
        seed: int,
        limits: Limits,
        unprotected: Collection[str],
    ) -> None:
        self._steps = [step for step in steps if step.kind != "text"]
        self._limits = limits
        self._student = Student(processes.student, limits)
        self._judge = processes.judge
        self._beside = Beside(self._steps, unprotected)
        self._seed = seed
        self._answered = False
        self._seeded = False
        self._in_step = False

    def results(self) -> tuple[CellResult, ...]:
        """Drive both sides through all steps; what is judged by no judge comes last."""
        self._start()
        found = {step.number: self._result(step) for step in self._steps if not self._waits(step)}
        for step in self._steps:
            if step in self._beside:
                found[step.number] = self._manual(step, self._beside.run(step, self._student))
        return tuple(found[step.number] for step in self._steps)

    def _waits(self, step: Step) -> bool:
        """Whether a test is not for the judge; its time comes when all others are done."""
        if step not in self._beside:
            return False
        self._beside.pass_by(step, self._student)
        if text := definitions(step):
            self._ask_judge({"op": "define", "source": text})
        return True

    def _start(self) -> None:
        common = {
            "output": self._limits.output,
            "frame": self._limits.frame,
            "cell_seconds": self._limits.cell_seconds,
            "call_seconds": self._limits.call_seconds,
        }
        self._student.start(common)  # which tells nothing about the judge's seed
        self._send_judge({**common, "seed": self._seed})

    def _result(self, step: Step) -> CellResult:
        return self._tested(step) if step.kind == "test" else self._executed(step)

    def _executed(self, step: Step) -> CellResult:
        result = CellResult(step.cell, step.kind, None, step.points, "", 0.0, 0.0, ())
        locked = step.kind == "setup"
        tree = parse(step.source) if locked else None
        far = sorted(far_names(step.source, tree)) if isinstance(tree, ast.Module) else []
        self._answered |= not locked
        self._seeded |= locked and bool(_SEEDS.search(step.source))
        # Seeded code draws on from the set-up cell before, if both sides stand at the same place.
        chance = None if self._seeded and self._in_step else step.number
        if not self._student.lost:
            result = self._student.execute(step, result, far, chance)
        if self._student.lost:
            return replace(result, message=result.message or self._student.lost)
        told: dict[str, Any] = {"defines": sorted(step.defines), "source": step.source, "far": far}
        told |= {"gentle": sorted(step.gentle)}
        told |= {"imports": step.imports, "chance": chance, "seeded": self._seeded}
        report = self._ask_judge({"op": "setup" if locked else "answer", **told})
        self._in_step = report.get("shared", self._in_step) is True
        if report.get("error") and not self._answered and not result.message:
            raise SandboxError(
                f"the set-up cell {step.cell} fails in the judge: {report['error']}",
                remedy="Run the source notebook from top to bottom, or see lint-assignment.",
            )
        return result

    def _tested(self, step: Step) -> CellResult:
        result = CellResult(step.cell, step.kind, 0.0, step.points, "", 0.0, 0.0, ())
        if self._student.lost:
            return self._manual(step, replace(result, message=self._student.lost))
        begun = time.monotonic()
        told: dict[str, Any] = {"source": step.source, "points": float(step.points)}
        told["counts"] = counts(parse(step.source))
        report = self._ask_judge({"op": "test", **told})
        points = float(report["points"])
        if not 0 <= points <= step.points:
            raise SandboxError(f"the judge gives {points} of {step.points} points for {step.cell}")
        return self._manual(
            step,
            replace(
                result,
                points=points,
                message=str(report["message"]),
                seconds=time.monotonic() - begun,
                peak_mb=float(report["peak"]),
                outputs=tuple(report["outputs"]),
                private=report["private"] is True,
            ),
        )

    def _manual(self, step: Step, result: CellResult) -> CellResult:
        return replace(result, points=None) if step.manual else result

    # The judge, and what it asks of the student's side.

    def _send_judge(self, message: dict[str, Any]) -> None:
        try:
            self._judge.send(wire.encode(message))
        except Ended as error:
            raise SandboxError(f"the judge ended: {error}") from error

    def _judge_says(self, seconds: float) -> dict[str, Any]:
        try:
            message = wire.decode(self._judge.receive(seconds))
        except (Ended, TimedOut, wire.WireError) as error:
            raise SandboxError(f"the judge gave no answer: {error}") from error
        return dict(message)

    def _ask_judge(self, message: dict[str, Any]) -> dict[str, Any]:
        """Have the judge do one thing; on the way it asks the student's side."""
        self._send_judge(message)
        return self._serve_judge("done", 0)

    def _serve_judge(self, until: str, depth: int) -> dict[str, Any]:
        ends = time.monotonic() + self._limits.cell_seconds + 2 * GRACE
        while True:
            report = self._judge_says(max(ends - time.monotonic(), GRACE))
            if report["op"] == until:
                return report
            if report["op"] != "ask":
                raise SandboxError(f"the judge is out of step: {report['op']}")
            self._relay(report["body"], depth + 1)

    def _relay(self, body: bytes, depth: int) -> None:
        """Carry one question to the student's side, and its callbacks back."""
        try:
            if depth > _NESTED:
                raise Lost("your code called the test, and the test your code, without end")
            number = self._student.ask(body)
            while (answer := self._student.answer(number))["op"] == "callback":
                self._send_judge({"op": "callback", "body": answer["body"]})
                returned = self._serve_judge("returned", depth)
                self._student.send({"op": "returned", "body": returned["body"]})
            self._send_judge({"op": "answer", "body": answer["body"]})
        except Lost as lost:
            text = str(lost)
            self._student.lost = self._student.lost or text[:1].upper() + text[1:]
            self._send_judge({"op": "ended", "text": self._student.lost})
