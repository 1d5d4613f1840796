"""What each action of the clock does. Each may be begun again at any time, wherever it ended."""

import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from coursehub.cli.compose import nbgrader_config
from coursehub.cli.grading import grade_with_progress, release_assignment
from coursehub.cli.similar import compare_again
from coursehub.course.due import Action, Granted, last_close, own_close
from coursehub.course.model import Assignment, Course
from coursehub.course.schedule import as_people_say, say_short
from coursehub.errors import CourseHubError, NotFound, ServiceUnavailable
from coursehub.exchange.approval import FeedbackApproval, counting_hand_ins
from coursehub.exchange.clock import Clock
from coursehub.exchange.database import connect
from coursehub.exchange.deadlines import CourseFile, Deadlines
from coursehub.exchange.ledger import HandIn, Ledger
from coursehub.exchange.roster import Roster
from coursehub.exchange.store import Store, nbgrader_timestamp
from coursehub.gradebook.penalty import settle_all
from coursehub.gradebook.pending import undecided, without_points
from coursehub.grading import runner
from coursehub.grading.solution import solution
from coursehub.home.words import a_few
from coursehub.settings import Settings

log = logging.getLogger(__name__)

Result = dict[str, Any]

TRIES = 3
"""How often hand-ins that cannot be graded, where others can, hold up their assignment."""

_ON_THE_WAY = timedelta(seconds=30)  # for a hand-in that is stamped, but not there yet
_POLL_SECONDS = 0.1


