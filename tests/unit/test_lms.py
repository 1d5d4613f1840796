"""Folders of the LMS into the ledger and out again, on a real store; hostile archives."""

import csv
import io
import json
import os
import signal
import stat
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from coursehub import journal
from coursehub.cli import app
from coursehub.errors import BadSubmission, TooLarge
from coursehub.exchange import store as store_module
from coursehub.exchange.database import connect
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.intake import Accepted
from coursehub.exchange.ledger import HandIn
from coursehub.exchange.lms import archive as archive_module
from coursehub.exchange.lms.archive import Archive, opened
from coursehub.exchange.lms.times import read_times
from coursehub.exchange.receipts import verify
from coursehub.exchange.roster import Extension
from coursehub.settings import load_settings

COURSE_FILE = Path(__file__).parents[2] / "course.yml"
PEOPLE = """username,number,name,email,role
alice,A0100000J,"Wang, Wenjie",alice@example.edu,student
bob,A0100001H,Bob Tan,bob@example.edu,student
carol,A0100002L,"Carol O'Neil <c>",carol@example.edu,student
tara,T0000001A,Tara Lim,tara@example.edu,ta
"""
ALICE = "a0100000J_Wang-Wenjie_assignment_1.ipynb"
BOB = "a0100001H_Bob-Tan_assignment_1.ipynb"
LIMIT = 1_000_000
ON_TIME = (2021, 2, 5, 23, 59, 58)  # on the clocks of Singapore, the last that is on time
LATE = (2021, 2, 6, 0, 0, 0)
DUE = datetime(2021, 2, 5, 16, tzinfo=UTC)


def notebook(text: str = "") -> bytes:
    return json.dumps({"cells": [text]}).encode()


