"""The course pages behind a real hub: who gets in, what each may see, and what a form changes."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import update

from coursehub import journal
from coursehub.cli.project import open_project
from coursehub.course.due import Action, Key
from coursehub.exchange.clock import Clock
from coursehub.exchange.database import connect, people
from coursehub.exchange.exchange import Exchange
from coursehub.hub.process import running_hub
from tests.classroom import Classroom, course_in_week
from tests.deployment import Deployment, prepare

HOME = "/services/course/"
STAFF_PAGES = (
    "staff/", "staff/progress", "staff/assignments/assignment_1",
    "staff/assignments/assignment_1/figures", "staff/assignments/assignment_1/edits",
    "staff/assignments/assignment_1/feedback",
    "staff/assignments/assignment_1/similar", "staff/assignments/assignment_2/similar",
    "staff/extensions", "staff/regrades", "staff/clock", "staff/gpus", "staff/journal",
)  # fmt: skip
HOSTILE = "<script>window.stolen = 1</script>"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The eighth week of a class of thirty: 1 and 2 given back, 3 graded, 4 handed in, 5 open."""
    text = course_in_week(8, datetime.now(UTC).date())
    deployment = prepare(tmp_path_factory.mktemp("pages"), text, visible_tests=False)
    names = ["alice", "bob", "carol", *(f"student{index:02}" for index in range(27))]
    classroom = Classroom(deployment.settings, names)
    classroom.enrol()
    for assignment in classroom.course.assignments[:5]:
        classroom.release(assignment)
    for assignment in classroom.course.assignments[:4]:
        received = classroom.hand_in(assignment)
        if assignment.number < 4:
            classroom.grade(assignment, received, by_hand=assignment.number < 3)
        if assignment.number < 3:
            classroom.give_feedback(assignment, f"<p>Well done.</p>{HOSTILE}")
    classroom.compare(classroom.course.assignments[0], datetime.now(UTC), f"# {HOSTILE}")
    with running_hub(deployment.settings):
        yield deployment


class Reader:
    """Somebody's browser, signed in at the hub, as far as the pages go."""

    def __init__(self, deployment: Deployment, username: str) -> None:
        self.http = deployment.session(username).http
        self.http.follow_redirects = True

    def get(self, path: str = "", **request: Any) -> httpx.Response:
        return self.http.get(HOME + path, **request)

    def text(self, path: str = "") -> str:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path: str, page: str = "", **form: str) -> httpx.Response:
        """Send a form as it stands on `page`."""
        found = re.search(r'name="_xsrf" value="([^"]+)"', self.text(page))
        assert found, f"no form on {page}"
        return self.http.post(HOME + path, data={"_xsrf": found[1], **form})


@pytest.fixture(scope="module")
def reader(course: Deployment) -> Callable[[str], Reader]:
    """Makes readers, one a person."""
    known: dict[str, Reader] = {}

    def somebody(username: str) -> Reader:
        if username not in known:
            known[username] = Reader(course, username)
        return known[username]

    return somebody


Somebody = Callable[[str], Reader]


def number_of(course: Deployment, username: str, assignment: str) -> int:
    rows = Exchange(course.settings).ledger.of(username, assignment)
    return rows[-1].number


def entries(course: Deployment, **wanted: Any) -> list[journal.Entry]:
    return journal.entries(connect(str(course.settings.database)), **wanted)


# --- who ----------------------------------------------------------------------------------------


def test_the_course_page_is_what_one_sees_first(course: Deployment) -> None:
    session = course.session("alice")
    session.http.follow_redirects = True
    first = session.http.get("/")
    assert first.url.path == HOME
    assert "Wang, Wenjie" in first.text and 'href="/hub/spawn"' in first.text
    assert [step.url.path for step in first.history if "authorize" in str(step.url)]


@pytest.mark.parametrize("path", ["", "receipts/1.txt", *STAFF_PAGES])
def test_without_signing_in_nothing_is_said(course: Deployment, path: str) -> None:
    with httpx.Client(base_url=course.settings.bind_url, trust_env=False) as http:
        answer = http.get(HOME + path)
    assert answer.status_code == (403 if path == "staff/progress" else 302)
    assert "Wenjie" not in answer.text


def test_a_servers_token_opens_no_page_and_sends_no_form(course: Deployment) -> None:
    """A notebook that runs in a TA's server cannot give anybody more time."""
    session = course.session("ines")
    headers = {"Authorization": f"token {session.token()}"}
    session.close()
    with httpx.Client(base_url=course.settings.bind_url, trust_env=False, headers=headers) as http:
        assert http.get("/services/course/api/assignments").status_code == 200
        assert http.get(HOME).status_code == 403
        form = {"who": "alice", "assignment": "assignment_5", "until": "2099-01-01T10:00"}
        answer = http.post(f"{HOME}staff/extensions", data={**form, "reason": "x"})
    assert answer.status_code == 403
    assert entries(course, did="extend") == []


