"""What the exchange does for one person, without HTTP: list, fetch, hand in, feedback."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256

from coursehub.course.late import lateness
from coursehub.course.model import Assignment, Course, Work
from coursehub.course.schedule import Window, is_released, say, say_short, time_left
from coursehub.errors import BadSubmission, NotAllowed, NotEnrolled, NotFound, TooLarge
from coursehub.exchange import intake, protocol
from coursehub.exchange.database import connect
from coursehub.exchange.deadlines import CourseFile, Deadlines
from coursehub.exchange.desk import Desk
from coursehub.exchange.ledger import HandIn, Ledger, StoredFile
from coursehub.exchange.overview import note_fetch
from coursehub.exchange.person import Person
from coursehub.exchange.receipts import SigningKey
from coursehub.exchange.roster import Extension, Roster
from coursehub.exchange.store import Store, nbgrader_timestamp
from coursehub.exchange.visible import as_message
from coursehub.settings import Settings


class Exchange:
    """One course's exchange. Every method takes the person who asks; none trusts the request."""

    def __init__(self, settings: Settings) -> None:
        """Open database, course file, key and folders that `settings` names.

        Raises:
            CourseFileError: when the course file is wrong.
        """
        self.engine = engine = connect(str(settings.database))
        self.limit = settings.hand_in_bytes
        self._runs_tests = settings.visible_tests
        self.desk = Desk(engine)
        self._arranged: Course | None = None
        self.roster = Roster(engine)
        self.ledger = Ledger(engine)
        self.deadlines = Deadlines(CourseFile(settings.course), self.roster)
        self.key = SigningKey.load(settings.signing_key)  # type: ignore[arg-type]
        self.store = Store(
            settings.exchange,  # type: ignore[arg-type]
            self.ledger,
            self.deadlines,
            self._write_receipt,
        )

    def follow_course(self) -> None:
        """Where deadlines moved in course.yml, another hand-in may count now: put all in place."""
        course = self.deadlines.course
        if course is self._arranged:
            return
        names: dict[str, Work] = {each.name: each for each in course.assignments}
        names[course.report.name] = course.report
        for username, name in {(row.username, row.assignment) for row in self.ledger.all()}:
            if name in names:
                self.store.arrange(username, names[name])
        self._arranged = course

    def extend(
        self,
        usernames: Sequence[str],
        name: str,
        until: datetime,
        reason: str,
        by: str,
        now: datetime,
    ) -> None:
        """Give students more time, before or after they handed in.

        What was already handed in is looked at again.

        Args:
            usernames: Whom; a team's members, or `students`, among others.
            name: The assignment's, or the report's.
            until: The first instant that is late for them.
            reason: Why.
            by: Who grants it.
            now: The time.

        Raises:
            NotFound: when there is no such assignment.
            RosterError: when one of them is not on the roster, or no reason is given; nobody gets
                more time then.
        """
        assignment = self.deadlines.course.work(name)
        whom = list(dict.fromkeys(usernames))
        self.roster.extend(*(Extension(each, name, until, reason, by, now) for each in whom))
        for username in {row.username for row in self.ledger.for_assignment(name)} & set(whom):
            self.store.arrange(username, assignment)

    def students(self) -> list[str]:
        """The user names of all students."""
        return [person.username for person in self.roster.everyone() if not person.staff]

    def person(self, username: str) -> Person:
        """The member of the course with that user name.

        Raises:
            NotEnrolled: when the roster has none.
        """
        person = self.roster.find(username)
        if not person:
            raise NotEnrolled(
                f"{username} is not on the roster of {self.deadlines.course.code}",
                remedy="Ask the course staff to add you",
            )
        return person

    def assignments(self, person: Person, now: datetime) -> protocol.AssignmentList:
        """What `person` may see at `now`: students what is open, staff everything released."""
        course = self.deadlines.course
        return protocol.AssignmentList(
            course=course.id,
            username=person.username,
            staff=person.staff,
            assignments=tuple(
                self._record(person, assignment, now)
                for assignment in course.assignments
                if self._visible(person, assignment, now)
            ),
        )

    def files(self, person: Person, name: str, now: datetime) -> dict[str, bytes]:
        """The released files of an assignment.

        Raises:
            NotFound: when it is not there, or not there *yet*: the two look the same.
        """
        files = self.store.released_files(self._assignment(person, name, now))
        if not person.staff:
            note_fetch(self.engine, person.username, name, now)
        return files

    def hand_in(
        self, person: Person, name: str, sent: Mapping[str, bytes], key: str, now: datetime
    ) -> protocol.HandInRecord:
        """Keep a hand-in and return its record with the receipt.

        Raises:
            ExchangeError: saying why it was not kept.
        """
        _may_hand_in(person, key)
        assignment = self._assignment(person, name, now)
        files = intake.accept(sent, assignment.files, limit=self.limit)
        row = self.store.hand_in(person.username, assignment, files, key)
        return self._hand_in_records(person, assignment, only=row)[0]

    def hand_in_report(self, person: Person, sent_as: str, content: bytes, key: str) -> HandIn:
        """Keep the report of `person`'s team, whatever is in it, and write its receipt.

        Args:
            person: the member who hands in; the project knows the team.
            sent_as: the name of the file as it was sent.
            content: the file.
            key: the idempotency key of the request.

        Raises:
            ExchangeError: saying why it was not kept.
        """
        _may_hand_in(person, key)
        if len(content) > self.limit:
            raise TooLarge(
                f"the report holds {len(content):,} bytes, {self.limit:,} are allowed",
                remedy="Put large drawings in as images, and try again",
            )
        report = self.deadlines.course.report
        [name] = report.files
        shown = "".join(letter for letter in sent_as if letter.isprintable())[:200]
        files = (intake.Accepted(name, shown or name, content),)
        return self.store.hand_in(person.username, report, files, key)

    def run_visible_tests(self, person: Person, done: protocol.HandInRecord, now: datetime) -> None:
        """Have the visible tests run on a hand-in that counts; its receipt is out already."""
        if self._runs_tests and done.counts:
            self.desk.ask_for_tests(done.assignment, person.username, done.number, now)

    def visible_tests(self, person: Person, now: datetime) -> protocol.VisibleTestsList:
        """What the visible tests said of `person`'s own hand-ins."""
        rows = self.desk.tests_of(person.username)
        return protocol.VisibleTestsList(hand_ins=tuple(as_message(row, now) for row in rows))

    def hand_ins(self, person: Person) -> protocol.HandInList:
        """Everything `person` handed in."""
        course = self.deadlines.course
        records = [
            record
            for assignment in course.assignments
            for record in self._hand_in_records(person, assignment)
        ]
        return protocol.HandInList(
            course=course.id,
            username=person.username,
            hand_ins=tuple(sorted(records, key=lambda record: record.number)),
        )

    def feedback(self, person: Person, number: int) -> dict[str, bytes]:
        """The feedback pages released for one of `person`'s own hand-ins.

        Where students may have the solution, its files are beside them.

        Raises:
            NotFound: when that hand-in is not theirs, or has no feedback yet.
        """
        own = [row for row in self.ledger.of(person.username) if row.number == number]
        pages = self.store.feedback(own[0]) if own else {}
        if not pages:
            raise NotFound("there is no feedback to fetch yet", remedy="Try again later")
        solution = self.store.solution(own[0].assignment)
        return pages | {f"solution-{name}": content for name, content in solution.items()}

    def _visible(self, person: Person, assignment: Assignment, now: datetime) -> bool:
        window = self.deadlines.window(person.username, assignment)
        released = self.store.is_released(assignment)
        return released and (person.staff or is_released(window, now))

    def _assignment(self, person: Person, name: str, now: datetime) -> Assignment:
        missing = NotFound(f"there is no {name}", remedy="See the list for what is open")
        try:
            assignment = self.deadlines.course.assignment(name)
        except NotFound:
            raise missing from None
        if not self._visible(person, assignment, now):
            raise missing
        return assignment

    def _record(
        self, person: Person, assignment: Assignment, now: datetime
    ) -> protocol.AssignmentRecord:
        window = self.deadlines.window(person.username, assignment)
        open_now = is_released(window, now)
        course = self.deadlines.course
        return protocol.AssignmentRecord(
            assignment=assignment.name,
            title=assignment.title,
            notebook=assignment.notebook,
            files=assignment.files,
            open=open_now,
            release=window.release,
            due=window.due,
            on_time_before=window.on_time_before,
            due_text=f"due {say_short(window.due, course)}"
            if open_now
            else f"opens {say_short(window.release, course)}; students do not see it yet",
            time_left=time_left(window, now) if open_now else "",
        )

    def _hand_in_records(
        self, person: Person, assignment: Assignment, only: HandIn | None = None
    ) -> list[protocol.HandInRecord]:
        rows, counts = self.store.hand_ins(person.username, assignment)
        window = self.deadlines.window(person.username, assignment)
        return [
            protocol.HandInRecord(
                number=row.number,
                assignment=row.assignment,
                received=row.received,
                received_text=say_short(row.received, self.deadlines.course),
                timestamp=nbgrader_timestamp(row.received),
                late=row.received >= window.on_time_before,
                counts=index == counts,
                files=tuple(file.name for file in row.files),
                receipt=row.receipt,
                remark=_remark(person, row),
                feedback={
                    page: sha256(content).hexdigest()
                    for page, content in self.store.feedback(row).items()
                },
            )
            for index, row in enumerate(rows)
            if only is None or row.number == only.number
        ]

    def _write_receipt(
        self,
        username: str,
        assignment: Work,
        received: datetime,
        files: tuple[StoredFile, ...],
        number: int,
        sealed: str,
        imported_by: str | None,
    ) -> str:
        course = self.deadlines.course
        person = self.roster.find(username)
        window = self.deadlines.window(username, assignment)
        local = received.astimezone(course.tz)
        fields = [
            ("receipt", str(number)),
            ("course", f"{course.code} {course.title}"),
            ("assignment", f"{assignment.name}, {assignment.title}"),
            ("handed in by", username),
            ("student number", person.number if person else "unknown"),
            ("name", person.name if person else "unknown"),
            (
                "received",
                f"{say(local, course)} ({local.isoformat()}){_by_whose_clock(imported_by)}",
            ),
            *_source(imported_by),
            ("deadline", say(window.due, course)),
            ("in time", _in_time(window, received)),
            *(("file", _describe(file)) for file in files),
            ("ledger", sealed),
        ]
        return self.key.sign(fields)


