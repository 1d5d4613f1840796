"""A name for each: what students' scripts run at is neither the hub's origin nor the course pages'.

Names below `localhost`, which Chromium finds on this machine without being told.
"""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from jupyterhub.utils import subdomain_hook_idna
from playwright.sync_api import Browser, Page, expect

from coursehub.course.load import load_course
from coursehub.exchange.store import lay_out
from coursehub.hub.process import running_hub
from coursehub.hub.session import AtOneAddress, Session
from coursehub.settings import CHECKOUT, Settings
from tests.deployment import Deployment, open_course, password, prepare
from tests.e2e.pages import PATIENCE, CoursePage, SignIn, look

NAME = "hub.localhost"
ASSIGNMENT = "assignment_1"

# What a script of a student's may try to read another origin's page.
READ = """async ([url, here]) => {
  const token = document.cookie.match(/_xsrf=([^;]+)/)[1];
  const own = here ? {headers: {"X-XSRFToken": token}} : {};
  const tries = {
    fetch: async () => (await fetch(url, {credentials: "include", ...own})).text(),
    blind: async () => (await fetch(url, {credentials: "include", mode: "no-cors"})).text(),
    frame: () => new Promise((resolve, reject) => {
      const frame = document.createElement("iframe");
      frame.onload = () => {
        try { resolve(frame.contentWindow.document.body.innerHTML); } catch (e) { reject(e); }
        frame.remove();
      };
      frame.src = url;
      document.body.append(frame);
    }),
    script: () => new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.onload = () => resolve("loaded");
      script.onerror = () => reject(new Error("not loaded"));
      script.src = url;
      document.head.append(script);
    }),
  };
  const read = {};
  for (const [how, work] of Object.entries(tries)) {
    if (here && how !== "fetch") continue;
    try { read[how] = await work(); } catch (error) { read[how] = ""; }
  }
  return read;
}"""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A hub with names below its own, and assignment 1 to fetch."""
    now = datetime.now(UTC)
    state, text = tmp_path_factory.mktemp("names"), open_course(now=now)
    deployment = prepare(state, text, subdomains=NAME, visible_tests=False)
    settings = deployment.settings
    root = lay_out(Path(str(settings.exchange)), load_course(settings.course).id)
    shutil.copytree(CHECKOUT / "release" / ASSIGNMENT, root / "outbound" / ASSIGNMENT)
    with running_hub(settings):
        yield deployment


def client(settings: Settings) -> httpx.Client:
    """A browser without cookies that finds every name at this deployment's proxy."""
    return httpx.Client(
        base_url=settings.public_url, transport=AtOneAddress(settings.bind_url), trust_env=False
    )


def origin(course: Deployment, username: str) -> str:
    return course.settings.public_url.replace(f"//{NAME}", f"//{username}.{NAME}")


def test_a_student_works_and_their_scripts_read_no_other_origin(
    course: Deployment, browser: Browser
) -> None:
    settings = course.settings
    door = SignIn.open(browser, settings.public_url)
    page, problems = door.page, []
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    alice = door.arrive("alice")
    assert page.url.startswith(f"{settings.course_origin}/services/course/")
    lab = alice.open_lab("alice")
    assert page.url.startswith(f"{origin(course, 'alice')}/user/alice/lab")
    assert not [said for said in problems if "Content Security Policy" in said]

    assignments = lab.assignment_list()
    assignments.fetch(ASSIGNMENT)
    expect(assignments.fetched).to_contain_text(ASSIGNMENT, timeout=PATIENCE)
    assignments.fetched.get_by_role("button", name="Submit").click()
    anyway = page.get_by_role("button", name="Hand in anyway")
    done = assignments.submitted.get_by_text(ASSIGNMENT).first
    expect(anyway.or_(done)).to_be_visible(timeout=PATIENCE)
    if anyway.is_visible():
        anyway.click()
    expect(assignments.submitted).to_contain_text("this one counts", timeout=PATIENCE)
    look(page, "names-submitted")

    reads_nothing_elsewhere(course, page)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Course page").click()
    again = CoursePage.arrive(opened.value)
    assert again.page.url.startswith(settings.course_origin)
    again.page.get_by_role("link", name="Sign out").click()
    again.page.wait_for_url(f"{settings.public_url}/hub/log*")
    again.page.goto(f"{settings.course_origin}/services/course/")
    expect(again.page.get_by_label("Password:")).to_be_visible()


