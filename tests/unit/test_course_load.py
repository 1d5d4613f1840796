"""The shipped course.yml is CS5260's, and what is wrong with another is said in one line."""

import pickle
import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from coursehub.course.load import load_course, read_course
from coursehub.course.model import GradingLimits
from coursehub.errors import CourseFileError, NotFound

FILE = Path(__file__).parents[2] / "course.yml"
TEXT = FILE.read_text(encoding="utf-8")


def edited(old: str, new: str) -> str:
    """Return the shipped text with one edit."""
    assert old in TEXT, f"the shipped course.yml no longer holds {old!r}"
    return TEXT.replace(old, new, 1)


def test_the_shipped_weeks_are_those_of_the_syllabus() -> None:
    course = load_course(FILE)
    assert [week.date for week in course.weeks] == [
        date(2021, 1, 15),
        date(2021, 1, 22),
        date(2021, 1, 29),
        date(2021, 2, 5),
        date(2021, 2, 12),
        date(2021, 2, 19),
        date(2021, 3, 5),
        date(2021, 3, 12),
        date(2021, 3, 19),
        date(2021, 3, 26),
        date(2021, 4, 2),
        date(2021, 4, 9),
        date(2021, 4, 16),
    ]
    assert [week.number for week in course.weeks] == list(range(1, 14))
    assert {week.number: week.holiday for week in course.weeks if week.holiday} == {
        5: "Chinese New Year",
        11: "Good Friday",
    }
    assert all(week.tutorial is None for week in course.weeks[:2])


def test_the_shipped_assignments_are_those_of_the_syllabus() -> None:
    course = load_course(FILE)
    assert [(each.week, each.title, each.files) for each in course.assignments] == [
        (3, "Adversarial machine learning", ("assignment_1.ipynb",)),
        (4, "Deep reinforcement learning", ("assignment_2.ipynb", "agent.py")),
        (6, "Generative adversarial networks", ("assignment_3.ipynb",)),
        (7, "Neural architecture search", ("assignment_4.ipynb",)),
        (8, "Mixture of experts", ("assignment_5.ipynb",)),
        (9, "Contrastive and self-supervised learning", ("assignment_6.ipynb",)),
        (10, "Transformers after BERT", ("assignment_7.ipynb",)),
        (12, "Advanced optimizers and convergence", ("assignment_8.ipynb", "ddp_worker.py")),
    ]
    assert [each.name for each in course.assignments] == [f"assignment_{n}" for n in range(1, 9)]


def test_the_rest_of_the_shipped_course() -> None:
    course = load_course(FILE)
    assert (course.code, course.id, course.tz.key) == ("CS5260", "cs5260", "Asia/Singapore")
    assert course.title == "Neural Networks and Deep Learning II"
    weights = course.weights
    assert (weights.homework, weights.presentation, weights.report) == (40, 20, 40)
    assert (course.teams.smallest, course.teams.largest) == (2, 4)
    assert (course.presentation.kinds, course.presentation.minutes) == (("talk", "poster"), 5)
    assert (course.report.format, course.report.max_pages) == ("NeurIPS", 9)
    assert course.report.due.ends(course.tz).isoformat() == "2021-05-01T00:00:00+08:00"
    assert course.late.bands == ()
    assert (course.edits.action, course.edits.penalty) == ("warn", 0)
    assert str(course.staff[0]) == "Course instructor <cs5260@example.edu>"


def test_one_line_gives_late_work_credit() -> None:
    line = "  bands: []\n  # bands:"
    course = read_course(edited(line, "  bands:"))
    assert [(band.within, band.credit) for band in course.late.bands] == [
        (timedelta(hours=24), Decimal("0.8")),
        (timedelta(hours=72), Decimal("0.5")),
    ]


def test_an_assignment_has_limits_of_its_own_for_grading() -> None:
    line = "    notebook: assignment_2.ipynb"
    limits = "    limits: {memory_mb: 4000, cell: 10min}"
    course = read_course(edited(line, f"{line}\n{limits}"))
    assert course.assignment("assignment_2").limits.memory_mb == 4000
    assert course.assignment("assignment_2").limits.cell == timedelta(minutes=10)
    assert course.assignment("assignment_2").limits.disk_mb is None
    assert course.assignment("assignment_1").limits == GradingLimits()


