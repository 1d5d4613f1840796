"""A report's PDF: what is wrong is named, and no file does harm."""

import re
import time
from pathlib import Path

import pytest

from coursehub.course.load import load_course
from coursehub.course.project import Report
from coursehub.errors import CourseHubError
from coursehub.project.check import check
from tests import pdfs
from tests.pdfs import A4, LETTER, full_page, report

REPORT = load_course(Path(__file__).parents[2] / "course.yml").report
BEYOND = REPORT.model_copy(update={"references_beyond": True})


def wrong(content: bytes, wanted: Report = REPORT) -> list[str]:
    return list(check(wanted, content))


def test_a_report_in_the_style_is_right() -> None:
    assert wrong(report(9)) == []


def test_line_numbers_page_numbers_and_the_first_pages_note_belong_to_the_style() -> None:
    pages = [[*full_page(n), *((90.0, y, "12") for y in pdfs.LINES)] for n in (1, 2, 3)]
    pages[0].append((108, 52, "36th Conference on Neural Information Processing Systems"))
    assert wrong(report(pages)) == []


def test_too_many_pages() -> None:
    assert wrong(report(10)) == ["It has 10 pages; 9 are allowed."]


def test_references_count_unless_the_course_says_otherwise() -> None:
    top = [(108.0, 708.0, "References"), *full_page(10)[1:]]
    middle = [*full_page(9)[:20], (108.0, 440.0, "7 References"), *full_page(9)[22:]]
    at_the_top = report([*(full_page(n) for n in range(1, 10)), top, full_page(11)])
    in_the_middle = report([*(full_page(n) for n in range(1, 10)), middle, full_page(11)])
    assert wrong(at_the_top) == ["It has 11 pages; 9 are allowed."]
    assert wrong(at_the_top, BEYOND) == []
    assert wrong(in_the_middle, BEYOND) == [
        "It has 10 pages without the references; 9 are allowed."
    ]


def test_other_paper_is_named_with_its_size_and_pages() -> None:
    [paper] = [each for each in wrong(report(3, size=A4)) if "paper" in each]
    assert paper == "On pages 1 to 3 the paper is 8.27 by 11.69 inches; letter is 8.5 by 11."
    landscape = wrong(report(1, size=LETTER[::-1]))
    assert "On page 1 the paper is 11 by 8.5 inches; letter is 8.5 by 11." in landscape


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ((80.0, 300.0, "begins early"), r"0\.39 inches left of"),
        ((460.0, 300.0, "goes on and on"), r"0\.\d+ inches right of"),
        ((108.0, 740.0, "a header"), r"0\.28 inches above"),
        ((108.0, 45.0, "a footnote"), r"0\.38 inches below"),
    ],
)
def test_text_outside_of_the_block_is_quoted(line: pdfs.Line, said: str) -> None:
    [found] = wrong(report([full_page(1), [*full_page(2), line], full_page(3)]))
    assert re.fullmatch(f"On page 2 text stands {said} the text block: “{line[2]}”\\.", found)


def test_what_nobody_sees_is_no_text() -> None:
    assert wrong(report([[*full_page(1), (-400.0, 300.0, "cut off"), (108.0, 900.0, "up")]])) == []


def test_other_margins_are_named() -> None:
    def shifted(number: int) -> list[pdfs.Line]:
        return full_page(number, left=72)

    found = wrong(report(2, page=shifted))
    assert found[0].startswith(
        "On pages 1 and 2 text stands up to 0.5 inches left of the text block, on page 1: “==="
    )
    assert len(found) == 1

    def narrow(number: int) -> list[pdfs.Line]:
        return [(108, y, "=" * 40) for y in pdfs.LINES]

    assert wrong(report(1, page=narrow))[0].startswith("The text is 4.6")

    def low(number: int) -> list[pdfs.Line]:
        return full_page(number, low=150)

    assert wrong(report(2, page=low)) == []
    assert wrong(report(3, page=low)) == [
        "The text is 7.67 inches high; the style's text block is 9."
    ]


def test_fonts_that_are_not_embedded_are_named() -> None:
    assert "On pages 1 and 2 the font Helvetica is used, but not embedded." in wrong(
        report(2, embedded=False)
    )


def test_a_scan_has_no_text() -> None:
    assert wrong(pdfs.drawn(b"0 0 612 792 re f")) == [
        "There is no text in it, only pictures. Hand in what LaTeX made, not a scan."
    ]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a Word file", b"%PDF-1.7\n", b"\0" * 10_000])
def test_what_is_no_pdf_does_not_open(content: bytes) -> None:
    [said] = wrong(content)
    assert said.startswith("It does not open as a PDF") or said == "It has no pages."


def test_a_file_that_was_cut_off_does_not_pass() -> None:
    whole = report(9)
    assert wrong(whole[: len(whole) // 2]) != []


def test_a_password_is_named() -> None:
    assert wrong(pdfs.encrypted()) == ["It asks for a password."]


@pytest.mark.parametrize(
    "hostile",
    [pdfs.bomb, pdfs.forms_in_forms, pdfs.pages_in_a_circle, pdfs.nested, pdfs.many_pages],
)
def test_hostile_files_end_in_a_sentence(hostile) -> None:
    content = hostile()
    began = time.monotonic()
    found = check(REPORT, content, seconds=3)
    assert len(found) == 1 and found[0].endswith("."), found
    assert time.monotonic() - began < 30


def test_drawings_do_not_slow_it_down_beyond_the_limit() -> None:
    lines = b"".join(
        b"%d %d m %d %d l S\n" % (n % 600, n % 700, n % 500, n % 600) for n in range(100_000)
    )
    assert wrong(pdfs.drawn(lines))[0].startswith("There is no text")


def test_a_broken_checker_is_an_error_and_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "look.py").write_text("import no_such_library")
    monkeypatch.setattr("coursehub.project.check._LOOK", tmp_path / "look.py")
    with pytest.raises(CourseHubError, match="reports cannot be checked here"):
        check(REPORT, b"")
