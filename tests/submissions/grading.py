"""Grade cases as `coursehub grade` does: several at a time, in workers that stay warm."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from coursehub.course.load import load_course
from coursehub.errors import SandboxError
from coursehub.grading.marking import Marking, open_real
from coursehub.grading.pipeline import Grader
from coursehub.grading.source import Source, load_source
from coursehub.grading.verdict import Verdict
from coursehub.settings import CHECKOUT, load_settings
from tests.submissions.cases import Assignment, Case
from tests.submissions.handin import hand_in

JOBS = 2


@dataclass(frozen=True)
class Graders:
    """Graders of one sandbox, each of which takes one hand-in at a time."""

    free: SimpleQueue[Grader]
    jobs: int

    def grade(
        self, assignment: Assignment, cases: Sequence[Case], seeds: Sequence[int]
    ) -> Iterator[tuple[Case, int, Verdict]]:
        """Grade each case once a seed; yield case, seed and verdict in that order."""
        runs = [(case, seed) for case in cases for seed in seeds]
        source = load_source(assignment.source)
        course = load_course(CHECKOUT / "course.yml")
        options = Marking(course, load_settings()).options(assignment.name)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory()))

            def one(run: tuple[Case, int]) -> Verdict:
                case, seed = run
                place = folder / f"{case.name}-{seed}"
                hand_in(
                    case.folders, assignment.source, assignment.release, assignment.solutions, place
                )
                grader = self.free.get()
                try:
                    return grader.grade(source, place, seed=seed, **options).verdict
                except SandboxError as error:  # the others are graded all the same
                    said = f"not graded: {error}"
                    return Verdict(case.name, "rejected", said, {}, {}, (), (), 0.0)
                finally:
                    self.free.put(grader)

            pool = stack.enter_context(ThreadPoolExecutor(self.jobs))
            for (case, seed), verdict in zip(runs, pool.map(one, runs), strict=True):
                yield case, seed, verdict


@contextmanager
def graders(assignments: Sequence[Assignment], jobs: int = JOBS) -> Iterator[Graders]:
    """As many graders as `jobs`, warm for all these assignments."""
    sources = [load_source(assignment.source) for assignment in assignments]
    every = Source(
        CHECKOUT / "source",
        {name: notebook for each in sources for name, notebook in each.notebooks.items()},
        {path: data for each in sources for path, data in each.files.items()},
    )
    with ExitStack() as stack:
        sandbox = stack.enter_context(open_real("process"))
        free: SimpleQueue[Grader] = SimpleQueue()
        for _ in range(jobs):
            grader = stack.enter_context(Grader(sandbox))
            grader.prepare(every)
            free.put(grader)
        yield Graders(free, jobs)


def grade(
    assignment: Assignment, cases: Sequence[Case], seeds: Sequence[int], jobs: int = JOBS
) -> Iterator[tuple[Case, int, Verdict]]:
    """Grade in graders of their own, as `Graders.grade` does."""
    with graders([assignment], jobs) as ready:
        yield from ready.grade(assignment, cases, seeds)