def now() -> datetime:
    """The service's clock: the only one that stamps a hand-in."""
    return datetime.now(UTC)


def _may_hand_in(person: Person, key: str) -> None:
    if person.staff:
        raise NotAllowed(
            "course staff do not hand in", remedy="Use a student's account to try it out"
        )
    if not 8 <= len(key) <= 128 or not key.isprintable():
        raise BadSubmission(
            f"the header {protocol.IDEMPOTENCY_HEADER} is missing or not 8 to 128 characters",
            remedy="Submit with CourseHub's own client",
        )


def _in_time(window: Window, received: datetime) -> str:
    late = lateness(window, received)
    return "yes" if not late else f"no, {str(late).partition('.')[0]} late; kept and flagged"


def _by_whose_clock(imported_by: str | None) -> str:
    return ", by the LMS's clock" if imported_by else ""


def _source(imported_by: str | None) -> list[tuple[str, str]]:
    return [("source", f"the LMS, brought over by {imported_by}")] if imported_by else []


def _describe(file: StoredFile) -> str:
    sent_as = "" if file.sent_as == file.name else f", sent as {file.sent_as}"
    return f"{file.name}, {file.bytes} bytes, sha256 {file.sha256}{sent_as}"


def _remark(person: Person, row: HandIn) -> str | None:
    for file in row.files:
        number = intake.student_number(file.sent_as)
        if number and number != person.number.upper():
            return f"the file's name says {number}, you are {person.number}: make sure it is yours"
    return None
