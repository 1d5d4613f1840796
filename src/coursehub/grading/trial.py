"""A trial, seen from the host: student's and judge's processes, driven in the source's order.

The host believes the judge. What the student's process says is handed to the judge as bytes, and
its outputs are shown, never counted.
"""

import ast
import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from coursehub.errors import SandboxError, TimedOut
from coursehub.grading import wire
from coursehub.grading.limits import Limits
from coursehub.grading.plan import Step, parse
from coursehub.grading.sandbox.channel import Channel, Ended
from coursehub.grading.sharing import far_names
from coursehub.grading.verdict import CellResult

_GRACE = 3.0  # seconds beyond a limit that a process enforces itself
_STALE = 1000  # late answers that are skipped before the process counts as broken
_NESTED = 40  # calls within calls


class Processes(Protocol):
    """The two processes of one trial."""

    student: Channel
    judge: Channel


class Lost(Exception):
    """The student's process can no longer be used; the text says why."""


def hold(
    steps: Iterable[Step], processes: Processes, *, seed: int, limits: Limits
) -> tuple[CellResult, ...]:
    """Run a notebook on both sides and return what every code cell gave.

    Args:
        steps: The notebook's, answers filled in.
        processes: Fresh ones.
        seed: The run's; the judge draws its inputs from it.
        limits: Of this assignment.

    Raises:
        SandboxError: The judge or the sandbox failed; nothing is known about the hand-in.
    """
    return _Trial(tuple(steps), processes, seed, limits).results()


class _Trial:
    """One notebook's trial."""

    def __init__(
        self, steps: Sequence[Step], processes: Processes, seed: int, limits: Limits
    ) -> None:
        self._steps = [step for step in steps if step.kind != "text"]
        self._limits = limits
        self._student = _Student(processes.student, limits)
        self._judge = processes.judge
        self._seed = seed
        self._answered = False

    def results(self) -> tuple[CellResult, ...]:
        """Drive both sides through all steps."""
        self._start()
        return tuple(self._result(step) for step in self._steps)

    def _start(self) -> None:
        common = {
            "output": self._limits.output,
            "frame": self._limits.frame,
            "cell_seconds": self._limits.cell_seconds,
            "call_seconds": self._limits.call_seconds,
        }
        # The student's generators tell nothing about the judge's.
        other = hashlib.sha256(f"student {self._seed}".encode()).digest()[:8]
        self._student.start({**common, "seed": int.from_bytes(other, "big")})
        self._send_judge({**common, "seed": self._seed})

    def _result(self, step: Step) -> CellResult:
        return self._tested(step) if step.kind == "test" else self._executed(step)

    def _executed(self, step: Step) -> CellResult:
        result = CellResult(step.cell, step.kind, None, step.points, "", 0.0, 0.0, ())
        locked = step.kind == "setup"
        tree = parse(step.source) if locked else None
        far = sorted(far_names(step.source, tree)) if isinstance(tree, ast.Module) else []
        self._answered |= not locked
        if not self._student.lost:
            result = self._student.execute(step, result, far)
        if self._student.lost:
            return replace(result, message=result.message or self._student.lost)
        told = {"defines": sorted(step.defines), "source": step.source, "far": far}
        told["imports"] = step.imports
        report = self._ask_judge({"op": "setup" if locked else "answer", **told})
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
        told = {"source": step.source, "points": float(step.points)}
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
        ends = time.monotonic() + self._limits.cell_seconds + 2 * _GRACE
        while True:
            report = self._judge_says(max(ends - time.monotonic(), _GRACE))
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


