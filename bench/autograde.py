"""What autograding a class costs: stock nbgrader, nbgrader well configured, ours, and the floor.

    python -m bench.autograde [--only 2s] [--hand-ins 30] [--rounds 1] [--sandbox docker|process]

The same hand-ins of three notebooks, whose training takes about 0.5, 2 and 20 seconds on one core,
go in turn through

    stock     `nbgrader autograde`, as it comes
    tuned     the same with OMP_NUM_THREADS=1, immediate kernel shutdown, and two processes
    ours      `coursehub autograde --jobs 2`, sandbox and judge on
    floor     fork and `exec` of the same cells, two at a time: no notebook, no isolation, no judge

each with everything that it has to start. One hand-in in five leaves a cell unanswered. CPU seconds
are those of the whole machine, and so is memory, since a sandbox is no child of the command: let
nothing else run. The last line on stdout is JSON with the figures and the bars; the exit code is 1
when a bar is missed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.api import Gradebook

from coursehub.cli.compose import nbgrader_config
from coursehub.exchange.exchange import Exchange
from coursehub.grading import runner
from coursehub.settings import CHECKOUT
from tests.deployment import prepare

ASSIGNMENT = "training"
COSTS = {"0.5s": 0.5, "2s": 2.0, "20s": 20.0}
BARS = {"0.5s": 8.0, "2s": 4.5, "20s": 1.8}  # times stock's throughput
OF_THE_FLOOR = 0.7  # of its throughput, at 2 s
WORKERS = 2
BIN = Path(sys.executable).parent

SETUP = """
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

data = load_digits()
X = torch.tensor(data.data, dtype=torch.float32) / 16
y = torch.tensor(data.target)
STEPS = {steps}
"""
TRAIN = """
def train(steps):
    ### BEGIN SOLUTION
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.003)
    losses = []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(X), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return model, losses
    ### END SOLUTION


trained, losses = train(STEPS)
"""
PREDICT = """
def predict(x):
    ### BEGIN SOLUTION
    with torch.no_grad():
        return trained(x).argmax(dim=1)
    ### END SOLUTION
"""
ACCURACY = """
def accuracy(predicted, wanted):
    ### BEGIN SOLUTION
    return float((predicted == wanted).float().mean())
    ### END SOLUTION
"""
TESTS = {
    "test_length": "assert len(losses) == STEPS",
    "test_falls": "assert losses[-1] < losses[0]\n"
    "### BEGIN HIDDEN TESTS\nassert all(isinstance(each, float) for each in losses)\n"
    "### END HIDDEN TESTS",
    "test_shape": "assert predict(X[:7]).shape == (7,)",
    "test_learned": "### BEGIN HIDDEN TESTS\n"
    "assert (predict(X) == y).float().mean() > 0.3\n### END HIDDEN TESTS",
    "test_half": "assert accuracy(torch.tensor([1, 2]), torch.tensor([1, 3])) == 0.5",
    "test_all": "assert accuracy(torch.tensor([4]), torch.tensor([4])) == 1.0",
}
UNANSWERED = ("def accuracy", "def predict")

STOCK = """
c = get_config()
c.CourseDirectory.course_id = "bench"
c.CourseDirectory.root = {root!r}
"""
TUNED = STOCK + "c.Execute.shutdown_kernel = 'immediate'\n"

# Reads {"setup": [module names], "cells": {hand-in: [[grade id or null, text], ...]}} on stdin.
FLOOR = """
import json, os, sys, traceback
import numpy, torch, torch._dynamo, sklearn.datasets
work = json.load(sys.stdin)
points, running = {}, {}
def grade(cells):
    space, given = {"__name__": "__main__"}, {}
    for name, text in cells:
        try:
            exec(compile(text, name or "cell", "exec"), space)
            passed = 1.0
        except BaseException:
            passed = 0.0
        if name:
            given[name] = passed
    return given
def reap():
    child, _ = os.wait()
    student, end = running.pop(child)
    with os.fdopen(end) as answer:
        points[student] = json.load(answer)
for student, cells in work.items():
    if len(running) == 2:
        reap()
    end, start = os.pipe()
    child = os.fork()
    if not child:
        with os.fdopen(start, "w") as answer:
            json.dump(grade(cells), answer)
        os._exit(0)
    os.close(start)
    running[child] = student, end
while running:
    reap()
