"""From a folder that somebody handed in to a verdict, outside any hub or gradebook.

Intake reads the hand-in and executes nothing; rebuilding puts its answers into the instructor's
notebook; the trial runs both in the sandbox, the student's side apart from the judge's. What a
person sees of it is a `Verdict`.
"""

import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nbformat import NotebookNode
from nbformat.v4 import new_notebook

from coursehub.course.model import EditPolicy
from coursehub.errors import SandboxError
from coursehub.grading.audit import proposed_penalty
from coursehub.grading.intake import Rejected, Submission, read_submission
from coursehub.grading.limits import Limits
from coursehub.grading.lint import unprotected
from coursehub.grading.rebuild import Rebuilt, rebuild
from coursehub.grading.source import Source
from coursehub.grading.trial import hold
from coursehub.grading.verdict import CellResult, Finding, Verdict

log = logging.getLogger(__name__)

WARN = EditPolicy()

TO_REVIEW = {"unprotected", "needed"}
"""Findings for which a person has to look at the hand-in, though its points stand."""

# nbgrader's own files beside a hand-in: no business of the student's process.
_PRIVATE = {"timestamp.txt", "submission_secret.txt"}
# What a module that students complete says where they do.
_STUBS = (b"NotImplementedError", b"YOUR CODE HERE", b"your code starts here")


@dataclass(frozen=True)
class Graded:
    """A verdict, and what it is about.

    Attributes:
        verdict: the verdict.
        notebooks: name -> the instructor's notebook with the student's answers, not executed.
        results: name -> what each of its cells gave; empty when the hand-in was rejected.
        seed: what the tests drew their inputs from.
        caveat: what is to be said of the sandbox, if it isolates less than a container.
    """

    verdict: Verdict
    notebooks: Mapping[str, NotebookNode]
    results: Mapping[str, Sequence[CellResult]]
    seed: int
    caveat: str = ""


def grade(
    source: Source,
    folder: Path,
    worker: Any,
    *,
    limits: Limits | None = None,
    policy: EditPolicy = WARN,
    modules: Collection[str] = (),
    seed: int | None = None,
) -> Graded:
    """Grade one hand-in.

    Args:
        source: the instructor's version.
        folder: the folder that was handed in.
        worker: a worker of a sandbox.
        limits: what the hand-in may use.
        policy: what follows from edits outside the answers.
        modules: extra .py files that students write in, beside those that hold a stub.
        seed: what the tests draw their inputs from; drawn afresh when not given.

    Raises:
        SandboxError: grading itself could not run; the hand-in has no verdict.
    """
    started = time.monotonic()
    name = str(folder)
    limits = limits or Limits()
    seed = secrets.randbits(31) if seed is None else seed
    try:
        submission = read_submission(folder, source)
    except Rejected as error:
        return _rejected(source, name, str(error), seed)
    rebuilt = {
        name: rebuild(notebook, submission.notebooks[name])
        for name, notebook in source.notebooks.items()
    }
    results = {
        name: _tried(source, submission, each, worker, limits, modules, seed)
        for name, each in rebuilt.items()
    }
    verdict = _verdict(name, source, submission, rebuilt, results, policy, started)
    notebooks = {name: each.notebook for name, each in rebuilt.items()}
    return Graded(verdict, notebooks, results, seed)


@dataclass
class Grader:
    """Grades one hand-in after the other in a worker that stays warm; a broken one is replaced."""

    sandbox: Any
    _worker: Any = None
    _ended: bool = False
    _open: ExitStack = field(default_factory=ExitStack)

    def grade(self, source: Source, folder: Path, **options: Any) -> Graded:
        """Grade as `grade` does; what fails for reasons of ours is tried once more, afresh.

        Raises:
            SandboxError: it failed twice.
        """
        try:
            graded = self._grade(source, folder, options)
        except SandboxError as error:
            log.warning("%s is graded once more: %s", folder, error)
            self.close()
            graded = self._grade(source, folder, options)
        return graded if self.sandbox.real else replace(graded, caveat=caveat(self.sandbox))

    def close(self) -> None:
        """End the worker; the next hand-in gets a new one."""
        self._worker = None
        self._open.close()

    def _grade(self, source: Source, folder: Path, options: dict[str, Any]) -> Graded:
        """Grade; whatever goes wrong in our own parts concerns this hand-in alone."""
        try:
            return grade(source, folder, self._warm(), **options)
        except SandboxError:
            raise
        except Exception as error:
            log.exception("%s could not be graded", folder)
            raise SandboxError(f"grading itself failed: {error!r}") from error

    def _warm(self) -> Any:
        if self._ended:
            raise SandboxError("grading was stopped")
        if self._worker is None:
            self._worker = self._open.enter_context(self.sandbox.worker())
        return self._worker

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended = True
        self.close()


def caveat(sandbox: Any) -> str:
    """What every report says where hand-ins were not run in a container."""
    return f"Run in the sandbox {sandbox.name!r}, which isolates less than a container."


def _tried(
    source: Source,
    submission: Submission,
    rebuilt: Rebuilt,
    worker: Any,
    limits: Limits,
    modules: Collection[str],
    seed: int,
) -> tuple[CellResult, ...]:
    """Run a notebook's steps in processes of its own, gone when this returns."""
    given = _course_files(source, modules)
    theirs = {**given, **_own_files(source, submission)}
    with worker.processes(limits, theirs, given) as processes:
        results = hold(rebuilt.steps, processes, seed=seed, limits=limits)
    judged = {result.cell for result in results}
    for step in rebuilt.steps:
        if step.kind == "test" and step.cell not in judged:
            raise SandboxError(f"the judge said nothing about {step.cell}")
    return results


