"""What the eight notebooks cost a student, and whether a second thread changes a verdict.

    python -m bench.notebooks [--only 3]

Each solved notebook is run from top to bottom in a kernel of its own, as *Restart and run all*
does,
and is then graded; once as it is written, with one thread, and once with two. The last line on
stdout is JSON with the figures and the bars; the exit code is 1 when a bar is missed: a notebook
that takes 90 seconds, a cell that fails or writes to stderr, a verdict that is not 85 of 85, or all
eight graded in ten minutes.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nbclient import NotebookClient
from nbformat import NotebookNode

from coursehub.course.load import load_course
from coursehub.grading.handin import read_notebook
from coursehub.grading.marking import Marking, open_real
from coursehub.grading.pipeline import Grader
from coursehub.grading.source import load_source
from coursehub.settings import CHECKOUT, load_settings
from tests.submissions.cases import ASSIGNMENTS, Assignment
from tests.submissions.handin import hand_in

NOTEBOOK_SECONDS = 90
GRADING_SECONDS = 600
AUTOGRADED = 85
THREADS = (1, 2)
ONE_THREAD = "torch.set_num_threads(1)"


@dataclass(frozen=True)
class Run:
    """A solved notebook, run and graded.

    Attributes:
        seconds: from top to bottom in a kernel, its start included.
        slowest: the cell that took longest, and how long.
        troubles: cells that failed or wrote to stderr, each with what it said.
        graded: seconds that grading took.
        points: what the tests gave.
    """

    seconds: float
    slowest: tuple[str, float]
    troubles: tuple[str, ...]
    graded: float
    points: float


def main() -> int:
    """Measure, print the line of JSON and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.notebooks")
    parser.add_argument("--only", type=int, action="append", help="the number of an assignment")
    only = parser.parse_args().only
    runs: dict[str, dict[int, Run]] = {}
    with open_real("process") as sandbox, Grader(sandbox) as grader:
        for assignment in ASSIGNMENTS:
            if not only or int(assignment.name.removeprefix("assignment_")) in only:
                runs[assignment.name] = {n: measured(assignment, n, grader) for n in THREADS}
    every = [(name, run) for name, each in runs.items() for run in each.values()]
    bars = {
        f"below {NOTEBOOK_SECONDS} s": all(run.seconds < NOTEBOOK_SECONDS for _, run in every),
        "no cell fails or writes to stderr": not any(run.troubles for _, run in every),
        f"{AUTOGRADED} points": all(run.points == AUTOGRADED for _, run in every),
        f"all graded within {GRADING_SECONDS} s": sum(each[1].graded for each in runs.values())
        < GRADING_SECONDS,
    }
    figures = {
        name: {f"{n} threads": run.__dict__ for n, run in each.items()}
        for name, each in runs.items()
    }
    print(json.dumps({"name": "notebooks", "figures": figures, "bars": bars}))
    return 0 if all(bars.values()) else 1


def measured(assignment: Assignment, threads: int, grader: Grader) -> Run:
    """Run and grade the reference of an assignment with so many threads."""
    reference = next(case for case in assignment.cases if case.kind == "reference")
    with tempfile.TemporaryDirectory(prefix="coursehub-bench-") as scratch:
        source, release = (
            with_threads(folder, Path(scratch, kind), threads)
            for kind, folder in (("source", assignment.source), ("release", assignment.release))
        )
        place = Path(scratch, assignment.name)
        hand_in(reference.folders, source, release, assignment.solutions, place)
        notebook = read_notebook(place)
        began = time.monotonic()
        NotebookClient(
            notebook, timeout=300, allow_errors=True, resources={"metadata": {"path": str(place)}}
        ).execute()
        seconds = time.monotonic() - began
        options = Marking(load_course(CHECKOUT / "course.yml"), load_settings()).options(
            assignment.name
        )
        verdict = grader.grade(load_source(source), place, **options).verdict
    run = Run(
        round(seconds, 1),
        slowest(notebook),
        tuple(troubles(notebook)),
        round(verdict.seconds, 1),
        sum(verdict.points.values()),
    )
    cell, longest = run.slowest
    print(
        f"{assignment.name}, {threads} threads: {run.seconds} s ({cell} {longest} s), graded in "
        f"{run.graded} s, {run.points:g} points {' '.join(run.troubles)}",
        file=sys.stderr,
        flush=True,
    )
    return run


def with_threads(folder: Path, place: Path, threads: int) -> Path:
    """Copy an assignment's folder to one of the same name below `place`, for so many threads."""
    copy = Path(shutil.copytree(folder, place / folder.name))
    path = copy / f"{copy.name}.ipynb"
    text = path.read_text(encoding="utf-8")
    if ONE_THREAD not in text:
        raise RuntimeError(f"{path} does not say {ONE_THREAD}")
    path.write_text(text.replace(ONE_THREAD, f"torch.set_num_threads({threads})"), encoding="utf-8")
    return copy


def slowest(notebook: NotebookNode) -> tuple[str, float]:
    """The cell of an executed notebook that took longest, and its seconds."""
    return max(((cell.id, _seconds(cell)) for cell in notebook.cells), key=lambda each: each[1])


def troubles(notebook: NotebookNode) -> list[str]:
    """What went wrong in an executed notebook, a line a cell."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                found.append(f"{cell.id}: {output.ename}: {output.evalue}"[:300])
            elif output.get("name") == "stderr":
                found.append(f"{cell.id} on stderr: {output.text}"[:300])
    return found


def _seconds(cell: Any) -> float:
    times = cell.metadata.get("execution", {})
    if "iopub.execute_input" not in times or "shell.execute_reply" not in times:
        return 0.0
    began, ended = (
        datetime.fromisoformat(times[name])
        for name in ("iopub.execute_input", "shell.execute_reply")
    )
    return round((ended - began).total_seconds(), 1)


if __name__ == "__main__":
    sys.exit(main())
