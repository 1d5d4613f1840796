"""What the exchange accepts as a hand-in."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursehub.errors import BadSubmission, TooLarge
from coursehub.exchange.intake import MAX_FILES, accept, expected_name, student_number

NOTEBOOK, MODULE = "assignment_2.ipynb", "agent.py"
EXPECTED = (NOTEBOOK, MODULE)
LMS = "a0100000J_Wang-Wenjie_assignment_2.ipynb"
LIMIT = 10_000
EMPTY = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def refusal(sent: dict[str, bytes]) -> str:
    with pytest.raises(BadSubmission) as refused:
        accept(sent, EXPECTED, limit=LIMIT)
    assert refused.value.remedy
    return str(refused.value)


def test_files_come_in_the_assignments_order_with_their_bytes_untouched() -> None:
    accepted = accept({MODULE: b"\x00\xff", NOTEBOOK: EMPTY}, EXPECTED, limit=LIMIT)
    assert [(file.name, file.sent_as, file.content) for file in accepted] == [
        (NOTEBOOK, NOTEBOOK, EMPTY),
        (MODULE, MODULE, b"\x00\xff"),
    ]


@pytest.mark.parametrize("number", ["a0100000J", "A0100000J", "a0100000j"])
def test_the_lms_puts_number_and_name_before_the_files_name(number: str) -> None:
    sent_as = f"{number}_Wang_Wen-jie_{NOTEBOOK}"
    assert expected_name(sent_as, EXPECTED) == NOTEBOOK
    assert student_number(sent_as) == "A0100000J"
    notebook, _ = accept({sent_as: EMPTY, MODULE: b""}, EXPECTED, limit=LIMIT)
    assert (notebook.name, notebook.sent_as) == (NOTEBOOK, sent_as)


def test_a_plain_name_says_no_number() -> None:
    assert student_number(NOTEBOOK) is None


def test_a_missing_module_is_named_with_the_place_to_put_it() -> None:
    said = refusal({NOTEBOOK: EMPTY})
    remedy = "Put it into the assignment's folder under this name and submit again"
    assert said == f"{MODULE} is missing. {remedy}"


def test_a_missing_notebook_is_named() -> None:
    assert refusal({MODULE: b""}).startswith(f"{NOTEBOOK} is missing")


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "ASSIGNMENT_2.IPYNB",
        "assignment_2.ipynb.bak",
        "assignment_2",
        "",
        ".",
        "..",
        f"../{NOTEBOOK}",
        f"../../{NOTEBOOK}",
        f"/{NOTEBOOK}",
        f"/etc/{NOTEBOOK}",
        f"a/{NOTEBOOK}",
        f"./{NOTEBOOK}",
        f"..\\{NOTEBOOK}",
        f"C:\\{NOTEBOOK}",
        f"{NOTEBOOK}\x00",
        f"{NOTEBOOK}\x00.py",
        f"{NOTEBOOK}\n",
        f" {NOTEBOOK}",
        "timestamp.txt",
        "submission_secret.txt",
        f"a0100000J_../x_{NOTEBOOK}",
        f"a0100000J_..\\x_{NOTEBOOK}",
        f"../a0100000J_x_{NOTEBOOK}",
        f"a0100000J_x\x00y_{NOTEBOOK}",
        f"a0100000J_x\x1b[2Jy_{NOTEBOOK}",
        f"a0100000J_x\u202ey_{NOTEBOOK}",
        f"a0100000J_{'x' * 300}_{NOTEBOOK}",
        f"a0100000J_x_{NOTEBOOK}/..",
    ],
)
def test_any_other_name_is_refused_and_quoted_harmlessly(name: str) -> None:
    said = refusal({NOTEBOOK: EMPTY, MODULE: b"", name: b""})
    assert said.startswith(f"{name!r} is not part of this assignment. Hand in only {NOTEBOOK}")
    assert said.isprintable()


@settings(deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"a\d{7}b_.{0,20}assignment_2\.ipynb"))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    try:
        kept = expected_name(name, EXPECTED)
    except BadSubmission:
        return
    assert kept in EXPECTED
    assert name.isprintable() and name.endswith(kept) and not {"/", "\\"} & set(name)


def test_the_same_file_twice_is_refused_with_both_names() -> None:
    said = refusal({NOTEBOOK: EMPTY, LMS: EMPTY, MODULE: b""})
    assert said == f"{NOTEBOOK} and {LMS} are both {NOTEBOOK}. Keep one of them"


def test_the_limit_holds_for_all_files_together_and_is_inclusive() -> None:
    full = {NOTEBOOK: EMPTY, MODULE: b"x" * (LIMIT - len(EMPTY))}
    assert len(accept(full, EXPECTED, limit=LIMIT)) == 2
    with pytest.raises(TooLarge, match="10,001 bytes, 10,000 are allowed"):
        accept({**full, MODULE: full[MODULE] + b"x"}, EXPECTED, limit=LIMIT)


def test_too_many_files_are_refused() -> None:
    assert refusal({f"{number}.py": b"" for number in range(MAX_FILES + 1)}).startswith("11 files")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        EMPTY[:-1],
        b"[]",
        b"null",
        b'"cells"',
        b"{}",
        b'{"cells": {}}',
        b'{"cells": null}',
        EMPTY.decode().encode("utf-16"),
        b'{"cells": ' + b"[" * 100_000,
        b"print('a Python file')",
    ],
    ids=lambda content: repr(content[:20]),
)
def test_what_is_no_notebook_is_refused_by_the_name_it_came_with(content: bytes) -> None:
    with pytest.raises(BadSubmission, match=f"^{LMS} is no Jupyter notebook"):
        accept({LMS: content, MODULE: b""}, EXPECTED, limit=10**6)


def test_a_byte_order_mark_and_an_old_or_broken_notebook_are_for_grading_to_judge() -> None:
    for content in (b"\xef\xbb\xbf" + EMPTY, b'{"cells": [{}]}', b'{"cells": [], "nbformat": 99}'):
        assert accept({NOTEBOOK: content, MODULE: b""}, EXPECTED, limit=LIMIT)
