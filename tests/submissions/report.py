"""What grading all cases of an assignment showed, as a table and as a section of a document."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coursehub.grading.verdict import Verdict
from coursehub.settings import CHECKOUT
from tests.submissions.cases import Assignment, Case, lost, problems

PAGE = CHECKOUT / "docs" / "notebooks.md"


@dataclass(frozen=True)
class Run:
    """One grading of one case."""

    case: Case
    seed: int
    verdict: Verdict


@dataclass(frozen=True)
class Report:
    """All cases of an assignment, each graded once, and its reference once a seed more."""

    assignment: Assignment
    runs: Sequence[Run]
    repeats: Sequence[Run]

    @property
    def wrong(self) -> list[str]:
        """What is not as expected, a line each; a repeat names the seed to repeat it with."""
        return [
            f"{run.case.name} (seed {run.seed}): {problem}"
            for run in (*self.runs, *self.repeats)
            for problem in problems(self.assignment, run.case, run.verdict)
        ]

    @property
    def missed(self) -> list[Run]:
        """Mutants that lose nothing."""
        return [run for run in self._of("mutant") if not lost(self.assignment, run.verdict)]

    def section(self) -> str:
        """The assignment's section of the document, without its heading."""
        rows = ["| task | points | right solutions with full marks | mutants caught |"]
        rows.append("|---|---|---|---|")
        for task, points in self.assignment.tasks.items():
            right, wrong = self._of("alternative", task), self._of("mutant", task)
            full = [run for run in right if not lost(self.assignment, run.verdict)]
            caught = len(wrong) - sum(run in self.missed for run in wrong)
            row = f"{points:g} | {len(full)} of {len(right)} | {caught} of {len(wrong)}"
            rows.append(f"| {task.removeprefix('t')} | {row} |")
        return "\n".join([*rows, "", *(f"- {fact}" for fact in self._facts())])

    def _facts(self) -> list[str]:
        mutants = self._of("mutant")
        seconds = [run.verdict.seconds for run in self.runs]
        (reference,) = self._of("reference")
        facts = [
            f"Mutants caught: {len(mutants) - len(self.missed)} of {len(mutants)}. "
            f"Hand-ins: {len(self.runs)}, {sum(seconds) / len(seconds):.1f} s each on average; "
            f"the reference {reference.verdict.seconds:.1f} s."
        ]
        for run in self.missed:
            facts.append(f"Missed: `{run.case.name}`, {run.case.expect.get('missed', 'why?')}.")
        if self.repeats:
            full = [run for run in self.repeats if not lost(self.assignment, run.verdict)]
            seeds = ", ".join(str(run.seed) for run in self.repeats)
            facts.append(
                f"Full marks for the reference with {len(full)} of {len(self.repeats)} other "
                f"seeds ({seeds})."
            )
        return facts

    def _of(self, kind: str, task: str = "") -> list[Run]:
        return [
            run
            for run in self.runs
            if run.case.kind == kind and (not task or run.case.task == task)
        ]


def write(report: Report) -> None:
    """Put an assignment's section into the document."""
    replace(report.assignment.name, report.section())


def replace(name: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands between two marks of a name in the document.

    Raises:
        ValueError: the document has no such marks.
    """
    begin, end = (f"<!-- {name}: {mark} -->" for mark in ("measured", "end"))
    whole = page.read_text(encoding="utf-8")
    marked = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}\n", re.DOTALL)
    if not marked.search(whole):
        raise ValueError(f"{page} has no lines {begin} and {end}")
    section = f"{begin}\n{text}\n{end}\n"
    page.write_text(marked.sub(lambda _: section, whole), encoding="utf-8")
