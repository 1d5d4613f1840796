"""Who has which hand-in open: said by each page, and forgotten when it says nothing any more."""

from dataclasses import replace
from pathlib import Path

from coursehub.grading.presence import COUNTS, Open, forget, note, open_now

TARA = Open("n1", "assignment_1", "alice", "tara", "Tara Lim")
THEO = replace(TARA, who="theo", name="Theo Goh")
NOON = 1_600_000_000.0


def test_what_is_open_is_seen_until_it_is_closed(tmp_path: Path) -> None:
    assert open_now(tmp_path, NOON) == []
    note(tmp_path, THEO, NOON)
    note(tmp_path, TARA, NOON)
    note(tmp_path, TARA, NOON + 1)
    assert open_now(tmp_path, NOON + 1) == [TARA, THEO]
    forget(tmp_path, "n1", "theo")
    forget(tmp_path, "n1", "nobody")
    assert open_now(tmp_path, NOON + 1) == [TARA]


def test_a_page_that_says_nothing_any_more_is_closed(tmp_path: Path) -> None:
    note(tmp_path, TARA, NOON)
    note(tmp_path, THEO, NOON + 1)
    assert open_now(tmp_path, NOON + COUNTS) == [TARA, THEO]
    assert open_now(tmp_path, NOON + COUNTS + 0.5) == [THEO]
    assert len(list(tmp_path.glob(".open/*"))) == 1, "nobody else would remove it"


def test_names_lead_nowhere_else(tmp_path: Path) -> None:
    hostile = replace(TARA, submission="../../n1", who="../t/ara")
    note(tmp_path, hostile, NOON)
    assert open_now(tmp_path, NOON) == [hostile]
    assert [path.name for path in tmp_path.iterdir()] == [".open"]