def test_what_edits_cost_has_a_cap() -> None:
    policy = "action: penalise\n  penalty: 3\n  cap: 8"
    course = read_course(edited("action: warn\n  penalty: 0", policy))
    assert [course.edits.deduction(edits) for edits in (0, 1, 2, 3, 9)] == [0, 3, 6, 8, 8]


def test_a_course_is_frozen_and_can_be_pickled() -> None:
    course = load_course(FILE)
    with pytest.raises(ValidationError):
        course.title = "Other"
    assert pickle.loads(pickle.dumps(course)) == course


def test_an_assignment_is_found_by_its_name_alone() -> None:
    course = load_course(FILE)
    assert course.assignment("assignment_2").title == "Deep reinforcement learning"
    with pytest.raises(NotFound, match=r"no assignment 'assignment_9'\. There are assignment_1,"):
        course.assignment("assignment_9")
    with pytest.raises(NotFound, match=r"no week 14\. Weeks go from 1 to 13"):
        course.week(14)


def test_an_assignment_can_be_left_out() -> None:
    text = re.sub(r"  - number: 3\n    week: 6\n    title.*\n    notebook.*\n", "", TEXT)
    assert [each.number for each in read_course(text).assignments] == [1, 2, 4, 5, 6, 7, 8]


# What is edited | into what | the key blamed | the problem | the remedy
MISTAKES = {
    "tab": ("  homework:", "\thomework:", None, "not YAML", "Mind the indentation"),
    "duplicate key": ("title: Neu", "code: X\ntitle: Neu", "code", "again on line", "Remove one"),
    "anchor": ("at: tutorial", "at: &a tutorial", "rules.release.at", "anchor", "each place"),
    "tag": ("code: CS5260", "code: !!binary aa", "code", "tag tag:yaml", "plain value"),
    "merge key": ("  homework: 40", "  <<: {}\n  homework: 40", "weights.<<", "unknown", "Known"),
    "unknown key": ("timezone:", "timzone:", "timzone", "unknown key", "Did you mean `timezone`?"),
    "unknown inner key": (
        "    title: Mixture",
        "    titel: Mixture",
        "assignments[4].titel",
        "unknown key",
        "Did you mean `title`?",
    ),
    "unlike any key": ("penalty: 0", "penalty: 0\n  xyz: 1", "edits.xyz", "unknown", "Known here:"),
    "missing key": ("  homework: 40\n", "", "weights.homework", "is missing", "Add `homework:`"),
    "empty value": ("code: CS5260", "code:", "code", "is empty", "Write a value"),
    "empty text": ("code: CS5260", 'code: ""', "code", "is empty", "Write a value"),
    "empty list": ("[talk, poster]", "[]", "presentation.kinds", "is empty", "Write a value"),
    "number for text": ("CS5260\ntitle", "5260\ntitle", "code", "not 5260", "Put it in quotes"),
    "text for number": ("homework: 40", "homework: 40%", "weights.homework", "'40%'", "digits"),
    "fraction for number": ("minutes: 5", "minutes: 5.5", "presentation.minutes", "5.5", "digits"),
    "truth for number": ("minutes: 5", "minutes: true", "presentation.minutes", "whole", "digits"),
    "odd number": ("minutes: 5", "minutes: 0x5", "presentation.minutes", "plain", "decimal"),
    "text for section": ("{at: tutorial}  ", "tutorial ", "rules.release", "a section", "key:"),
    "text for list": ("[agent.py]", "agent.py", "assignments[1].extra_files", "a list", "`- `"),
    "no such choice": ("at: tutorial", "at: noon", "rules.release.at", "'noon'", "'tutorial'"),
    "below limit": ("week: 3\n", "week: 0\n", "assignments[0].week", "is 0", "at least 1"),
    "above limit": ("homework: 40", "homework: 140", "weights.homework", "140", "at most 100"),
    "timezone": ("Asia/Singapore", "Asia/Singapur", "timezone", "unknown timezone", "IANA"),
    "timezone path": ("Asia/Singapore", "../etc", "timezone", "unknown timezone", "IANA"),
    "course code": ("code: CS5260", "code: CS/5260", "code", "no course code", "letters and"),
    "address": ("cs5260@example", "cs5260.example", "staff[0].email", "no email", "cs5260@"),
    "address twice": ("cs5260-ta@", "cs5260@", "staff[1].email", "already", "Remove one"),
    "weekday word": ("day: Friday", "day: Fryday", "meetings.lecture.day", "'Fryday'", "Friday"),
    "time of day": ('time: "23:59"', "time: 24:00", "rules.due.time", "'24:00'", '"23:59"'),
    "short time": ('time: "23:59"', "time: 9:00", "rules.due.time", "'9:00'", '"23:59"'),
    "class ends first": (
        'end: "20:30"',
        'end: "18:00"',
        "meetings.lecture",
        "not after",
        "Correct",
    ),
    "no tutorials": (
        "from_week: 3",
        "from_week: 14",
        "meetings.tutorial.from_week",
        "13 weeks",
        "from 1 to 13",
    ),
    "tutorial too early": (
        "from_week: 3",
        "from_week: 4",
        "weeks[2].tutorial",
        "week 3 has no tutorial",
        "meetings.tutorial",
    ),
    "weekday disagrees": (
        "Fri 2021-01-29",
        "Thu 2021-01-29",
        "weeks[2].date",
        "2021-01-29 is a Friday, not a Thursday",
        "Write Fri 2021-01-29",
    ),
    "no weekday": ("Fri 2021-01-29", "2021-01-29", "weeks[2].date", "lacks", "Fri 2021-01-29"),
    "no such date": ("Fri 2021-01-29", "Fri 2021-02-30", "weeks[2].date", "calendar", "Correct"),
    "far date": ("Fri 2021-01-29", "Mon 0021-01-29", "weeks[2].date", "year 21", "Correct"),
    "no date": ("Fri 2021-01-29", "29 January", "weeks[2].date", "is no date", "Fri 2021-01-15"),
    "not the class's day": (
        "Fri 2021-01-29",
        "Thu 2021-01-28",
        "weeks[2].date",
        "lecture meets on Fridays",
        "meetings.lecture.day",
    ),
    "weeks out of order": (
        "Fri 2021-01-29",
        "Fri 2021-01-22",
        "weeks[2].date",
        "not after week 2's",
        "order",
    ),
    "week number": (
        "- number: 3\n    date",
        "- number: 4\n    date",
        "weeks[2].number",
        "4",
        "Ren",
    ),
    "class on a holiday": (
        "holiday: Good Friday",
        "holiday: Good Friday\n    lecture: All the same",
        "weeks[10]",
        "both a lecture and a holiday",
        "Write `lecture:`",
    ),
    "no class": (
        "    holiday: Good Friday\n",
        "",
        "weeks[10]",
        "neither a lecture nor",
        "Write `lecture:`",
    ),
    "tutorial on a holiday": (
        "holiday: Good Friday",
        "holiday: Good Friday\n    tutorial: All the same",
        "weeks[10]",
        "both a tutorial and a holiday",
        "Remove one",
    ),
    "assignment on a holiday": (
        "week: 4\n",
        "week: 5\n",
        "assignments[1].week",
        "week 5 is a holiday, Chinese New Year",
        "another week",
    ),
    "unknown week": ("week: 12\n", "week: 14\n", "assignments[7].week", "week 14", "1 to 13"),
    "no tutorial to release at": (
        "week: 3\n",
        "week: 2\n",
        "assignments[0]",
        "week 2 has no tutorial",
        "`release:` of its own",
    ),
    "number twice": (
        "- number: 2\n    week: 4",
        "- number: 1\n    week: 4",
        "assignments[1].number",
        "number 1 is taken",
        "of its own",
    ),
    "numbers out of order": (
        "- number: 1\n    week: 3",
        "- number: 9\n    week: 3",
        "assignments[1].number",
        "2 follows 9",
        "order",
    ),
    "notebook twice": (
        "assignment_2.ipynb",
        "assignment_1.ipynb",
        "assignments[1].notebook",
        "another assignment's",
        "of its own",
    ),
    "notebook in a folder": (
        "assignment_1.ipynb",
        "../assignment_1.ipynb",
        "assignments[0].notebook",
        "no plain file name",
        "without a folder",
    ),
    "notebook of another kind": (
        "assignment_1.ipynb",
        "assignment_1.py",
        "assignments[0].notebook",
        "is no notebook",
        ".ipynb",
    ),
    "file twice": ("[agent.py]", "[a.py, a.py]", "assignments[1].extra_files[1]", "a.py", "Remove"),
    "file in a folder": (
        "[agent.py]",
        "[a/b.py]",
        "assignments[1].extra_files[0]",
        "no plain file name",
        "without a folder",
    ),
    "parent folder": ("[agent.py]", "[..]", "assignments[1].extra_files[0]", "'..'", "letters"),
    "due before release": (
        "notebook: assignment_1.ipynb",
        "notebook: assignment_1.ipynb\n    due: Fri 2021-01-29 20:30",
        "assignments[0].due",
        "not after its release, Fri 2021-01-29 20:30",
        "Move one",
    ),
    "release after due": (
        "notebook: assignment_1.ipynb",
        "notebook: assignment_1.ipynb\n    release: Sat 2021-02-06 08:00",
        "assignments[0].release",
        "due Fri 2021-02-05 23:59",
        "Move one",
    ),
    "no moment": (
        "notebook: assignment_1.ipynb",
        "notebook: assignment_1.ipynb\n    due: Fri 2021-02-05",
        "assignments[0].due",
        "no date and time",
        "Fri 2021-02-05 23:59",
    ),
    "bands not ascending": (
        "bands: []",
        "bands: [{within: 24h, credit: 0.8}, {within: 1d, credit: 0.5}]",
        "late.bands[1].within",
        "not longer",
        "shorter band first",
    ),
    "credit not falling": (
        "bands: []",
        "bands: [{within: 24h, credit: 0.5}, {within: 72h, credit: 0.5}]",
        "late.bands[1].credit",
        "not less",
        "Let credit fall",
    ),
    "credit above 1": (
        "bands: []",
        "bands: [{within: 24h, credit: 80}]",
        "late.bands[0].credit",
        "80 is no share",
        "from 0 to 1",
    ),
    "credit is not a number": (
        "bands: []",
        "bands: [{within: 24h, credit: .nan}]",
        "late.bands[0].credit",
        "no plain number",
        "decimal digits",
    ),
    "duration": (
        "bands: []",
        "bands: [{within: 1 week, credit: 0.5}]",
        "late.bands[0].within",
        "no duration",
        "units are",
    ),
    "empty duration": (
        "bands: []",
        "bands: [{within: 0h, credit: 0.5}]",
        "late.bands[0].within",
        "'0h' is no duration",
        "Write it like 24h",
    ),
    "penalty without penalising": ("penalty: 0", "penalty: 9", "edits", "warn", "penalise"),
    "penalising without penalty": ("action: warn", "action: penalise", "edits", "0", "with more"),
    "cap below one penalty": (
        "action: warn\n  penalty: 0",
        "action: penalise\n  penalty: 5\n  cap: 4",
        "edits",
        "below penalty 5",
        "Correct one",
    ),
    "less in total than for a cell": (
        "    notebook: assignment_1.ipynb",
        "    notebook: assignment_1.ipynb\n    limits: {cell: 10min, total: 5min}",
        "assignments[0].limits",
        "less than one cell's",
        "Allow more",
    ),
    "an unknown limit": (
        "    notebook: assignment_1.ipynb",
        "    notebook: assignment_1.ipynb\n    limits: {memory: 2000}",
        "assignments[0].limits.memory",
        "unknown",
        "memory_mb",
    ),
    "weights": ("homework: 40", "homework: 50", "weights", "sum to 110", "Correct one"),
    "teams": ("smallest: 2", "smallest: 5", "teams", "below smallest 5", "Swap"),
}