def _course_files(source: Source, modules: Collection[str]) -> dict[str, bytes]:
    """The files beside the tests and beside the answers: the course's own.

    Not among them is the instructor's version of a module that students write: the judge reaches
    theirs through their process, as it does answers, and who hands none in has none.
    """
    return {
        name: content
        for name, content in source.files.items()
        if not _is_answer(name, content, modules)
    }


def _own_files(source: Source, submission: Submission) -> dict[str, bytes]:
    """What the student handed in beside the notebook; data of the course's stays the course's."""
    return {
        name: content
        for name, content in submission.files.items()
        if name not in _PRIVATE and (name not in source.files or name.endswith(".py"))
    }


def _is_answer(name: str, content: bytes, modules: Collection[str]) -> bool:
    """Whether students write in this module: course.yml lists it, or it says so itself."""
    return name.endswith(".py") and (name in modules or any(stub in content for stub in _STUBS))


def _verdict(
    name: str,
    source: Source,
    submission: Submission,
    rebuilt: Mapping[str, Rebuilt],
    results: Mapping[str, Sequence[CellResult]],
    policy: EditPolicy,
    started: float,
) -> Verdict:
    notebooks = {name: each.notebook for name, each in rebuilt.items()}
    key = cell_key(notebooks)
    tested = {
        key(notebook, result.cell): result
        for notebook, each in results.items()
        for result in each
        if result.kind == "test"
    }
    judged = {cell: result for cell, result in tested.items() if result.points is not None}
    left = tuple(cell for cell in tested if cell not in judged)
    findings = [*submission.findings]
    for each in rebuilt.values():
        findings += each.findings
    findings += _doubts(source, results)
    findings += _proposed(findings, policy)
    why = _to_review(findings, left)
    return Verdict(
        submission=name,
        status="needs_review" if why else "graded",
        reason=why or _passed(judged.values()),
        points={cell: float(result.points or 0) for cell, result in judged.items()},
        max_points={cell: float(result.max_points) for cell, result in judged.items()},
        manual=(*_manual(notebooks), *left),
        findings=tuple(findings),
        seconds=time.monotonic() - started,
        cells=tuple(result for each in results.values() for result in each),
    )


def _rejected(source: Source, name: str, reason: str, seed: int) -> Graded:
    """No verdict is nothing: a hand-in that cannot be read has no points, and a reason."""
    blank = {each: rebuild(notebook, new_notebook()) for each, notebook in source.notebooks.items()}
    notebooks = {each: rebuilt.notebook for each, rebuilt in blank.items()}
    key = cell_key(notebooks)
    worth = {
        key(each, step.cell): float(step.points)
        for each, rebuilt in blank.items()
        for step in rebuilt.steps
        if step.kind == "test"
    }
    verdict = Verdict(
        submission=name,
        status="rejected",
        reason=reason,
        points=dict.fromkeys(worth, 0.0),
        max_points=worth,
        manual=_manual(notebooks),
        findings=(),
        seconds=0.0,
        cells=(),
    )
    return Graded(verdict, notebooks, {}, seed)


def _doubts(source: Source, results: Mapping[str, Sequence[CellResult]]) -> Iterator[Finding]:
    """Tests that failed and may have, because they want more than the judge can ask for."""
    for name, each in results.items():
        failed = [
            result.cell
            for result in each
            if result.kind == "test" and result.points is not None
            if result.points < result.max_points
        ]
        unclear = unprotected(source.notebooks[name]) if failed else frozenset[str]()
        for cell in failed:
            if cell in unclear:
                text = (
                    f"The test {cell} failed, and it may be the test: it asks for more than can be "
                    "judged apart from the student's process."
                )
                yield Finding("unprotected", cell, text)


def _proposed(findings: Sequence[Finding], policy: EditPolicy) -> list[Finding]:
    """What the policy would take off, for staff to decide."""
    percent = proposed_penalty(findings, policy)
    text = f"For the edits outside the answers, {percent:g} percent of the marks may be taken off."
    return [Finding("penalty", "", text)] if percent else []


def _to_review(findings: Sequence[Finding], left: Sequence[str]) -> str:
    """Why a person has to look at it, or nothing."""
    if left:
        return f"Not judged by the tests alone: {', '.join(left)}. Staff will look at it."
    doubts = [each.text for each in findings if each.kind in TO_REVIEW]
    return doubts[0] if doubts else ""


def _passed(judged: Collection[CellResult]) -> str:
    """How many tests gave all their points, for the student."""
    passed = sum(result.points == result.max_points for result in judged)
    return f"{passed} of {len(judged)} tests passed."


def _manual(notebooks: Mapping[str, NotebookNode]) -> tuple[str, ...]:
    """The cells that a person grades: written and free answers, and tasks."""
    key = cell_key(notebooks)
    return tuple(
        key(name, marks["grade_id"])
        for name, notebook in notebooks.items()
        for cell in notebook.cells
        if (marks := cell.metadata.get("nbgrader"))
        and ((marks.get("grade") and marks.get("solution")) or marks.get("task"))
    )


def cell_key(notebooks: Mapping[str, NotebookNode]) -> Callable[[str, str], str]:
    """How a verdict names cells: by grade id, with the notebook's name where ids repeat."""
    ids = Counter(
        cell.metadata["nbgrader"]["grade_id"]
        for notebook in notebooks.values()
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade_id")
    )
    return lambda notebook, cell: f"{notebook}/{cell}" if ids[cell] > 1 else cell