def zipped(path: Path, *members: tuple[str, bytes, tuple[int, ...]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content, when in members:
            made.writestr(zipfile.ZipInfo(name, when), content, zipfile.ZIP_DEFLATED)
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("COURSEHUB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("COURSEHUB_COURSE", str(COURSE_FILE))
    monkeypatch.setenv("COURSEHUB_HAND_IN_BYTES", str(LIMIT))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").mkdir()
    exchange().roster.import_csv(PEOPLE)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    return invoke


def exchange() -> Exchange:
    return Exchange(load_settings())


def bring(run: Callable[..., Result], path: Path, *words: str, number: int = 1) -> Result:
    result = run("import-lms", f"assignment_{number}", str(path), "--by", "ines", *words)
    assert result.exit_code == 0, result.output
    return result


def rows(username: str = "alice", number: int = 1) -> tuple[list[HandIn], int | None]:
    found = exchange()
    return found.store.hand_ins(username, found.deadlines.course.assignment(f"assignment_{number}"))


def state_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_folder_comes_into_the_ledger_at_the_lms_times(run, tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "one.zip",
        (f"assignment_1/{ALICE}", notebook("a"), ON_TIME),
        (f"assignment_1/{BOB}", notebook("b"), LATE),
    )
    result = bring(run, path)
    assert "alice (A0100000J): Fri 5 Feb 23:59:58, receipt 1" in result.output
    assert "2 hand-ins brought over, 0 were there already, 0 files left over" in result.output
    (row,), counts = rows()
    assert counts == 0
    assert row.received == datetime(2021, 2, 5, 15, 59, 58, tzinfo=UTC)
    assert row.files[0].sent_as == ALICE
    fields = dict(verify(row.receipt, exchange().key.public_pem))
    assert fields["received"].endswith(", by the LMS's clock")
    assert fields["source"] == "the LMS, brought over by ines"
    assert fields["in time"] == "yes"
    late = dict(verify(rows("bob")[0][0].receipt, exchange().key.public_pem))
    assert late["in time"] == "no, 0:00:00 late; kept and flagged"
    assert run("ledger", "check").output.startswith("2 hand-ins: the chain holds")


def test_what_is_handed_in_here_says_nothing_of_the_lms(run) -> None:
    found = exchange()
    files = (Accepted("assignment_1.ipynb", "assignment_1.ipynb", notebook()),)
    row = found.store.hand_in("alice", found.deadlines.course.assignment("assignment_1"), files,
                              "key-12345678")  # fmt: skip
    assert "LMS" not in row.receipt
    assert row.imported_by is None


def test_the_same_archive_again_adds_nothing(run, tmp_path: Path) -> None:
    path = zipped(tmp_path / "one.zip", (ALICE, notebook("a"), ON_TIME))
    bring(run, path)
    before, entries = rows(), journal.entries(connect(str(load_settings().database)))
    assert [(each.did, each.who) for each in entries] == [("import-lms", "ines")]
    assert entries[0].after["receipts"] == [1]
    result = run("import-lms", "assignment_1", str(path), "--by", "tara")
    assert "0 hand-ins brought over, 1 were there already" in result.output
    assert rows() == before
    assert len(journal.entries(connect(str(load_settings().database)))) == 1
    assert run("ledger", "check").exit_code == 0


def test_a_dry_run_says_the_same_and_writes_nothing(run, tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "one.zip", (ALICE, notebook("a"), ON_TIME), ("strange.txt", b"?", ON_TIME)
    )
    before = state_of(tmp_path)
    result = bring(run, path, "--dry-run")
    assert "alice (A0100000J): Fri 5 Feb 23:59:58" in result.output
    assert "1 hand-ins would be brought over" in result.output
    assert "left over 'strange.txt'" in result.output
    assert state_of(tmp_path) == before
    assert rows() == ([], None)


def test_several_uploads_are_several_hand_ins_and_the_rule_decides(run, tmp_path: Path) -> None:
    first, other = (2021, 2, 4, 12, 0, 0), ALICE.replace(".ipynb", " (1).ipynb")
    late = ALICE.replace(".ipynb", " (2).ipynb")
    bring(run, zipped(
        tmp_path / "one.zip", (late, notebook("late"), LATE), (other, notebook("new"), ON_TIME),
        (ALICE, notebook("old"), first),
    ))  # fmt: skip
    found, counts = rows()
    assert [row.files[0].sent_as for row in found] == [ALICE, other, late]
    assert counts == 1


def hand_in_here(monkeypatch: pytest.MonkeyPatch, moment: datetime, text: str) -> HandIn:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return moment.astimezone(tz)

    found = exchange()
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "datetime", Stopped)
        files = (Accepted("assignment_1.ipynb", "assignment_1.ipynb", notebook(text)),)
        return found.store.hand_in(
            "alice", found.deadlines.course.assignment("assignment_1"), files, f"key of {text}"
        )


@pytest.mark.parametrize(
    ("here", "there", "counts"),
    [(-3600, ON_TIME, "LMS"), (-0.5, ON_TIME, "here"), (60, ON_TIME, "LMS"), (60, LATE, "LMS"),
     (-60, LATE, "here")],
)  # fmt: skip
def test_both_ways_mixed(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: float, there: Any, counts: str
) -> None:
    hand_in_here(monkeypatch, DUE + timedelta(seconds=here), "here")
    bring(run, zipped(tmp_path / "one.zip", (ALICE, notebook("LMS"), there)))
    found, index = rows()
    chosen = found[index or 0]
    assert (chosen.imported_by is not None) == (counts == "LMS")
    store = exchange().store
    assert store.folder(chosen).parent.name == "inbound"
    later = [row for row in found if row.received > chosen.received]
    assert {store.folder(row).parent.name for row in later} <= {"kept"}
    assert store.check() == 2


def test_an_extension_makes_a_late_one_count(run, tmp_path: Path) -> None:
    later = ALICE.replace(".ipynb", " (1).ipynb")
    bring(run, zipped(
        tmp_path / "one.zip", (ALICE, notebook("a"), ON_TIME), (later, notebook("b"), LATE)
    ))  # fmt: skip
    assert rows()[1] == 0
    found = exchange()
    until = DUE + timedelta(days=1)
    found.roster.extend(Extension("alice", "assignment_1", until, "ill", "tara", DUE))
    found.store.arrange("alice", found.deadlines.course.assignment("assignment_1"))
    assert rows()[1] == 1


AGENT = "a0100000J_Wang-Wenjie_agent.py"
SECOND = ALICE.replace("assignment_1", "assignment_2")
NOON, ONE = (2021, 2, 11, 12, 0, 0), (2021, 2, 11, 13, 0, 0)


def test_files_beside_make_a_hand_in_together(run, tmp_path: Path) -> None:
    again = AGENT.replace(".py", "(1).py")
    bring(run, zipped(
        tmp_path / "two.zip", (f"x/{SECOND}", notebook(), NOON), (f"x/{AGENT}", b"a = 1", NOON),
        (f"x/{again}", b"a = 2", ONE),
    ), number=2)  # fmt: skip
    found, counts = rows(number=2)
    assert counts == 1
    assert [[file.sent_as for file in row.files] for row in found] == [
        [SECOND, AGENT], [SECOND, again]
    ]  # fmt: skip


def test_a_file_of_another_hand_in_is_not_left_over(run, tmp_path: Path) -> None:
    broken = SECOND.replace(".ipynb", " (1).ipynb")
    result = bring(run, zipped(
        tmp_path / "two.zip", (SECOND, notebook(), NOON), (AGENT, b"a = 1", NOON),
        (broken, b"cut off", ONE),
    ), number=2)  # fmt: skip
    assert "1 hand-ins brought over, 0 were there already, 1 files left over" in result.output
    assert f"left over '{broken}': assignment_2.ipynb is no Jupyter notebook" in result.output


def test_nothing_is_dropped(run, tmp_path: Path) -> None:
    bob, carol = (f"{n}_assignment_2.ipynb" for n in ("a0100001H", "a0100002L"))
    twice = SECOND.upper()
    path = zipped(
        tmp_path / "two.zip",
        (SECOND, notebook("1"), NOON), (twice, notebook("2"), NOON), (AGENT, b"a", NOON),
        (bob, notebook(), NOON),
        (carol, b"no notebook", NOON), ("a0100002L_agent.py", b"c", NOON),
        ("../evil.ipynb", notebook("evil"), NOON), ("a0100009J_x_agent.py", b"x", NOON),
        ("sub/notes.docx", b"notes", NOON), ("other/notes.docx", b"other notes", NOON),
    )  # fmt: skip
    result = bring(run, path, number=2)
    assert "0 hand-ins brought over, 0 were there already, 10 files left over" in result.output
    folder = tmp_path / "two-left-over"
    with (folder / "left-over.csv").open(newline="") as text:
        listed = {row["file"].strip("'"): row for row in csv.DictReader(text)}
    assert "nothing says which is the newer" in listed[SECOND]["reason"]
    assert listed[AGENT]["reason"] == "assignment_2.ipynb is missing"
    assert listed[bob]["reason"] == "agent.py is missing"
    assert listed[carol]["reason"].startswith("assignment_2.ipynb is no Jupyter notebook")
    assert listed["../evil.ipynb"]["kept as"] == "only in the archive"
    assert len(listed) == 10
    kept = {row["kept as"] for row in listed.values()} - {"only in the archive"}
    assert {path.name for path in folder.iterdir()} == kept | {"left-over.csv"}
    assert len(kept) == 9
    assert (folder / listed["sub/notes.docx"]["kept as"]).read_bytes() == b"notes"
    assert not (tmp_path / "evil.ipynb").exists()
    before = state_of(folder)
    bring(run, path, number=2)
    assert state_of(folder) == before


def test_the_same_file_twice_is_one_hand_in(run, tmp_path: Path) -> None:
    bring(run, zipped(
        tmp_path / "one.zip", (f"a/{ALICE}", notebook(), NOON_1), (f"b/{ALICE}", notebook(), NOON_1)
    ))  # fmt: skip
    assert len(rows()[0]) == 1


NOON_1 = (2021, 2, 4, 12, 0, 0)


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ((1980, 1, 1, 0, 0, 0), "before the release"),
        ((2100, 1, 1, 0, 0, 0), "still to come"),
    ],
)
def test_a_time_that_cannot_be_is_not_believed(run, tmp_path: Path, when: Any, reason: str) -> None:
    result = bring(run, zipped(tmp_path / "one.zip", (ALICE, notebook(), when)))
    assert reason in result.output
    assert rows() == ([], None)