@pytest.mark.parametrize("path", STAFF_PAGES)
def test_staffs_pages_are_staffs(reader: Somebody, path: str) -> None:
    assert reader("tara").get(path).status_code == 200
    assert reader("ines").get(path).status_code == 200
    refused = reader("alice").get(path)
    assert refused.status_code == 403
    assert "student01" not in refused.text


def test_a_role_that_ended_ends_at_once(course: Deployment, reader: Somebody) -> None:
    engine = connect(str(course.settings.database))
    theirs = update(people).where(people.c.username == "tara")
    assert reader("tara").get("staff/").status_code == 200
    try:
        for change, said in (({"role": "student"}, "for the course staff"),
                             ({"active": False}, "not on the roster")):  # fmt: skip
            with engine.begin() as connection:
                connection.execute(theirs.values(**change))
            answer = reader("tara").get("staff/")
            assert answer.status_code == 403
            assert said in answer.text
    finally:
        with engine.begin() as connection:
            connection.execute(theirs.values(role="ta", active=True))


def test_every_answer_is_for_the_own_window_and_runs_our_scripts_alone(reader: Somebody) -> None:
    for path in ("", "nothing-here", "receipts/99999.txt"):
        headers = reader("alice").get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy and "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
    for path in ("", *STAFF_PAGES):
        page = reader("ines" if path else "alice").text(path)
        assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|style=|https?://(?!www.w3)", page)


# --- a student ----------------------------------------------------------------------------------


def test_a_student_reads_scores_only_once_feedback_is_out(reader: Somebody) -> None:
    page = reader("alice").text()
    found = re.findall(r'<article class="card ([a-z-]+)" id="assignment_(\d)"', page)
    assert {int(number): state for state, number in found} == {
        1: "feedback", 2: "feedback", 3: "graded", 4: "handed-in", 5: "working",
        6: "later", 7: "later", 8: "later",
    }  # fmt: skip
    graded = page.split('id="assignment_3"')[1].split("</article>")[0]
    assert "points" not in graded and "Score" not in graded
    assert "Scores of the class" in page.split('id="assignment_1"')[1].split("</article>")[0]


def test_receipt_and_feedback_are_their_owners(course: Deployment, reader: Somebody) -> None:
    number = number_of(course, "alice", "assignment_1")
    receipt = reader("alice").get(f"receipts/{number}.txt")
    assert receipt.text.startswith("CourseHub receipt.\nalice")
    assert "attachment" in receipt.headers["Content-Disposition"]
    feedback = reader("alice").get(f"feedback/{number}/assignment_1.html")
    assert "Well done." in feedback.text
    policy = feedback.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox;") and "script-src" not in policy
    assert "allow" not in policy
    for username in ("bob", "tara", "ines"):
        for path in (f"receipts/{number}.txt", f"feedback/{number}/assignment_1.html"):
            other, nothing = (
                reader(username).get(each) for each in (path, path.replace(str(number), "999999"))
            )
            assert other.status_code == nothing.status_code == 404
            assert "Well done" not in other.text


@pytest.mark.parametrize("name", ["..%2f..%2fcourse.sqlite", "assignment_2.html", "x" * 200])
def test_no_other_page_is_reached_through_feedback(
    course: Deployment, reader: Somebody, name: str
) -> None:
    number = number_of(course, "alice", "assignment_1")
    assert reader("alice").get(f"feedback/{number}/{name}").status_code == 404


def test_names_of_students_are_text(course: Deployment, reader: Somebody) -> None:
    assert "Carol O&#39;Neil &lt;c&gt;" in reader("carol").text()
    assert "Carol O&#39;Neil &lt;c&gt;" in reader("tara").text("staff/assignments/assignment_1")


# --- regrades -----------------------------------------------------------------------------------


