"""What comparing a class's hand-ins costs: `coursehub similar`, all of it.

    python -m bench.similar [--hand-ins 300] [--assignment assignment_1]

The hand-ins are made of the answers in tests/submissions: for each task one of all the right and
wrong ones, with names of the student's own, and a line of their own here and there. One in fifty is
a copy of another with all names changed. It runs on one core, so that its CPU seconds are those of
an idle machine's clock. The last line on stdout is JSON with the figures and the
bars; the exit code is 1 when a bar is missed.
"""

import argparse
import json
import random
import re
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from coursehub.cli.similar import compare_again
from coursehub.course.load import load_course
from coursehub.exchange.database import connect
from coursehub.grading.handin import fill, read_notebook
from coursehub.settings import CHECKOUT
from coursehub.similarity.table import Similarities
from tests.deployment import prepare
from tests.submissions.cases import Assignment

SECONDS_EACH = 0.12  # 1,000 hand-ins in two minutes
FOUND = 0.95  # of the copies
_LOCAL = re.compile(r"\b([a-z_]\w*)\b(?= = )")


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hand-ins", type=int, default=300)
    parser.add_argument("--assignment", default="assignment_1")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), Assignment(chosen.assignment), chosen.hand_ins)
    bars = {
        "in time": figures["cpu_seconds"] <= SECONDS_EACH * chosen.hand_ins,
        "copies found": figures["found"] >= FOUND * figures["copies"],
    }
    print(json.dumps({"figures": figures, "bars": bars}))
    return 0 if all(bars.values()) else 1


def measure(folder: Path, assignment: Assignment, count: int) -> dict[str, float]:
    """Make a class's hand-ins, compare them, and look for the copies."""
    settings = prepare(folder, (CHECKOUT / "course.yml").read_text()).settings
    course = load_course(settings.course)
    copies = hand_in(assignment, Path(str(settings.course_dir)), count)
    begun, used = time.perf_counter(), time.process_time()
    pairs = compare_again(settings, course, assignment.name, datetime.now(UTC))
    seconds, used = time.perf_counter() - begun, time.process_time() - used
    found = Similarities(connect(str(settings.database))).pairs(assignment.name)
    known = {frozenset((each.one, each.other)) for each in found}
    return {
        "hand_ins": count,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used, 1),
        "pairs": pairs or 0,
        "copies": len(copies),
        "found": len(known & copies),
        "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def hand_in(assignment: Assignment, course_dir: Path, count: int) -> set[frozenset[str]]:
    """Write `count` hand-ins, as they are once collected; return who copied from whom."""
    chance = random.Random(1)
    shutil.copytree(assignment.source, course_dir / "source" / assignment.name)
    released = read_notebook(assignment.release)
    answers = all_answers(assignment)
    notebooks: dict[str, NotebookNode] = {}
    copies = set()
    for index in range(count):
        who = f"student{index:04}"
        if index % 50 == 49:
            other = chance.choice(sorted(notebooks))
            notebooks[who] = renamed(notebooks[other], answers, chance)
            copies.add(frozenset((who, other)))
        else:
            chosen = {cell: chance.choice(texts) for cell, texts in answers.items()}
            notebook = fill(nbformat.from_dict(json.loads(json.dumps(released))), chosen)
            notebooks[who] = renamed(notebook, answers, chance)
        place = course_dir / "submitted" / who / assignment.name
        place.mkdir(parents=True)
        nbformat.write(notebooks[who], place / f"{assignment.name}.ipynb")
        place.joinpath("timestamp.txt").write_text("2021-02-05 12:00:00.000000 UTC")
    return copies


def all_answers(assignment: Assignment) -> dict[str, Sequence[str]]:
    """Cell -> all the answers to it that the tests know."""
    cases = CHECKOUT / "tests" / "submissions" / assignment.name
    found: dict[str, list[str]] = {}
    for path in sorted(cases.glob("*/*_t*.py")):
        found.setdefault(path.stem, []).append(path.read_text().rstrip("\n"))
    return found


def renamed(
    notebook: NotebookNode, answers: dict[str, Sequence[str]], chance: random.Random
) -> NotebookNode:
    """A copy with other local names and remarks."""
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    for cell in copy.cells:
        if cell.id in answers:
            for name in sorted(set(_LOCAL.findall(cell.source))):
                new = f"{name}_{chance.randrange(100)}"
                cell.source = re.sub(rf"(?<![.\w]){name}\b(?!=)", new, cell.source)
            cell.source += f"\n# {chance.random()}"
    return copy


if __name__ == "__main__":
    sys.exit(main())
