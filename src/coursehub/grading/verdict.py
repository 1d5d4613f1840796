"""What grading one hand-in gave: plain, frozen values that any part may read."""

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["graded", "needs_review", "rejected"]


@dataclass(frozen=True)
class Finding:
    """One thing about a hand-in that people should see; by itself it costs nothing.

    Attributes:
        kind: edited, added, deleted, moved, duplicated, renamed, metadata, recognised, needed,
            markers, file or unprotected.
        cell: The name of the cell or file that it is about; empty where it is about the whole.
        text: One readable sentence, or a sentence and a short unified diff below it.
    """

    kind: str
    cell: str
    text: str

    def as_json(self) -> dict[str, str]:
        """Return the finding as an object of JSON."""
        return {"kind": self.kind, "cell": self.cell, "text": self.text}


@dataclass(frozen=True)
class CellResult:
    """What one cell did when the notebook was run and judged.

    Attributes:
        cell: Its name, which is its grade id where it has one.
        kind: As in `plan.Step`.
        points: What it earned; None where a person, or nobody, gives points.
        max_points: What it can earn.
        message: Why points were lost, for the student; empty where none were.
        seconds: Wall time.
        peak_mb: Peak memory in MiB.
        outputs: Outputs in nbformat's form.
        doubt: Why a person should look at it; empty where the judge alone decided.
        private: The message may tell what a hidden test compares with; it is for staff alone.
    """

    cell: str
    kind: str
    points: float | None
    max_points: float
    message: str
    seconds: float
    peak_mb: float
    outputs: tuple[dict[str, Any], ...]
    doubt: str = ""
    private: bool = False


@dataclass(frozen=True)
class Verdict:
    """The outcome for one hand-in.

    Attributes:
        submission: Its name, as it was given.
        status: `graded`, `needs_review` (points stand, a person should look) or `rejected`
            (nothing was run).
        reason: Why, in words that the student understands; empty for a plain `graded`.
        points: Grade id -> points, for autograded cells.
        max_points: The same ids -> what they can earn.
        manual: Grade ids left to a person.
        findings: What the audit found.
        seconds: Wall time of the whole.
        cells: What each cell did.
    """

    submission: str
    status: Status
    reason: str
    points: dict[str, float]
    max_points: dict[str, float]
    manual: tuple[str, ...]
    findings: tuple[Finding, ...]
    seconds: float
    cells: tuple[CellResult, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the line that `coursehub grade --json` prints, as an object."""
        return {
            "submission": self.submission,
            "status": self.status,
            "reason": self.reason,
            "points": dict(self.points),
            "max_points": dict(self.max_points),
            "manual": list(self.manual),
            "findings": [finding.as_json() for finding in self.findings],
            "seconds": self.seconds,
        }
