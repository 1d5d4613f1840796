"""From a folder that somebody handed in to a verdict, outside any hub or gradebook.

Intake reads the hand-in and executes nothing; rebuilding puts its answers into the instructor's
notebook; the trial runs both in the sandbox, the student's side apart from the judge's. What a
person sees of it is a `Verdict`.
"""

import logging
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nbformat
from nbformat import NotebookNode

from coursehub.course.model import EditPolicy
from coursehub.errors import NoGpu, SandboxError
from coursehub.grading.imports import modules_of
from coursehub.grading.intake import Rejected, Submission, read_submission
from coursehub.grading.limits import Limits
from coursehub.grading.lint import unprotected
from coursehub.grading.outcome import judged, rejected
from coursehub.grading.rebuild import Rebuilt, rebuild
from coursehub.grading.sandbox import Gpu
from coursehub.grading.sides import course_files, own_files
from coursehub.grading.source import Source
from coursehub.grading.trial import hold
from coursehub.grading.verdict import CellResult, Verdict

log = logging.getLogger(__name__)

WARN = EditPolicy()

Lend = Callable[[], AbstractContextManager[Gpu]]
"""Lends a GPU that nobody else has while the context lasts; raises `NoGpu`."""


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
    limits = limits or Limits()
    seed = secrets.randbits(31) if seed is None else seed
    try:
        submission = read_submission(folder, source)
    except Rejected as error:
        blank = {name: rebuild(each, None) for name, each in source.notebooks.items()}
        seconds = time.monotonic() - started
        return Graded(rejected(str(folder), blank, str(error), seconds), _texts(blank), {}, seed)
    rebuilt = {
        name: rebuild(notebook, submission.notebooks[name])
        for name, notebook in source.notebooks.items()
    }
    results = {
        name: _tried(source, name, submission, each, worker, limits, modules, seed)
        for name, each in rebuilt.items()
    }
    seconds = time.monotonic() - started
    verdict = judged(str(folder), submission, rebuilt, results, policy, seconds)
    return Graded(verdict, _texts(rebuilt), results, seed)


@dataclass
class Grader:
    """Grades one hand-in after the other in a worker that stays warm; a broken one is replaced.

    One that lacks what another assignment imports is replaced by one that has both.

    Attributes:
        sandbox: where.
        lend: lends a GPU that nobody else has while the context lasts. None where there are none to
            be had.
    """

    sandbox: Any
    lend: Lend | None = None
    _worker: Any = None
    _imports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _gpu: Gpu | None = None
    _ended: bool = False
    _open: ExitStack = field(default_factory=ExitStack)

    def prepare(self, source: Source, *, gpu: bool = False) -> None:
        """Have the worker warm up for this assignment.

        Raises:
            SandboxError: there is none to be had.
        """
        self._ready(source, gpu)

    def grade(self, source: Source, folder: Path, *, gpu: bool = False, **options: Any) -> Graded:
        """Grade as `grade` does; what fails for reasons of ours is tried once more, afresh.

        Args:
            source: as there.
            folder: as there.
            gpu: the student's side has a GPU, which is kept for the next hand-in that needs one,
                for as long as it is lent.
            options: as there.

        Raises:
            SandboxError: it failed twice, or there is no GPU for it.
        """
        try:
            graded = self._grade(source, folder, gpu, options)
        except NoGpu:
            self.close()
            raise
        except SandboxError as error:
            log.warning("%s is graded once more: %s", folder, error)
            self.close()
            graded = self._grade(source, folder, gpu, options)
        return graded if self.sandbox.real else replace(graded, caveat=caveat(self.sandbox))

    def close(self) -> None:
        """End the worker and give its GPU back; the next hand-in gets a new one."""
        self._worker = self._gpu = None
        self._open.close()

    def _grade(self, source: Source, folder: Path, gpu: bool, options: dict[str, Any]) -> Graded:
        """Grade; whatever goes wrong in our own parts concerns this hand-in alone."""
        try:
            return grade(source, folder, self._ready(source, gpu), **options)
        except SandboxError:
            raise
        except Exception as error:
            log.exception("%s could not be graded", folder)
            raise SandboxError(f"grading itself failed: {error!r}") from error

    def _ready(self, source: Source, gpu: bool) -> Any:
        if self._ended:
            raise SandboxError("grading was stopped")
        known = self._imports
        both = {
            side: tuple(dict.fromkeys((*known.get(side, ()), *names)))
            for side, names in modules_of(source).items()
        }
        other = both != known or gpu != bool(self._gpu) or (self._gpu and not self._gpu.held())
        if self._worker is None or other:
            self.close()
            self._imports = both
            self._gpu = self._lent() if gpu else None
            lent = {"gpu": self._gpu} if gpu else {}
            worker = self.sandbox.worker(imports=both, **lent)
            self._worker = self._open.enter_context(worker)
        if self._ended:  # while this one waited for a GPU, say
            self.close()
            raise SandboxError("grading was stopped")
        return self._worker

    def _lent(self) -> Gpu:
        """A GPU, until the worker ends."""
        if self.lend is None:
            raise NoGpu(
                "the assignment's hand-ins need a GPU, and none is lent for grading here",
                remedy="Take `gpu: true` out of its limits in course.yml",
            )
        return self._open.enter_context(self.lend())

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
    name: str,
    submission: Submission,
    rebuilt: Rebuilt,
    worker: Any,
    limits: Limits,
    modules: Collection[str],
    seed: int,
) -> tuple[CellResult, ...]:
    """Run a notebook's steps in processes of its own, gone when this returns."""
    given = course_files(source, modules)
    theirs = {**given, **own_files(source, submission)}
    beside = _unprotected(nbformat.writes(source.notebooks[name]))
    with worker.processes(limits, theirs, given) as processes:
        results = hold(rebuilt.steps, processes, seed=seed, limits=limits, unprotected=beside)
    known = {result.cell for result in results}
    for step in rebuilt.steps:
        if step.kind == "test" and step.cell not in known:
            raise SandboxError(f"the judge said nothing about {step.cell}")
    return results


@lru_cache(maxsize=64)
def _unprotected(notebook: str) -> frozenset[str]:
    """Look once, not once a hand-in."""
    return unprotected(nbformat.reads(notebook, as_version=4))


def _texts(rebuilt: Mapping[str, Rebuilt]) -> dict[str, NotebookNode]:
    """The notebooks alone."""
    return {name: each.notebook for name, each in rebuilt.items()}