def test_times_of_a_list_go_before_the_archives(run, tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "one.zip", (f"x/{ALICE}", notebook(), LATE), (BOB, notebook("b"), LATE)
    )
    (tmp_path / "times.csv").write_text(f"who,File,Time\nw,{ALICE},2021-02-05 10:30:15\n")
    result = bring(run, path, "--times", "times.csv")
    assert f"left over '{BOB}': nothing says when it was handed in" in result.output
    assert rows()[0][0].received == datetime(2021, 2, 5, 2, 30, 15, tzinfo=UTC)
    (tmp_path / "times.csv").write_text("file,time\nx,yesterday\n")
    refused = run("import-lms", "assignment_1", str(path), "--times", "times.csv", "--by", "ines")
    assert refused.exit_code == 2
    assert "times.csv: line 2: 'yesterday' is no time" in refused.output


def test_a_list_of_times_names_each_file_once() -> None:
    zone = exchange_zone()
    found = read_times("file,time\nA.ipynb,2021-02-05T10:00:00+00:00\n", zone)
    assert found == {"a.ipynb": datetime(2021, 2, 5, 10, tzinfo=UTC)}
    with pytest.raises(BadSubmission, match="has two times"):
        read_times("file,time\na,2021-02-05 10:00\nA,2021-02-05 11:00\n", zone)
    with pytest.raises(BadSubmission, match="lacks the columns"):
        read_times("name,when\n", zone)


