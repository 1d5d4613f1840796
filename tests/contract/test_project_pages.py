"""The project's pages behind a real hub: every form, who may send it, and no report is lost."""

import io
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from coursehub import journal
from coursehub.cli.project import open_project
from coursehub.exchange.database import connect
from coursehub.hub.process import running_hub
from coursehub.project.project import Project
from coursehub.project.teams import Team
from tests.classroom import Classroom, course_in_week
from tests.contract.test_pages import HOME, HOSTILE, Reader
from tests.deployment import Deployment, prepare
from tests.pdfs import drawn, report

LIMIT = 300_000
STAFF_PAGES = ("", "/talks", "/reports", "/scores", "/marks")
NAMES = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The sixth week of a class of ten: students still form teams; assignment 1 is given back."""
    text = course_in_week(6, datetime.now(UTC).date())
    folder = tmp_path_factory.mktemp("project")
    deployment = prepare(folder, text, hand_in_bytes=LIMIT, visible_tests=False)
    classroom = Classroom(deployment.settings, NAMES)
    classroom.enrol()
    for name in NAMES:
        deployment.roster.set_password(name, f"{name}-secret")
    first = classroom.course.assignments[0]
    classroom.release(first)
    classroom.grade(first, classroom.hand_in(first))
    classroom.give_feedback(first)
    with running_hub(deployment.settings):
        yield deployment


class Writer(Reader):
    """A reader who also sends files."""

    def send(self, content: bytes, name: str = "our report.pdf", page: str = "") -> httpx.Response:
        """Hand in a report with the form of a page that was read before, or of a new one."""
        page = page or self.text("project")
        form = {name: field(page, name) for name in ("_xsrf", "key")}
        files = {"file": (name, content, "application/pdf")}
        address = f"{HOME}project/report"
        answer = self.http.post(address, data=form, files=files, follow_redirects=False)
        # httpx would go on with the form's type, and without the form.
        return self.http.get(answer.headers["Location"]) if answer.is_redirect else answer


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found, f"no field {name}"
    return found[1]


Somebody = Callable[[str], Writer]


@pytest.fixture(scope="module")
def who(course: Deployment) -> Somebody:
    known: dict[str, Writer] = {}

    def somebody(username: str) -> Writer:
        if username not in known:
            known[username] = Writer(course, username)
        return known[username]

    return somebody


@pytest.fixture(scope="module")
def project(course: Deployment) -> Project:
    return open_project(course.settings)


@pytest.fixture
def team(project: Project) -> Iterator[Team]:
    """Alice and Bob, as staff put them; they and whoever joined are in none afterwards."""
    yield project.fixes.create(["alice", "bob"], "ines", "for a test", datetime.now(UTC))
    for username in NAMES[:-2]:
        project.fixes.move(username, None, "ines", "after a test", datetime.now(UTC))


@pytest.fixture(scope="module")
def working(project: Project) -> Team:
    """Ivan and Judy, whose team has work and so stays."""
    return project.fixes.create(["ivan", "judy"], "ines", "for all tests", datetime.now(UTC))


def entries(course: Deployment, **wanted: Any) -> list[journal.Entry]:
    return journal.entries(connect(str(course.settings.database)), **wanted)


def section(page: str, title: str) -> str:
    """The text of a section of the course page."""
    found = re.search(rf"<h2 [^>]*>{title}</h2>(.*?)</section>", page, re.S)
    assert found, f"no section {title}"
    return " ".join(re.sub(r"<[^>]*>", " ", found[1]).split())


# --- teams --------------------------------------------------------------------------------------


def test_two_students_find_each_other(project: Project, who: Somebody) -> None:
    grace, heidi = who("grace"), who("heidi")
    assert "You are in no team." in section(grace.text(), "Team")
    assert grace.post("project/invite", "project", who="Heidi ").status_code == 200
    name = project.teams.of("grace").name  # type: ignore[union-attr]
    assert f"You are invited {name}: Student grace" in section(heidi.text(), "Team")
    assert "Invited Student heidi No answer yet" in section(grace.text(), "Team")
    number = field(heidi.text("project"), "team")
    assert "You are in the team." in heidi.post("project/accept", "project", team=number).text
    assert f"{name} Student grace; Student heidi" in section(grace.text(), "Team")
    left = heidi.post("project/leave", "project")
    assert "You have left the team." in left.text and project.teams.of("heidi") is None
    grace.post("project/invite", "project", who="heidi")
    assert "declined" in heidi.post("project/decline", "project", team=number).text
    grace.post("project/leave", "project")
    assert project.teams.of("grace") is None


@pytest.mark.parametrize(
    ("username", "deed", "form", "status", "said"),
    [
        ("alice", "invite", {"who": "bob"}, 409, "bob is in a team already"),
        ("alice", "invite", {"who": "n<b>"}, 403, "n&lt;b&gt; is no student of this course"),
        ("alice", "invite", {"who": "tara"}, 403, "tara is no student"),
        ("carol", "accept", {"team": "TEAM"}, 409, "has not invited carol"),
        ("carol", "decline", {"team": "TEAM"}, 409, "has not invited carol"),
        ("carol", "leave", {}, 409, "carol is in no team"),
        ("carol", "swap", {"team": "TEAM"}, 403, "carol is in no team"),
        ("carol", "refuse", {"team": "TEAM"}, 403, "carol is in no team"),
        ("carol", "kind", {"kind": "poster"}, 403, "carol is in no team"),
        ("alice", "kind", {"kind": "dance"}, 422, "is no choice"),
        ("alice", "accept", {"team": "999"}, 404, "there is no team"),
        ("tara", "leave", {}, 403, "his is for students"),
    ],
)
def test_what_is_refused_is_said_by_the_form_and_what_was_typed_stays(
    course: Deployment, who: Somebody, team: Team,
    username: str, deed: str, form: dict[str, str], status: int, said: str,
) -> None:  # fmt: skip
    before = len(entries(course))
    filled = {name: str(team.number) if text == "TEAM" else text for name, text in form.items()}
    page = "staff/project" if username == "tara" else "project"
    answer = who(username).post(f"project/{deed}", page, **filled)
    assert answer.status_code == status
    assert said in answer.text
    if username != "tara":
        assert 'role="alert"' in answer.text and ">Project</h1>" in answer.text
    if said.startswith("n&lt;"):
        assert 'name="who" value="n&lt;b&gt;"' in answer.text
    assert len(entries(course)) == before


def test_an_invitation_sent_twice_is_one(course: Deployment, who: Somebody, team: Team) -> None:
    alice = who("alice")
    first = alice.post("project/invite", "project", who="carol")
    again = alice.post("project/invite", "project", who="carol")
    assert (first.status_code, again.status_code) == (200, 409)
    assert "carol is invited already. Wait for the answer" in again.text
    invited = [each.after for each in entries(course, did="invite")]
    assert invited[0] == {"invited": "carol"} != (invited[1] if len(invited) > 1 else None)


# --- presentations ------------------------------------------------------------------------------


def test_slots_are_drawn_by_staff_and_swapped_by_agreement(
    project: Project, who: Somebody, team: Team
) -> None:
    other = project.fixes.create(["carol", "dave"], "ines", "for a test", datetime.now(UTC))
    tara, alice, carol = who("tara"), who("alice"), who("carol")
    early = alice.post("project/swap", "project", team=str(other.number))
    assert early.status_code == 409 and "has no slot yet" in early.text
    drawn_ = tara.post("staff/project/talks/draw", "staff/project/talks", seed="17")
    assert "The slots are drawn" in drawn_.text and "<code>17</code>" in drawn_.text
    slots = {t.number: s.number for s, t in project.talks.order().slots if t}

    alice.post("project/swap", "project", team=str(other.number))
    assert f"You asked to swap {other.name}" in section(alice.text(), "Presentation")
    assert f"Asked to swap slots {team.name}" in section(carol.text(), "Presentation")
    carol.post("project/swap", "project", team=str(team.number))
    after = {t.number: s.number for s, t in project.talks.order().slots if t}
    assert after[team.number], after[other.number] == (slots[other.number], slots[team.number])
    assert f"Number {after[team.number]} in the order" in section(alice.text(), "Presentation")
    alice.post("project/swap", "project", team=str(other.number))
    carol.post("project/refuse", "project", team=str(team.number))
    assert project.talks.asked(other.number) == []
    alice.post("project/kind", "project", kind="poster")
    assert "What poster" in section(who("bob").text(), "Presentation")

    refused = tara.post("staff/project/talks/draw", "staff/project/talks", anew="yes")
    assert refused.status_code == 403 and "staff give a reason" in refused.text
    number = next(s.number for s, t in project.talks.order().slots if t is None)
    form = {"team": str(team.number), "slot": str(number), "reason": "a train"}
    moved = tara.post("staff/project/talks/slot", "staff/project/talks", **form)
    assert "The slot is changed" in moved.text
    assert project.talks.slot(team.number).number == number  # type: ignore[union-attr]


# --- reports ------------------------------------------------------------------------------------


def test_a_report_is_kept_receipted_and_then_checked(
    project: Project, who: Somebody, working: Team
) -> None:
    ivan, judy, pdf = who("ivan"), who("judy"), report(1)
    page = ivan.text("project")
    sent = ivan.send(pdf, f"{HOSTILE}.pdf", page)
    assert sent.status_code == 200 and "Your report is handed in" in sent.text
    [kept] = project.reports.of(working)
    assert (kept.username, kept.counts, kept.late) == ("ivan", True, False)
    assert project.reports.archive.content(kept.number) == pdf
    assert HOSTILE not in sent.text

    receipt = judy.get(f"project/reports/{kept.number}.txt")
    assert (
        "handed in by: ivan" in receipt.text
        and "attachment" in receipt.headers["Content-Disposition"]
    )
    whole = judy.get(f"project/reports/{kept.number}.pdf")
    assert whole.content == pdf
    assert whole.headers["Content-Disposition"].startswith("attachment;")
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert whole.headers["Content-Security-Policy"].startswith("sandbox;")
    for username in ("carol", "dave"):
        for end in ("txt", "pdf"):
            assert who(username).get(f"project/reports/{kept.number}.{end}").status_code == 404
    assert who("tara").get(f"project/reports/{kept.number}.pdf").content == pdf

    again = ivan.send(pdf, page=page)
    assert again.status_code == 200 and len(project.reports.of(working)) == 1
    ivan.send(drawn(b"BT ET"), page=page)  # another file in the same form is another hand-in
    ivan.send(b"no PDF at all")
    assert len(project.reports.of(working)) == 3
    checked(project, working)
    told = section(judy.text(), "Report")
    assert f"Receipt {project.reports.of(working)[-1].number}" in told
    assert "It does not open as a PDF" in told
    on_page = judy.text("project")
    assert on_page.count("this one counts") == 1
    assert "The check found nothing wrong." in on_page
    kept_files = [project.reports.archive.content(n.number) for n in project.reports.of(working)]
    assert kept_files == [pdf, drawn(b"BT ET"), b"no PDF at all"]


def checked(project: Project, team: Team) -> None:
    deadline = time.monotonic() + 60
    while any(each.findings is None for each in project.reports.of(team)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (bytes(LIMIT + 1), 413, "300,000 are allowed"),
        (bytes(4 * LIMIT), 413, "300,000 bytes that are allowed"),
        (b"", 422, "is empty, and was not kept"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence_by_the_form(
    course: Deployment, project: Project, who: Somebody, team: Team,
    content: bytes, status: int, said: str,
) -> None:  # fmt: skip
    answer = who("alice").send(content)
    assert answer.status_code == status
    assert said in answer.text and "one PDF" in answer.text
    assert project.reports.of(team) == []


def test_no_file_and_no_team_are_refused(project: Project, who: Somebody, team: Team) -> None:
    alice, carol = who("alice"), who("carol")
    page = alice.text("project")
    form = {"_xsrf": field(page, "_xsrf")}
    answer = alice.http.post(f"{HOME}project/report", data=form, files={"other": b"x"})
    assert answer.status_code == 422 and "no file was chosen" in answer.text
    plain = alice.http.post(f"{HOME}project/report", data=form)
    assert plain.status_code == 422
    assert alice.get("project/report").status_code == 200  # where a refused form left the browser
    before = len(project.reports.numbers())
    token = {"_xsrf": field(carol.text("project"), "_xsrf")}
    files = {"file": ("report.pdf", b"%PDF")}
    answer = carol.http.post(f"{HOME}project/report", data=token, files=files)
    assert answer.status_code == 409 and "carol is in no team" in answer.text
    assert len(project.reports.numbers()) == before


# --- forged and foreign -------------------------------------------------------------------------

STUDENT_FORMS = ("invite", "accept", "decline", "leave", "swap", "refuse", "kind", "report")
STAFF_FORMS = (
    "create", "move", "rename", "dissolve", "place", "talks/draw", "talks/slot", "reports/extend",
    "scores/presentation/1/give", "scores/report/1/withdraw", "marks/csv", "marks/xlsx",
)  # fmt: skip


def test_a_form_without_its_token_does_nothing(
    course: Deployment, project: Project, who: Somebody, team: Team
) -> None:
    before, kept = len(entries(course)), len(project.reports.numbers())
    for username, prefix, forms in (
        ("alice", "project/", STUDENT_FORMS), ("tara", "staff/project/", STAFF_FORMS)
    ):  # fmt: skip
        who(username).text()
        for form in forms:
            for headers in ({}, {"X-XSRFToken": "2|guessed"}, {"Sec-Fetch-Mode": "navigate"}):
                sent: dict[str, Any] = {"data": {"reason": "x", "who": "carol", "team": "1"}}
                if form == "report":
                    sent["files"] = {"file": ("report.pdf", b"%PDF-1.7 forged")}
                answer = who(username).http.post(HOME + prefix + form, headers=headers, **sent)
                assert answer.status_code == 403, form
    assert (len(entries(course)), len(project.reports.numbers())) == (before, kept)


def test_without_signing_in_no_report_is_read(course: Deployment, project: Project) -> None:
    with httpx.Client(base_url=course.settings.bind_url, trust_env=False) as http:
        answer = http.post(f"{HOME}project/report", files={"file": ("r.pdf", bytes(1000))})
        assert answer.status_code == 403
        for path in ("project", "project/reports/1.pdf", "staff/project/marks"):
            assert http.get(HOME + path).status_code == 302


def test_staffs_pages_and_forms_are_staffs(course: Deployment, who: Somebody, team: Team) -> None:
    before = len(entries(course))
    for path in STAFF_PAGES:
        assert who("tara").get(f"staff/project{path}").status_code == 200, path
        assert who("alice").get(f"staff/project{path}").status_code == 403
    for form in STAFF_FORMS:
        answer = who("alice").post(f"staff/project/{form}", "project", reason="x", who="alice")
        assert answer.status_code == 403, form
    assert len(entries(course)) == before
    for path in ("project", *(f"staff/project{each}" for each in STAFF_PAGES)):
        page = who("tara" if path.startswith("staff") else "alice").text(path)
        assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|style=|https?://(?!www.w3)", page)


# --- staff --------------------------------------------------------------------------------------


def test_staff_put_teams_right_with_a_reason(
    course: Deployment, project: Project, who: Somebody, team: Team
) -> None:
    tara, page = who("tara"), "staff/project"
    refused = tara.post(f"{page}/move", page, who="carol", to=str(team.number), reason=" ")
    assert refused.status_code == 403 and "staff give a reason" in refused.text
    assert 'name="who" value="carol"' in refused.text
    tara.post(f"{page}/move", page, who="carol", to=str(team.number), reason="asked")
    assert project.teams.of("carol").number == team.number  # type: ignore[union-attr]
    made = tara.post(f"{page}/create", page, who="erin, frank", name="Adam", reason="late")
    assert "Adam" in made.text
    tara.post(f"{page}/rename", page, team="Adam", name="Eve", reason="asked")
    assert project.teams.of("erin").name == "Eve"  # type: ignore[union-attr]
    gone = tara.post(f"{page}/dissolve", page, team="Eve", reason="they left")
    assert "dissolved" in gone.text and project.teams.of("erin") is None
    whys = {(each.who, each.why) for each in entries(course) if each.who == "tara"}
    assert {("tara", "asked"), ("tara", "late"), ("tara", "they left")} <= whys

    assert "a new team" in gone.text
    placed = tara.post(f"{page}/place", page, reason="the deadline is over")
    assert "Done as it was proposed" in placed.text and project.teams.alone() == []


def test_a_team_gets_more_time_for_its_report(
    course: Deployment, project: Project, who: Somebody, team: Team
) -> None:
    tara, path = who("tara"), "staff/project/reports"
    usual = project.reports.window(team).on_time_before
    until = (usual + timedelta(days=9)).astimezone(Classroom(course.settings, []).course.tz)
    form = {"team": str(team.number), "until": "soon", "reason": "ill <b>"}
    refused = tara.post(f"{path}/extend", path, **form)
    assert refused.status_code == 409 and "is no time" in refused.text
    assert 'value="ill &lt;b&gt;"' in refused.text
    form["until"] = f"{until:%Y-%m-%dT%H:%M}"
    assert "more time for its report" in tara.post(f"{path}/extend", path, **form).text
    assert project.reports.window(team).on_time_before > usual
    assert {each.about for each in entries(course, did="extend")} == {"alice", "bob"}


def test_graders_score_by_rubric_and_the_mark_follows(
    project: Project, who: Somebody, working: Team
) -> None:
    tara, ines = who("tara"), who("ines")
    path = f"staff/project/scores/presentation/{working.number}"
    wrong = tara.post(f"{path}/give", path, **{"of Idea": "11", "of Results": "7"})
    assert wrong.status_code == 422 and "is no score" in wrong.text
    assert 'value="11"' in wrong.text and 'value="7"' in wrong.text
    assert project.scores.given("presentation", working.number) == {}
    full = {f"of {each.criterion}": "8" for each in project.scores.rubric("presentation")}
    for _ in range(2):
        assert "Your scores are kept" in tara.post(f"{path}/give", path, **full).text
    ines.post(f"{path}/give", path, **{"of Idea": "3"})
    page = ines.text(path)
    assert "far apart" in page and "Graders disagree: Idea: 3 to 8" in page
    assert "Tara Lim 8" in page and 'value="3"' in page and 'value="8"' not in page
    overview = ines.text("staff/project/scores")
    assert "80.0 %" in overview and "not done: Ines Ang" in overview
    mark = section(who("judy").text(), "Mark so far")
    assert "Presentation 16.0 of 20 80.0 %" in mark
    emptied = ines.post(f"{path}/give", path, **{"of Results": "5"})
    assert emptied.status_code == 409 and "take all of yours back" in emptied.text
    ines.post(f"{path}/withdraw", path)
    assert set(project.scores.given("presentation", working.number)) == {"tara"}


def test_final_marks_are_a_page_a_csv_and_a_workbook(course: Deployment, who: Somebody) -> None:
    tara = who("tara")
    page = tara.text("staff/project/marks")
    assert "Wang, Wenjie (alice)" in page and "Carol O&#39;Neil" in page
    csv = tara.post("staff/project/marks/csv", "staff/project/marks")
    assert csv.headers["Content-Disposition"] == 'attachment; filename="CS5260 marks.csv"'
    lines = csv.content.decode("utf-8-sig").splitlines()
    assert len(lines) == 1 + len(NAMES) and lines[0].startswith("username,number,name")
    recorded = len(entries(course, did="record marks"))
    book = tara.post("staff/project/marks/xlsx", "staff/project/marks")
    assert zipfile.is_zipfile(io.BytesIO(book.content))
    assert len(entries(course, did="record marks")) == recorded


def test_a_student_sees_no_score_that_was_not_given_back(course: Deployment, who: Somebody) -> None:
    mark = section(who("carol").text(), "Mark so far")
    assert "1 of 8 assignments are given back" in mark
    homework = re.search(r"Homework ([\d.]+) of 40", mark)
    assert homework and Decimal(homework[1]) <= 5
    assert "Report nothing yet" in mark and "report: no score yet" in mark
