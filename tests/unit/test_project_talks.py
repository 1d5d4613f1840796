"""Presentations: a draw that can be drawn again, swaps that both want, an order to print."""

# ruff: noqa: F811
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st
from rich.console import Console
from sqlalchemy import Engine, delete, insert
from sqlalchemy.exc import IntegrityError

from coursehub import journal
from coursehub.cli.project import open_project
from coursehub.course.load import load_course
from coursehub.course.slots import draw
from coursehub.errors import BadSubmission, NotAllowed, NotFound, NotPossible
from coursehub.project import tables
from coursehub.project.order import running_order_html, running_order_table
from coursehub.project.project import Project
from coursehub.settings import Settings
from tests.unit.test_project_teams import (  # noqa: F401, fixtures
    STUDENTS,
    at_once,
    engine,
    form,
    project,
    settings,
)

NOW = datetime(2021, 3, 12, tzinfo=UTC)
COURSE = load_course(Path(__file__).parents[2] / "course.yml")


@pytest.fixture
def six(project: Project) -> Project:
    """Six teams of two: s01 and s07, s02 and s08, and so on."""
    for number in range(6):
        form(project, STUDENTS[number], STUDENTS[number + 6])
    return project


def numbers(project: Project) -> dict[int, int]:
    """The slot of each team."""
    return {team.number: slot.number for slot, team in project.talks.order().slots if team}


def test_the_draw_can_be_drawn_again(six: Project) -> None:
    drawn = six.talks.assign("tara", NOW, seed="the dean's number")
    assert list(drawn.teams) == draw("the dean's number", range(1, 7))
    assert numbers(six) == dict(zip(drawn.teams, range(1, 7), strict=True))
    assert six.talks.draws() == [drawn]
    assert drawn.fits
    assert not six.talks.order().waiting


def test_a_draw_that_was_not_drawn_is_found(six: Project, engine: Engine) -> None:
    drawn = six.talks.assign("tara", NOW)
    after = {"seed": drawn.seed, "teams": drawn.teams[::-1], "slots": list(range(1, 7))}
    entry = journal.Entry(NOW, "tara", "draw slots", about="slots", after=after)
    with engine.begin() as connection:
        journal.record(connection, entry)
    assert [each.fits for each in six.talks.draws()] == [True, False]


def test_who_comes_later_is_drawn_into_what_is_free(project: Project) -> None:
    form(project, "s01", "s02")
    form(project, "s03", "s04")
    project.talks.assign("tara", NOW)
    before = numbers(project)
    form(project, "s05", "s06")
    assert [team.number for team in project.talks.order().waiting] == [3]
    project.talks.assign("tara", NOW)
    assert numbers(project) == before | {3: 3}
    with pytest.raises(NotPossible, match="no team waits"):
        project.talks.assign("tara", NOW)
    with pytest.raises(NotAllowed, match="reason"):
        project.talks.assign("tara", NOW, anew=True)
    anew = project.talks.assign("tara", NOW, anew=True, seed="1", reason="the room changed")
    assert list(numbers(project)) == draw("1", [1, 2, 3]) == list(anew.teams)