def exchange_zone() -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo("Asia/Singapore")


def test_who_brings_it_over_is_named(run, tmp_path: Path) -> None:
    path = zipped(tmp_path / "one.zip", (ALICE, notebook(), ON_TIME))
    refused = run("import-lms", "assignment_1", str(path), "--by", "x+y/..")
    assert refused.exit_code == 2
    assert "is no user name" in refused.output


@pytest.mark.parametrize("step", ["rename", "append"])
def test_killed_in_between_it_is_finished_and_still_says_whose_time_it_is(
    run, tmp_path: Path, step: str
) -> None:
    path = zipped(tmp_path / "one.zip", (ALICE, notebook("a"), ON_TIME))
    child = os.fork()
    if child == 0:  # dies at the step, as by kill -9
        target = store_module.Store if step == "append" else type(tmp_path)
        name = "_append" if step == "append" else "rename"
        setattr(target, name, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        try:
            run("import-lms", "assignment_1", str(path), "--by", "ines")
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    if step == "append":
        exchange().store.recover()
        assert len(rows()[0]) == 1
    bring(run, path)
    (row,), counts = rows()
    assert (counts, row.imported_by) == (0, "ines")
    assert dict(verify(row.receipt, exchange().key.public_pem))["source"].endswith("ines")
    exchange().store.recover()
    assert exchange().store.check() == 1


def export(run: Callable[..., Result], to: Path, *words: str, number: int = 1) -> Result:
    result = run("export-lms", f"assignment_{number}", "--to", str(to), *words)
    assert result.exit_code == 0, result.output
    return result


def test_export_then_import_adds_nothing_here_and_gives_the_same_elsewhere(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in_here(monkeypatch, DUE - timedelta(minutes=3, microseconds=1), "here")
    bring(run, zipped(tmp_path / "one.zip", (BOB, notebook("b"), LATE)))
    assert "2 files" in export(run, tmp_path / "out.zip").output
    with zipfile.ZipFile(tmp_path / "out.zip") as made:
        assert made.namelist() == [f"assignment_1/{ALICE}", f"assignment_1/{BOB}"]
    assert "0 hand-ins brought over, 2 were there" in bring(run, tmp_path / "out.zip").output
    here = {name: rows(name) for name in ("alice", "bob")}
    monkeypatch.setenv("COURSEHUB_STATE", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    exchange().roster.import_csv(PEOPLE)
    bring(run, tmp_path / "out.zip", "--times", "out.times.csv")
    for name, (found, counts) in here.items():
        copied, copied_counts = rows(name)
        assert copied_counts == counts == 0
        assert copied[0].received == found[0].received
        assert [file.sha256 for file in copied[0].files] == [f.sha256 for f in found[0].files]
    assert exchange().store.check() == 2


def test_export_into_a_folder_writes_over_nothing(run, tmp_path: Path) -> None:
    bring(run, zipped(tmp_path / "one.zip", (ALICE, notebook("a"), ON_TIME)))
    export(run, tmp_path / "out")
    made = tmp_path / "out" / "assignment_1" / ALICE
    assert made.read_bytes() == notebook("a")
    assert made.stat().st_mtime == rows()[0][0].received.timestamp()
    again = run("export-lms", "assignment_1", "--to", str(tmp_path / "out"))
    assert again.exit_code == 2
    assert "it is there already" in again.output


def test_a_changed_file_is_not_exported(run, tmp_path: Path) -> None:
    bring(run, zipped(tmp_path / "one.zip", (ALICE, notebook("a"), ON_TIME)))
    (exchange().store.folder(rows()[0][0]) / "assignment_1.ipynb").write_bytes(b"{}")
    refused = run("export-lms", "assignment_1", "--to", str(tmp_path / "out.zip"))
    assert refused.exit_code == 2
    assert "is not what receipt 1 says" in refused.output
    assert [path.name for path in tmp_path.glob("*out*")] == []


def test_feedback_goes_out_under_its_students_name(run, tmp_path: Path) -> None:
    from coursehub.exchange.feedback import given_back, page_name
    from coursehub.exchange.folders import SECRET_FILE

    bring(run, zipped(
        tmp_path / "one.zip", (ALICE, notebook("a"), ON_TIME), (BOB, notebook("b"), ON_TIME)
    ))  # fmt: skip
    found = exchange()
    row = rows("bob")[0][0]
    root, course = Path(str(load_settings().exchange)), found.deadlines.course
    assert given_back(root, course) == set()
    secret = (found.store.folder(row) / SECRET_FILE).read_text()
    page = root / "cs5260" / "feedback" / page_name(secret, "assignment_1")
    page.write_bytes(b"<p>bob's</p>")
    assert given_back(root, course) == {("bob", "assignment_1", row.received)}
    assert "1 files" in export(run, tmp_path / "fb.zip", "--feedback").output
    with zipfile.ZipFile(tmp_path / "fb.zip") as made:
        (name,) = made.namelist()
        assert name == f"assignment_1/{BOB.replace('.ipynb', '.html')}"
        assert made.read(name) == b"<p>bob's</p>"


def test_who_left_the_course_is_named(run, tmp_path: Path) -> None:
    bring(run, zipped(tmp_path / "one.zip", (ALICE, notebook("a"), ON_TIME)))
    with connect(str(load_settings().database)).begin() as connection:
        connection.exec_driver_sql("UPDATE people SET active = 0 WHERE username = 'alice'")
    assert "alice: left out, no student" in export(run, tmp_path / "out.zip").output


# Hostile archives.


def members(path: Path, limit: int = LIMIT) -> dict[str, str | None]:
    with opened(path, exchange_zone(), limit) as found:
        return {member.path: member.refused for member in found.members}


@pytest.mark.parametrize(
    "name",
    ["../x.ipynb", "a/../../x", "/etc/x", "\\x", "..\\x", "C:\\x", "C:x", "//server/x", "a\x01b"],
)
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "one.zip", (name, b"x", NOON), ("fine", b"x", NOON))
    found = members(path)
    assert found.pop("fine") is None
    assert set(found.values()) == {"its name leads out of its folder"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_the_like_are_refused(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo(ALICE, NOON)
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as made:
        made.writestr(info, "/etc/passwd")
    assert members(tmp_path / "one.zip") == {ALICE: "it is no regular file, but a link or the like"}


def patched(path: Path, change: Callable[[bytearray, int, int], None]) -> Path:
    """Change the first member's central (and local) header."""
    content = bytearray(path.read_bytes())
    change(content, content.index(b"PK\x01\x02"), content.index(b"PK\x03\x04"))
    path.write_bytes(content)
    return path


def test_an_encrypted_member_is_listed(tmp_path: Path) -> None:
    def encrypt(content: bytearray, central: int, local: int) -> None:
        content[central + 8] |= 1
        content[local + 6] |= 1

    path = patched(zipped(tmp_path / "one.zip", (ALICE, b"x" * 20, NOON)), encrypt)
    assert members(path) == {ALICE: "it is encrypted"}


def test_another_way_of_packing_is_not_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "one.zip", "w", zipfile.ZIP_LZMA) as made:
        made.writestr(ALICE, b"x")
    assert members(tmp_path / "one.zip") == {ALICE: "it is packed in a way that is not read here"}


def test_a_member_that_lies_about_its_size_is_cut_off(tmp_path: Path) -> None:
    def lie(content: bytearray, central: int, local: int) -> None:
        for place in (central + 24, local + 22):
            content[place : place + 4] = (10).to_bytes(4, "little")

    path = patched(zipped(tmp_path / "one.zip", (ALICE, b"\0" * 5_000_000, NOON)), lie)
    with opened(path, exchange_zone(), LIMIT) as found:
        assert found.members[0].refused is None
        with pytest.raises((TooLarge, BadSubmission)):
            found.read(found.members[0])


def test_a_damaged_member_is_listed(run, tmp_path: Path) -> None:
    def damage(content: bytearray, central: int, local: int) -> None:
        content[local + 14] ^= 255
        content[central + 16] ^= 255

    path = patched(zipped(tmp_path / "one.zip", (ALICE, notebook(), ON_TIME)), damage)
    result = bring(run, path)
    assert "it is damaged in the archive" in result.output
    assert "only in the archive" in (tmp_path / "one-left-over" / "left-over.csv").read_text()


def test_one_that_is_too_large_is_listed_and_a_bomb_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "one.zip", (ALICE, b"\0" * 2_000_000, NOON))
    assert members(path) == {ALICE: "it holds more than the 1,000,000 bytes that a hand-in may"}
    bomb = [(f"{n}", b"\0" * 11_000_000, NOON) for n in range(10)]
    with pytest.raises(TooLarge, match="times its own size"):
        members(zipped(tmp_path / "bomb.zip", *bomb))


def test_too_many_and_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "one.zip", *((str(n), os.urandom(99), NOON) for n in range(10)))
    monkeypatch.setattr(archive_module, "MAX_MEMBERS", 9)
    with pytest.raises(TooLarge, match="holds 10 files"):
        members(path)
    monkeypatch.undo()
    monkeypatch.setattr(archive_module, "MAX_BYTES", 900)
    with pytest.raises(TooLarge, match="holds 990 bytes"):
        members(path)


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "one.zip", ("a", os.urandom(1000), NOON), ("b", b"b", NOON))

    class Overlapping(zipfile.ZipFile):
        def infolist(self) -> list[zipfile.ZipInfo]:
            infos = super().infolist()
            infos[1].header_offset = 10
            return infos

    with Overlapping(path) as file, pytest.raises(BadSubmission, match="share their bytes"):
        Archive(file, exchange_zone(), LIMIT)


def test_an_archive_in_the_archive_is_not_opened(run, tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as made:
        made.writestr(ALICE, notebook())
    path = zipped(tmp_path / "one.zip", ("all.zip", inner.getvalue(), ON_TIME))
    assert "1 files left over" in bring(run, path).output
    assert rows() == ([], None)


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all" * 10])
def test_what_is_no_archive_is_said(run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "one.zip").write_bytes(content)
    refused = run("import-lms", "assignment_1", str(tmp_path / "one.zip"), "--by", "ines")
    assert refused.exit_code == 2
    assert "one.zip: it is no ZIP file that can be read" in refused.output


def test_names_in_utf_8_are_read_though_nothing_says_so(tmp_path: Path) -> None:
    name = "a0100000J_王_assignment_1.ipynb"
    path = zipped(tmp_path / "one.zip", (name, b"x", NOON))
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + flags + 1] &= ~0x08
    path.write_bytes(content)
    assert members(path) == {name: None}


def test_two_members_of_one_name_are_both_seen(run, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = zipped(
            tmp_path / "one.zip", (ALICE, notebook("a"), ON_TIME), (ALICE, notebook("b"), ON_TIME)
        )
    assert "2 files left over" in bring(run, path).output