def test_a_regrade_goes_to_the_staff_and_comes_back(course: Deployment, reader: Somebody) -> None:
    alice, tara = reader("alice"), reader("tara")
    refused = alice.post("regrades/assignment_3", reason="Please.")
    assert refused.status_code == 409 and "not out yet" in refused.text
    sent = alice.post("regrades/assignment_1", reason=f"Task 2 {HOSTILE}")
    assert sent.status_code == 200 and "with the staff" in sent.text
    again = alice.post("regrades/assignment_1", page="#", reason="And?")
    assert again.status_code == 409

    queue = tara.text("staff/regrades")
    assert "Task 2 &lt;script&gt;" in queue and HOSTILE not in queue
    number = re.search(r'id="request-(\d+)"', queue)[1]  # type: ignore[index]
    rerun = tara.post(f"staff/regrades/{number}/rerun", "staff/regrades")
    assert rerun.status_code == 200
    assert "graded once more" in rerun.text
    answered = tara.post(
        f"staff/regrades/{number}/answer", "staff/regrades", answer="We added 2.", changed="yes"
    )
    assert answered.status_code == 200
    assert "Points were changed" in alice.text() and "We added 2." in alice.text()
    assert "We added 2." not in reader("bob").text()
    assert [(each.who, each.did) for each in entries(course, about="alice")] == [
        ("tara", "answer a regrade"),
        ("tara", "rerun for a regrade"),
        ("alice", "ask for a regrade"),
    ]


def test_a_form_without_its_token_changes_nothing(course: Deployment, reader: Somebody) -> None:
    before = len(entries(course))
    for username, path, form in (
        ("bob", "regrades/assignment_1", {"reason": "x"}),
        ("ines", "staff/extensions", {"who": "bob", "assignment": "assignment_5", "reason": "x"}),
    ):
        reader(username).text()
        for headers in ({}, {"X-XSRFToken": "2|guessed"}, {"Sec-Fetch-Mode": "navigate"}):
            answer = reader(username).http.post(HOME + path, data=form, headers=headers)
            assert answer.status_code == 403, answer.text
    assert len(entries(course)) == before


def test_students_reach_none_of_staffs_forms(course: Deployment, reader: Somebody) -> None:
    for path in (
        "staff/extensions", "staff/regrades/1/rerun", "staff/regrades/1/answer",
        "staff/assignments/assignment_1/edits", "staff/assignments/assignment_1/feedback",
    ):  # fmt: skip
        answer = reader("alice").post(path, reason="x", answer="x", who="alice")
        assert answer.status_code == 403


# --- staff --------------------------------------------------------------------------------------


def test_staff_give_one_several_or_all_more_time(course: Deployment, reader: Somebody) -> None:
    ines = reader("ines")
    soon = datetime.now(UTC) + timedelta(days=20)
    filled = {
        "assignment": "assignment_4", "until": f"{soon:%Y-%m-%dT%H:%M}", "reason": "ill, both",
    }  # fmt: skip
    done = ines.post("staff/extensions", "staff/extensions", who="bob, carol", **filled)
    assert "2 students got more time" in done.text
    assert {
        (each.who, each.about, each.why) for each in entries(course, did="extend")
    } == {("ines", "bob", "ill, both"), ("ines", "carol", "ill, both")}  # fmt: skip
    assert "your own deadline" in reader("bob").text()
    assert "your own deadline" not in reader("alice").text()
    ines.post("staff/extensions", "staff/extensions", all="yes", **filled)
    assert "your own deadline" in reader("alice").text()


def test_a_team_gets_more_time_together(course: Deployment, reader: Somebody) -> None:
    tara, form = reader("tara"), {"assignment": "assignment_5", "until": "2099-01-01T10:00"}
    assert "members of a team" not in tara.text("staff/extensions")
    pair = ["student01", "student02"]
    now = datetime.now(UTC)
    open_project(course.settings).fixes.create(pair, "tara", "both asked", now, "Owls")
    done = tara.post(
        "staff/extensions", "staff/extensions", who="bob", team="Owls", reason="a fair", **form
    )
    assert "3 students got more time" in done.text
    given = {each.about for each in entries(course, did="extend") if each.why == "a fair"}
    assert given == {"bob", *pair}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"who": "nobody"}, "nobody: no student of that name"),
        ({"who": "tara"}, "tara: no student of that name"),
        ({"who": " "}, "nobody is named"),
        ({"until": "soon"}, "is no time"),
        ({"reason": " "}, "needs a reason"),
        ({"assignment": "assignment_9"}, "no assignment"),
    ],
)
def test_what_is_wrong_with_an_extension_is_said_and_what_was_written_stays(
    course: Deployment, reader: Somebody, wrong: dict[str, str], said: str
) -> None:
    before = len(entries(course))
    form = {"who": "bob", "assignment": "assignment_4", "until": "2099-01-01T10:00"}
    form |= {"reason": "because of <b>"} | wrong
    answer = reader("tara").post("staff/extensions", "staff/extensions", **form)
    assert answer.status_code == 409
    assert said in answer.text
    assert "&lt;b&gt;" in answer.text or "reason" in wrong
    assert len(entries(course)) == before


