"""Hand-ins on disk: which one counts, and what survives a crash at any step."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from coursehub.errors import BadSubmission, ReceiptError, ServiceUnavailable
from coursehub.exchange import store as store_module
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.intake import Accepted
from coursehub.exchange.ledger import HandIn, Ledger
from coursehub.exchange.receipts import verify
from coursehub.exchange.roster import Extension
from coursehub.exchange.store import SECRET_FILE, TIMESTAMP_FILE, nbgrader_timestamp
from coursehub.settings import Settings, load_settings

COURSE_FILE = Path(__file__).parents[2] / "course.yml"
PEOPLE = """username,number,name,email,role
alice,A0100000J,"Wang, Wenjie",alice@example.edu,student
bob,A0100001H,Bob Tan,bob@example.edu,student
"""
DUE = datetime(2021, 2, 5, 16, tzinfo=UTC)  # 23:59 in Singapore is over
GRAIN = timedelta.resolution
NOTEBOOK = "assignment_1.ipynb"
KEY = "a-key-of-a-request"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(state=tmp_path / "state", course=COURSE_FILE)


@pytest.fixture
def exchange(settings: Settings) -> Exchange:
    return opened(settings)


def opened(settings: Settings) -> Exchange:
    settings.state.mkdir(exist_ok=True)
    exchange = Exchange(settings)
    exchange.roster.import_csv(PEOPLE)
    return exchange


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


def notebook(text: str = "") -> tuple[Accepted, ...]:
    return (Accepted(NOTEBOOK, NOTEBOOK, f'{{"cells": ["{text}"]}}'.encode()),)


def hand_in(exchange: Exchange, text: str = "", key: str = KEY, username: str = "alice") -> HandIn:
    assignment = exchange.deadlines.course.assignment("assignment_1")
    return exchange.store.hand_in(username, assignment, notebook(text), key)


def hand_in_at(exchange: Exchange, clock: Callable[[datetime], None], moment: datetime) -> HandIn:
    clock(moment)
    return hand_in(exchange, str(moment), f"handed in at {moment}")


def counting(exchange: Exchange, username: str = "alice") -> HandIn | None:
    assignment = exchange.deadlines.course.assignment("assignment_1")
    rows, counts = exchange.store.hand_ins(username, assignment)
    return None if counts is None else rows[counts]


def extend(exchange: Exchange, until: datetime) -> None:
    exchange.roster.extend(Extension("alice", "assignment_1", until, "ill", "tara", DUE))
    exchange.store.arrange("alice", exchange.deadlines.course.assignment("assignment_1"))


def names(settings: Settings, place: str) -> list[str]:
    return sorted(path.name for path in (Path(str(settings.exchange)) / "cs5260" / place).iterdir())


@pytest.fixture(scope="module")
def gradebook(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of an empty gradebook; nbgrader calls alembic to make one."""
    url = f"sqlite:///{tmp_path_factory.mktemp('gradebook') / 'gradebook.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        Gradebook(url).close()
    return url


@pytest.fixture
def collected(settings: Settings, gradebook: str, tmp_path: Path) -> Callable[[], str | None]:
    """Collects with nbgrader's own collector and returns what it took from alice."""
    config = Config()
    config.CourseDirectory.course_id = "cs5260"
    config.CourseDirectory.root = str(tmp_path / "course")
    config.CourseDirectory.db_url = gradebook
    config.Exchange.root = str(settings.exchange)
    config.ExchangeCollect.check_owner = False
    (tmp_path / "course").mkdir()

    def collect() -> str | None:
        result = NbGraderAPI(config=config).collect("assignment_1", update=True)
        assert result["success"], result["error"]
        found = tmp_path / "course" / "submitted" / "alice" / "assignment_1"
        if not found.exists():
            return None
        stamps = {row.folder.split("+")[2] for row in Exchange(settings).ledger.of("alice")}
        assert (found / TIMESTAMP_FILE).read_text() in stamps
        return (found / NOTEBOOK).read_text()

    return collect


def written(row: HandIn) -> str:
    """What `hand_in_at` put into the notebook."""
    return notebook(str(row.received))[0].content.decode()


# --- one hand-in ------------------------------------------------------------------------------