@pytest.mark.parametrize(
    ("old", "new", "key", "problem", "remedy"), MISTAKES.values(), ids=list(MISTAKES)
)
def test_a_mistake_is_said_in_one_line(
    old: str, new: str, key: str | None, problem: str, remedy: str
) -> None:
    with pytest.raises(CourseFileError) as caught:
        read_course(edited(old, new), file="some/course.yml")
    error, line = caught.value, str(caught.value)
    assert (error.file, error.key) == ("some/course.yml", key)
    assert problem in error.message
    assert error.remedy is not None and remedy in error.remedy
    # What people see: file:line: key: problem. Remedy.
    assert error.line is not None
    assert line.startswith(f"some/course.yml:{error.line}: {key + ': ' if key else ''}")
    assert line.endswith(f". {' '.join(error.remedy.split())}")
    assert "\n" not in line and ".." not in line.replace("'..'", "").replace("'../", "")
    # The line is the key's, the list item's, or that of the section which lacks the key.
    shown = edited(old, new).splitlines()[error.line - 1]
    names = re.findall(r"[a-z_<]+", key or "")
    assert not names or any(name in shown for name in ["- number", *names])


def test_the_line_is_exact() -> None:
    text = edited("Fri 2021-03-05", "Fri 5.3.")
    where = next(i for i, line in enumerate(text.splitlines(), start=1) if "Fri 5.3." in line)
    with pytest.raises(CourseFileError, match=rf"^course\.yml:{where}: weeks\[6\]\.date: "):
        read_course(text)


