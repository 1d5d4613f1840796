"""The student's process, seen from the host: of what it says nothing is believed."""

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from coursehub.errors import TimedOut
from coursehub.grading import wire
from coursehub.grading.limits import Limits
from coursehub.grading.plan import Step
from coursehub.grading.sandbox.channel import Channel, Ended
from coursehub.grading.verdict import CellResult

GRACE = 3.0  # seconds beyond a limit that a process enforces itself
_STALE = 1000  # late answers that are skipped before the process counts as broken


class Lost(Exception):
    """The student's process can no longer be used; the text says why."""


class Student:
    """The student's process.

    Attributes:
        lost: Why it can no longer be used; empty while it can.
    """

    def __init__(self, channel: Channel, limits: Limits) -> None:
        """Talk to it over `channel`."""
        self._channel = channel
        self._limits = limits
        self._number = 0
        self.lost = ""

    def start(self, message: dict[str, Any]) -> None:
        """Send the first message."""
        self._try("before anything was run", lambda: self.send(message))

    def execute(
        self, step: Step, result: CellResult, far: list[str], chance: int | None
    ) -> CellResult:
        """Run a cell; when the process does not survive it, `lost` is set."""
        ran = self.run(
            step.source,
            step.cell,
            locked=step.kind == "setup",
            defines=step.defines,
            far=far,
            chance=chance,
        )
        return replace(
            result, message=ran.error, seconds=ran.seconds, peak_mb=ran.peak, outputs=ran.outputs
        )

    def run(
        self,
        source: str,
        cell: str,
        *,
        locked: bool = False,
        defines: Collection[str] = (),
        far: Collection[str] = (),
        chance: int | None = None,
        carried: Collection[str] = (),
    ) -> "Claim":
        """Run a text as a cell; when the process does not survive it, `lost` is set.

        Args:
            source: The text.
            cell: Whose it is, for the reason.
            locked: It is the source's set-up.
            defines: Names that it is to define.
            far: Those of them that are fixtures and probes.
            chance: The seed of a set-up cell; None where it draws on from the last one.
            carried: Names that later tests in this process find again.
        """
        self._number += 1
        begun = time.monotonic()
        message = {
            "op": "exec",
            "id": self._number,
            "source": source,
            "locked": locked,
            "defines": sorted(defines),
            "far": sorted(far),
            "chance": chance,
            "carried": sorted(carried),
        }
        report: dict[str, Any] = {}

        def run() -> None:
            self.send(message)
            report.update(self._receive(self._number, {"ran"}, self._limits.cell_seconds))

        self._try(f"while the cell {cell} was run", run)
        error = report.get("error")
        told = error if isinstance(error, list) and len(error) == 2 else [None, None]
        return Claim(
            kind=str(told[0])[:200] if error else "",
            error=": ".join(str(part) for part in told if part)[:8000],
            value=report.get("value"),
            outputs=_outputs(report.get("outputs")),
            seconds=time.monotonic() - begun,
            peak=_number(report.get("peak")),
        )

    def keep(self, cell: str) -> None:
        """Have the process remember what all names mean now, where a cell stands."""
        self._try(f"before the cell {cell}", lambda: self.send({"op": "keep", "cell": cell}))

    def recall(self, cell: str) -> None:
        """Have names mean again what they did where a cell stands."""
        self._try(f"before the cell {cell}", lambda: self.send({"op": "recall", "cell": cell}))

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
        ends = time.monotonic() + seconds + GRACE
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


@dataclass(frozen=True)
class Claim:
    """What the process says about a cell that it ran.

    Attributes:
        kind: The type of what was raised; empty where nothing was.
        error: The type and its text.
        value: The last expression's, where it is a number.
        outputs: In nbformat's form.
        seconds: Wall time, by the host's clock.
        peak: Peak memory in MiB.
    """

    kind: str
    error: str
    value: Any
    outputs: tuple[dict[str, Any], ...]
    seconds: float
    peak: float


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
