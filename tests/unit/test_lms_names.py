"""Names of the LMS: exact when written, tolerant when read, and never two students'."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coursehub.course.load import load_course
from coursehub.exchange.lms.names import Names, Unmatched, lms_name
from coursehub.exchange.person import Person

COURSE = load_course(Path(__file__).parents[2] / "course.yml")
SECOND = COURSE.assignment("assignment_2")
ALICE = Person("alice", "A0100000J", "Wang, Wenjie", "alice@example.edu", "student")
BOB = Person("bob", "A0100001H", "Bob Tan", "bob@example.edu", "student")
TARA = Person("tara", "T0000001A", "Tara Lim", "tara@example.edu", "ta")
PEOPLE = [ALICE, BOB, TARA]

numbers = st.from_regex(r"[A-Za-z0-9-]{1,12}", fullmatch=True) | st.from_regex(
    r"[A-Z][0-9]{7}[A-Z]", fullmatch=True
)
full_names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
tricky_names = st.sampled_from(
    [
        "Agent",
        "Assignment 3",
        "assignment_2",
        "Tan (1)",
        "Lee - Copy",
        "../../etc",
        "名字",
        "CON",
        "a.py",
    ]
)
classes = st.lists(
    st.tuples(numbers, full_names | tricky_names), min_size=1, max_size=6,
    unique_by=lambda each: each[0].casefold(),
).map(lambda rows: [Person(f"s{n}", number, name, "", "student")
                    for n, (number, name) in enumerate(rows)])  # fmt: skip
assignments = st.sampled_from(COURSE.assignments)


def read(path: str, people: list[Person] | None = None) -> tuple[str, str, int]:
    match = Names(COURSE, SECOND, people or PEOPLE).match(path)
    return match.person.username, match.file, match.copy


def test_the_form_of_the_syllabus() -> None:
    assert lms_name(ALICE, "assignment_1.ipynb") == "a0100000J_Wang-Wenjie_assignment_1.ipynb"


@given(classes, assignments)
def test_what_is_written_is_read_and_nobody_shares_a_name(people, assignment) -> None:
    names = Names(COURSE, assignment, people)
    written = {}
    for person in people:
        for file in assignment.files:
            name = lms_name(person, file)
            match = names.match(f"folder/{name}")
            assert (match.person, match.file, match.copy) == (person, file, 0)
            written[unicodedata.normalize("NFC", name).casefold()] = (person, file)
    assert len(written) == len(people) * len(assignment.files)


@given(classes, assignments)
def test_a_written_name_is_safe_on_every_system(people, assignment) -> None:
    for person in people:
        name = lms_name(person, assignment.notebook)
        assert len(name.encode()) <= 255
        assert not set(name) & set('/\\:*?"<>|\0')
        assert name.isprintable() and not name.startswith(".")


def shout(name: str) -> str:
    return name.upper()


def spaced(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")


changes = st.lists(
    st.sampled_from(
        [shout, str.lower, spaced, lambda name: f" {name} ",
         lambda name: unicodedata.normalize("NFD", name)]
    ), max_size=3
)  # fmt: skip
endings = st.sampled_from(["", ".txt", ".json", ".TXT", ".txt.txt", ".json.txt"])
copies = st.sampled_from([("", 0), ("(1)", 1), (" (2)", 2), (" - Copy", 1), ("-Copy3", 3)])


@given(st.sampled_from([ALICE, BOB]), st.sampled_from(SECOND.files), changes, endings, copies)
def test_case_spaces_copies_and_ends_are_tolerated(person, file, change, ending, copied) -> None:
    mark, copy = copied
    stem, dot, suffix = lms_name(person, file).rpartition(".")
    name = f"{stem}{mark}{dot}{suffix}{ending}"
    for apply in change:
        name = apply(name)
    assert read(f"LMS folder/{name}") == (person.username, file, copy)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a0100000J_Wang-Wenjie_assignment_2.ipynb (1)", "assignment_2.ipynb"),
        ("A0100000J_assignment-02.json", "assignment_2.ipynb"),
        ("a0100000J Wenjie Wang Assignment2", "assignment_2.ipynb"),
        ("a0100000J_Wang-Wenjie_assignment_2_agent.py", "agent.py"),
        ("Copy of a0100000J_agent.py.txt", "agent.py"),
        ("a0100000J_Wang_agent.py", "agent.py"),
        ("a0100000J__Wang-Wenjie__assignment__2.ipynb.ipynb", "assignment_2.ipynb"),
    ],
)
def test_what_students_do_to_names(name: str, file: str) -> None:
    assert read(name)[:2] == ("alice", file)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a0100009J_Zoe_assignment_2.ipynb", "a0100009J is nobody's student number"),
        ("Wang-Wenjie_assignment_2.ipynb", "does not begin with a student number"),
        ("._a0100000J_Wang-Wenjie_agent.py", "does not begin with a student number"),
        ("T0000001A_Tara-Lim_agent.py", "Tara Lim's, who is no student"),
        ("a0100000J_Wang-Wenjie_assignment_3.ipynb", "it is a file of assignment_3"),
        ("a0100000J_Wang-Wenjie_assignment_8_agent.py", "it says assignment 8, and this is 2"),
        ("a0100000J_Wang-Wenjie_assignment_22.ipynb", "does not end in"),
        ("a0100000J_Wang-Wenjie_assignment_2.py", "does not end in"),
        ("a0100000J_Wang-Wenjie_agent.ipynb", "does not end in"),
        ("a0100000J_Wang-Wenjie_assignment_2.zip", "does not end in"),
        ("a0100000J_Wang-Wenjie_my-agent-2.py", "does not end in"),
        ("a0100000J_Bob-Tan_assignment_2.ipynb", "that of Wang, Wenjie, the name that of Bob Tan"),
        ("A0100000JX_Wang-Wenjie_assignment_2.ipynb", "does not begin with a student number"),
        ("a0100000J_Wang\x07_assignment_2.ipynb", "unprintable"),
        ("", "does not begin with a student number"),
    ],
)
def test_what_nobody_can_tell_is_not_guessed(name: str, reason: str) -> None:
    with pytest.raises(Unmatched, match=reason):
        read(name)


def test_a_nickname_is_remarked() -> None:
    match = Names(COURSE, SECOND, PEOPLE).match("a0100000J_Jay_agent.py")
    assert match.person == ALICE
    assert match.remark == "the name is not that of Wang, Wenjie, whose number it is"


def test_of_numbers_that_begin_alike_the_whole_one_is_meant() -> None:
    short = Person("short", "A1", "Ann", "", "student")
    whole = Person("whole", "A1-2", "Ben", "", "student")
    people = [short, whole]
    assert read("A1-2_Ben_agent.py", people)[0] == "whole"
    assert read("A1_Ann_agent.py", people)[0] == "short"


@given(st.text(max_size=80))
def test_no_name_breaks_it(text: str) -> None:
    assume("A01" not in text.upper())
    with pytest.raises(Unmatched):
        read(text)