print(json.dumps(points))
"""

Points = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Run:
    """One way through all hand-ins.

    Attributes:
        seconds: wall time of the whole command.
        cpu: CPU seconds that the machine was busy.
        peak_mb: memory that it took at most.
        points: hand-in -> test cell -> points.
    """

    seconds: float
    cpu: float
    peak_mb: float
    points: Points


def main() -> int:
    """Measure, print the line of JSON and return the exit code."""
    wanted = _arguments()
    figures: dict[str, Any] = {"hand_ins": wanted.hand_ins, "sandbox": wanted.sandbox}
    bars: dict[str, bool] = {}
    rate = steps_a_second()
    say(f"{rate:.0f} training steps a second on one core")
    for label in wanted.only or COSTS:
        found = compare(label, rate, wanted)
        figures[label] = found
        bars[f"{label}: {BARS[label]:g} times stock"] = found["times_stock"] >= BARS[label]
        bars[f"{label}: verdicts as stock's"] = not found["other_verdicts"]
        if label == "2s":
            bars[f"2s: {OF_THE_FLOOR:g} of the floor"] = found["of_the_floor"] >= OF_THE_FLOOR
    print(json.dumps({"name": "autograde", "figures": figures, "bars": bars}))
    return 0 if all(bars.values()) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.autograde")
    parser.add_argument("--only", action="append", choices=list(COSTS))
    parser.add_argument("--hand-ins", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--sandbox", choices=["docker", "process"], default="docker")
    return parser.parse_args()


def compare(label: str, rate: float, wanted: argparse.Namespace) -> dict[str, Any]:
    """All four ways with one notebook, forwards in one round and backwards in the next."""
    runs: dict[str, list[Run]] = {}
    for number in range(wanted.rounds):
        with tempfile.TemporaryDirectory(prefix="coursehub-bench-") as folder:
            ways = class_of(Path(folder), COSTS[label] * rate, wanted)
            for name in sorted(ways, reverse=bool(number % 2)):
                run = measured(ways[name])
                runs.setdefault(name, []).append(run)
                say(f"{label} {name}: {run.seconds:.1f} s, {run.cpu:.0f} CPU s")
    own = wanted.hand_ins * COSTS[label]
    found: dict[str, Any] = {
        name: {
            "seconds": round(median(run.seconds for run in each), 1),
            "range": [round(pick(run.seconds for run in each), 1) for pick in (min, max)],
            "a_minute": round(60 * wanted.hand_ins / median(run.seconds for run in each), 1),
            "cpu_beyond": round((median(run.cpu for run in each) - own) / wanted.hand_ins, 2),
            "peak_mb": round(max(run.peak_mb for run in each)),
        }
        for name, each in runs.items()
    }
    seconds = {name: median(run.seconds for run in each) for name, each in runs.items()}
    ours, stock = runs["ours"][0].points, runs["stock"][0].points
    return found | {
        "times_stock": round(seconds["stock"] / seconds["ours"], 2),
        "of_the_floor": round(seconds["floor"] / seconds["ours"], 2),
        "other_verdicts": sorted(name for name in stock if stock[name] != ours.get(name)),
    }


def class_of(
    folder: Path, steps: float, wanted: argparse.Namespace
) -> dict[str, Callable[[], Points]]:
    """A course of each kind with the same hand-ins; name -> what grades them."""
    source = source_notebook(max(1, round(steps)))
    ours = prepare(
        folder / "ours", (CHECKOUT / "course.yml").read_text(), sandbox=wanted.sandbox
    ).settings
    Exchange(ours)
    roots = {name: folder / name for name in ("stock", "tuned")}
    roots["ours"] = Path(str(ours.course_dir))
    place(source, roots["ours"])
    runner.release(partial(nbgrader_config, ours), ASSIGNMENT)
    released = nbformat.read(
        roots["ours"] / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", as_version=4
    )
    hand_ins = {
        f"{'ab'[number % WORKERS]}{number:02}": handed_in(source, released, number)
        for number in range(wanted.hand_ins)
    }
    for name, root in roots.items():
        if name != "ours":
            place(source, root)
            text = {"stock": STOCK, "tuned": TUNED}[name]
            (root / "nbgrader_config.py").write_text(text.format(root=str(root)))
            run(["nbgrader", "generate_assignment", ASSIGNMENT], root)
        for student, notebook in hand_ins.items():
            target = root / "submitted" / student / ASSIGNMENT
            target.mkdir(parents=True)
            nbformat.write(notebook, target / f"{ASSIGNMENT}.ipynb")
    return {
        "stock": lambda: stock(roots["stock"], ["*"], {}),
        "tuned": lambda: stock(roots["tuned"], ["a*", "b*"], {"OMP_NUM_THREADS": "1"}),
        "ours": lambda: through_ours(ours, sorted(hand_ins)),
        "floor": lambda: floor(source, hand_ins),
    }


def stock(root: Path, patterns: list[str], environment: dict[str, str]) -> Points:
    """`nbgrader autograde`, one process a pattern of names, side by side."""
    commands = [
        subprocess.Popen(
            [BIN / "nbgrader", "autograde", ASSIGNMENT, f"--student={pattern}"],
            cwd=root,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for pattern in patterns
    ]
    for command in commands:
        assert command.wait() == 0, f"nbgrader failed in {root}"
    return gradebook_points(f"sqlite:///{root}/gradebook.db")


def through_ours(settings: Any, students: list[str]) -> Points:
    """`coursehub autograde`."""
    chosen = [f"--student={student}" for student in students]
    run(
        ["coursehub", "autograde", ASSIGNMENT, f"--jobs={WORKERS}", *chosen],
        CHECKOUT,
        settings.environment(),
    )
    return gradebook_points(settings.gradebook)


def floor(source: NotebookNode, hand_ins: dict[str, NotebookNode]) -> Points:
    """Fork and `exec`, with the hidden tests put back."""
    tests = {cell.metadata.nbgrader.grade_id: cell.source for cell in source.cells}
    work = {}
    for student, notebook in hand_ins.items():
        cells = [(cell.metadata.nbgrader.grade_id, cell.source) for cell in notebook.cells]
        work[student] = [
            (name if name in TESTS else None, tests[name] if name in TESTS else text)
            for name, text in cells
        ]
    answer = subprocess.run(
        [sys.executable, "-c", FLOOR],
        input=json.dumps(work),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(answer.stdout)


def gradebook_points(url: str) -> Points:
    """Hand-in -> test cell -> automatic points, out of a gradebook."""
    with Gradebook(url, "bench") as gradebook:
        return {
            submission.student.id: {
                grade.name: grade.auto_score
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
            for submission in gradebook.assignment_submissions(ASSIGNMENT)
        }


def source_notebook(steps: int) -> NotebookNode:
    """The instructor's notebook: set-up, three answers, six tests of a point each."""
    cells = [
        _cell("setup", SETUP.format(steps=steps), locked=True),
        _cell("train", TRAIN, solution=True),
        *(_cell(name, TESTS[name], points=1) for name in ("test_length", "test_falls")),
        _cell("predict", PREDICT, solution=True),
        *(_cell(name, TESTS[name], points=1) for name in ("test_shape", "test_learned")),
        _cell("accuracy", ACCURACY, solution=True),
        *(_cell(name, TESTS[name], points=1) for name in ("test_half", "test_all")),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _cell(
    name: str, text: str, *, points: int = 0, solution: bool = False, locked: bool = False
) -> NotebookNode:
    marks = {
        "grade": points > 0,
        "grade_id": name,
        "locked": locked or points > 0,
        "points": points,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    return new_code_cell(text.strip(), metadata={"nbgrader": marks}, id=name.replace("_", "-"))


def handed_in(source: NotebookNode, released: NotebookNode, number: int) -> NotebookNode:
    """The released notebook with the right answers; one in five leaves one out."""
    left_out = UNANSWERED[number // 5 % len(UNANSWERED)] if number % 5 == 4 else None
    answers = {cell.id: cell.source for cell in source.cells if cell.metadata.nbgrader.solution}
    notebook = nbformat.from_dict(released)
    notebook = nbformat.reads(nbformat.writes(notebook), as_version=4)
    for cell in notebook.cells:
        answer = answers.get(cell.id)
        if answer and not (left_out and left_out in answer):
            lines = answer.split("\n")
            cell.source = "\n".join(line for line in lines if "### " not in line)
    return notebook


def place(source: NotebookNode, root: Path) -> None:
    """Put the instructor's notebook into a course folder."""
    target = root / "source" / ASSIGNMENT
    target.mkdir(parents=True)
    nbformat.write(source, target / f"{ASSIGNMENT}.ipynb")


def steps_a_second() -> float:
    """How many training steps one core does here, so that the costs are what they are called."""
    text = SETUP.format(steps=0) + "import time\n" + _without_marks(TRAIN)
    text += (
        "train(5)\nbegan = time.monotonic()\ntrain(100)\nprint(100 / (time.monotonic() - began))"
    )
    answer = run([sys.executable, "-c", text], CHECKOUT, {"OMP_NUM_THREADS": "1"})
    return float(answer)


def _without_marks(text: str) -> str:
    kept = [line for line in text.split("\n") if "### " not in line and "STEPS" not in line]
    return "\n".join(kept) + "\n"


def run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    """Run one of our or nbgrader's commands; return what it printed."""
    program = command[0] if Path(command[0]).is_absolute() else str(BIN / command[0])
    done = subprocess.run(
        [program, *command[1:]],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-1000:]}{done.stderr[-3000:]}"
    return done.stdout


def measured(way: Callable[[], Points]) -> Run:
    """Run one way and look at the machine meanwhile."""
    with peak_memory() as peak:
        began, busy = time.monotonic(), busy_seconds()
        points = way()
        seconds, cpu = time.monotonic() - began, busy_seconds() - busy
    return Run(seconds, cpu, peak[0], points)


def busy_seconds() -> float:
    """CPU seconds that this machine was busy since it started."""
    fields = [int(each) for each in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) / os.sysconf("SC_CLK_TCK")


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """MB by which the machine's available memory shrank at most."""
    before, found, done = available_mb(), [0.0], Event()

    def watch() -> None:
        while not done.wait(0.1):
            found[0] = max(found[0], before - available_mb())

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()


def available_mb() -> float:
    """Memory that the machine could still give out."""
    lines = Path("/proc/meminfo").read_text().split("\n")
    line = next(line for line in lines if line.startswith("MemAvailable"))
    return int(line.split()[1]) / 1000


def say(text: str) -> None:
    """Tell who waits."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
