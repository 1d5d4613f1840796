"""Two graders at once on one gradebook in PostgreSQL, each as somebody the database knows."""

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
from nbformat import NotebookNode
from sqlalchemy import create_engine, make_url, select
from typer.testing import CliRunner

from coursehub.cli import gradebook as gradebook_cli
from coursehub.cli import migrate as migrate_cli
from coursehub.gradebook.access import Access, role_of
from coursehub.gradebook.audit import Entry, audit, entries
from coursehub.grading.turns import turn
from coursehub.settings import Settings, load_settings
from tests.contract.miniature import ASSIGNMENT, Miniature
from tests.deployment import PEOPLE, free_port, open_course, prepare, print_logs
from tests.postgres import Postgres

STUDENTS = ("alice", "bob", "carol")
GRADERS = ("tara", "has.an@and-a_sign")
EVERYBODY = f"{PEOPLE}{GRADERS[1]},T0000003C,Theo Goh,theo@example.edu,ta\n"


def migrate(settings: Settings, *databases: str) -> subprocess.CompletedProcess[str]:
    """What `coursehub migrate` does, in a process of its own: Alembic changes how it logs."""
    command = "from coursehub.cli.migrate import app; app()"
    return subprocess.run(
        [sys.executable, "-c", command, *databases],
        env=os.environ | settings.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip


def show_log(settings: Settings, *words: str) -> str:
    """What `coursehub gradebook log` prints."""
    environment = settings.environment() | {"COLUMNS": "250"}
    done = CliRunner().invoke(gradebook_cli.app, ["gradebook", "log", *words], env=environment)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def course(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Miniature:
    """A course in PostgreSQL, its assignment released, nobody graded."""
    state = tmp_path_factory.mktemp("gradebook")
    urls = {
        "hub_database": postgres.url("hub", "hub"),
        "database": postgres.url("course", "course"),
        "gradebook": postgres.url("grader", "gradebook"),
    }
    text = open_course(now=datetime.now(UTC))
    (state / "course.yml").write_text(text)
    done = migrate(load_settings(state=state, course=state / "course.yml", **urls))
    assert done.returncode == 0, done.stderr
    return Miniature(prepare(state, text, EVERYBODY, **urls))


@pytest.fixture(scope="module")
def access(course: Miniature) -> Access:
    settings = course.settings
    return Access(*map(str, (settings.hub_database, settings.gradebook, settings.database)))


@dataclass(frozen=True)
class Grader:
    """A staff member at their own server."""

    username: str
    http: httpx.Client

    def ask(self, method: str, path: str, **values: Any) -> Any:
        """What the formgrader's API answers; it must not fail."""
        answer = self.http.request(method, path, json=values or None)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def page(self, path: str) -> httpx.Response:
        """One of the formgrader's pages."""
        answer = self.http.get(f"../{path}")
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer

    def decide(self, student: str, form: dict[str, str]) -> httpx.Response:
        """Send the form about a student's edits."""
        return self.http.post(f"../edits/{ASSIGNMENT}/{quote(student)}", data=form)

    def autograde(self, student: str) -> Any:
        return self.ask("POST", f"submission/{ASSIGNMENT}/{student}/autograde")


@pytest.fixture(scope="module")
def graders(course: Miniature, access: Access) -> Iterator[list[Grader]]:
    """Two staff members, each with a formgrader running in a process of its own."""
    with ExitStack() as servers:
        yield [server(course, username, access, servers) for username in GRADERS]


def server(course: Miniature, username: str, access: Access, servers: ExitStack) -> Grader:
    """Start what a staff member's server runs, with the environment that the hub gives it."""
    settings = course.settings
    home = settings.state / "homes" / username
    home.mkdir(parents=True)
    (home / "course").symlink_to(course.folder, target_is_directory=True)
    port, token, log = free_port(), secrets.token_hex(), home / "log"
    lab = settings.site / "images" / "lab" / "staff"
    environment = os.environ | settings.environment() | access.admit(username)
    environment |= {
        "HOME": str(home),
        "COURSEHUB_COURSE_DIR": str(home / "course"),
        "COURSEHUB_EXCHANGE_URL": settings.exchange_url,
        "JUPYTER_CONFIG_PATH": os.pathsep.join((str(lab), str(settings.site))),
        "JUPYTER_CONFIG_DIR": str(home / ".jupyter"),
        "JUPYTER_DATA_DIR": str(home / ".data"),
        "JUPYTER_RUNTIME_DIR": str(home / ".runtime"),
        "JUPYTER_TOKEN": token,
    }
    del environment["PGPASSFILE"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root",
             f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
             f"--ServerApp.root_dir={home}"],
            env=environment, cwd=home, stdout=output, stderr=output,
        )  # fmt: skip
    servers.callback(print_logs, [log])
    servers.callback(process.wait, 30)
    servers.callback(process.terminate)
    http = httpx.Client(
        base_url=f"http://127.0.0.1:{port}/formgrader/api/",
        headers={"Authorization": f"token {token}"},
        timeout=120,
    )
    servers.callback(http.close)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            http.get("status").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return Grader(username, http)
    raise RuntimeError(f"the server of {username} did not start: {log.read_text()}")


@pytest.fixture(scope="module")
def graded(course: Miniature, graders: list[Grader]) -> Miniature:
    """All students autograded, by both graders at the same time."""
    for student in STUDENTS:
        course.collected(student)
    answers = at_once([lambda: graders[0].autograde("alice"), lambda: graders[1].autograde("bob")])
    answers += at_once([lambda each=each: each.autograde("carol") for each in graders])
    assert [answer["success"] for answer in answers] == [True] * 4, answers
    return course


def at_once(steps: list[Callable[[], Any]]) -> list[Any]:
    with ThreadPoolExecutor(len(steps)) as pool:
        return [future.result() for future in [pool.submit(step) for step in steps]]


def grades(grader: Grader, student: str) -> dict[str, dict[str, Any]]:
    """Cell -> the student's grade, as the formgrader shows it."""
    submitted = grader.ask("GET", f"submitted_notebooks/{ASSIGNMENT}/{ASSIGNMENT}")
    notebook = next(each["id"] for each in submitted if each["student"] == student)
    return {each["name"]: each for each in grader.ask("GET", f"grades?submission_id={notebook}")}


def log_of(course: Miniature, **which: str) -> list[Entry]:
    return entries(create_engine(str(course.settings.gradebook)), **which)


def test_two_graders_autograde_at_the_same_time(graded: Miniature) -> None:
    for student in STUDENTS:
        assert graded.points(student) == {"visible": 2, "hidden": 3, "written": 0}
    first = {entry.student: entry for entry in reversed(log_of(graded)) if entry.cell == "visible"}
    assert {(first[name].who, first[name].autograded) for name in ("alice", "bob")} == {
        (GRADERS[0], True), (GRADERS[1], True),
    }  # fmt: skip
    assert first["alice"].before == {}
    assert first["alice"].after == {"auto_score": 2}


def test_a_grader_sees_at_once_what_the_other_gave(
    graded: Miniature, graders: list[Grader]
) -> None:
    one, other = graders
    for points in (1, 2.5, 4):
        before = grades(other, "alice")["written"]
        assert before["manual_score"] != points
        one.ask("PUT", f"grade/{before['id']}", manual_score=points, extra_credit=None)
        assert grades(other, "alice")["written"]["manual_score"] == points
        one, other = other, one


def test_a_hand_in_is_autograded_by_one_at_a_time(graded: Miniature, graders: list[Grader]) -> None:
    with ThreadPoolExecutor(1) as pool:
        with turn(graded.folder, ASSIGNMENT, "carol"):
            waiting = pool.submit(graders[0].autograde, "carol")
            assert graders[1].autograde("bob")["success"]
            assert graders[0].ask("GET", "status") == {"status": True}
            assert not waiting.done()
        assert waiting.result(60)["success"]


def test_the_last_one_counts_even_with_what_was_there_before(
    graded: Miniature, graders: list[Grader]
) -> None:
    path = f"grade/{grades(graders[0], 'alice')['written']['id']}"
    for grader, points in zip([*graders, graders[0]], (3, 1, 3), strict=True):
        grader.ask("PUT", path, manual_score=points)
    assert graders[1].ask("GET", path)["manual_score"] == 3


def test_nothing_that_two_graders_give_is_lost(graded: Miniature, graders: list[Grader]) -> None:
    ids = [grades(graders[0], student)["written"]["id"] for student in ("bob", "carol")]
    given: dict[tuple[str, str], list[float]] = {}

    def give_a_hundred(grader: Grader, first: int) -> None:
        for number in range(100):
            points, at = first + number / 1000, number % 2
            grader.ask("PUT", f"grade/{ids[at]}", manual_score=points, extra_credit=first)
            given.setdefault((grader.username, ("bob", "carol")[at]), []).append(points)

    at_once([lambda: give_a_hundred(graders[0], 1), lambda: give_a_hundred(graders[1], 2)])
    recorded: dict[tuple[str, str], list[float]] = {}
    by_hand = [
        entry for entry in log_of(graded) if not entry.autograded and entry.student != "alice"
    ]
    for entry in by_hand:
        who = (entry.who, str(entry.student))
        recorded.setdefault(who, []).append(float(entry.after["manual_score"]))
        # Both columns are of one request: two requests never mix.
        assert int(float(entry.after["manual_score"])) == entry.after["extra_credit"]
    assert recorded == given
    for student, grade_id in zip(("bob", "carol"), ids, strict=True):
        last = [entry.after for entry in by_hand if entry.student == student][-1]
        now = graders[0].ask("GET", f"grade/{grade_id}")
        assert (now["manual_score"], now["extra_credit"]) == (
            last["manual_score"], last["extra_credit"],
        )  # fmt: skip


def test_a_request_leaves_nothing_open(
    graded: Miniature, graders: list[Grader], postgres: Postgres
) -> None:
    grades(graders[0], "alice")
    database = make_url(str(graded.settings.gradebook)).database
    query = """
        SELECT usename, datname, state FROM pg_stat_activity
        WHERE usename LIKE 'ta\\_%%' AND (datname = %s OR state LIKE 'idle in transaction%%')
    """
    with postgres.superuser() as connection:
        deadline = time.monotonic() + 10  # the server learns of a closed connection a bit later
        while found := connection.execute(query, [database]).fetchall():
            assert time.monotonic() < deadline, found
            time.sleep(0.05)


def test_graders_go_on_after_the_database_was_restarted(
    graded: Miniature, graders: list[Grader], postgres: Postgres
) -> None:
    path = f"grade/{grades(graders[0], 'alice')['written']['id']}"
    postgres.stop()
    try:
        assert graders[0].http.get(path).status_code == 500
    finally:
        postgres.start()
    for grader, points in zip(graders, (2, 5), strict=True):
        grader.ask("PUT", path, manual_score=points)
        assert grader.ask("GET", path)["manual_score"] == points
    assert graders[1].autograde("alice")["success"]


def test_comments_are_recorded_too(graded: Miniature, graders: list[Grader]) -> None:
    submitted = graders[0].ask("GET", f"submitted_notebooks/{ASSIGNMENT}/{ASSIGNMENT}")
    notebook = next(each["id"] for each in submitted if each["student"] == "carol")
    comments = graders[0].ask("GET", f"comments?submission_id={notebook}")
    written = next(each for each in comments if each["name"] == "written")
    graders[1].ask("PUT", f"comment/{written['id']}", manual_comment="[b]Well[/b] done")
    last = log_of(graded, student="carol", assignment=ASSIGNMENT)[-1]
    assert (last.who, last.autograded, last.cell) == (GRADERS[1], False, "written")
    assert last.before.get("manual_comment") is None
    assert last.after["manual_comment"] == "[b]Well[/b] done"


def notebook_of(grader: Grader, student: str) -> str:
    submitted = grader.ask("GET", f"submitted_notebooks/{ASSIGNMENT}/{ASSIGNMENT}")
    return next(each["id"] for each in submitted if each["student"] == student)


def test_comments_used_before_are_offered_for_the_same_cell(
    graded: Miniature, graders: list[Grader]
) -> None:
    tara, theo = graders
    texts = {"alice": "Say why.", "bob": "Say why.", "carol": "Well done. <b>"}
    for student, text in texts.items():
        comments = tara.ask("GET", f"comments?submission_id={notebook_of(tara, student)}")
        for each in comments:
            said = text if each["name"] == "written" else f"Of {each['name']}"
            tara.ask("PUT", f"comment/{each['id']}", manual_comment=said)
    before = grades(theo, "alice")
    offered = theo.ask("GET", f"comments_used/{notebook_of(theo, 'carol')}/written")
    assert offered == {"comments": [{"text": "Say why.", "times": 2}]}, "not what stands there"
    offered = theo.ask("GET", f"comments_used/{notebook_of(theo, 'alice')}/written")
    assert [each["text"] for each in offered["comments"]] == ["Say why.", "Well done. <b>"]
    assert theo.ask("GET", f"comments_used/{notebook_of(theo, 'alice')}/nothing")["comments"] == []
    assert grades(theo, "alice") == before


def test_who_has_a_hand_in_open_is_seen_by_the_others(
    graded: Miniature, graders: list[Grader]
) -> None:
    tara, theo = graders
    notebook, listed = notebook_of(tara, "alice"), f"open/assignment/{ASSIGNMENT}"
    place = f"open/submission/{notebook}"
    with turn(graded.folder, "gradebook"):  # nobody waits for whoever saves something
        assert tara.ask("POST", place) == {"open": []}
    assert tara.ask("POST", place) == {"open": []}, "one is not somebody else"
    [seen] = theo.ask("POST", place)["open"]
    both = theo.ask("GET", listed)["open"]
    assert {(each["student"], each["submission"]) for each in both} == {("alice", notebook)}
    assert seen in both and len(both) == 2
    assert theo.ask("GET", "open/assignment/assignment_2") == {"open": []}
    assert tara.http.delete(place).status_code == 204
    assert len(theo.ask("GET", listed)["open"]) == 1
    assert theo.http.delete(place).status_code == 204
    assert theo.http.post("open/submission/nothing").status_code == 404


def test_nbgraders_pages_load_what_is_added(graded: Miniature, graders: list[Grader]) -> None:
    lists, view = "formgrader/coursehub/lists.js", "formgrader/coursehub/grading.js"
    for place in (f"manage_submissions/{ASSIGNMENT}", f"gradebook/{ASSIGNMENT}/{ASSIGNMENT}"):
        assert graders[0].page(place).text.count(lists) == 1
    page = graders[0].page(f"submissions/{notebook_of(graders[0], 'alice')}/").text
    assert page.count(view) == 1 and lists not in page
    for name in ("lists.js", "grading.js", "grading.css"):
        assert graders[0].page(f"coursehub/{name}").text.startswith("/")


def test_the_log_is_readable(graded: Miniature, graders: list[Grader]) -> None:
    path = f"grade/{grades(graders[0], 'alice')['visible']['id']}"
    graders[0].ask("PUT", path, manual_score=1.5, extra_credit=0.5)
    last = json.loads(show_log(graded.settings, "--student", "alice", "--json"))[-1]
    assert (last["who"], last["after"]) == (
        GRADERS[0], {"auto_score": 2, "manual_score": 1.5, "extra_credit": 0.5},
    )  # fmt: skip
    assert abs((datetime.now(UTC) - datetime.fromisoformat(last["at"])).total_seconds()) < 60
    for_people = show_log(graded.settings, ASSIGNMENT)
    assert "points by hand: none → 1.5; extra credit: none → 0.5" in for_people
    assert "tara (autograde)" in for_people
    assert show_log(graded.settings, "assignment_2", "--json").strip() == "[]"


def edit_a_test(notebook: NotebookNode) -> None:
    notebook.cells[1].source = "print('</pre><script>window.stolen = 1</script>')"


@pytest.fixture(scope="module")
def edited(graded: Miniature, graders: list[Grader]) -> str:
    """Dora edited a test, which is graded; the digest of her edits, as the page has it."""
    graded.collected("dora", edit_a_test)
    answer = graders[0].autograde("dora")
    assert answer["success"], answer
    page = graders[0].page(f"edits/{ASSIGNMENT}")
    return re.findall(r'name="edits" value="(\w+)"', page.text)[0]


def test_the_pages_about_edits_are_among_nbgraders_own(graders: list[Grader], edited: str) -> None:
    entry = re.compile(r'<li role="presentation"[^>]*><a href="/formgrader/edits">Edits</a></li>')
    for place in ("manage_assignments", f"manage_submissions/{ASSIGNMENT}", "gradebook",
                  f"gradebook/{ASSIGNMENT}", "manage_students", "manage_students/dora", "edits",
                  f"edits/{ASSIGNMENT}"):  # fmt: skip
        assert len(entry.findall(graders[0].page(place).text)) == 1, place
    text = graders[0].page("edits").text
    assert re.search(rf"{ASSIGNMENT}</a></td>\s*<td[^>]*>1</td>\s*<td[^>]*>0</td>", text)


def test_what_a_student_wrote_is_text(graders: list[Grader], edited: str) -> None:
    text = graders[0].page(f"edits/{ASSIGNMENT}").text
    assert "<script>window" not in text
    assert "&lt;/pre&gt;&lt;script&gt;window.stolen" in text


def test_who_decided_is_what_the_database_knows(
    graded: Miniature, graders: list[Grader], access: Access, edited: str
) -> None:
    form = {"edits": edited, "verb": "other", "percent": "20", "reason": "<b>Ask</b> us."}
    answer = graders[1].decide("dora", form)
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith(f"/formgrader/edits/{ASSIGNMENT}#dora")
    text = graders[0].page(f"edits/{ASSIGNMENT}").text
    assert "20 % taken off by Theo Goh" in text
    assert re.search(r"\w+day \d+ \w+ \d{4}, \d\d:\d\d", text)
    assert "&lt;b&gt;Ask&lt;/b&gt; us." in text
    with graded.gradebook() as gradebook:
        assert gradebook.find_submission(ASSIGNMENT, "dora").late_submission_penalty == 2
    last = log_of(graded, student="dora")[-1]
    assert (last.who, last.autograded, last.cell) == (GRADERS[1], False, None)
    assert (last.before, last.after["percent"]) == ({}, 20)
    said = show_log(graded.settings, "--student", "dora")
    assert "edits outside the answers: none → “other”; percent taken off: none → 20" in said
    with as_grader(access, "mallory") as connection:
        connection.execute("UPDATE edit_decision SET who = 'tara', percent = 0")
        assert connection.execute("SELECT who FROM edit_decision").fetchall() == [("mallory",)]
    assert log_of(graded, student="dora")[-1].who == "mallory"


@pytest.mark.parametrize(
    ("student", "form", "status", "problem"),
    [
        ("dora", {"edits": "of before"}, 409, "graded anew meanwhile"),
        ("dora", {"verb": "accepted"}, 409, "nothing is proposed"),
        ("dora", {"verb": "other", "percent": "101"}, 409, "cannot be taken off"),
        ("dora", {"verb": "other", "percent": "much"}, 409, "is no number"),
        ("dora", {"verb": "burn"}, 409, "is no decision"),
        ("nobody<b>", {}, 404, "nobody&lt;b&gt; has no hand-in"),
    ],
)
def test_what_cannot_be_decided_is_said_on_the_page(
    graded: Miniature, graders: list[Grader], edited: str,
    student: str, form: dict[str, str], status: int, problem: str,
) -> None:  # fmt: skip
    before = log_of(graded)
    answer = graders[0].decide(student, {"edits": edited, "verb": "waived", **form})
    assert (answer.status_code, problem in answer.text) == (status, True), answer.text
    assert log_of(graded) == before


def test_a_decision_is_nobody_elses_to_send(
    graded: Miniature, graders: list[Grader], edited: str
) -> None:
    """A form on another page, sent with a TA's cookie; and somebody without any."""
    tara = graders[0].http
    form = {"edits": edited, "verb": "waived"}
    place = tara.base_url.join(f"../edits/{ASSIGNMENT}/dora")
    before = log_of(graded)
    token = tara.headers["Authorization"].removeprefix("token ")
    with httpx.Client() as browser:
        assert browser.post(place, data=form).status_code == 403
        browser.get(tara.base_url.join("../edits"), params={"token": token}).raise_for_status()
        assert browser.post(place, data=form).status_code == 403
        assert log_of(graded) == before
        page = browser.get(tara.base_url.join(f"../edits/{ASSIGNMENT}")).text
        xsrf = re.findall(r'name="_xsrf" value="([^"]+)"', page)[0]
        assert browser.post(place, data={**form, "_xsrf": xsrf}).status_code == 303
    assert log_of(graded, student="dora")[-1].after["edits"] == "waived"


def as_grader(
    access: Access, username: str, url: str = "COURSEHUB_GRADEBOOK"
) -> psycopg.Connection:
    """A connection as a staff member, with a password fresh from the hub."""
    return connect_with(access.admit(username), url)


def connect_with(
    environment: dict[str, str], url: str = "COURSEHUB_GRADEBOOK"
) -> psycopg.Connection:
    """A connection with what a staff member's server was given."""
    parts = make_url(environment[url])
    assert parts.password is None
    return psycopg.connect(
        host=parts.host, port=parts.port, user=parts.username, dbname=parts.database,
        password=environment["PGPASSWORD"], autocommit=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit (who, autograded, before, after) VALUES ('x', false, '{}', '{}')",
        "UPDATE audit SET who = 'somebody else'",
        "DELETE FROM audit",
        "DELETE FROM edit_decision",
        "SELECT record_decision()",
        "TRUNCATE audit",
        "DROP TABLE audit",
        "ALTER TABLE grade DISABLE TRIGGER ALL",
        "TRUNCATE grade",
        "SET session_replication_role = replica",
        "SET SESSION AUTHORIZATION grader",
        "SET ROLE grader",
        "CREATE TABLE mine (a int)",
        "CREATE OR REPLACE FUNCTION record_grading() RETURNS trigger LANGUAGE sql AS ''",
        "SELECT record_grading()",
        "COMMENT ON ROLE ta_mallory IS 'tara'",
        "CREATE ROLE other LOGIN",
        "UPDATE alembic_version SET version_num = '0'",
    ],
)
def test_what_graders_cannot_do(course: Miniature, access: Access, statement: str) -> None:
    with (
        as_grader(access, "mallory") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_points_are_changed_but_never_moved(graded: Miniature, access: Access) -> None:
    with as_grader(access, "tara") as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="cannot be moved"):
            connection.execute(
                "UPDATE grade SET cell_id = (SELECT min(id) FROM solution_cells) "
                "WHERE id = (SELECT min(id) FROM grade)"
            )
        connection.execute("UPDATE grade SET extra_credit = 7 WHERE auto_score = 3")
    assert log_of(graded)[-1].after["extra_credit"] == 7


