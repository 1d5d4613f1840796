"""Reports: one a team, by any member, receipted and kept whatever is in them; and all scores."""

# ruff: noqa: F811
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from coursehub import journal
from coursehub.cli.project import ReportArchive, open_project
from coursehub.errors import BadSubmission, NotAllowed, NotEnrolled, NotPossible, TooLarge
from coursehub.exchange import store as store_module
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.receipts import verify
from coursehub.exchange.roster import Extension, Roster
from coursehub.project.checks import Checks
from coursehub.project.project import MISSING, Project, Shares
from coursehub.project.reports import CHECKER
from coursehub.settings import Settings
from tests.pdfs import drawn
from tests.unit.test_project_teams import (  # noqa: F401, fixtures
    STUDENTS,
    engine,
    form,
    project,
    settings,
)

DUE = datetime(2021, 4, 30, 16, tzinfo=UTC)  # 23:59 in Singapore is over
GRAIN = timedelta.resolution
IDEAS = {"Idea": "8", "Results": "6", "Delivery": "10", "Answers": "4"}  # 7.3 of 10
METHODS = {"Problem and related work": "5", "Method": "5", "Experiments": "10", "Writing": "0"}
KEY = "a-key-of-a-request"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the clock that stamps hand-ins."""

    def set_to(moment: datetime) -> None:
        class Stopped(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return moment.astimezone(tz)

        monkeypatch.setattr(store_module, "datetime", Stopped)

    return set_to


def hand_in(
    project: Project, who: str, content: bytes = b"a report", key: str | None = None
) -> int:
    now = store_module.datetime.now(UTC)
    key = key or f"{who} {now} {content[:20]!r}"
    return project.reports.hand_in(who, "our report.pdf", content, key, now).number


def counts(project: Project, team: int = 1) -> int | None:
    return next((each.number for each in project.reports.all()[team] if each.counts), None)


def test_any_member_hands_in_and_has_a_receipt(
    project: Project, settings: Settings, engine: Engine
) -> None:
    form(project, "s01", "s02")
    kept = project.reports.hand_in("s02", "our report.pdf", b"not a PDF", KEY, DUE)
    exchange = Exchange(settings)
    fields = dict(verify(kept.receipt, exchange.key.public_pem))
    assert fields["assignment"] == "report, Project report"
    assert fields["handed in by"] == "s02"
    assert fields["deadline"] == "Friday 30 April 2021, 23:59"
    assert fields["file"].startswith("report.pdf, 9 bytes")
    assert fields["file"].endswith("sent as our report.pdf")
    [row] = exchange.ledger.check()
    assert (row.username, row.assignment, row.receipt) == ("s02", "report", kept.receipt)
    assert (exchange.store.folder(row) / "report.pdf").read_bytes() == b"not a PDF"
    assert exchange.store.check() == 1
    [report] = project.reports.all()[1]
    assert (report.username, report.counts, report.findings) == ("s02", True, None)
    [told] = journal.entries(engine, did="hand in report")
    assert (told.who, told.about, told.after) == ("s02", "team 1", {"number": 1})


def test_what_fails_the_check_is_kept_and_named(project: Project, engine: Engine) -> None:
    form(project, "s01", "s02")
    number = hand_in(project, "s01", drawn(b""))
    assert project.reports.unchecked() == [number]
    findings = project.reports.check(number, DUE)
    assert findings[0].startswith("There is no text in it")
    assert project.reports.all()[1][0].findings == findings
    assert project.reports.unchecked() == []
    assert counts(project) == number
    [told] = journal.entries(engine, did="check report")
    assert (told.who, told.after) == (CHECKER, {"number": number, "findings": list(findings)})


def test_checks_that_nobody_waits_for_are_done_once_and_survive_a_broken_one(
    project: Project, engine: Engine, settings: Settings
) -> None:
    form(project, "s01", "s02")
    gone, kept = hand_in(project, "s01", drawn(b"")), hand_in(project, "s02", drawn(b"1"))
    row = Exchange(settings).ledger.row(gone)
    (Exchange(settings).store.folder(row) / "report.pdf").unlink()
    checks = Checks(project.reports)
    checks.ask(gone, kept, kept)
    checks.ask(kept)
    checks.done()
    assert project.reports.unchecked() == [gone]
    assert len(journal.entries(engine, did="check report")) == 1


def test_who_may_hand_in(project: Project, settings: Settings) -> None:
    with pytest.raises(NotPossible, match="s01 is in no team"):
        hand_in(project, "s01")
    for who in ("tara", "nobody"):
        with pytest.raises(NotEnrolled):
            hand_in(project, who)
    form(project, "s01", "s02")
    small = open_project(settings.model_copy(update={"hand_in_bytes": 10}))
    with pytest.raises(TooLarge, match="11 bytes, 10 are allowed"):
        hand_in(small, "s01", b"11 bytes...")
    assert project.reports.all() == {1: []}


def test_the_same_request_again_is_one_report(project: Project) -> None:
    form(project, "s01", "s02")
    assert hand_in(project, "s01", key=KEY) == hand_in(project, "s01", key=KEY)
    assert len(project.reports.all()[1]) == 1


def test_the_last_on_time_counts_whoever_handed_it_in(
    project: Project, clock: Callable[[datetime], None]
) -> None:
    form(project, "s01", "s02")
    form(project, "s03", "s04")
    clock(DUE - timedelta(days=1))
    first = hand_in(project, "s01")
    clock(DUE - GRAIN)
    last = hand_in(project, "s02")
    clock(DUE)
    late, later = hand_in(project, "s01"), hand_in(project, "s03")
    clock(DUE + timedelta(days=1))
    hand_in(project, "s04")
    assert [each.late for each in project.reports.all()[1]] == [False, False, True]
    assert counts(project) == last
    assert counts(project, 2) == later
    assert {each.number for each in project.reports.all()[1]} == {first, last, late}


def test_who_has_more_time_has_it_for_the_team(
    project: Project, engine: Engine, clock: Callable[[datetime], None]
) -> None:
    form(project, "s01", "s02")
    clock(DUE - GRAIN)
    hand_in(project, "s01")
    clock(DUE + timedelta(hours=1))
    late = hand_in(project, "s01")
    until = DUE + timedelta(days=1)
    Roster(engine).extend(Extension("s02", "report", until, "ill", "tara", DUE))
    assert counts(project) == late
    assert project.reports.window(project.teams.find("1")).on_time_before == until
    clock(until)
    hand_in(project, "s02")
    assert counts(project) == late


def test_a_report_stays_the_teams_when_its_author_moves(project: Project) -> None:
    form(project, "s01", "s02")
    form(project, "s03", "s04")
    number = hand_in(project, "s01")
    project.fixes.move("s01", "2", "tara", "a quarrel", DUE)
    assert counts(project) == number
    assert counts(project, 2) is None
    with pytest.raises(NotPossible, match="Team 1 has a report"):
        project.fixes.dissolve("1", "tara", "x", DUE)
    with pytest.raises(NotPossible):
        project.fixes.move("s02", "2", "tara", "x", DUE)
    assert project.teams.find("1").members == ("s02",)


def test_what_was_kept_but_not_entered_is_entered_later(
    project: Project, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    form(project, "s01", "s02")
    archive = ReportArchive(settings)
    for who in ("s02", "s09"):  # killed between the two steps
        archive.hand_in(who, "report.pdf", b"a report", KEY)
    [without] = project.reports.catch_up(DUE)
    assert without.username == "s09"
    assert [each.username for each in project.reports.all()[1]] == ["s02"]
    project.fixes.move("s09", "1", "tara", "was forgotten", DUE)
    assert project.reports.catch_up(DUE) == []
    assert len(project.reports.all()[1]) == 2


def test_a_service_that_was_killed_finishes_the_report(
    project: Project, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    form(project, "s01", "s02")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(store_module.Store, "_append", _killed)
        hand_in(project, "s01", key=KEY)
    exchange = Exchange(settings)
    exchange.store.recover()
    assert exchange.store.check() == 1
    exchange.follow_course()
    assert project.reports.catch_up(DUE) == []
    number = counts(project)
    assert number == hand_in(project, "s01", key=KEY) == 1


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


# --- scores


def test_scores_come_from_several_graders(project: Project, engine: Engine) -> None:
    form(project, "s01", "s02")
    half = project.scores.give("presentation", "1", {"idea": "8", "Results": "6"}, "tara", DUE)
    assert half.share is None
    assert half.incomplete == {"tara": ("Delivery", "Answers")}
    rest = {"Delivery": "10", "Answers": "4"}
    assert project.scores.give("presentation", "1", rest, "tara", DUE).share == Decimal("0.73")
    tens = dict.fromkeys(IDEAS, "10")
    both = project.scores.give("presentation", "1", tens, "ines", DUE)
    assert both.share == Decimal("0.865")
    assert both.apart == {"Results": (6, 10), "Answers": (4, 10)}
    project.scores.give("presentation", "1", {"Answers": "10"}, "tara", DUE)
    changed = journal.entries(engine, did="score presentation")[0]
    assert (changed.before, changed.after) == ({"Answers": "4"}, {"Answers": "10"})
    project.scores.withdraw("presentation", "1", "ines", DUE)
    assert project.scores.all("presentation")[1].graders == {"tara": Decimal("0.82")}
    assert set(project.scores.given("presentation", 1)) == {"tara"}
    assert project.scores.given("presentation", 1)["tara"]["Answers"] == Decimal(10)
    assert project.scores.given("report", 1) == {}


def test_scores_that_are_refused(project: Project) -> None:
    form(project, "s01", "s02")
    for given, by, error in (
        (IDEAS, "s01", NotAllowed),
        ({"Beauty": "3"}, "tara", BadSubmission),
        ({}, "tara", BadSubmission),
        ({"Idea": "11"}, "tara", BadSubmission),
    ):
        with pytest.raises(error):
            project.scores.give("presentation", "1", given, by, DUE)
    with pytest.raises(NotPossible, match="no report"):
        project.scores.give("report", "1", METHODS, "tara", DUE)
    with pytest.raises(NotPossible):
        project.scores.withdraw("presentation", "1", "tara", DUE)
    assert project.scores.all("presentation") == {}


def test_shares_are_what_is_there_and_nothing_else(
    project: Project, clock: Callable[[datetime], None]
) -> None:
    assert project.shares("s01") == MISSING
    form(project, "s01", "s02")
    form(project, "s03", "s04")
    assert project.shares("s01") == MISSING
    project.scores.give("presentation", "1", IDEAS, "tara", DUE)
    clock(DUE - GRAIN)
    hand_in(project, "s02")
    assert project.shares("s01") == Shares(Decimal("0.73"), None)
    project.scores.give("report", "1", METHODS, "tara", DUE)
    assert project.shares("s01") == project.shares("s02") == Shares(Decimal("0.73"), Decimal("0.6"))
    clock(DUE)
    hand_in(project, "s03")
    project.scores.give("report", "2", METHODS, "tara", DUE)
    assert project.shares("s03") == Shares(None, Decimal(0))  # late, and there are no bands


def test_a_band_of_lateness_takes_its_part(
    project: Project, settings: Settings, tmp_path: Path, clock: Callable[[datetime], None]
) -> None:
    text = settings.course.read_text().replace("  bands: []\n  # bands:", "  bands:")
    (tmp_path / "bands.yml").write_text(text)
    banded = open_project(settings.model_copy(update={"course": tmp_path / "bands.yml"}))
    form(project, "s01", "s02")
    clock(DUE + timedelta(hours=1))
    hand_in(banded, "s01")
    banded.scores.give("report", "1", METHODS, "tara", DUE)
    assert banded.shares("s02").report == Decimal("0.48")


def test_the_whole_class_takes_as_many_queries_as_one_team(
    project: Project, engine: Engine
) -> None:
    def queries() -> int:
        seen: list[str] = []
        engines = [project._engine, project.reports.archive._roster._engine]
        listeners = [
            (e, "before_cursor_execute", lambda *a: seen.append(a[2])) for e in set(engines)
        ]
        for each in listeners:
            event.listen(*each)
        project.all_shares()
        for each in listeners:
            event.remove(*each)
        return len(seen)

    form(project, "s01", "s02")
    few = queries()
    for number in range(2, 12, 2):
        form(project, STUDENTS[number], STUDENTS[number + 1])
        hand_in(project, STUDENTS[number])
        team = str(number // 2 + 1)
        project.scores.give("presentation", team, IDEAS, "tara", DUE)
        project.scores.give("report", team, METHODS, "ines", DUE)
    assert queries() == few < 10
    everybody = project.all_shares()
    assert everybody == {student: project.shares(student) for student in STUDENTS}