def test_a_hand_in_lies_in_nbgraders_layout_and_its_receipt_verifies(
    exchange: Exchange, settings: Settings
) -> None:
    row = hand_in(exchange, "work")
    folder = exchange.store.folder(row)
    username, assignment, stamp, _ = folder.name.split("+")
    assert (username, assignment, stamp) == (
        "alice", "assignment_1", nbgrader_timestamp(row.received),
    )  # fmt: skip
    assert {path.name for path in folder.iterdir()} == {NOTEBOOK, TIMESTAMP_FILE, SECRET_FILE}
    assert (folder / TIMESTAMP_FILE).read_text() == stamp
    assert len((folder / SECRET_FILE).read_text()) == 128
    fields = dict(verify(row.receipt, exchange.key.public_pem))
    assert (fields["handed in by"], fields["student number"]) == ("alice", "A0100000J")
    assert (fields["ledger"], fields["receipt"]) == (row.hash, "1")
    assert row.files[0].sha256 in fields["file"]
    assert names(settings, "incoming") == names(settings, "kept") == []
    assert exchange.store.check() == 1


def test_nobody_but_the_service_may_look_into_the_exchange(
    exchange: Exchange, settings: Settings
) -> None:
    assert Path(str(settings.exchange)).parent.stat().st_mode & 0o777 == 0o700


def test_no_secret_is_used_twice(exchange: Exchange) -> None:
    rows = [hand_in(exchange, str(each), f"key-number-{each}") for each in range(3)]
    secrets = {(exchange.store.folder(row) / SECRET_FILE).read_text() for row in rows}
    assert len(secrets) == 3


def test_the_same_key_gives_the_same_row(exchange: Exchange, settings: Settings) -> None:
    assert hand_in(exchange, "work") == hand_in(exchange, "work")
    assert len(exchange.ledger.check()) == len(names(settings, "inbound")) == 1


def test_a_key_is_its_owners_and_its_assignments(exchange: Exchange) -> None:
    course = exchange.deadlines.course
    second = (
        Accepted("assignment_2.ipynb", "assignment_2.ipynb", b"{}"),
        Accepted("agent.py", "agent.py", b""),
    )
    numbers = {
        hand_in(exchange, "work").number,
        hand_in(exchange, "work", username="bob").number,
        exchange.store.hand_in("alice", course.assignment("assignment_2"), second, KEY).number,
    }
    assert numbers == {1, 2, 3}


def test_the_same_key_for_other_files_is_refused(exchange: Exchange, settings: Settings) -> None:
    first = hand_in(exchange, "work")
    with pytest.raises(BadSubmission, match="already used for other files"):
        hand_in(exchange, "other work")
    assert exchange.ledger.check() == [first]
    assert names(settings, "inbound") == [first.folder]
    assert names(settings, "incoming") == []


def test_everything_is_synchronised_to_disk_before_the_ledger_says_so(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut would show: a kill leaves the system's cache, so it cannot."""
    synchronised: list[str] = []
    fsync, append = os.fsync, Ledger.append

    def watched_fsync(handle: int) -> None:
        fsync(handle)
        synchronised.append(Path(f"/proc/self/fd/{handle}").readlink().name)

    def watched_append(*arguments: Any, **named: Any) -> HandIn:
        synchronised.append("ledger")
        return append(*arguments, **named)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Ledger, "append", watched_append)
    row = hand_in(exchange)
    assert synchronised == [
        NOTEBOOK, TIMESTAMP_FILE, SECRET_FILE, row.folder, "inbound", "ledger",
    ]  # fmt: skip


# --- which one counts -------------------------------------------------------------------------


def test_the_whole_last_minute_is_on_time_to_the_microsecond(
    exchange: Exchange, clock: Callable[[datetime], None]
) -> None:
    on_time = hand_in_at(exchange, clock, DUE - GRAIN)
    late = hand_in_at(exchange, clock, DUE)
    assert counting(exchange) == on_time
    said = [dict(verify(row.receipt, exchange.key.public_pem)) for row in (on_time, late)]
    assert said[0]["in time"] == "yes"
    assert said[1]["in time"].startswith("no, ")
    assert said[0]["deadline"] == "Friday 5 February 2021, 23:59"


@pytest.mark.parametrize(
    ("hours", "counts"),
    [
        ([-3], 0),
        ([-3, -2], 1),
        ([-3, -2, 1], 1),
        ([-3, 1, 2], 0),
        ([1], 0),
        ([1, 2], 0),
        ([1, 2, 3], 0),
    ],
)
def test_the_last_on_time_counts_else_the_first_late_and_nbgrader_collects_it(
    exchange: Exchange,
    settings: Settings,
    clock: Callable[[datetime], None],
    collected: Callable[[], str | None],
    hours: list[int],
    counts: int,
) -> None:
    for number, hour in enumerate(hours):
        row = hand_in_at(exchange, clock, DUE + timedelta(hours=hour))
        assert row.number == number + 1
    rows = exchange.ledger.all()
    assert counting(exchange) == rows[counts]
    assert exchange.store.check() == len(hours)
    assert names(settings, "kept") == sorted(row.folder for row in rows[counts + 1 :])
    assert collected() == written(rows[counts])


