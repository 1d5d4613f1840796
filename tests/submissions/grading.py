"""Grade cases as `coursehub grade` does: several at a time, in workers that stay warm."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from coursehub.course.load import load_course
from coursehub.errors import SandboxError
from coursehub.grading.marking import Marking, open_real
from coursehub.grading.pipeline import Grader
from coursehub.grading.source import load_source
from coursehub.grading.verdict import Verdict
from coursehub.settings import CHECKOUT, load_settings
from tests.submissions.cases import Assignment, Case
from tests.submissions.handin import hand_in

JOBS = 2


def grade(
    assignment: Assignment, cases: Sequence[Case], seeds: Sequence[int], jobs: int = JOBS
) -> Iterator[tuple[Case, int, Verdict]]:
    """Grade each case once a seed; yield case, seed and verdict in that order."""
    runs = [(case, seed) for case in cases for seed in seeds]
    source = load_source(assignment.source)
    course = load_course(CHECKOUT / "course.yml")
    options = Marking(course, load_settings()).options(assignment.name)
    with ExitStack() as stack:
        sandbox = stack.enter_context(open_real("process"))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        graders: SimpleQueue[Grader] = SimpleQueue()
        for _ in range(min(jobs, len(runs))):
            graders.put(stack.enter_context(Grader(sandbox)))

        def one(run: tuple[Case, int]) -> Verdict:
            case, seed = run
            place = folder / f"{case.name}-{seed}"
            hand_in(
                case.folders, assignment.source, assignment.release, assignment.solutions, place
            )
            grader = graders.get()
            try:
                return grader.grade(source, place, seed=seed, **options).verdict
            except SandboxError as error:  # the others are graded all the same
                return Verdict(case.name, "rejected", f"not graded: {error}", {}, {}, (), (), 0.0)
            finally:
                graders.put(grader)

        pool = stack.enter_context(ThreadPoolExecutor(jobs))
        for (case, seed), verdict in zip(runs, pool.map(one, runs), strict=True):
            yield case, seed, verdict