class _Student:
    """The student's process, of which nothing is believed."""

    def __init__(self, channel: Channel, limits: Limits) -> None:
        self._channel = channel
        self._limits = limits
        self._number = 0
        self.lost = ""

    def start(self, message: dict[str, Any]) -> None:
        """Send the first message."""
        self._try("before anything was run", lambda: self.send(message))

    def execute(self, step: Step, result: CellResult, far: list[str]) -> CellResult:
        """Run a cell; when the process does not survive it, `lost` is set."""
        self._number += 1
        begun = time.monotonic()
        message = {
            "op": "exec",
            "id": self._number,
            "source": step.source,
            "locked": step.kind == "setup",
            "defines": sorted(step.defines),
            "far": far,
        }
        report: dict[str, Any] = {}

        def run() -> None:
            self.send(message)
            report.update(self._receive(self._number, {"ran"}, self._limits.cell_seconds))

        self._try(f"while the cell {step.cell} was run", run)
        error = report.get("error")
        told = ": ".join(str(part) for part in error if part) if isinstance(error, list) else ""
        return replace(
            result,
            message=told[:8000],
            seconds=time.monotonic() - begun,
            peak_mb=_number(report.get("peak")),
            outputs=_outputs(report.get("outputs")),
        )

    def ask(self, body: bytes) -> int:
        """Send a question; return its number."""
        if self.lost:
            raise Lost(self.lost)
        self._number += 1
        self.send({"op": "ask", "id": self._number, "body": body})
        return self._number

    def answer(self, number: int) -> dict[str, Any]:
        """Wait for the answer to a question, or for a callback."""
        seconds = self._limits.call_seconds
        return self._receive(number, {"reply", "callback"}, seconds)

    def send(self, message: dict[str, Any]) -> None:
        """Send.

        Raises:
            Lost: there is nobody to send to.
        """
        try:
            self._channel.send(wire.encode(message))
        except (Ended, TimedOut) as ended:
            raise Lost(_why(ended)) from ended

    def _receive(self, number: int, wanted: set[str], seconds: float) -> dict[str, Any]:
        ends = time.monotonic() + seconds + _GRACE
        for _ in range(_STALE):
            try:
                message = wire.decode(self._channel.receive(max(ends - time.monotonic(), 0.001)))
            except TimedOut:
                raise Lost(f"your process did not answer within {seconds:g} seconds") from None
            except Ended as ended:
                raise Lost(_why(ended)) from ended
            except wire.WireError:
                raise Lost("your process sent something that is no answer") from None
            if type(message) is not dict or message.get("op") not in {"ran", "reply", "callback"}:
                raise Lost("your process sent something that is no answer")
            bytes_there = message["op"] == "ran" or type(message.get("body")) is bytes
            ours = message["op"] == "callback" or message.get("id") == number
            if message["op"] in wanted and ours and bytes_there:
                return message
        raise Lost("your process sends answers that nobody asked for")

    def _try(self, when: str, action: Any) -> None:
        try:
            action()
        except Lost as lost:
            self.lost = f"{lost} ({when}); nothing after it could be tested"
            self.lost = self.lost[:1].upper() + self.lost[1:]


def _why(ended: Exception) -> str:
    if isinstance(ended, Ended):
        return f"your process ended: {ended.text}".rstrip(".")
    return "your process was too slow"


def _number(value: Any) -> float:
    return float(value) if type(value) in (int, float) and 0 <= value < 1e12 else 0.0


def _outputs(claimed: Any) -> tuple[dict[str, Any], ...]:
    """Keep of what a student's process claims to have shown only what nbformat knows."""
    kept: list[dict[str, Any]] = []
    for output in claimed if type(claimed) is list else ():
        match output:
            case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
                kept.append({"output_type": "stream", "name": name, "text": text})
            case {"output_type": "error", "ename": str(name), "evalue": str(text), "traceback": t}:
                lines = [str(line) for line in t] if type(t) is list else []
                told = {"ename": name, "evalue": text, "traceback": lines}
                kept.append({"output_type": "error", **told})
            case {"output_type": "display_data" | "execute_result" as kind, "data": dict(data)}:
                shown = {str(k): v for k, v in data.items() if type(v) in (str, dict, list)}
                more = {"execution_count": None} if kind == "execute_result" else {}
                kept.append({"output_type": kind, "data": shown, "metadata": {}, **more})
    return tuple(kept)