def test_nothing_is_collected_from_somebody_who_handed_in_nothing(
    exchange: Exchange, collected: Callable[[], str | None]
) -> None:
    hand_in(exchange, username="bob")
    assert counting(exchange) is None
    assert collected() is None


@pytest.mark.parametrize("first", ["extension", "hand-ins"])
def test_an_extension_counts_before_and_after_the_hand_ins(
    exchange: Exchange,
    settings: Settings,
    clock: Callable[[datetime], None],
    collected: Callable[[], str | None],
    first: str,
) -> None:
    until = DUE + timedelta(hours=4)
    if first == "extension":
        extend(exchange, until)
    rows = [hand_in_at(exchange, clock, DUE + timedelta(hours=hour)) for hour in (-1, 1, 3, 5)]
    if first == "hand-ins":
        assert counting(exchange) == rows[0]
        assert collected() == written(rows[0])
        extend(exchange, until)
    assert counting(exchange) == rows[2]
    assert names(settings, "kept") == [rows[3].folder]
    assert collected() == written(rows[2])
    assert exchange.store.check() == 4


def test_an_extension_taken_back_moves_hand_ins_back(
    exchange: Exchange, settings: Settings, clock: Callable[[datetime], None]
) -> None:
    rows = [hand_in_at(exchange, clock, DUE + timedelta(hours=hour)) for hour in (-1, 1)]
    extend(exchange, DUE + timedelta(hours=4))
    assert names(settings, "kept") == []
    extend(exchange, DUE)
    assert names(settings, "kept") == [rows[1].folder]
    assert counting(exchange) == rows[0]


def test_arranging_twice_changes_nothing(
    exchange: Exchange, settings: Settings, clock: Callable[[datetime], None]
) -> None:
    for hour in (-1, 1, 2):
        hand_in_at(exchange, clock, DUE + timedelta(hours=hour))
    extend(exchange, DUE + timedelta(minutes=90))
    before = names(settings, "inbound"), names(settings, "kept")
    extend(exchange, DUE + timedelta(minutes=90))
    assert (names(settings, "inbound"), names(settings, "kept")) == before


# --- what is on disk is checked ---------------------------------------------------------------


@pytest.mark.parametrize("harm", ["change", "remove file", "remove folder"])
def test_check_finds_what_is_not_as_receipted(exchange: Exchange, harm: str) -> None:
    hand_in(exchange, "one", "key-number-one")
    row = hand_in(exchange, "two", "key-number-two")
    folder = exchange.store.folder(row)
    if harm == "change":
        (folder / NOTEBOOK).write_bytes(notebook("2wo")[0].content)
    elif harm == "remove file":
        (folder / NOTEBOOK).unlink()
    else:
        shutil.rmtree(folder)
    with pytest.raises(ReceiptError, match="receipt 2"):
        exchange.store.check()


# --- failures and crashes ---------------------------------------------------------------------


def test_a_full_disk_is_said_and_leaves_nothing_behind(
    exchange: Exchange, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ServiceUnavailable, match="could not keep the files"):
        hand_in(exchange)
    assert [names(settings, place) for place in ("incoming", "inbound", "kept")] == [[], [], []]
    monkeypatch.undo()
    assert hand_in(exchange).number == 1


