"""Run nbgrader's own pipeline, unmodified, on a temporary course: generate a release, autograde."""

import os
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import nbformat
from handin import build
from nbgrader.api import MissingEntry
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

WORKERS = 2  # kernels that run at the same time


@dataclass(frozen=True)
class Graded:
    """What autograding one hand-in gave."""

    points: dict[str, float]  # test cell -> automatic points; a deleted cell has 0
    stderr: dict[str, str]  # cell id -> text on stderr
    seconds: float
    log: str  # nbgrader's error, if it gave up


def nbgrader_api(root: Path) -> NbGraderAPI:
    """Return nbgrader's Python interface for the course in a folder."""
    # nbgrader calls the program "alembic" by name: find that of this environment
    tools = str(Path(sys.executable).parent)
    if tools not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join((tools, os.environ.get("PATH", "")))
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.course_id = "cs5260"
    config.Execute.timeout = 600
    config.Execute.shutdown_kernel = "immediate"
    return NbGraderAPI(config=config)


def generate_release(source_dir: Path, root: Path) -> Path:
    """Make a course in root with this one assignment; return the folder of its release."""
    name = source_dir.name
    shutil.copytree(source_dir, root / "source" / name)
    result = nbgrader_api(root).generate_assignment(name)
    assert result["success"], result.get("error", result.get("log"))
    return root / "release" / name


def _autograde_some(root: Path, assignment: str, cases: list[str]) -> dict[str, Graded]:
    """Autograde these students of one course, one after the other, in this process."""
    os.environ["OMP_NUM_THREADS"] = "1"
    api = nbgrader_api(root)
    graded = {}
    for case in cases:
        start = time.monotonic()
        result = api.autograde(assignment, case)
        seconds = time.monotonic() - start
        points, stderr = {}, {}
        with api.gradebook as gradebook:
            try:
                submission = gradebook.find_submission(assignment, case)
            except MissingEntry:
                submission = None
            for notebook in submission.notebooks if submission else []:
                points.update({g.name: g.auto_score or 0.0 for g in notebook.grades})
        done = root / "autograded" / case / assignment / f"{assignment}.ipynb"
        if done.exists():
            for cell in nbformat.read(done, as_version=4).cells:
                for output in cell.get("outputs", []):
                    if output.get("name") == "stderr":
                        stderr[cell.id] = stderr.get(cell.id, "") + output.text
        log = "" if result["success"] else result.get("error") or result.get("log", "")
        graded[case] = Graded(points, stderr, seconds, log)
    return graded


def autograde(root: Path, source_dir: Path, case_dirs: list[Path]) -> dict[str, Graded]:
    """Autograde a hand-in per case, in parallel copies of the course; return results by case."""
    name = source_dir.name
    jobs = []
    for worker in range(WORKERS):
        course = root.with_name(f"{root.name}-{worker}")
        shutil.copytree(root, course)
        mine = case_dirs[worker::WORKERS]
        for case_dir in mine:
            place = course / "submitted" / case_dir.name / name
            place.mkdir(parents=True)
            notebook = build(source_dir, root / "release" / name, case_dir)
            nbformat.write(notebook, place / f"{name}.ipynb")
        jobs.append((course, name, [case_dir.name for case_dir in mine]))
    graded: dict[str, Graded] = {}
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        for part in pool.map(_autograde_some, *zip(*jobs, strict=True)):
            graded.update(part)
    return graded