@dataclass
class Steps:
    """The steps of one deployment, as its course and its people are now.

    Attributes:
        settings: The deployment's.
        course_file: Its course.
        marking: What grades in place of what nbgrader's configuration names.
        jobs: Hand-ins graded at a time; by default one a core.
    """

    settings: Settings
    course_file: CourseFile
    marking: Any = None
    jobs: int | None = None
    clock: Clock = field(init=False)
    roster: Roster = field(init=False)
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        """Open the course database."""
        engine = connect(str(self.settings.database))
        self.clock, self.roster, self.ledger = Clock(engine), Roster(engine), Ledger(engine)

    @property
    def course(self) -> Course:
        """The course as it stands now."""
        return self.course_file.course

    @cached_property
    def approval(self) -> FeedbackApproval:
        """What waits for somebody to approve it, and who did."""
        return FeedbackApproval(self.clock, self.roster, self.ledger, self._store)

    def do(self, action: Action, tries: int) -> Result:
        """Do what is due; return what came of it, as plain values.

        Args:
            action: What.
            tries: How often it was begun, this time included.

        Raises:
            CourseHubError: it cannot be done now.
        """
        assignment = self.course.assignment(action.assignment)
        match action.kind:
            case "release":
                return self._release(assignment)
            case "remind":
                return self._remind(assignment, action.key.close)
            case "settle":
                return self._settle(assignment)
            case "collect":
                return self._collect(assignment)
            case "autograde":
                return self._autograde(assignment, tries)
            case "feedback":
                return self._feedback(assignment)
            case "solution":
                return self._solution(assignment)

    def pending(self, name: str, now: datetime) -> list[str]:
        """What of an assignment has to be done before its feedback goes out; sentences.

        Raises:
            NotFound: there is no such assignment.
        """
        assignment = self.course.assignment(name)
        granted = self.roster.grants()
        own = self._own_closes(assignment, granted)
        counts = self._counting(assignment, own)
        found = []
        if own_close(self.course, assignment) > now:
            found.append(f"it is due {self._say(own_close(self.course, assignment))}")
        elif last_close(self.course, assignment, granted) > now:
            until = self._say(last_close(self.course, assignment, granted))
            who = a_few([each for each, close in own.items() if close > now])
            found.append(f"there is time until {until}{who and f' for {who}'}")
        problems = (
            ("not collected", self._not_collected(assignment, counts)),
            ("not autograded", self._not_graded(assignment)),
            ("points by hand missing", without_points(self._gradebook, self.course, name)),
            ("edits undecided", undecided(self._gradebook, self.course, name)),
        )
        return found + [f"{what}: {a_few(who)}" for what, who in problems if who]

    # The steps.

    def _release(self, assignment: Assignment) -> Result:
        if self._store.is_released(assignment):
            return {"released": "before"}
        places = (self.settings.site / "source", self._course_dir / "source")
        if not any((place / assignment.name).is_dir() for place in places):
            raise NotFound(
                f"there is no source of {assignment.name}", remedy=f"Put it into {places[-1]}"
            )
        release_assignment(self.settings, assignment.name)
        return {"released": "now"}

    def _remind(self, assignment: Assignment, close: datetime) -> Result:
        own = self._own_closes(assignment, self.roster.grants())
        usual = own_close(self.course, assignment)
        handed_in = {row.username for row in self.ledger.for_assignment(assignment.name)}
        students = [each.username for each in self.roster.everyone() if not each.staff]
        waiting = [
            each for each in students if own.get(each, usual) == close and each not in handed_in
        ]
        return {"not handed in": waiting}

    def _settle(self, assignment: Assignment) -> Result:
        changed = settle_all(self._gradebook, self.course, assignment.name, self.roster)
        return {"another penalty": changed}

    def _collect(self, assignment: Assignment) -> Result:
        """Collect exactly what counts; whatever lies there and does not is only a copy."""
        self._await_those_on_the_way(assignment)
        counts = self._counting(assignment, self._own_closes(assignment, self.roster.grants()))
        for username, row in counts.items():
            self._store.arrange(username, assignment)
            if runner.stamp(self._submitted(assignment, username)) > nbgrader_timestamp(
                row.received
            ):
                shutil.rmtree(self._submitted(assignment, username))
        runner.collect(partial(nbgrader_config, self.settings), assignment.name)
        if missing := self._not_collected(assignment, counts):
            raise ServiceUnavailable(
                f"what counts of {a_few(missing)} is not what was collected",
                remedy="It is tried again",
            )
        return {"hand-ins": len(counts)}

    def _autograde(self, assignment: Assignment, tries: int) -> Result:
        """Grade what is collected and not graded, of those whose own time is over."""
        todo = self._not_graded(assignment)
        failed: dict[str, str] = {}
        if todo:
            problems = grade_with_progress(
                self.settings, assignment.name, todo, self.jobs, self.marking
            )
            failed = {each.student: str(each.problem) for each in problems}
        self._settle(assignment)
        self._compare(assignment)
        if failed and (tries < TRIES or not self._any_graded(assignment)):
            student, problem = next(iter(failed.items()))
            raise CourseHubError(
                f"not graded: {a_few(list(failed))}; of {student}: {problem}",
                remedy="It is tried again",
            )
        name = assignment.name
        return {
            "graded": len(todo) - len(failed),
            "not graded": failed,
            "points by hand": without_points(self._gradebook, self.course, name),
            "edits": undecided(self._gradebook, self.course, name),
        }

    def _feedback(self, assignment: Assignment) -> Result:
        if not self._is_approved(assignment):
            self._collect(assignment)  # who was late in the meantime
            self._autograde(assignment, TRIES)
            if waiting := self.pending(assignment.name, datetime.now(UTC)):
                raise CourseHubError(
                    "; ".join(waiting),
                    remedy=f"See to it, or `coursehub approve {assignment.name}`",
                )
        if not any((self._course_dir / "autograded").glob(f"*/{assignment.name}")):
            return {"students": 0}
        runner.feedback(partial(nbgrader_config, self.settings), assignment.name)
        given = (self._course_dir / "feedback").glob(f"*/{assignment.name}")
        return {"students": len(list(given))}

    def _solution(self, assignment: Assignment) -> Result:
        name = assignment.name
        solved = self.settings.site / "solutions" / name
        files = solution(self._course_dir / "source" / name, solved, assignment.extra_files)
        self._store.put_solution(name, files)
        return {"files": sorted(files)}

    def _compare(self, assignment: Assignment) -> None:
        """Look for hand-ins that are alike; whatever goes wrong there holds nothing up."""
        try:
            compare_again(self.settings, self.course, assignment.name, datetime.now(UTC))
        except Exception as error:
            log.warning("%s: hand-ins were not compared: %s", assignment.name, error, exc_info=True)

    # What they look at.

    def _await_those_on_the_way(self, assignment: Assignment) -> None:
        """A hand-in is stamped before it is written: those of the last second may still come."""
        last = time.monotonic() + _ON_THE_WAY.total_seconds()
        while self._store.being_written(assignment.name) and time.monotonic() < last:
            time.sleep(_POLL_SECONDS)

    def _own_closes(self, assignment: Assignment, granted: Granted) -> dict[str, datetime]:
        """Who has an extension -> when the assignment closes for them."""
        grants = granted.get(assignment.name, ())
        return {each.username: own_close(self.course, assignment, each) for each in grants}

    def _counting(self, assignment: Assignment, own: Mapping[str, datetime]) -> dict[str, HandIn]:
        """Student -> the hand-in that counts."""
        rows = self.ledger.for_assignment(assignment.name)
        return counting_hand_ins(self.course, assignment, own, rows)

    def _not_collected(self, assignment: Assignment, counts: Mapping[str, HandIn]) -> list[str]:
        return [
            username
            for username, row in counts.items()
            if runner.stamp(self._submitted(assignment, username))
            != nbgrader_timestamp(row.received)
        ]

    def _not_graded(self, assignment: Assignment) -> list[str]:
        """Whose hand-in is collected and not graded, though their time is over."""
        now = datetime.now(UTC)
        own = self._own_closes(assignment, self.roster.grants())
        usual = own_close(self.course, assignment)
        collected = (self._course_dir / "submitted").glob(f"*/{assignment.name}")
        return [
            student
            for student in sorted(folder.parent.name for folder in collected)
            if own.get(student, usual) <= now
            and not runner.is_graded(self._course_dir, assignment.name, student)
        ]

    def _any_graded(self, assignment: Assignment) -> bool:
        collected = (self._course_dir / "submitted").glob(f"*/{assignment.name}")
        names = (folder.parent.name for folder in collected)
        return any(runner.is_graded(self._course_dir, assignment.name, each) for each in names)

    def _is_approved(self, assignment: Assignment) -> bool:
        return self.approval.is_approved(self.course, assignment.name)

    def _submitted(self, assignment: Assignment, username: str) -> Path:
        return self._course_dir / "submitted" / username / assignment.name

    def _say(self, close: datetime) -> str:
        return say_short(as_people_say(close), self.course)

    @cached_property
    def _store(self) -> Store:
        deadlines = Deadlines(self.course_file, self.roster)
        return Store(Path(str(self.settings.exchange)), self.ledger, deadlines, _no_receipt)

    @property
    def _course_dir(self) -> Path:
        return Path(str(self.settings.course_dir))

    @property
    def _gradebook(self) -> str:
        return str(self.settings.gradebook)


def _no_receipt(*_: object) -> str:
    raise ServiceUnavailable("the clock signs no receipts", remedy="The course service does")