def test_an_address_puts_no_words_on_a_page(reader: Somebody) -> None:
    for name in ("said", "did_now"):
        page = reader("tara").text(f"staff/?{name}=Call+this+number")
        assert "Call this number" not in page
        assert "Call this number" not in reader("alice").text(f"?{name}=Call+this+number")


def test_the_list_filters_orders_and_counts(reader: Somebody) -> None:
    tara = reader("tara")
    path = "staff/assignments/assignment_3"
    everybody = tara.text(path)
    assert "30 students" in everybody
    counts = dict(re.findall(r'<option value="([a-z-]+)"[^>]*>[^<(]+ \((\d+)\)', everybody))
    assert counts == {
        "not-fetched": "0", "working": "0", "missing": "3", "handed-in": "0", "failed": "0",
        "review": "27", "graded": "0", "late": "1",
    }  # fmt: skip
    assert tara.text(f"{path}?state=missing").count('name="who"') == 3
    assert tara.text(f"{path}?state=late").count('name="who"') == 1
    only = tara.text(f"{path}?q=wenjie")
    assert only.count('name="who"') == 1 and "Wang, Wenjie" in only
    lowest = re.findall(r"([\d.]+) / 115", tara.text(f"{path}?order=score"))
    assert lowest == sorted(lowest, key=float) and len(lowest) == 27
    assert "formgrader/submissions/" in only
    assert tara.get(f"{path}?page=99999999&order=x&state=x").status_code == 200
    assert tara.get("staff/assignments/assignment_99").status_code == 404


def test_progress_says_how_many_are_graded(reader: Somebody) -> None:
    told = reader("tara").get("staff/progress").json()
    assert told["assignments"]["assignment_1"]["text"] == "27 of 27 graded"
    assert told["assignments"]["assignment_4"]["graded"] == 0


EDITS = "staff/assignments/assignment_1/edits"


def edited(page: str) -> list[tuple[str, str]]:
    """Who has a form about edits on the page, and the digest in it."""
    return re.findall(
        r'name="student" value="(\w+)">\s*<input[^>]*name="edits" value="(\w+)"', page
    )


def test_staff_decide_about_edits_on_the_page(course: Deployment, reader: Somebody) -> None:
    tara = reader("tara")
    page = tara.text(EDITS)
    assert "A cell that is not yours was edited." in page
    assert "Nobody has decided; nothing is taken off." in page
    (who, digest), (other, _), *_ = edited(page)
    form = {"student": who, "edits": digest, "reason": f"Ask us. {HOSTILE}"}
    done = tara.post(EDITS, EDITS, **form, verb="other", amount="5.75", unit="points")
    assert done.status_code == 200 and "Decided; the student reads it" in done.text
    mine = done.text.split(f'id="{who}"')[1].split("</article>")[0]
    assert "Decided by tara" in mine and "5 % of the marks (5.75 points) taken off" in mine
    assert HOSTILE not in done.text
    again = reader("ines").post(EDITS, EDITS, **form, verb="waived")
    assert "Decided by ines" in again.text.split(f'id="{who}"')[1].split("</article>")[0]
    assert "Nobody has decided" in again.text.split(f'id="{other}"')[1].split("</article>")[0]
    told = [
        (each.who, each.before, each.after, each.why)
        for each in entries(course, did="decide about edits", about=who)
    ]
    five = {"edits": "other", "percent": 5.0}
    assert told == [
        ("ines", five, {"edits": "waived", "percent": 0.0}, f"Ask us. {HOSTILE}"),
        ("tara", {}, five, f"Ask us. {HOSTILE}"),
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"edits": "of before"}, "graded anew meanwhile"),
        ({"verb": "accepted"}, "nothing is proposed"),
        ({"verb": "burn"}, "is no decision"),
        ({"verb": "other", "amount": "much"}, "is no number"),
        ({"verb": "other", "amount": "101"}, "cannot be taken off"),
        ({"student": "alice"}, "alice has no edits outside the answers"),
    ],
)
def test_what_cannot_be_decided_is_said_and_what_was_written_stays(
    course: Deployment, reader: Somebody, wrong: dict[str, str], said: str
) -> None:
    before = len(entries(course))
    who, digest = edited(reader("tara").text(EDITS))[-1]
    form = {"student": who, "edits": digest, "verb": "waived", "reason": "a typo <i>"} | wrong
    answer = reader("tara").post(EDITS, EDITS, **form)
    assert answer.status_code == 409
    assert said in answer.text
    assert "a typo &lt;i&gt;" in answer.text or "student" in wrong
    assert len(entries(course)) == before