def test_the_owner_cannot_change_the_audit_by_mistake(graded: Miniature) -> None:
    engine = create_engine(str(graded.settings.gradebook))
    with engine.connect() as connection:
        for change in (audit.delete(), audit.update().values(who="x")):
            with connection.begin() as step, pytest.raises(Exception, match="only ever appended"):
                connection.execute(change)
            step.close()
        assert connection.execute(select(audit)).first()


def test_staff_read_of_the_course_what_they_need(course: Miniature, access: Access) -> None:
    with as_grader(access, "tara", "COURSEHUB_DATABASE") as connection:
        connection.execute("SELECT username, number, name, email, role, active FROM people")
        connection.execute("SELECT id, username, assignment, until FROM extensions")
        for refused in (
            "SELECT password FROM people", "SELECT reason FROM extensions", "DELETE FROM people",
            "SELECT * FROM ledger", "SELECT * FROM gpu_leases",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused)


def test_staff_stay_out_of_the_hubs_database(course: Miniature, access: Access) -> None:
    inside = replace(access, database=access.roles)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        as_grader(inside, "tara", "COURSEHUB_DATABASE")


@pytest.mark.parametrize("name", ["a.b@c-d_e", "x" * 63, "x" * 62 + "y", 'it"s;--', "100%s{}"])
def test_any_name_gets_a_role_of_its_own(course: Miniature, access: Access, name: str) -> None:
    with as_grader(access, name) as connection:
        found = connection.execute(
            "SELECT session_user, shobj_description(oid, 'pg_authid'), rolvaliduntil - now(), "
            "rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = session_user"
        ).fetchone()
    assert found
    assert found[:2] == (role_of(name), name)
    assert found[2].days in (29, 30)
    assert found[3] is False


