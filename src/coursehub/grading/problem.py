"""Why a test cell cannot be judged outside the student's process."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Why a test cell cannot be judged outside.

    Attributes:
        cell: The test's grade id.
        line: The line in the cell, from 1.
        reason: What the test does, continuing "the test ...".
        remedy: What its author can do, as a sentence.
    """

    cell: str
    line: int
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.cell}, line {self.line}: the test {self.reason}. {self.remedy}"
