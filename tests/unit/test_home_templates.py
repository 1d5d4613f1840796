"""What the templates do with what they are told: sections of others, and hostile texts."""

from datetime import UTC, timedelta
from functools import partial
from typing import Any

from coursehub.course.load import load_course
from coursehub.course.schedule import say, say_short, window
from coursehub.exchange.person import Person
from coursehub.exchange.protocol import VisibleTest, VisibleTests
from coursehub.gradebook.standing import CellScore, Edits, Found, Standing
from coursehub.home import student
from coursehub.home.regrades import Regrade
from coursehub.home.sources import HandIn, Line, Section, Work
from coursehub.home.web import _TEMPLATES
from coursehub.settings import CHECKOUT

COURSE = load_course(CHECKOUT / "course.yml")
FIRST = COURSE.assignments[0]
ON_TIME = (window(COURSE, FIRST).on_time_before - timedelta(hours=5)).astimezone(UTC)
HOSTILE = "<img src=x onerror=alert(1)>\"'&"


def page(sections: tuple[Section, ...] = (), **about: Any) -> str:
    cards = {"released": frozenset({FIRST.name}), "work": {}, "standings": {}, "regrades": []}
    weeks = student.timeline(COURSE, ON_TIME, **{**cards, "class_scores": {}, **about})
    return _TEMPLATES.get_template("student.html").render(
        course=COURSE, person=Person("alice", "A1", HOSTILE, "a@b", "student"), now=ON_TIME,
        home="/services/course/", xsrf="token", static_url=lambda name: f"/static/{name}",
        short=partial(say_short, course=COURSE), long=partial(say, course=COURSE), left=None,
        weeks=weeks, due=student.due_next(weeks), sections=sections, said="",
    )  # fmt: skip


def test_sections_of_others_are_shown_and_their_absence_leaves_nothing() -> None:
    told = Section(
        "Your team", (Line("Members", "alice, bob", "until Fri 5 Mar"),), "Three seats are free.",
        (("Change the team", "/services/course/team"),),
    )  # fmt: skip
    shown = page((told,))
    for words in ("Your team", "alice, bob", "until Fri 5 Mar", "Three seats", "Change the team"):
        assert words in shown
    assert "team" not in page().lower().replace("team talks", "")


def test_nothing_that_anybody_wrote_becomes_html() -> None:
    tests = VisibleTests(
        hand_in=1, done=True, text=HOSTILE,
        tests=(VisibleTest(name=HOSTILE, passed=False, message=HOSTILE, points=None,
                           max_points=None),),
    )  # fmt: skip
    hand_in = HandIn(1, ON_TIME, (HOSTILE,), ("assignment_1.html",), tests)
    found = Edits((Found("edited", HOSTILE, f"{HOSTILE}\n{HOSTILE}"),), "waived", 0.0, HOSTILE)
    standing = Standing(
        "alice", FIRST.name, ON_TIME, "n", 1, 2, True, False,
        (CellScore(HOSTILE, 1, 2, False),), found,
    )  # fmt: skip
    asked = Regrade(1, "alice", FIRST.name, 1, HOSTILE, ON_TIME, None, True, HOSTILE, "t", ON_TIME)
    section = Section(HOSTILE, (Line(HOSTILE, HOSTILE, HOSTILE),), HOSTILE, ((HOSTILE, "/x"),))
    shown = page(
        (section,), work={FIRST.name: Work((hand_in,))}, standings={FIRST.name: standing},
        regrades=[asked], class_scores={FIRST.name: [1.0] * 9},
    )  # fmt: skip
    assert "<img" not in shown
    assert shown.count("&lt;img") >= 14
    assert "Scores of the class" in shown


def test_where_nothing_is_released_nothing_is_due() -> None:
    assert "Nothing is open for you now." in page(released=frozenset())
    assert "Nothing is open for you now." not in page()
