"""Where the course pages meet the project, and the marks that it is a part of."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from logging import getLogger
from pathlib import Path
from typing import Any

from coursehub.cli.marks import Facts, facts
from coursehub.cli.project import open_project
from coursehub.course.late import counting
from coursehub.course.marks import Marks
from coursehub.course.model import Assignment, Course
from coursehub.course.project import Report
from coursehub.course.schedule import Window, window
from coursehub.errors import CourseHubError, NotFound
from coursehub.exchange.exchange import Exchange
from coursehub.gradebook import export, standing
from coursehub.gradebook.history import excused, record_changes
from coursehub.gradebook.marks import Project as ProjectShares
from coursehub.gradebook.marks import as_the_student_sees, class_marks
from coursehub.home import project as pages
from coursehub.home.project_sources import ClassMarks, Own
from coursehub.home.sources import Records, Section
from coursehub.project.checks import Checks
from coursehub.project.order import rows
from coursehub.settings import Settings

log = getLogger(__name__)


class ProjectPages:
    """The project, as the pages ask it (`home.project_sources.Project`)."""

    def __init__(self, exchange: Exchange, settings: Settings, records: Records) -> None:
        """Ask the project of a deployment, its gradebook and `exchange`.

        Args:
            exchange: The exchange of this process.
            settings: The deployment's.
            records: What the exchange tells of one student.
        """
        self._exchange = exchange
        self._records = records
        self._root = Path(str(settings.exchange))
        self._project = open_project(settings, exchange)
        self._gradebook = standing.reader(str(settings.gradebook))
        self._checks = Checks(self._project.reports)
        self.limit = settings.hand_in_bytes
        self.teams = self._project.teams
        self.fixes = self._project.fixes
        self.talks = self._project.talks
        self.scores = self._project.scores

    def recover(self) -> None:
        """Enter what a killed service had kept, and have checked what it left unchecked."""
        for kept in self._project.reports.catch_up(datetime.now(UTC)):
            log.warning("report %s of %s is of no team", kept.number, kept.username)
        self._checks.ask(*self._project.reports.unchecked())

    # For students.

    def sections(self, username: str, now: datetime) -> Sequence[Section]:
        """The project's part of a student's course page."""
        return pages.sections(self._course, now, self.own(username), self.marks(username, now))

    def own(self, username: str) -> Own:
        """One student's project."""
        team, invitations = self.teams.of(username), self.teams.invitations(username)
        if team is None:
            until = self._exchange.roster.extended_until(username, Report.name)
            due = window(self._course, self._course.report, until)
            return Own(due, None, invitations, names=self._named(*invitations))
        numbers = (self.talks.asked(team.number), self.talks.asks(team.number))
        reports = self._project.reports.of(team)
        return Own(
            self._project.reports.window(team),
            team,
            invitations,
            self.talks.slot(team.number),
            *([self.teams.find(str(number)) for number in each] for each in numbers),
            reports,
            self._named(team, *invitations, also=[each.username for each in reports]),
        )

    def marks(self, username: str, now: datetime) -> Marks:
        """One student's marks, without what they have not been given back."""
        known = self._facts(username, now)
        made = class_marks(self._gradebook, self._course, [username], known)
        return as_the_student_sees(self._course, made[username])

    def hand_in(self, username: str, sent_as: str, content: bytes, key: str, now: datetime) -> int:
        """Keep a report and return its receipt's number; its check comes later."""
        kept = self._project.reports.hand_in(username, sent_as, content, key, now)
        self._checks.ask(kept.number)
        return kept.number

    def receipt(self, username: str, number: int) -> str:
        """The receipt of a report of one's team."""
        row = self._exchange.ledger.row(number) if self._may_read(username, number) else None
        if row is None:
            raise NotFound(f"there is no report {number} of your team")
        return row.receipt

    def report(self, username: str, number: int) -> bytes:
        """A report of one's team, or for staff any."""
        if not self._may_read(username, number):
            raise NotFound(f"there is no report {number} of your team")
        return self._project.reports.archive.content(number)

    # For everybody.

    def names(self) -> Mapping[str, str]:
        """Everybody's name, by user name."""
        return {person.username: person.name for person in self._exchange.roster.everyone()}

    def running_order(self) -> Sequence[Sequence[str]]:
        """A row for each slot and pause."""
        return rows(self._course, self.talks.order(), self.names())

    # For staff.

    def reports(self) -> Sequence[tuple[Any, Window, Sequence[Any]]]:
        """Each team, when its report is on time, and its reports, oldest first."""
        of, found = self._project.reports, self._project.reports.all()
        return [
            (team, due, found.get(team.number, [])) for team, due in of.windows(self.teams.all())
        ]

    def extend(self, team: str, until: datetime, reason: str, by: str, now: datetime) -> None:
        """Give a team more time for its report."""
        members = self.teams.find(team).members
        if not reason:
            raise CourseHubError("an extension needs a reason", remedy="Say why, in a few words")
        self._exchange.extend(members, Report.name, until, reason, by, now)

    def class_marks(self, now: datetime) -> ClassMarks:
        """Everybody's marks, as staff see them."""
        people = [person for person in self._exchange.roster.everyone() if not person.staff]
        shares = self._project.all_shares()
        known = facts(self._course, self._exchange.engine, now, self._root, shares)
        names = [person.username for person in people]
        return ClassMarks(people, class_marks(self._gradebook, self._course, names, known))

    def export(self, form: str, by: str, now: datetime) -> bytes:
        """Everybody's marks as ``csv`` or ``xlsx``; what changed is written into the journal."""
        found = self.class_marks(now)
        record_changes(self._exchange.engine, found.marks, who=by, now=now)
        table = export.marks_table(self._course, found.people, found.marks)
        if form == "csv":
            return export.as_csv(table)
        return export.as_xlsx(table, f"{self._course.code} marks")

    @property
    def _course(self) -> Course:
        return self._records.course

    def _facts(self, username: str, now: datetime) -> Facts:
        """What `cli.marks.facts` knows, of one student alone and without looking at the others'."""
        work, counts, feedback = self._records.work(username, now), {}, set()

        def own(_: str, assignment: Assignment) -> Window:
            mine = work.get(assignment.name)
            return window(self._course, assignment, mine.until if mine else None)

        for assignment in self._course.assignments:
            of = work.get(assignment.name)
            times = [each.received for each in of.hand_ins] if of else []
            counted = counting(times, own(username, assignment).on_time_before)
            if counted is not None:
                counts[username, assignment.name] = times[counted]
            for each in of.hand_ins if of else ():
                if each.feedback:
                    feedback.add((username, assignment.name, each.received))
        shares = ProjectShares(*self._project.shares(username))
        return Facts(
            now, own, counts, excused(self._exchange.engine), feedback, lambda _: shares
        )  # fmt: skip

    def _may_read(self, username: str, number: int) -> bool:
        """Whether a report is of one's own team; staff read all."""
        person = self._records.person(username)
        if person is not None and person.staff:
            return number in self._project.reports.numbers()
        team = self.teams.of(username)
        return team is not None and number in self._project.reports.numbers(team.number)

    def _named(self, *teams: Any, also: Sequence[str] = ()) -> Mapping[str, str]:
        wanted = {name for team in teams for name in (*team.members, *team.invited)} | {*also}
        found = {name: self._records.person(name) for name in sorted(wanted)}
        return {name: person.name if person else name for name, person in found.items()}
