"""Teams in the course database: who may do what, and nobody in two, whoever is fast."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError

from coursehub import journal
from coursehub.cli.project import open_project
from coursehub.course.leftovers import Proposal
from coursehub.errors import (
    BadSubmission,
    DeadlinePassed,
    ExchangeError,
    NotAllowed,
    NotEnrolled,
    NotFound,
    NotPossible,
)
from coursehub.exchange.database import connect
from coursehub.exchange.roster import Roster
from coursehub.project import tables
from coursehub.project.project import Project
from coursehub.settings import Settings, load_settings

COURSE_FILE = Path(__file__).parents[2] / "course.yml"
STUDENTS = [f"s{number:02}" for number in range(1, 13)]
STAFF = """tara,T1,Tara Lim,tara@example.edu,ta
theo,T3,Theo Ng,theo@example.edu,ta
ines,T2,Ines Ang,ines@example.edu,instructor
"""
PEOPLE = "username,number,name,email,role\n" + STAFF
for student in STUDENTS:
    PEOPLE += f"{student},A{student},Student <{student}>,{student}@example.edu,student\n"
UNTIL = datetime(2021, 3, 12, 16, tzinfo=UTC)  # 23:59 in Singapore is over
NOW = UNTIL - timedelta(days=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(state=tmp_path / "state", course=COURSE_FILE)


@pytest.fixture
def project(settings: Settings) -> Project:
    settings.make_state()
    Roster(connect(str(settings.database))).import_csv(PEOPLE)
    return open_project(settings)


@pytest.fixture
def engine(settings: Settings) -> Engine:
    return connect(str(settings.database))


def form(project: Project, *students: str) -> int:
    """The number of a new team that these have made themselves."""
    first, *others = students
    for other in others:
        team = project.teams.invite(other, first, NOW)
        project.teams.accept(str(team.number), other, NOW)
    return team.number


def test_who_invites_has_a_team_and_who_accepts_is_in_it(project: Project, engine: Engine) -> None:
    team = project.teams.invite("s02", "s01", NOW)
    assert (team.name, team.members, team.invited) == ("Team 1", ("s01",), ("s02",))
    assert project.teams.invitations("s02") == [team]
    assert project.teams.accept("team 1".title(), "s02", NOW).members == ("s01", "s02")
    assert project.teams.of("s02") == project.teams.of("s01") == project.teams.find("1")
    assert project.teams.alone() == STUDENTS[2:]
    told = [(e.who, e.did, e.about) for e in reversed(journal.entries(engine))]
    assert told == [
        ("s01", "form team", "team 1"), ("s01", "invite", "team 1"), ("s02", "join", "team 1"),
    ]  # fmt: skip


def test_one_decides_once(project: Project) -> None:
    project.teams.invite("s03", "s01", NOW)
    project.teams.invite("s03", "s02", NOW)
    project.teams.accept("1", "s03", NOW)
    assert project.teams.find("2").invited == ()
    for refused in (
        lambda: project.teams.accept("2", "s03", NOW),
        lambda: project.teams.accept("2", "s04", NOW),
        lambda: project.teams.invite("s03", "s02", NOW),
        lambda: project.teams.decline("2", "s03", NOW),
        lambda: project.teams.leave("s09", NOW),
    ):
        with pytest.raises(NotPossible):
            refused()
    with pytest.raises(NotEnrolled):
        project.teams.invite("nobody", "s01", NOW)
    with pytest.raises(NotEnrolled):
        project.teams.invite("tara", "s01", NOW)
    with pytest.raises(NotFound):
        project.teams.accept("Team 9", "s04", NOW)


def test_a_full_team_takes_nobody(project: Project) -> None:
    for other in STUDENTS[1:5]:
        project.teams.invite(other, "s01", NOW)
    for other in STUDENTS[1:4]:
        project.teams.accept("1", other, NOW)
    with pytest.raises(NotPossible, match="Team 1 is full with 4 students"):
        project.teams.accept("1", "s05", NOW)


def test_who_declines_may_be_asked_again_and_who_leaves_last_closes(project: Project) -> None:
    project.teams.invite("s02", "s01", NOW)
    project.teams.decline("1", "s02", NOW)
    project.teams.invite("s02", "s01", NOW)
    project.teams.accept("1", "s02", NOW)
    left = project.teams.leave("s01", NOW)
    assert left and left.members == ("s02",)
    assert project.teams.leave("s02", NOW) is None
    assert project.teams.all() == []
    assert project.teams.invite("s02", "s01", NOW).number == 2  # a number is never used again


def test_the_whole_last_minute_is_open_and_then_only_staff(project: Project) -> None:
    last = UNTIL - timedelta.resolution
    project.teams.invite("s02", "s01", last)
    project.teams.accept("1", "s02", last)
    for closed in (
        lambda: project.teams.invite("s03", "s01", UNTIL),
        lambda: project.teams.accept("1", "s03", UNTIL),
        lambda: project.teams.leave("s01", UNTIL),
    ):
        with pytest.raises(DeadlinePassed, match="until Friday 12 March 2021, 23:59"):
            closed()
    project.fixes.move("s03", "1", "tara", "came late", UNTIL)
    assert project.teams.find("1").members == ("s01", "s02", "s03")


def test_staff_create_move_rename_and_dissolve_with_a_reason(
    project: Project, engine: Engine
) -> None:
    team = project.fixes.create(["s01", "s02"], "tara", "they asked", UNTIL, "Gradient  Descent")
    assert (team.name, team.members) == ("Gradient Descent", ("s01", "s02"))
    form(project, "s03", "s04")
    project.fixes.move("s04", "Gradient Descent", "tara", "a quarrel", UNTIL)
    project.fixes.move("s03", None, "ines", "dropped out", UNTIL)  # the last one closes Team 2
    assert [t.members for t in project.teams.all()] == [("s01", "s02", "s04")]
    assert project.fixes.rename("1", "Adam", "tara", "shorter", UNTIL).name == "Adam"
    assert project.fixes.dissolve("Adam", "tara", "all over", UNTIL).members[0] == "s01"
    assert project.teams.alone() == STUDENTS
    assert {(e.did, e.why) for e in journal.entries(engine) if e.why} >= {
        ("create team", "they asked"), ("take out", "a quarrel"), ("put in", "a quarrel"),
        ("dissolve team", "dropped out"), ("rename team", "shorter"), ("dissolve team", "all over"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("by", "reason", "error"),
    [("s01", "why not", NotAllowed), ("nobody", "x", NotAllowed), ("tara", "  ", NotAllowed)],
)
def test_only_staff_fix_and_they_say_why(project: Project, by: str, reason: str, error) -> None:
    number = str(form(project, "s01", "s02"))
    for refused in (
        lambda: project.fixes.create(["s03"], by, reason, NOW),
        lambda: project.fixes.move("s03", number, by, reason, NOW),
        lambda: project.fixes.rename(number, "X", by, reason, NOW),
        lambda: project.fixes.dissolve(number, by, reason, NOW),
        lambda: project.fixes.place(["s03"], by, reason, NOW),
    ):
        with pytest.raises(error):
            refused()
    assert len(project.teams.all()) == 1


def test_names_are_names_and_of_one_team(project: Project) -> None:
    form(project, "s01", "s02")
    form(project, "s03", "s04")
    for name in ("", "7", "x" * 65, "a\u202eb"):
        with pytest.raises(BadSubmission):
            project.fixes.rename("1", name, "tara", "x", NOW)
    with pytest.raises(NotPossible):
        project.fixes.rename("1", "Team 2", "tara", "x", NOW)


def test_leftovers_are_placed_as_proposed(project: Project, engine: Engine) -> None:
    project.teams.invite("s02", "s01", NOW)  # who never answers
    form(project, "s03", "s04")
    alone = project.teams.alone()
    proposal = project.fixes.proposal(alone)
    assert proposal.grow == {1: ("s02",)}
    assert proposal.new == (("s05", "s07", "s09", "s11"), ("s06", "s08", "s10", "s12"))
    assert project.fixes.place(alone, "tara", "the deadline is over", UNTIL) == proposal
    assert [team.members for team in project.teams.all()] == [
        ("s01", "s02"), ("s03", "s04"), *proposal.new,
    ]  # fmt: skip
    assert project.teams.alone() == []
    assert project.fixes.proposal([]) == Proposal({}, {}, (), (), ())
    assert {e.why for e in journal.entries(engine, about="team 4")} == {"the deadline is over"}


def test_a_team_that_is_too_small_joins_another(project: Project) -> None:
    for first, other in (("s01", "s02"), ("s03", "s04")):
        project.teams.invite(other, first, NOW)
    project.fixes.place([], "tara", "too small", UNTIL)
    [team] = project.teams.all()
    assert team.members == ("s03", "s01")


def test_the_database_itself_knows_one_team_a_student(project: Project, engine: Engine) -> None:
    form(project, "s01", "s02")
    number = form(project, "s03", "s04")
    row = {"username": "s01", "team": number, "since": NOW}
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(insert(tables.members).values(row))


def at_once(count: int, do: Callable[[int], object]) -> list[object]:
    """What each of `count` threads got that start together: a result or an error."""
    barrier = Barrier(count)

    def one(number: int) -> object:
        barrier.wait()
        try:
            return do(number)
        except ExchangeError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_one_who_accepts_many_teams_at_once_is_in_one(
    project: Project, settings: Settings, engine: Engine
) -> None:
    for inviter in STUDENTS[:6]:
        project.teams.invite("s12", inviter, NOW)
    others = [open_project(settings) for _ in range(6)]
    answers = at_once(6, lambda n: others[n].teams.accept(str(n + 1), "s12", NOW))
    assert sum(isinstance(answer, NotPossible) for answer in answers) == 5
    assert sum("s12" in team.members for team in project.teams.all()) == 1
    with engine.connect() as connection:
        assert len(connection.execute(select(tables.members)).all()) == 7


def test_many_who_accept_the_last_place_at_once_leave_a_right_team(
    project: Project, settings: Settings
) -> None:
    for other in STUDENTS[1:9]:
        project.teams.invite(other, "s01", NOW)
    others = [open_project(settings) for _ in range(8)]
    answers = at_once(8, lambda n: others[n].teams.accept("1", STUDENTS[n + 1], NOW))
    assert sum(isinstance(answer, NotPossible) for answer in answers) == 5
    assert len(project.teams.find("1").members) == 4


def test_two_who_invite_each_other_at_once_end_in_no_more_than_one_team_each(
    project: Project, settings: Settings
) -> None:
    others = [open_project(settings) for _ in range(2)]
    pair = ("s01", "s02")
    at_once(2, lambda n: others[n].teams.invite(pair[1 - n], pair[n], NOW))
    for who in pair:
        assert sum(who in team.members for team in project.teams.all()) <= 1