def test_a_disk_that_forgets_is_noticed(
    exchange: Exchange, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store_module._write
    monkeypatch.setattr(store_module, "_write", lambda path, content: write(path, content[:-1]))
    with pytest.raises(ServiceUnavailable, match="could not keep the files"):
        hand_in(exchange)
    assert [names(settings, place) for place in ("incoming", "inbound")] == [[], []]
    assert exchange.ledger.all() == []


@pytest.mark.parametrize("then", ["retry", "restart and retry", "restart"])
@pytest.mark.parametrize("step", ["rename", "append"])
def test_after_a_failing_step_a_retry_gives_exactly_one_row(
    exchange: Exchange, settings: Settings, monkeypatch: pytest.MonkeyPatch, step: str, then: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("injected")

    target = (os, "rename") if step == "rename" else (Ledger, "append")
    monkeypatch.setattr(*target, fail)
    with pytest.raises(OSError, match="injected"):
        hand_in(exchange, "work")
    monkeypatch.undo()
    if then.startswith("restart"):
        exchange = opened(settings)
        exchange.store.recover()
        assert names(settings, "incoming") == []
    if then.endswith("retry"):
        hand_in(exchange, "work")
    expected = 1 if step == "append" or then.endswith("retry") else 0
    assert exchange.store.check() == len(names(settings, "inbound")) == expected


def test_the_key_of_a_recovered_hand_in_still_refuses_other_files(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "append", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        hand_in(exchange, "work")
    monkeypatch.undo()
    with pytest.raises(BadSubmission, match="already used for other files"):
        hand_in(exchange, "other work")
    assert hand_in(exchange, "work").number == 1


@pytest.mark.parametrize("restarted", [True, False])
def test_an_interrupted_hand_in_on_time_is_not_displaced_by_a_late_one(
    exchange: Exchange,
    settings: Settings,
    clock: Callable[[datetime], None],
    monkeypatch: pytest.MonkeyPatch,
    collected: Callable[[], str | None],
    restarted: bool,
) -> None:
    clock(DUE - GRAIN)
    append = Ledger.append
    monkeypatch.setattr(Ledger, "append", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        hand_in(exchange, "on time")
    monkeypatch.setattr(Ledger, "append", append)
    if restarted:
        opened(settings).store.recover()
    late = hand_in_at(exchange, clock, DUE + timedelta(hours=1))
    winner = counting(exchange)
    assert winner and winner.received == DUE - GRAIN
    assert names(settings, "inbound") == [winner.folder]
    assert names(settings, "kept") == [late.folder]
    assert collected() == notebook("on time")[0].content.decode()


def test_recovery_puts_what_it_enters_late_in_its_place(
    exchange: Exchange, settings: Settings, clock: Callable[[datetime], None]
) -> None:
    """A row lost with an older database: the folder is there, later rows are too."""
    late = hand_in_at(exchange, clock, DUE + timedelta(hours=1))
    stamp = nbgrader_timestamp(DUE - GRAIN)
    orphan = exchange.store.folder(late).with_name(f"alice+assignment_1+{stamp}+abcdefghijkl")
    shutil.copytree(exchange.store.folder(late), orphan)
    exchange.store.recover()
    winner = counting(exchange)
    assert winner and winner.folder == orphan.name
    assert names(settings, "inbound") == [orphan.name]
    assert names(settings, "kept") == [late.folder]


@pytest.mark.parametrize("name", [".DS_Store", "a+b", "a+b+c+d", "alice+assignment_99+x+y"])
def test_what_is_no_hand_in_does_not_keep_the_service_from_starting(
    exchange: Exchange, settings: Settings, name: str
) -> None:
    row = hand_in(exchange)
    (exchange.store.folder(row).parent / name).mkdir()
    opened(settings).store.recover()
    assert exchange.ledger.all() == [row]
    assert name in names(settings, "inbound")


SYSTEM = {"mkdir", "open", "write", "flush", "fsync", "close", "rename", "execute", "commit"}


def die_after(count: int) -> None:
    """Let this process die by SIGKILL after so many more calls that touch disk or database."""

    def watch(_frame: FrameType, event: str, function: Any) -> None:
        nonlocal count
        if event == "c_return" and getattr(function, "__name__", "") in SYSTEM:
            count -= 1
            if not count:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)


def hand_in_and_die(settings: Settings, moment: datetime, after: int) -> bool:
    """Hand in within a child process; return whether it died before it had the receipt."""
    child = os.fork()
    if not child:
        try:
            exchange = Exchange(settings)

            class Stopped(datetime):
                @classmethod
                def now(cls, tz: Any = None) -> datetime:
                    return moment.astimezone(tz)

            store_module.datetime = Stopped  # type: ignore[misc]
            die_after(after)
            hand_in(exchange, "work")
            sys.setprofile(None)
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), "the child failed instead of dying"
    return status == signal.SIGKILL


def test_a_kill_at_any_step_loses_nothing_shows_nothing_half_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    deaths, recovered = 0, set()
    for after in range(1, 500):
        settings = load_settings(state=tmp_path / str(after), course=COURSE_FILE)
        before = hand_in(opened(settings), "before", "a-key-before-the-crash")
        died = hand_in_and_die(settings, DUE + timedelta(hours=1), after)

        exchange = opened(settings)
        exchange.store.recover()
        rows = exchange.ledger.check()
        assert rows[0] == before, f"a receipt was lost after step {after}"
        assert exchange.store.check() == len(rows)
        visible = names(settings, "inbound") + names(settings, "kept")
        assert sorted(visible) == sorted(row.folder for row in rows)
        assert names(settings, "incoming") == []
        recovered.add(len(rows) - 1)

        again = hand_in(exchange, "work")
        assert hand_in(exchange, "work") == again
        assert [row.number for row in exchange.ledger.check()] == [1, 2]
        assert dict(verify(again.receipt, exchange.key.public_pem))["receipt"] == "2"
        assert exchange.store.check() == 2
        if not died:
            break
        deaths += 1
    assert deaths > 20, "the steps of a hand-in are no longer seen"
    assert recovered == {0, 1}