@pytest.mark.parametrize(
    ("zone", "due", "problem"),
    [
        # Clocks go forward at 01:00 in London and at 02:00 in New York.
        ("Europe/London", "Sun 2021-03-28 01:30", "does not exist in Europe/London"),
        ("Europe/London", "Sun 2021-03-28 01:00", "does not exist in Europe/London"),
        ("America/New_York", "Sun 2021-03-14 02:30:15", "does not exist in America/New_York"),
        # They go back at 02:00 in both.
        ("Europe/London", "Sun 2021-10-31 01:30", "comes twice in Europe/London"),
        ("America/New_York", "Sun 2021-11-07 01:00", "comes twice in America/New_York"),
    ],
)
def test_times_that_the_clocks_skip_or_repeat_are_refused(
    zone: str, due: str, problem: str
) -> None:
    text = edited("Asia/Singapore", zone).replace(
        "notebook: assignment_8.ipynb", f"notebook: assignment_8.ipynb\n    due: {due}"
    )
    # Released before any of them, so that the clock is all that is wrong.
    text = text.replace("    due:", "    release: Sat 2021-03-13 08:00\n    due:")
    with pytest.raises(CourseFileError, match=problem) as caught:
        read_course(text)
    assert caught.value.key == "assignments[7].due"
    assert caught.value.remedy == "Choose a time outside the change of clocks."


