"""The ledger's chain."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from coursehub.errors import ReceiptError
from coursehub.exchange.database import connect, ledger
from coursehub.exchange.ledger import GENESIS, HandIn, Ledger, StoredFile

RECEIVED = datetime(2021, 2, 5, 15, 59, 59, 999999, tzinfo=UTC)
FILES = (StoredFile("assignment_1.ipynb", "a0100000J_x_assignment_1.ipynb", 3, "ab" * 32),)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return connect(f"sqlite:///{tmp_path / 'course.sqlite'}")


def append(book: Ledger, number: int, username: str = "alice") -> HandIn:
    return book.append(
        username=username,
        assignment="assignment_1",
        received=RECEIVED + timedelta(seconds=number),
        folder=f"{username}+{number}",
        key=f"key-{number}",
        files=FILES,
        write_receipt=lambda number, sealed: f"receipt {number} {sealed}",
    )


@pytest.fixture
def book(engine: Engine) -> Ledger:
    """A ledger of five rows."""
    book = Ledger(engine)
    for number in range(5):
        append(book, number)
    return book


def test_an_empty_ledger_holds(engine: Engine) -> None:
    assert Ledger(engine).check() == []


def test_what_is_read_back_is_what_was_appended(engine: Engine) -> None:
    first = append(Ledger(engine), 0)
    assert (first.number, first.previous) == (1, GENESIS)
    assert first.receipt == f"receipt 1 {first.hash}"
    assert Ledger(engine).check() == [first]
    assert Ledger(engine).of("alice") == Ledger(engine).of("alice", "assignment_1") == [first]
    assert Ledger(engine).of("alice", "assignment_2") == Ledger(engine).of("bob") == []
    assert Ledger(engine).find("alice", "assignment_1", "key-0") == first
    assert Ledger(engine).find("bob", "assignment_1", "key-0") is None


def test_each_row_seals_the_one_before(book: Ledger) -> None:
    rows = book.check()
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert [row.previous for row in rows] == [GENESIS, *(row.hash for row in rows[:-1])]


@pytest.mark.parametrize(
    "change",
    [
        {"username": "mallory"},
        {"assignment": "assignment_2"},
        {"received": RECEIVED - timedelta(days=1)},
        {"received": RECEIVED + timedelta(seconds=2, microseconds=1)},
        {"folder": "elsewhere"},
        {"key": "other-key"},
        {"files": []},
        {"files": [{**FILES[0].__dict__, "sha256": "cd" * 32}]},
        {"files": [{**FILES[0].__dict__, "sent_as": "assignment_1.ipynb"}]},
        {"previous": GENESIS},
        {"hash": "0" * 64},
        {"number": 9},
    ],
    ids=str,
)
def test_a_changed_row_is_found(book: Ledger, engine: Engine, change: dict[str, object]) -> None:
    with engine.begin() as connection:
        connection.execute(update(ledger).where(ledger.c.number == 3).values(**change))
    with pytest.raises(ReceiptError, match="of the ledger does not follow from row"):
        book.check()


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_removed_row_is_found(book: Ledger, engine: Engine, number: int) -> None:
    with engine.begin() as connection:
        connection.execute(delete(ledger).where(ledger.c.number == number))
    with pytest.raises(ReceiptError, match=f"row {number + 1} of the ledger"):
        book.check()


def test_a_removed_row_is_found_even_when_the_others_are_numbered_anew(
    book: Ledger, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(delete(ledger).where(ledger.c.number == 3))
        for number in (4, 5):
            change = update(ledger).where(ledger.c.number == number).values(number=number - 1)
            connection.execute(change)
    with pytest.raises(ReceiptError, match="row 3 of the ledger"):
        book.check()


@pytest.mark.parametrize("at", [0, 6])
def test_an_inserted_row_is_found(book: Ledger, engine: Engine, at: int) -> None:
    with engine.begin() as connection:
        row = connection.execute(select(ledger).where(ledger.c.number == 5)).mappings().one()
        forged = {**row, "number": at, "folder": "forged", "key": "forged", "hash": "f" * 64}
        connection.execute(insert(ledger).values(forged))
    with pytest.raises(ReceiptError, match=f"row {at} of the ledger"):
        book.check()


def test_swapped_rows_are_found(book: Ledger, engine: Engine) -> None:
    with engine.begin() as connection:
        for old, new in [(2, 99), (3, 2), (99, 3)]:
            connection.execute(update(ledger).where(ledger.c.number == old).values(number=new))
    with pytest.raises(ReceiptError, match="row 2 of the ledger"):
        book.check()


def test_a_key_gets_one_row(book: Ledger) -> None:
    with pytest.raises(IntegrityError):
        append(book, 4)
    assert len(book.check()) == 5


def test_a_receipt_that_cannot_be_written_leaves_no_row(book: Ledger) -> None:
    def fail(number: int, sealed: str) -> str:
        raise OSError("the key is gone")

    with pytest.raises(OSError, match="the key is gone"):
        book.append(
            username="alice", assignment="assignment_1", received=RECEIVED, folder="new",
            key="new-key", files=FILES, write_receipt=fail,
        )  # fmt: skip
    assert len(book.check()) == 5
    assert append(book, 5).number == 6


def test_threads_append_to_one_gapless_chain(engine: Engine) -> None:
    book = Ledger(engine)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda number: append(book, number), range(60)))
    assert sorted(row.number for row in rows) == list(range(1, 61))
    assert [row.number for row in book.check()] == list(range(1, 61))


def test_writers_that_know_nothing_of_one_another_take_turns(engine: Engine) -> None:
    books = [Ledger(engine), Ledger(connect(engine.url.render_as_string()))]
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda number: append(books[number % 2], number), range(40)))
    assert sorted(row.number for row in rows) == list(range(1, 41))
    assert len(books[0].check()) == 40