def test_feedback_is_approved_knowing_what_still_needs_a_person(
    course: Deployment, reader: Somebody
) -> None:
    tara, path = reader("tara"), "staff/assignments/assignment_3/feedback"
    overview = tara.text("staff/")
    assert "The feedback of assignment 3 waits for somebody to approve it" in squeezed(overview)
    assert "The feedback of assignment 1 waits" not in squeezed(overview), "it is out already"
    page = tara.text(path)
    found = re.findall(r"<li>(points by hand missing: [^<]*)</li>", page)
    assert found and "and 19 more" in found[0]
    seen = re.search(r'name="seen" value="([^"]*)"', page)[1]  # type: ignore[index]
    assert "Approve anyway" in page
    stale = tara.post(path, path, seen="nothing")
    assert stale.status_code == 409 and "no longer as you saw it" in stale.text
    assert entries(course, did="approve") == []
    done = tara.post(path, path, seen=seen)
    assert "Approved; feedback goes out" in done.text
    assert "The feedback of assignment 3 waits" not in squeezed(done.text)
    [entry] = entries(course, did="approve")
    assert (entry.who, entry.assignment, entry.why) == (
        "tara", "assignment_3", f"although {found[0]}"
    )  # fmt: skip
    assert tara.post(path, "staff/extensions", seen=seen).status_code == 409
    assert "It is approved." in tara.text(path)


def squeezed(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_what_the_clock_could_not_grade_has_its_reason(
    course: Deployment, reader: Somebody
) -> None:
    clock, now = Clock(connect(str(course.settings.database))), datetime.now(UTC)
    key = Key("autograde", "assignment_4", now)
    clock.take(key, "test", now)
    failed = {"not graded": {"alice": "the sandbox had no room"}}
    assert clock.finish(Action(key, now, "its deadline"), "test", now, failed)
    page = reader("tara").text("staff/assignments/assignment_4?state=failed")
    assert page.count('name="who"') == 1 and "the sandbox had no room" in page
    pending = reader("tara").text("staff/assignments/assignment_4/feedback")
    assert "could not be graded: alice" in pending


def test_similar_hand_ins_are_for_staff_to_look_at(course: Deployment, reader: Somebody) -> None:
    path = "staff/assignments/assignment_1/similar"
    page = reader("tara").text(path)
    assert "a reason to look, and never a verdict" in page
    assert "Wang, Wenjie" in page and "Earlier term" in page and "2020" in page
    assert "Somebody has looked" not in page
    links = re.findall(rf'href="{HOME}({path}/[0-9a-f]+)"', page)
    assert len(links) == 3
    for link in links:
        shown = reader("tara").text(link)
        assert "a reason to look, and never a verdict" in shown
        assert "<script" not in shown and "window.stolen" in shown
        assert not re.search(r"\son\w+=|style=", shown)
        for person in ("alice", "bob"):
            assert reader(person).get(link).status_code == 403
    assert reader("tara").get(f"{path}/{'0' * 20}").status_code == 404
    assert reader("tara").get(links[0].replace("assignment_1", "assignment_2")).status_code == 404
    refused = reader("tara").post(links[0], page=links[0], remark="x" * 2_001)
    assert refused.status_code == 409 and "2,000 fit" in refused.text
    assert reader("alice").http.post(HOME + links[0], data={"remark": "x"}).status_code == 403
    answer = reader("tara").post(links[0], page=links[0], remark=f"One team. {HOSTILE}")
    assert answer.status_code == 200 and answer.url.path == HOME + path
    assert "Noted that you have looked at it." in answer.text
    assert "1 pair" in answer.text and HOSTILE not in answer.text
    [entry] = entries(course, did="look at a similar pair")
    assert entry.who == "tara" and entry.why == f"One team. {HOSTILE}"
    assert "not been compared yet" in reader("tara").text(path.replace("1", "2"))


def test_the_pages_of_a_service_that_was_killed_are_back(
    course: Deployment, reader: Somebody
) -> None:
    """What was signed before stays good: nobody loses a form that they were filling in."""
    page = reader("ines").text("staff/extensions")
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words[-1:] == ["serve"]:
            environment = process.environ()
            if environment.get("COURSEHUB_STATE") == str(course.settings.state):
                process.kill()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if reader("ines").get("staff/extensions").status_code == 200:
            break
        time.sleep(0.2)
    token = re.search(r'name="_xsrf" value="([^"]+)"', page)[1]  # type: ignore[index]
    answer = reader("ines").http.post(f"{HOME}staff/extensions", data={"_xsrf": token})
    assert answer.status_code == 409, "the form was refused for its token"