def test_a_time_that_the_rule_yields_must_exist_too() -> None:
    text = edited("Asia/Singapore", "Europe/London").replace(
        'day: Friday, time: "23:59"', "day: Sunday, time: 01:30"
    )
    with pytest.raises(CourseFileError, match="Sun 2021-03-28 01:30 does not exist") as caught:
        read_course(text)
    assert caught.value.key == "assignments[5]"


def test_the_report_must_be_due_at_a_time_that_exists() -> None:
    text = edited("Asia/Singapore", "Europe/London").replace(
        "Fri 2021-04-30 23:59", "Sun 2021-03-28 01:30"
    )
    with pytest.raises(CourseFileError, match=r"report\.due: .* does not exist"):
        read_course(text)


def test_seconds_are_read_and_kept() -> None:
    text = edited(
        "notebook: assignment_1.ipynb",
        "notebook: assignment_1.ipynb\n    due: Fri 2021-02-05 23:59:30",
    )
    due = read_course(text).assignment("assignment_1").due
    assert due is not None and str(due) == "Fri 2021-02-05 23:59:30"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CourseFileError, match="no such file"):
        load_course(tmp_path / "none.yml")
    with pytest.raises(CourseFileError, match="cannot be read: Is a directory"):
        load_course(tmp_path)
    latin = tmp_path / "latin.yml"
    latin.write_bytes("title: é".encode("latin-1"))
    with pytest.raises(CourseFileError, match="not in UTF-8"):
        load_course(latin)
    for content in ("", "# nothing\n", "- a list\n", "text"):
        latin.write_text(content, encoding="utf-8")
        with pytest.raises(CourseFileError, match=r"latin\.yml:1: no course in it\. Start from"):
            load_course(latin)


@pytest.mark.parametrize(
    "text", ["{" * 400, "[" * 5_000, "a: &a [*a]", "a: *b", "a: 1\n---\nb: 2", "\0", "%TAG !\n"]
)
def test_hostile_text_is_refused_like_any_other(text: str) -> None:
    with pytest.raises(CourseFileError) as caught:
        read_course(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=40), st.integers(0, len(TEXT)), st.integers(0, 60))
def test_any_damage_is_a_course_or_one_line(inserted: str, at: int, cut: int) -> None:
    try:
        read_course(TEXT[:at] + inserted + TEXT[at + cut :])
    except CourseFileError as error:
        assert "\n" not in str(error) and error.remedy
        assert str(error).startswith("course.yml")


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "course.yml"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert load_course(path) == load_course(FILE)
