"""The commands that speak with an LMS's services, on a deployment of people and grades."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from coursehub import journal
from coursehub.cli import app
from coursehub.cli.pages import ExchangeRecords
from coursehub.cli.passback import passing_back
from coursehub.course.schedule import window
from coursehub.exchange.database import connect, ledger
from coursehub.exchange.deadlines import CourseFile
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.roster import Roster
from coursehub.gradebook.standing import Scores
from coursehub.home.points import points_of
from coursehub.lti.keys import Keys
from coursehub.settings import Settings, load_settings
from tests.classroom import Classroom, course_in_week
from tests.deployment import PEOPLE
from tests.lti.linking import linked
from tests.lti.services import (
    ASSISTANT,
    INSTRUCTOR,
    LEARNER,
    MEMBERSHIP,
    Services,
    Trouble,
    member,
    served,
)

NOW = datetime.now(UTC)
NUMBERS = {"alice": "A0100000J", "bob": "A0100001H", "carol": "A0100002L"}
NAMES = {"alice": "Wang, Wenjie", "bob": "Bob Tan", "carol": "Carol O'Neil <c>"}

Run = Callable[..., Result]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (tmp_path / "course.yml").write_text(course_in_week(4, NOW.date()))
    (tmp_path / "people.csv").write_text(PEOPLE)
    for name, value in {"STATE": tmp_path, "COURSE": tmp_path / "course.yml"}.items():
        monkeypatch.setenv(f"COURSEHUB_{name}", str(value))
    monkeypatch.setenv("COURSEHUB_LTI_PRIVATE", "true")
    monkeypatch.chdir(tmp_path)
    return load_settings()


@pytest.fixture
def run(settings: Settings) -> Run:
    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})

    assert invoke("roster", "import", "people.csv").exit_code == 0
    return invoke


@pytest.fixture
def lms(settings: Settings, run: Run) -> Iterator[Services]:
    published = Keys(Path(str(settings.lti_keys))).jwks()
    services = Services("coursehub-7", lambda: published)
    with served(services):
        services.members = [known(name) for name in NUMBERS] + [
            member("7", roles=(ASSISTANT, INSTRUCTOR), lis_person_sourcedid="T0000001A"),
            member("8", roles=(INSTRUCTOR,), lis_person_sourcedid="T0000002B"),
        ]
        linked(connect(str(settings.database)), services)
        yield services


def known(who: str, **other: str) -> dict[str, object]:
    claims = {"name": NAMES[who], "lis_person_sourcedid": NUMBERS[who]}
    return member(f"sub-{who}", **{**claims, **other})


def roster(settings: Settings) -> Roster:
    return Roster(connect(str(settings.database)))


# Who is in the course.


def test_a_roster_that_is_as_the_lms_has_it_only_learns_the_accounts(
    run: Run, lms: Services, settings: Settings
) -> None:
    lms.page = 2
    told = run("roster", "sync", "--apply")
    assert told.exit_code == 0, told.output
    assert "0 added, 0 changed, 0 dropped, 5 accounts noted" in told.output
    assert roster(settings).accounts(lms.issuer)["sub-alice"] == "alice"
    assert "The roster is as the LMS has it." in run("roster", "sync").output
    assert lms.refused == []


def test_differences_are_shown_first_and_applied_then(
    run: Run, lms: Services, settings: Settings
) -> None:
    lms.members[1] = known("bob", name="Robert Tan")
    lms.members[2]["roles"] = [ASSISTANT]
    lms.members.append(
        member("new", name="Dan Lee", email="dan@example.edu", lis_person_sourcedid="A0100009X")
    )
    before = roster(settings).everyone()
    shown = run("roster", "sync")
    assert [line.split()[:2] for line in shown.output.splitlines()[3:6]] == [
        ["added", "dan"], ["changed", "bob"], ["changed", "carol"],
    ]  # fmt: skip
    assert "Nothing was changed" in shown.output
    assert roster(settings).everyone() == before
    applied = run("roster", "sync", "--apply", "--by", "ines")
    assert "1 added, 2 changed, 0 dropped" in applied.output
    found = {each.username: each for each in roster(settings).everyone()}
    assert (found["dan"].role, found["dan"].email) == ("student", "dan@example.edu")
    assert (found["bob"].name, found["carol"].role) == ("Robert Tan", "ta")
    entries = journal.entries(connect(str(settings.database)), did="change roster")
    assert {(each.about, each.who, tuple(each.before.items())) for each in entries} == {
        ("bob", "ines", (("name", "Bob Tan"),)), ("carol", "ines", (("role", "student"),)),
    }  # fmt: skip


def test_who_left_is_dropped_and_comes_back_as_they_were(
    run: Run, lms: Services, settings: Settings
) -> None:
    lms.members[0]["status"] = "Inactive"
    assert run("roster", "sync", "--apply", "--share", "0.4").exit_code == 0
    assert roster(settings).find("alice") is None
    lms.members[0]["status"] = "Active"
    assert "added" in run("roster", "sync", "--apply").output
    assert roster(settings).find("alice") is not None
    assert len(roster(settings).accounts(lms.issuer)) == 5


def test_more_than_a_share_of_the_class_is_never_dropped_unless_forced(
    run: Run, lms: Services, settings: Settings
) -> None:
    lms.members = lms.members[2:]
    refused = run("roster", "sync", "--apply")
    assert refused.exit_code == 2
    assert "2 of 3 students would be dropped" in refused.output
    assert len(roster(settings).everyone()) == 5
    assert run("roster", "sync", "--apply", "--force").exit_code == 0
    assert len(roster(settings).everyone()) == 3


def test_staff_are_neither_dropped_nor_made_students_unless_forced(
    run: Run, lms: Services, settings: Settings
) -> None:
    lms.members[3]["roles"] = [LEARNER]
    del lms.members[4]
    told = run("roster", "sync", "--apply")
    assert "tara: left alone: is ta here and student in the LMS" in told.output
    assert "ines: left alone: is staff" in told.output
    assert {each.role for each in roster(settings).everyone()} == {"student", "ta", "instructor"}
    run("roster", "sync", "--apply", "--force")
    assert {each.username: each.role for each in roster(settings).everyone()}["tara"] == "student"
    assert roster(settings).find("ines") is None


def test_whoever_cannot_be_told_is_listed_and_never_guessed(
    run: Run, lms: Services, settings: Settings
) -> None:
    dan = {"name": "Dan", "lis_person_sourcedid": "A0100009X"}
    strange: list[tuple[dict[str, str], str]] = [
        ({"name": "One", "email": "x@example.edu"}, "the LMS does not tell lis.person_sourcedid"),
        (
            {"name": "Two", "lis_person_sourcedid": "$Person.sourcedId"},
            "the LMS does not tell lis.person_sourcedid",
        ),
        (dan | {"name": "Three"}, "username '' may hold"),
        (
            dan | {"name": "Four", "email": "bob@else.example"},
            "the user name bob is somebody else's",
        ),
        (
            {"name": "Five", "lis_person_sourcedid": "a0100000j"},
            "alice is there with another account as well",
        ),
        ({"name": "Six", "lis_person_sourcedid": "a b", "email": "six@x.example"}, "number 'a b'"),
    ]
    lms.members += [member(claims["name"], **claims) for claims, _ in strange]
    told = run("roster", "sync", "--apply")
    assert told.exit_code == 0, told.output
    lines = [line for line in told.output.splitlines() if "left alone" in line]
    for (claims, why), line in zip(strange, lines, strict=True):
        assert line.startswith(claims["name"])
        assert why in line
    assert len(roster(settings).everyone()) == 5
    assert len(roster(settings).accounts(lms.issuer)) == 5


def test_roles_count_by_their_whole_name(run: Run, lms: Services, settings: Settings) -> None:
    """Nobody rises, and nobody who is there is dropped, by a role that only looks like one."""
    roles = [
        (f"{MEMBERSHIP}#LearnerX", f"{MEMBERSHIP}#Mentor"),
        ("http://purl.imsglobal.org/vocab/lis/v2/institution/person#Instructor",),
        ("instructor", "ADMINISTRATOR"),
    ]
    for each, of_one in zip(lms.members[:3], roles, strict=True):
        each["roles"] = list(of_one)
    told = run("roster", "sync", "--apply")
    assert told.output.count("has no role that counts here") == 3
    assert [each.role for each in roster(settings).everyone()] == [
        "student", "student", "student", "instructor", "ta",
    ]  # fmt: skip


def test_an_lms_that_breaks_off_changes_nothing(
    run: Run, lms: Services, settings: Settings
) -> None:
    lms.page = 2
    lms.trouble = Trouble(3, iter([(500, {})]))
    told = run("roster", "sync", "--apply", "--force")
    assert told.exit_code == 2
    assert "status 500" in told.output
    assert len(roster(settings).everyone()) == 5


def test_a_tool_that_may_not_ask_says_so(run: Run, lms: Services) -> None:
    lms.granted = frozenset()
    told = run("roster", "sync")
    assert told.exit_code == 2
    assert "gives no access token" in told.output


# Scores.


@pytest.fixture
def room(settings: Settings, run: Run) -> Classroom:
    """Assignment 1 of three students, graded, the last but one hand-in late; nothing given back."""
    found = Classroom(settings, list(NUMBERS))
    assignment = found.course.assignments[0]
    found.release(assignment)
    due = window(found.course, assignment).on_time_before.astimezone(UTC)
    received = {name: due - timedelta(hours=hours) for hours, name in enumerate(NUMBERS, 1)}
    received["bob"] = due + timedelta(hours=3)
    with found.engine.begin() as connection:
        rows = [found._row(name, assignment, at) for name, at in received.items()]
        connection.execute(ledger.insert(), rows)
    found.grade(assignment, received)
    return found


def shown(settings: Settings) -> dict[str, float]:
    """What students read on their page, by user name."""
    exchange = Exchange(settings)
    course = exchange.deadlines.course
    assignment = course.assignments[0]
    standings = Scores(str(settings.gradebook)).of_class(assignment.name)
    records = ExchangeRecords(exchange)
    return {
        name: points_of(course, exchange.deadlines.window(name, assignment), standings[name]).score
        for name in NUMBERS
        if records.work(name, NOW)[assignment.name].hand_ins[0].feedback
    }


def sent(lms: Services) -> dict[str, float]:
    return {
        user.removeprefix("sub-"): message["scoreGiven"]
        for (_, user), message in lms.results().items()
    }


def test_the_lms_gets_what_students_see_once_they_see_it(
    run: Run, lms: Services, settings: Settings, room: Classroom
) -> None:
    run("roster", "sync", "--apply")
    assert "0 scores sent" in run("passback", "send").output
    assert sent(lms) == shown(settings) == {}
    assert [item["resourceId"] for item in lms.items.values()] == ["assignment_1"]
    assert lms.items[1]["scoreMaximum"] == 115

    room.give_feedback(room.course.assignments[0])
    told = run("passback", "send")
    assert "3 scores sent, 0 wait" in told.output, told.output
    assert sent(lms) == pytest.approx(shown(settings))
    assert len(sent(lms)) == 3

    # More time for bob takes his penalty away, and the grader tells the LMS by itself.
    penalised = sent(lms)["bob"]
    until = (NOW + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    extended = run("extend", "bob", "assignment_1", "--until", until, "--reason", "ill")
    assert extended.exit_code == 0, extended.output
    with passing_back(settings, CourseFile(settings.course)):
        ends = time.monotonic() + 60
        while sent(lms)["bob"] == penalised and time.monotonic() < ends:
            time.sleep(0.1)
    assert sent(lms)["bob"] > penalised
    assert sent(lms) == pytest.approx(shown(settings))
    assert "0 scores sent" in run("passback", "send").output
    assert lms.refused == []


def test_status_tells_what_is_sent_what_waits_and_what_is_parked(
    run: Run, lms: Services, settings: Settings, room: Classroom
) -> None:
    room.give_feedback(room.course.assignments[0])
    told = run("passback", "status")
    assert "the LMS has not told the account of alice, bob, carol" in told.output
    run("roster", "sync", "--apply")
    lms.members = [each for each in lms.members if each["user_id"] != "sub-alice"]
    run("passback", "send")
    told = run("passback", "status")
    row = next(line for line in told.output.splitlines() if "assignment_1" in line)
    assert row.split()[-7:-4] == ["2", "0", "1"]
    assert "userId is no learner's" in told.output
    lms.members.append(known("alice"))
    assert "1 scores are tried again" in run("passback", "retry", "--student", "alice").output
    assert "1 scores sent" in run("passback", "send").output
    assert "Parked, until" not in run("passback", "status").output


def test_without_an_lms_nothing_is_said_to_anybody(run: Run) -> None:
    assert "nothing is sent" in run("passback", "status").output
    assert "0 scores sent" in run("passback", "send").output
    assert run("roster", "sync").exit_code == 2
