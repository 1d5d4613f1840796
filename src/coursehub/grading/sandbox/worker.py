"""A worker: ways into two warm zygotes, for the student's side and the judge's."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from coursehub.grading.limits import Limits
from coursehub.grading.sandbox.channel import Channel
from coursehub.grading.sandbox.link import Link, Running

STUDENT_SIDE = "coursehub.grading.student_side:main"
JUDGE_SIDE = "coursehub.grading.judge_side:main"


@dataclass(frozen=True)
class Processes:
    """A hand-in's two processes."""

    student: Channel
    judge: Channel


class Worker:
    """Runs one hand-in at a time."""

    def __init__(
        self, enter: Mapping[str, Callable[[], Running]], student: str, judge: str
    ) -> None:
        """Have both zygotes started; they warm up meanwhile.

        Args:
            enter: Side -> opens a way into a zygote for it.
            student: What runs on the student's side.
            judge: What runs on the judge's side.
        """
        self._mains = {"student": student, "judge": judge}
        self.links = {side: Link(f"{side}'s zygote", way) for side, way in enter.items()}
        try:
            self._each(Link.start)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def processes(
        self,
        limits: Limits,
        student_files: Mapping[str, bytes],
        judge_files: Mapping[str, bytes],
    ) -> Iterator[Processes]:
        """Two fresh processes, each in an isolation of its own; at the end both are gone.

        Raises:
            SandboxError: they cannot be had.
        """
        files = {"student": student_files, "judge": judge_files}
        try:
            for side, link in self.links.items():
                link.begin(self._mains[side], limits, files[side])
            for link in self.links.values():
                link.await_up()
            yield Processes(self.links["student"], self.links["judge"])
        finally:
            self._each(Link.finish)

    def close(self) -> None:
        """Leave both zygotes."""
        self._each(Link.kill)

    def _each(self, what: Callable[[Link], None]) -> None:
        """Do it for both sides at the same time, to the end whatever happens to one."""
        with ThreadPoolExecutor(len(self.links)) as pool:
            for done in [pool.submit(what, link) for link in self.links.values()]:
                done.result()
