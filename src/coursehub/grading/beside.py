"""Tests that cannot be judged apart: run in the student's process, last, between decoys.

What the process says of them is worth as much as the process. So they come after all that the
judge decided, a check that must fail stands before and after each, and a person looks at the
hand-in whatever the outcome.
"""

import builtins
from collections.abc import Collection, Sequence
from dataclasses import replace

from coursehub.grading.credit import counts, credit
from coursehub.grading.decoys import Decoy, changed_test, plain_decoys
from coursehub.grading.plan import Step, parse
from coursehub.grading.student import Claim, Student
from coursehub.grading.ties import definitions, leaks
from coursehub.grading.verdict import CellResult

_HIDDEN = "BEGIN HIDDEN TESTS"
_WHY = (
    "The test {cell} cannot be judged apart from the student's process, so it was run in it, after "
    "all others"
)


class Beside:
    """The tests of one notebook that run beside the answers."""

    def __init__(self, steps: Sequence[Step], unprotected: Collection[str]) -> None:
        """Know all steps, and which of them are tests that need the student's process."""
        self._steps = steps
        self._cells = frozenset(unprotected)
        self._around = "\n".join(step.source for step in steps if step.kind != "answer")
        own = [step for step in steps if step.cell in self._cells]
        # One hidden test in the process, and whatever the process shows may be that test.
        self._secret = any(_HIDDEN in step.source for step in own)

    def __contains__(self, step: Step) -> bool:
        return step.kind == "test" and step.cell in self._cells

    def pass_by(self, step: Step, student: Student) -> None:
        """Where a test stands: keep what names mean, and define what later cells need of it."""
        if not student.lost:
            student.keep(step.cell)
        if not student.lost and any(leaks(step, self._steps)):
            student.run(step.released, step.cell)

    def run(self, step: Step, student: Student) -> CellResult:
        """Run a test at last; its points are as good as the process."""
        result = CellResult(step.cell, step.kind, 0.0, step.points, "", 0.0, 0.0, ())
        why = _WHY.format(cell=step.cell)
        if student.lost:
            told = f"{why}; the process had ended."
            return replace(result, message=student.lost, doubt=told)
        student.recall(step.cell)
        for text in self._definitions_before(step):
            student.run(text, step.cell)
        yes = self._says_yes(step, student, plain_decoys(step.source, self._around))
        claim = student.run(step.source, step.cell, carried=step.defines)
        if not yes and not claim.kind and not student.lost:
            after = [*plain_decoys(step.source, self._around), changed_test(step.source)]
            yes = self._says_yes(step, student, [each for each in after if each])
        return self._result(step, result, claim, student.lost, yes)

    def _definitions_before(self, step: Step) -> list[str]:
        """What earlier tests import and define for all to see; those beside have run already."""
        earlier = [
            other
            for other in self._steps
            if other.kind == "test" and other.number < step.number and other.cell not in self._cells
        ]
        return [text for other in earlier if (text := definitions(other))]

    def _says_yes(self, step: Step, student: Student, decoys: Sequence[Decoy]) -> bool:
        """Whether a check that must fail does not."""
        for decoy in decoys:
            if student.lost:
                return False
            claim = student.run(decoy.source, step.cell)
            if not student.lost and (not claim.kind or decoy.nonce not in claim.error):
                return True
        return False

    def _result(
        self, step: Step, result: CellResult, claim: Claim, lost: str, yes: bool
    ) -> CellResult:
        why = _WHY.format(cell=step.cell)
        ends = counts(parse(step.source))
        points, message = credit(claim.value, step.points, counts=ends)
        if lost:
            points, message, doubt = 0.0, lost, f"{why}; there the process ended."
        elif yes:
            points, message = 0.0, "Checks that must fail did not fail in your process."
            doubt = f"{why}; there checks passed that must fail, so it counts as failed."
        elif claim.kind:
            points, message, doubt = 0.0, self._told(claim), f"{why}; there it failed."
        else:
            doubt = f"{why}; there it passed."
        return replace(
            result,
            points=points,
            message=message,
            seconds=claim.seconds,
            peak_mb=claim.peak,
            outputs=() if self._secret else claim.outputs,
            doubt=doubt,
        )

    def _told(self, claim: Claim) -> str:
        if not self._secret:
            return claim.error
        known = isinstance(getattr(builtins, claim.kind, None), type)
        return claim.kind if known else "The test failed."
