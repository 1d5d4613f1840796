"""Where the project meets the exchange: reports are kept, receipted and dated there."""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property

from coursehub.exchange.database import connect
from coursehub.exchange.deadlines import CourseFile
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.ledger import HandIn, Ledger
from coursehub.exchange.roster import Roster
from coursehub.project.project import Project
from coursehub.settings import Settings


class ReportArchive:
    """The exchange, as the project knows it (`coursehub.project.reports.Archive`)."""

    def __init__(self, settings: Settings) -> None:
        """Use the deployment of `settings`; files are only touched when one comes or is read."""
        self._settings = settings
        engine = connect(str(settings.database))
        self._ledger, self._roster = Ledger(engine), Roster(engine)

    def hand_in(self, username: str, sent_as: str, content: bytes, key: str) -> HandIn:
        """Keep a file."""
        person = self._exchange.person(username)
        return self._exchange.hand_in_report(person, sent_as, content, key)

    def hand_ins(self) -> list[HandIn]:
        """Every report in the ledger."""
        return self._ledger.of_everyone(self._exchange.deadlines.course.report.name)

    def content(self, number: int) -> bytes:
        """The file of that row."""
        row = self._ledger.row(number)
        assert row is not None, f"report {number} is not in the ledger"
        return (self._exchange.store.folder(row) / row.files[0].name).read_bytes()

    def extensions(self) -> Mapping[str, datetime]:
        """Who has more time for the report."""
        return self._roster.extensions_of("report")

    @cached_property
    def _exchange(self) -> Exchange:
        return Exchange(self._settings)


def open_project(settings: Settings) -> Project:
    """The project of the deployment of `settings`."""
    settings.make_state()
    file = CourseFile(settings.course)
    engine = connect(str(settings.database))
    return Project(engine, lambda: file.course, Roster(engine), ReportArchive(settings))