def test_each_start_brings_a_new_password_which_no_log_holds(
    course: Miniature, access: Access, postgres: Postgres
) -> None:
    first, second = (access.admit("ines") for _ in range(2))
    parts = make_url(first["COURSEHUB_GRADEBOOK"])
    where = {"host": parts.host, "port": parts.port, "dbname": parts.database}
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**where, user=parts.username, password=first["PGPASSWORD"])
    psycopg.connect(**where, user=parts.username, password=second["PGPASSWORD"]).close()
    log = postgres.log.read_text()
    assert "ALTER ROLE" in log
    assert second["PGPASSWORD"] not in log


def test_who_is_dismissed_is_out_at_once(course: Miniature, access: Access) -> None:
    access.dismiss("nobody")
    with as_grader(access, "carol") as connection:
        connection.execute("SELECT * FROM grade")
        access.dismiss("carol")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM grade")
    as_grader(access, "carol").execute("SELECT * FROM grade")


def test_who_is_no_longer_staff_is_out(course: Miniature, access: Access) -> None:
    environments = {name: access.admit(name) for name in ("erin", "o'dave@x")}
    access.keep_only(["erin"])
    connect_with(environments["erin"]).execute("SELECT * FROM grade")
    with pytest.raises(
        psycopg.OperationalError, match=r"password authentication failed|not permit"
    ):
        connect_with(environments["o'dave@x"])


def test_another_start_changes_nothing(graded: Miniature, postgres: Postgres) -> None:
    before = log_of(graded)
    postgres.make_roles()
    done = migrate(graded.settings)
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["course", "gradebook", "hub"]
    assert done.stderr == ""
    assert log_of(graded) == before


def test_a_database_that_does_not_answer_is_named(
    course: Miniature, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate_cli, "PATIENCE", 0)
    nowhere = f"postgresql+psycopg://course@127.0.0.1:{free_port()}/course"
    environment = course.settings.environment() | {"COURSEHUB_DATABASE": nowhere}
    done = CliRunner().invoke(migrate_cli.app, ["course"], env=environment)
    assert done.exit_code == 2
    assert done.stderr.startswith("course: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("gradebook", ["sqlite://", "sqlite:////nowhere/gradebook.db"])
def test_where_no_log_is_kept_the_command_says_so(course: Miniature, gradebook: str) -> None:
    environment = course.settings.environment() | {"COURSEHUB_GRADEBOOK": gradebook}
    done = CliRunner().invoke(gradebook_cli.app, ["gradebook", "log"], env=environment)
    assert done.exit_code == 2
    assert gradebook in done.stderr
    assert len(done.stderr.splitlines()) == 1
