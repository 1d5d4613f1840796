"""When a deadline moves in course.yml, the folders follow, and stock `collect` stays right."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coursehub.errors import ReceiptError
from coursehub.exchange.exchange import Exchange
from tests.deployment import course_text, prepare

NOW = datetime.now(UTC).replace(microsecond=0)


def test_a_folder_that_somebody_removed_closes_nothing(tmp_path: Path) -> None:
    week = timedelta(weeks=1)
    settings = prepare(tmp_path, course_text(released=NOW - week, due=NOW + week)).settings
    exchange = Exchange(settings)
    folder = settings.exchange / "cs5260"
    (folder / "outbound" / "assignment_1").mkdir()
    (folder / "outbound" / "assignment_1" / "assignment_1.ipynb").write_text('{"cells": []}')
    alice, sent = exchange.person("alice"), {"assignment_1.ipynb": b'{"cells": []}'}
    exchange.hand_in(alice, "assignment_1", sent, "hand-in-1", NOW)
    [removed] = (folder / "inbound").iterdir()
    shutil.rmtree(removed)

    again = Exchange(settings)
    again.store.recover()
    again.follow_course()
    assert again.hand_in(alice, "assignment_1", sent, "hand-in-2", NOW).counts
    assert [record.number for record in again.hand_ins(alice).hand_ins] == [1, 2]
    with pytest.raises(ReceiptError, match="receipt 1"):
        again.store.check()


def test_folders_follow_a_moved_deadline(tmp_path: Path) -> None:
    week, minute = timedelta(weeks=1), timedelta(minutes=1)
    settings = prepare(tmp_path, course_text(released=NOW - week, due=NOW - minute)).settings
    exchange = Exchange(settings)
    folder = settings.exchange / "cs5260"
    outbound = folder / "outbound" / "assignment_1"
    outbound.mkdir()
    (outbound / "assignment_1.ipynb").write_text('{"cells": []}')
    alice = exchange.person("alice")
    for number in ("1", "2"):
        sent = {"assignment_1.ipynb": f'{{"cells": [], "n": {number}}}'.encode()}
        exchange.hand_in(alice, "assignment_1", sent, f"hand-in-{number}", NOW)
    first, second = (row.folder for row in exchange.ledger.of("alice"))

    def places() -> dict[str, set[str]]:
        return {name: {each.name for each in (folder / name).iterdir()}
                for name in ("inbound", "kept")}  # fmt: skip

    exchange.follow_course()
    assert places() == {"inbound": {first}, "kept": {second}}

    settings.course.write_text(course_text(released=NOW - week, due=NOW + week))
    exchange.follow_course()
    assert places() == {"inbound": {first, second}, "kept": set()}
    assert exchange.hand_ins(alice).hand_ins[1].counts

    settings.course.write_text(course_text(released=NOW - week, due=NOW - 2 * minute))
    exchange.follow_course()
    assert places() == {"inbound": {first}, "kept": {second}}