def test_only_staff_draw_and_only_into_slots_that_there_are(
    six: Project, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(NotAllowed):
        six.talks.assign("s01", NOW)
    short = settings.course.read_text().replace("minutes: 5", "minutes: 50")
    (tmp_path / "short.yml").write_text(short)
    other = open_project(settings.model_copy(update={"course": tmp_path / "short.yml"}))
    with pytest.raises(NotPossible, match="6 teams wait, and 3 slots are free"):
        other.talks.assign("tara", NOW)
    assert numbers(six) == {}


def test_two_teams_swap_when_both_want_it(six: Project, engine: Engine) -> None:
    six.talks.assign("tara", NOW)
    before = numbers(six)
    assert six.talks.swap("2", "s01", NOW) is False
    assert numbers(six) == before
    assert (six.talks.asked(2), six.talks.asks(1), six.talks.asks(2)) == ([1], [2], [])
    assert six.talks.slot(1).number == before[1]
    assert six.talks.slot(99) is None
    six.talks.swap("3", "s02", NOW)  # a wish of the other team, which lapses
    assert six.talks.swap("1", "s08", NOW) is True
    assert numbers(six) == before | {1: before[2], 2: before[1]}
    assert six.talks.asked(3) == []
    done = journal.entries(engine, did="swap slots")
    assert {entry.about for entry in done} == {"team 1", "team 2"}


def test_a_swap_is_refused_taken_back_or_impossible(six: Project) -> None:
    with pytest.raises(NotPossible, match="no slot yet"):
        six.talks.swap("2", "s01", NOW)
    six.talks.assign("tara", NOW)
    six.talks.swap("2", "s01", NOW)
    with pytest.raises(NotPossible, match="asked already"):
        six.talks.swap("2", "s07", NOW)
    six.talks.refuse("1", "s02", NOW)
    with pytest.raises(NotPossible):
        six.talks.refuse("1", "s02", NOW)
    six.talks.swap("2", "s01", NOW)
    six.talks.refuse("2", "s01", NOW)
    for name, by, error in (
        ("1", "s01", NotPossible),
        ("2", "tara", NotAllowed),
        ("9", "s01", NotFound),
    ):
        with pytest.raises(error):
            six.talks.swap(name, by, NOW)


def test_agreeing_at_once_swaps_once(six: Project, settings: Settings) -> None:
    six.talks.assign("tara", NOW)
    before = numbers(six)
    others = [open_project(settings) for _ in range(2)]
    six.talks.swap("2", "s01", NOW)
    members = ("s02", "s08")
    answers = at_once(2, lambda n: others[n].talks.swap("1", members[n], NOW))
    assert sorted(map(str, answers)) == ["False", "True"]  # the second one asks anew
    assert numbers(six) == before | {1: before[2], 2: before[1]}


def test_staff_move_with_a_reason(six: Project) -> None:
    six.talks.assign("tara", NOW)
    before = numbers(six)
    six.talks.swap("2", "s01", NOW)
    six.talks.move("1", before[3], "tara", "a train", NOW)
    assert numbers(six) == before | {1: before[3], 3: before[1]}
    assert six.talks.asked(2) == []
    six.talks.move("1", 20, "tara", "a later train", NOW)
    assert numbers(six)[1] == 20
    for slot, by, reason, error in (
        (31, "tara", "x", NotFound),
        (3, "tara", "", NotAllowed),
        (3, "s01", "x", NotAllowed),
    ):
        with pytest.raises(error):
            six.talks.move("1", slot, by, reason, NOW)


moves = st.lists(
    st.tuples(st.sampled_from(["swap", "move"]), st.integers(1, 6), st.integers(1, 6)), max_size=12
)


@with_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves)
def test_whatever_is_swapped_or_moved_each_team_keeps_one_slot(
    six: Project, engine: Engine, steps: list[tuple[str, int, int]]
) -> None:
    with engine.begin() as connection:
        for table in (tables.swaps, tables.slots):
            connection.execute(delete(table))
    six.talks.assign("tara", NOW)
    for what, one, two in steps:
        if what == "move":
            six.talks.move(str(one), two, "tara", "because", NOW)
        elif one != two:
            six.talks.swap(str(two), STUDENTS[one - 1], NOW) or six.talks.swap(
                str(one), STUDENTS[two - 1], NOW
            )
        held = numbers(six)
        assert sorted(held) == sorted(held.values()) == list(range(1, 7))


def test_a_slot_is_one_teams(six: Project, engine: Engine) -> None:
    six.talks.assign("tara", NOW)
    six.fixes.dissolve("6", "tara", "gone", NOW)
    assert len(numbers(six)) == 5
    row = {"team": 6, "number": numbers(six)[1]}
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(insert(tables.slots).values(row))


def test_a_team_chooses_what_it_shows(six: Project) -> None:
    six.talks.choose("1", "poster", "s01", NOW)
    six.talks.choose("2", "poster", "tara", NOW)
    assert [team.kind for team in six.teams.all()][:3] == ["poster", "poster", None]
    with pytest.raises(BadSubmission, match="Choose talk or poster"):
        six.talks.choose("1", "dance", "s01", NOW)
    with pytest.raises(NotAllowed):
        six.talks.choose("1", "talk", "s02", NOW)


class Cells(HTMLParser):
    """The texts of a page's rows."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self._within = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        self._within = tag in ("td", "th")
        if self._within:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self._within:
            self.rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._within = False


def test_the_running_order_is_printed(six: Project) -> None:
    six.fixes.rename("1", "<script>alert(1)</script>", "tara", "a test", NOW)
    six.talks.choose("1", "poster", "s01", NOW)
    six.talks.assign("tara", NOW)
    six.talks.move("1", 11, "tara", "after the break", NOW)
    names = {"s01": "Wang & Wenjie"}
    page = running_order_html(COURSE, six.talks.order(), names)
    cells = Cells(page)
    assert "script" not in cells.tags
    assert "CS5260: presentations, Friday 16 April 2021, 18:30" in page
    assert cells.rows[0] == ["Slot", "Time", "Team", "Kind", "Members"]
    assert cells.rows[-1] == [
        "11", "19:30 to 19:35", "<script>alert(1)</script>", "poster", "Wang & Wenjie, s07",
    ]  # fmt: skip
    assert cells.rows[-2] == ["", "19:20 to 19:30", "Break", "", ""]
    assert "http" not in page  # nothing is fetched to print it

    console = Console(width=120, file=StringIO())
    console.print(running_order_table(COURSE, six.talks.order(), names))
    text = console.file.getvalue()
    assert "<script>alert(1)</script>" in text and "19:30 to 19:35" in text
    assert [row for row in cells.rows if "free" in row]
