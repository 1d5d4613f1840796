"""Where the course pages meet the parts that know: the exchange and the gradebook."""

from collections.abc import Mapping
from datetime import datetime

from jupyterhub.services.auth import HubOAuth

from coursehub.course.model import Course
from coursehub.errors import NotFound
from coursehub.exchange import overview
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.ledger import HandIn
from coursehub.exchange.roster import Person
from coursehub.exchange.service import Pages
from coursehub.gradebook.standing import Scores
from coursehub.home import pages, sources
from coursehub.home.regrades import Regrades
from coursehub.settings import Settings


def course_pages(exchange: Exchange, settings: Settings, auth: HubOAuth) -> Pages:
    """What the course service serves beside its API."""
    home = pages.Home(
        ExchangeRecords(exchange), Scores(str(settings.gradebook)), Regrades(exchange.engine)
    )
    return Pages(*pages.routes(home, auth))


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
        return overview.all_extensions(self._exchange.engine).get(assignment, {})

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
