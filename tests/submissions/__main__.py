"""`make test-notebooks`: grade all cases of all assignments, and write down what that showed.

`ASSIGNMENT=3` grades those of one, `SEEDS=5` its reference with five seeds more, to find verdicts
that depend on the seed. What is not as a case expects is printed, with the seed to repeat it:
`coursehub grade --seed`.
"""

import secrets
import time
from typing import Annotated

import typer

from tests.submissions.cases import ASSIGNMENTS, Assignment, lost, task_of
from tests.submissions.grading import JOBS, grade
from tests.submissions.report import Report, Run, write


def main(
    assignment: Annotated[int, typer.Option(help="Its number; 0 for all.")] = 0,
    seeds: Annotated[int, typer.Option(help="How often the reference is graded again.")] = 0,
    jobs: Annotated[int, typer.Option(help="Hand-ins graded at a time.")] = JOBS,
    only: Annotated[str, typer.Option(help="Cases whose name begins so; nothing is noted.")] = "",
) -> None:
    """Grade; the exit code is 1 when something is not as expected."""
    names = {each.name for each in ASSIGNMENTS}
    if assignment and f"assignment_{assignment}" not in names:
        raise typer.BadParameter(f"There is no assignment {assignment} in source/.")
    wrong = 0
    for each in ASSIGNMENTS:
        if assignment in (0, int(each.name.removeprefix("assignment_"))):
            report = graded(each, seeds, jobs, only)
            if not only:
                write(report)
                print(f"\n{report.section()}\n")
            for line in report.wrong:
                print(f"NOT AS EXPECTED: {each.name}, {line}")
            wrong += len(report.wrong)
    raise typer.Exit(wrong > 0)


def graded(assignment: Assignment, seeds: int, jobs: int, only: str) -> Report:
    """Grade the cases of an assignment, and say what became of each as soon as it is known."""
    begun, seed = time.monotonic(), secrets.randbits(31)
    cases = [case for case in assignment.cases if case.name.startswith(only)]
    print(f"\n{assignment.name}, {len(cases)} cases, seed {seed}")
    print(
        f"{'case':36s}" + "".join(f"{task:>6s}" for task in assignment.tasks) + "      s  lost in"
    )
    runs = [noted(assignment, Run(*one)) for one in grade(assignment, cases, [seed], jobs)]
    reference = [case for case in cases if case.kind == "reference"]
    others = [secrets.randbits(31) for _ in range(seeds)]
    again = grade(assignment, reference, others, jobs) if reference and others else ()
    repeats = [noted(assignment, Run(*one)) for one in again]
    print(f"{time.monotonic() - begun:.0f} s for all")
    return Report(assignment, runs, repeats)


def noted(assignment: Assignment, run: Run) -> Run:
    """Print a line about a run, and return it."""
    points = dict.fromkeys(assignment.tasks, 0.0)
    for cell, earned in run.verdict.points.items():
        points[task_of(cell)] += earned
    sums = "".join(f"{value:6g}" for value in points.values())
    cells = " ".join(lost(assignment, run.verdict))
    print(f"{run.case.name:36s}{sums}{run.verdict.seconds:7.1f}  {cells}", flush=True)
    return run


if __name__ == "__main__":
    typer.run(main)
