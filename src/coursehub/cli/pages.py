"""Where the course pages meet the parts that know: the exchange and the gradebook."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jupyterhub.services.auth import HubOAuth

from coursehub import journal
from coursehub.cli.project_pages import ProjectPages
from coursehub.course.due import Grant, Key, coming_actions
from coursehub.course.model import Course
from coursehub.errors import NotFound
from coursehub.exchange import overview
from coursehub.exchange.approval import FeedbackApproval, Unapproved
from coursehub.exchange.clock import DECIDE, Clock
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.ledger import HandIn
from coursehub.exchange.person import Person
from coursehub.exchange.service import Pages
from coursehub.gradebook.apart import DecisionsApart
from coursehub.gradebook.standing import Scores
from coursehub.headers import cookie_options, transport
from coursehub.home import pages, sources
from coursehub.home.regrades import Regrades
from coursehub.hub.leases import LeaseHistory
from coursehub.project.tables import create_tables
from coursehub.project.teams import read_teams
from coursehub.settings import Settings
from coursehub.similarity.table import Similarities

_DEEDS = {
    "release": "Release",
    "remind": "Note who has not handed in",
    "settle": "Settle what counts of",
    "collect": "Collect",
    "autograde": "Autograde",
    "feedback": "Give feedback on",
    "solution": "Give out the solution of",
}
"""What the clock does, in words that an assignment's name follows."""


def course_pages(home: pages.Home, settings: Settings, auth: HubOAuth) -> Pages:
    """What the course service serves beside its API."""
    found = pages.routes(home, auth)
    browsers = {
        "transport": transport(https=settings.https, names_below=bool(settings.subdomains)),
        "xsrf_cookie_kwargs": cookie_options(https=settings.https),
    }
    return Pages(found.handlers, {**found.settings, **browsers})


def home_of(exchange: Exchange, settings: Settings) -> pages.Home:
    """What the pages of a deployment are told, and by whom."""
    records = ExchangeRecords(exchange)
    project = ProjectPages(exchange, settings, records)
    return pages.Home(
        records,
        Scores(str(settings.gradebook)),
        Regrades(exchange.engine),
        ExchangeStaffroom(exchange, settings),
        CourseClock(exchange),
        project,
        similar=Similarities(exchange.engine),
        sections=project.sections,
    )


class ExchangeRecords:
    """The exchange, as the pages ask it (`home.sources.Records`)."""

    def __init__(self, exchange: Exchange) -> None:
        """Ask `exchange`."""
        self._exchange = exchange

    @property
    def course(self) -> Course:
        """The course as it stands now."""
        return self._exchange.deadlines.course

    def person(self, username: str) -> Person | None:
        """The active member of the course of that name."""
        return self._exchange.roster.find(username)

    def released(self) -> frozenset[str]:
        """The assignments that staff have put into the exchange."""
        store = self._exchange.store
        return frozenset(each.name for each in self.course.assignments if store.is_released(each))

    def work(self, username: str, now: datetime) -> Mapping[str, sources.Work]:
        """What a student did, by assignment; four queries."""
        exchange = self._exchange
        person = exchange.person(username)
        tests = {each.hand_in: each for each in exchange.visible_tests(person, now).hand_ins}
        fetched = overview.fetched_by(exchange.engine, username)
        until = overview.extensions_of(exchange.engine, username)
        rows: dict[str, list[HandIn]] = {}
        for row in sorted(exchange.ledger.of(username), key=lambda row: row.received):
            rows.setdefault(row.assignment, []).append(row)
        return {
            name: sources.Work(
                tuple(self._hand_in(row, tests.get(row.number)) for row in rows.get(name, ())),
                fetched.get(name),
                until.get(name),
            )
            for name in {*rows, *fetched, *until}
        }

    def extensions(self, assignment: str) -> Mapping[str, datetime]:
        """User name -> the first late instant of those with an extension."""
        return overview.who_has_more_time(self._exchange.engine, assignment)

    def receipt(self, username: str, number: int) -> str:
        """The receipt of one of a student's own hand-ins."""
        return self._own(username, number).receipt

    def feedback(self, username: str, number: int, page: str) -> bytes:
        """A released page of feedback for one of a student's own hand-ins."""
        found = self._exchange.store.feedback_pages(self._own(username, number)).get(page)
        if found is None:
            raise NotFound("there is no feedback to read yet", remedy="Try again later")
        return found.read_bytes()

    def _own(self, username: str, number: int) -> HandIn:
        row = self._exchange.ledger.row(number)
        if row is None or row.username != username:
            raise NotFound(f"you have no hand-in {number}")
        return row

    def _hand_in(self, row: HandIn, tests: object) -> sources.HandIn:
        return sources.HandIn(
            row.number,
            row.received,
            tuple(file.name for file in row.files),
            tuple(self._exchange.store.feedback_pages(row)),
            tests,
        )