def reads_nothing_elsewhere(course: Deployment, page: Page) -> None:
    settings, own = course.settings, origin(course, "alice")
    read = page.evaluate(READ, [f"{own}/user/alice/api/status", True])
    assert "kernels" in read["fetch"], "the script itself must work"
    hub, pages = settings.public_url, f"{settings.course_origin}/services/course/"
    for url in (f"{hub}/hub/home", f"{hub}/hub/api/user", f"{hub}/hub/token", pages,
                f"{pages}api/hand-ins", f"{own}/hub/home", f"{own}/services/course/",
                f"{origin(course, 'bob')}/user/bob/lab"):  # fmt: skip
        read = page.evaluate(READ, [url, False])
        assert not any(read.values()), (url, read)
    cookies = page.evaluate("document.cookie")
    assert {part.partition("=")[0] for part in cookies.split("; ")} <= {"_xsrf"}
    sent = {each["name"]: each for each in page.context.cookies(f"{own}/user/alice/lab")}
    assert not {"jupyterhub-hub-login", "service-course"} & set(sent)


def test_staff_have_the_formgrader_in_its_frame(course: Deployment, browser: Browser) -> None:
    tara = SignIn.open(browser, course.settings.public_url).enter("tara")
    formgrader = tara.formgrader()
    title = formgrader.frame.get_by_text("Manage Assignments").first
    expect(title).to_be_visible(timeout=PATIENCE)
    look(tara.page, "names-formgrader")


def test_the_hub_answers_at_its_own_name_alone(course: Deployment) -> None:
    settings = course.settings
    assert settings.course_host == subdomain_hook_idna("course", NAME, "service")
    with client(settings) as http:
        for origin_ in (origin(course, "nobody"), settings.course_origin):
            for path in ("/hub/login", "/hub/api/user", "/", "/hub/home?a=b"):
                answer = http.get(origin_ + path)
                assert answer.status_code == 302
                assert answer.headers["Location"] == settings.public_url + path
            assert http.post(f"{origin_}/hub/login").status_code == 404
        # A link by path alone leads on, from wherever it is.
        for origin_ in (settings.public_url, origin(course, "alice")):
            answer = http.get(f"{origin_}/services/course/staff/?a=b", follow_redirects=False)
            while str(answer.next_request.url).startswith(settings.public_url):
                answer = http.send(answer.next_request)
            leads_to = str(answer.next_request.url)
            assert leads_to == f"{settings.course_origin}/services/course/staff/?a=b"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A hub behind a web server that does https, which is left out here."""
    text = open_course(now=datetime.now(UTC))
    state = tmp_path_factory.mktemp("https")
    deployment = prepare(state, text, subdomains=f"https://{NAME}", visible_tests=False)
    with running_hub(deployment.settings):
        yield deployment


def test_by_https_cookies_are_bound_to_their_origin(secure: Deployment) -> None:
    settings = secure.settings
    cookies: list[str] = []
    alice = Session(settings.public_url, "alice", password("alice"), settings.bind_url)
    alice.http.event_hooks = {
        "response": [lambda answer: cookies.extend(answer.headers.get_list("Set-Cookie"))]
    }
    answer = alice.http.get("/hub/login", follow_redirects=True)
    assert str(answer.url) == f"{settings.course_origin}/services/course/"
    assert "Wang, Wenjie" in answer.text
    for page in (answer, alice.http.get("/hub/home")):
        kept = page.headers["Strict-Transport-Security"]
        assert re.fullmatch(r"max-age=\d{8}; includeSubDomains", kept)
    names = {cookie.name: cookie for cookie in alice.http.cookies.jar}
    assert {"__Host-jupyterhub-hub-login", "__Host-service-course"} <= set(names)
    for cookie in names.values():
        assert cookie.secure, cookie.name
        host = cookie.name.startswith("__Host-")
        assert not host or (cookie.path == "/" and not cookie.domain_specified), cookie.name
        assert host or cookie.name in ("jupyterhub-session-id", "_xsrf"), cookie.name
    assert cookies and all("SameSite=Lax" in line for line in cookies if '=""' not in line)
