"""People, passwords and extensions."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from coursehub.errors import RosterError
from coursehub.exchange.database import connect, people
from coursehub.exchange.person import COLUMNS, Person, read_csv
from coursehub.exchange.roster import Extension, Roster

HEADER = ",".join(COLUMNS) + "\n"
ALICE = 'alice,A0100000J,"Wang, Wenjie",alice@example.edu,student\n'
BOB = "bob,A0100001H,Bob Tan,bob@example.edu,student\n"
TARA = "tara,T0000001A,Tara Lim,tara@example.edu,ta\n"


@pytest.fixture
def roster(tmp_path: Path) -> Roster:
    return Roster(connect(f"sqlite:///{tmp_path / 'course.sqlite'}"))


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(RosterError) as refused:
        read_csv(text)
    assert refused.value.remedy
    return refused.value.problems


def test_quoted_commas_a_byte_order_mark_and_blank_lines_are_fine() -> None:
    assert read_csv(f"\ufeff{HEADER}\n{ALICE}\n{TARA}") == [
        Person("alice", "A0100000J", "Wang, Wenjie", "alice@example.edu", "student"),
        Person("tara", "T0000001A", "Tara Lim", "tara@example.edu", "ta"),
    ]


def test_columns_may_stand_in_any_order_and_case_and_with_blanks() -> None:
    text = "Role, NAME,email,Username,number\nTA , Tara Lim ,t@x, TARA ,T1\n"
    assert read_csv(text) == [Person("tara", "T1", "Tara Lim", "t@x", "ta")]


@pytest.mark.parametrize(
    "header", ["", "username,number,name,email", HEADER.strip() + ",extra", "a;b;c"]
)
def test_wrong_columns_are_refused_with_the_right_ones(header: str) -> None:
    with pytest.raises(RosterError) as refused:
        read_csv(f"{header}\n{ALICE}")
    assert str(refused.value).startswith("line 1: ")
    assert "Use exactly username, number, name, email, role" in str(refused.value)


def test_every_problem_is_told_with_its_line_and_remedy() -> None:
    text = HEADER + (
        "al+ice,A1,Alice,alice@example.edu,student\n"
        'bob,A2,"Tan, Bob",bob@example.edu,prof\n'
        "carol,A/3,,carol,student\n"
        "bob,a2,Other Bob,other@example.edu,student\n"
        "dave,A5,Tan, Dave,dave@example.edu,student\n"
        "erin,A6\n"
    )
    found = problems(text)
    assert [line.partition(":")[0] for line in found] == [
        "line 2", "line 3", "line 4", "line 4", "line 4", "line 5", "line 5",
        "line 6", "line 6", "line 6", "line 7", "line 7", "line 7",
    ]  # fmt: skip
    assert found[0].startswith("line 2: username 'al+ice' may hold a-z, 0-9 and . _ @ - only.")
    assert found[1] == "line 3: role 'prof' is unknown. Use one of student, ta, instructor"
    assert "line 5: username 'bob' stands twice. Remove one" in found
    assert "line 5: number 'a2' stands twice. Correct one" in found
    assert "line 6: more fields than columns. Quote names that hold a comma" in found


@pytest.mark.parametrize("name", ["*", "a/b", "a+b", "../x", "-a", ".a", "", "a b", "ä", "x" * 64])
def test_user_names_that_mean_something_to_the_exchange_are_refused(name: str) -> None:
    assert "username" in problems(f'{HEADER}"{name}",A1,N,a@b,student\n')[0]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f'{HEADER}{ALICE}bob,A2,"Bob" Tan,bob@example.edu,student\n', 3),
        (f'{HEADER}{ALICE}bob,A2,"Bob Tan,bob@example.edu,student\n', 3),
        (f'"user"name{HEADER}{ALICE}', 1),
    ],
)
def test_a_broken_quote_is_told_with_its_line(text: str, line: int) -> None:
    (problem,) = problems(text)
    assert problem.startswith(f"line {line}: ")
    assert problem.endswith(". Quote the field, or remove the quote")


def test_nobody_is_a_problem_too() -> None:
    assert problems(HEADER) == ("line 2: nobody is listed. Add a line for each person",)


printable = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)


@settings(deadline=None)
@given(printable.filter(lambda name: name.strip() == name))
def test_any_name_survives(name: str) -> None:
    rows = io.StringIO()
    csv.writer(rows).writerows([COLUMNS, ("alice", "A1", name, "a@b", "student")])
    assert read_csv(rows.getvalue())[0].name == name


def test_import_adds_and_updates_and_leaves_others_alone(roster: Roster) -> None:
    roster.import_csv(HEADER + ALICE + BOB)
    roster.set_password("alice", "secret")
    roster.import_csv(HEADER + ALICE.replace("student", "ta"))
    assert roster.find("alice") == Person(
        "alice", "A0100000J", "Wang, Wenjie", "alice@example.edu", "ta"
    )
    assert [person.username for person in roster.everyone()] == ["alice", "bob"]
    assert roster.check_password("alice", "secret")


def test_hostile_names_are_kept_to_the_letter(roster: Roster) -> None:
    name = "Robert <'&\"> '); DROP TABLE people;-- ${x} {{7*7}} %s"
    rows = io.StringIO()
    csv.writer(rows).writerows([COLUMNS, ("bob", "A2", name, "b@x", "student")])
    roster.import_csv(rows.getvalue())
    assert roster.find("bob") == Person("bob", "A2", name, "b@x", "student")
    assert roster.find("bob' OR '1'='1") is None


def test_nothing_is_imported_when_one_line_is_wrong(roster: Roster) -> None:
    with pytest.raises(RosterError, match="nothing was imported"):
        roster.import_csv(HEADER + ALICE + BOB.replace("student", "king"))
    assert roster.everyone() == []


def test_a_number_that_is_somebody_elses_undoes_the_whole_import(roster: Roster) -> None:
    roster.import_csv(HEADER + ALICE)
    with pytest.raises(RosterError, match="A0100000J of bob already belongs to alice"):
        roster.import_csv(HEADER + TARA + BOB.replace("A0100001H", "a0100000j".upper()))
    with pytest.raises(RosterError, match="already belongs to alice"):
        roster.import_csv(HEADER + TARA + BOB.replace("A0100001H", "a0100000j"))
    assert [person.username for person in roster.everyone()] == ["alice"]


def test_who_left_is_not_found_and_comes_back_with_an_import(roster: Roster) -> None:
    roster.import_csv(HEADER + ALICE)
    roster.set_password("alice", "secret")
    with roster._engine.begin() as connection:
        connection.execute(update(people).values(active=False))
    assert roster.find("alice") is None
    assert roster.everyone() == []
    assert not roster.check_password("alice", "secret")
    roster.import_csv(HEADER + ALICE)
    assert roster.check_password("alice", "secret")


def test_only_the_right_password_opens(roster: Roster) -> None:
    roster.import_csv(HEADER + ALICE + BOB)
    roster.set_password("alice", "sécret ✓")
    assert roster.check_password("alice", "sécret ✓")
    for username, password in [
        ("alice", "sécret"), ("alice", ""), ("Alice", "sécret ✓"),
        ("bob", ""), ("bob", "sécret ✓"), ("nobody", ""), ("nobody", "sécret ✓"),
    ]:  # fmt: skip
        assert not roster.check_password(username, password)


def test_passwords_are_salted_and_never_stored(roster: Roster, tmp_path: Path) -> None:
    roster.import_csv(HEADER + ALICE + BOB)
    roster.set_password("alice", "same-secret")
    roster.set_password("bob", "same-secret")
    with roster._engine.connect() as connection:
        stored = connection.execute(people.select()).mappings().all()
    assert len({row["password"] for row in stored}) == 2
    assert not any(b"same-secret" in path.read_bytes() for path in tmp_path.iterdir())


def test_a_password_needs_a_person(roster: Roster) -> None:
    with pytest.raises(RosterError, match="nobody is not on the roster"):
        roster.set_password("nobody", "x")


NOW = datetime(2021, 2, 1, tzinfo=UTC)


def extension(username: str, days: int, reason: str = "ill") -> Extension:
    return Extension(username, "assignment_1", NOW + timedelta(days=days), reason, "tara", NOW)


def test_the_latest_extension_counts_for_its_student_and_assignment_alone(roster: Roster) -> None:
    roster.import_csv(HEADER + ALICE + BOB)
    roster.extend(extension("alice", 5))
    roster.extend(extension("alice", 3))
    assert roster.extended_until("alice", "assignment_1") == NOW + timedelta(days=3)
    assert roster.extended_until("alice", "assignment_2") is None
    assert roster.extended_until("bob", "assignment_1") is None


def test_an_extension_needs_a_person_and_a_reason(roster: Roster) -> None:
    roster.import_csv(HEADER + ALICE)
    with pytest.raises(RosterError, match="not on the roster"):
        roster.extend(extension("alcie", 1))
    with pytest.raises(RosterError, match="needs a reason"):
        roster.extend(extension("alice", 1, reason=" \n"))
    assert roster.extended_until("alice", "assignment_1") is None


def test_a_naive_time_is_refused(roster: Roster) -> None:
    roster.import_csv(HEADER + ALICE)
    naive = Extension("alice", "assignment_1", NOW.replace(tzinfo=None), "ill", "tara", NOW)
    with pytest.raises(Exception, match="naive datetime"):
        roster.extend(naive)


def test_who_is_dropped_is_gone_until_imported_again(roster: Roster) -> None:
    roster.import_csv(HEADER + ALICE + BOB)
    with pytest.raises(RosterError, match="carol is not on the roster, nobody was dropped"):
        roster.drop("alice", "carol")
    assert [each.username for each in roster.everyone()] == ["alice", "bob"]
    roster.drop("alice")
    assert roster.find("alice") is None
    assert roster.matching("username", "alice") == []
    with pytest.raises(RosterError, match="alice is not on the roster"):
        roster.drop("alice")
    roster.import_csv(HEADER + ALICE)
    assert roster.find("alice")


def test_the_first_account_of_a_person_is_theirs_until_unlinked(roster: Roster) -> None:
    roster.import_csv(HEADER + ALICE + BOB)
    assert roster.link("issuer", "1", "alice", NOW)
    assert roster.link("issuer", "1", "alice", NOW)
    assert not roster.link("issuer", "2", "alice", NOW), "another account of alice"
    assert not roster.link("issuer", "1", "bob", NOW), "alice's account as bob"
    assert roster.link("another issuer", "1", "alice", NOW)
    assert roster.unlink("alice") == 2
    assert roster.link("issuer", "2", "alice", NOW)
    assert roster.link("issuer", "1", "bob", NOW)
    with pytest.raises(RosterError, match="nobody is not on the roster"):
        roster.unlink("nobody")