class ExchangeStaffroom:
    """The exchange and the hub's leases, as staff's pages ask them (`home.sources.Staffroom`)."""

    def __init__(self, exchange: Exchange, settings: Settings) -> None:
        """Ask `exchange`, and in the deployed form the history of leases."""
        self._exchange = exchange
        self._lends = settings.form == "containers"
        self._decisions = DecisionsApart(str(settings.gradebook))

    def students(self) -> Sequence[Person]:
        """All students, by user name."""
        return [person for person in self._exchange.roster.everyone() if not person.staff]

    def name(self, username: str) -> str:
        """A person's full name, or the user name."""
        found = self._exchange.roster.find(username)
        return found.name if found else username

    def teams(self) -> Mapping[str, str]:
        """User name -> the team, of those who are in one."""
        create_tables(self._exchange.engine)
        with self._exchange.engine.connect() as connection:
            found = read_teams(connection)
        return {member: team.name for team in found for member in team.members}

    def class_work(self, assignment: str) -> sources.ClassWork:
        """What the class did for an assignment; three queries."""
        engine = self._exchange.engine
        return sources.ClassWork(
            overview.stamps(engine, assignment),
            overview.who_fetched(engine, assignment),
            overview.who_has_more_time(engine, assignment),
        )

    def handed_in(self) -> Mapping[str, int]:
        """How many people handed in, by assignment."""
        return overview.handed_in(self._exchange.engine)

    def problems(self, assignment: str) -> Mapping[str, str]:
        """User name -> why the hand-in could not be graded when it was tried last."""
        by_the_clock = Clock(self._exchange.engine).not_graded(assignment)
        return by_the_clock | self._exchange.desk.problems(assignment)

    def grader(self, now: datetime) -> sources.Grader:
        """How it stands with grading."""
        desk = self._exchange.desk
        words = {"full": "for staff", "rerun": "for regrade requests", "visible": "for students"}
        waiting = {words[kind]: number for kind, number in desk.waiting(now).items()}
        return sources.Grader(waiting, desk.obstacle(now))

    def extend(
        self, usernames: Sequence[str], assignment: str, until: datetime, reason: str, by: str,
        now: datetime,
    ) -> None:  # fmt: skip
        """Give students more time, and look again at what was handed in already."""
        self._exchange.extend(usernames, assignment, until, reason, by, now)

    def decide(
        self, assignment: str, student: str, digest: str, verb: str, percent: float, reason: str,
        by: str, now: datetime,
    ) -> None:  # fmt: skip
        """Enter what somebody decides: in the gradebook, and in the journal for the clock."""
        course = self._exchange.deadlines.course
        last, this = self._decisions.decide(
            course, assignment, student, digest, verb, percent, reason, by
        )
        before, after = (
            {} if each is None else {"edits": each.verb, "percent": each.percent}
            for each in (last, this)
        )
        entry = journal.Entry(now, by, DECIDE, assignment, student, before, after, reason or None)
        with self._exchange.engine.begin() as connection:
            journal.record(connection, entry)

    def rerun(self, assignment: str, username: str, by: str, now: datetime) -> int:
        """Have what was collected of a student graded once more."""
        return self._exchange.desk.ask_for_rerun(assignment, username, by, now)

    def rerun_result(self, number: int) -> sources.Rerun:
        """What came of it."""
        row = self._exchange.desk.look(number)
        if row is None:
            return sources.Rerun(True, problem="the answer is gone")
        points = (row.result or {}).get("points", {})
        return sources.Rerun(row.done_at is not None, points, row.problem)

    def leases(self, now: datetime) -> Sequence[sources.Lease]:
        """Who has a GPU; nobody in the embedded form, which lends none."""
        if not self._lends:
            return []
        zone = self._exchange.deadlines.course.tz
        held = LeaseHistory(self._exchange.engine, zone).held(now)
        return [sources.Lease(*each) for each in held]

    def journal(self, **wanted: Any) -> Sequence[journal.Entry]:
        """Entries of the journal, newest first."""
        return journal.entries(self._exchange.engine, **wanted)


class CourseClock:
    """The clock's tables and rule (`exchange.clock`, `course.due`), as the pages ask them."""

    def __init__(self, exchange: Exchange) -> None:
        """Ask `exchange`."""
        self._exchange = exchange
        self._clock = Clock(exchange.engine)
        self._approval = FeedbackApproval(
            self._clock, exchange.roster, exchange.ledger, exchange.store
        )

    def coming(self, now: datetime) -> Sequence[sources.Deed]:
        """What time alone will bring, the earliest first."""
        coming = coming_actions(
            self._course, now, self._clock.done(), self._granted(), self._clock.approvals()
        )
        return [sources.Deed(each.at, self._say(each.key), each.why) for each in coming]

    def done(self) -> Sequence[sources.Deed]:
        """What the clock did, or could not do yet, the newest first."""
        found = []
        for deed in self._clock.deeds():
            if deed.done_at:
                found.append(sources.Deed(deed.done_at, self._say(deed.key)))
            elif deed.problem and deed.taken_until:
                why = f"not done, tried again: {deed.problem}"
                found.append(sources.Deed(deed.taken_until, self._say(deed.key), why))
        return sorted(found, key=lambda each: each.at, reverse=True)

    def waiting(self, now: datetime) -> Sequence[Unapproved]:
        """Whose feedback waits for somebody to approve it."""
        return self._approval.waiting(self._course, now)

    def last(self, assignment: str) -> datetime:
        """When nobody has any more time for an assignment."""
        return self._approval.last(self._course, assignment)

    def is_approved(self, assignment: str) -> bool:
        """Whether somebody approved its feedback, knowing of all the time that was granted."""
        return self._approval.is_approved(self._course, assignment)

    def approve(self, assignment: str, although: Sequence[str], by: str, now: datetime) -> None:
        """Enter that somebody approves it."""
        self._approval.approve(self._course, assignment, although, by, now)

    @property
    def _course(self) -> Course:
        return self._exchange.deadlines.course

    def _granted(self) -> Mapping[str, Sequence[Grant]]:
        return self._exchange.roster.grants()

    def _say(self, key: Key) -> str:
        try:
            assignment = self._course.assignment(key.assignment)
        except NotFound:  # it was in an earlier course.yml
            return f"{_DEEDS[key.kind]} {key.assignment}"
        return f"{_DEEDS[key.kind]} assignment {assignment.number}, {assignment.title}"
