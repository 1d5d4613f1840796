"""Signing in at a certified OpenID Connect provider, in Chromium and by hand-made requests."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update

from coursehub.exchange.database import connect, people
from coursehub.hub.process import running_hub
from tests.deployment import Deployment, free_port, open_course, prepare
from tests.e2e.axe import is_accessible
from tests.e2e.pages import PATIENCE, CoursePage, look
from tests.oidc.provider import CLIENT, SECRET, running_provider

BUTTON = "Sign in with Test University"
ACCOUNTS = {
    "alice": {"email": "Alice@Example.EDU", "email_verified": True},
    "another-alice": {"email": "alice@example.edu", "email_verified": True},
    "bob": {"email": "bob@example.edu", "email_verified": False},
    "carol": {"email_verified": True},
    "mallory": {"email": "mallory@example.edu", "email_verified": True},
    "tara": {"email": "tara@example.edu", "email_verified": True},
    "ines": {"email": "ines@example.edu", "email_verified": True},
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    port = free_port()
    deployment = prepare(
        tmp_path_factory.mktemp("oidc"),
        open_course(now=datetime.now(UTC)),
        sign_in="oidc,password",
        oidc_issuer=f"http://127.0.0.1:{port}",
        oidc_client=CLIENT,
        oidc_name="Test University",
        visible_tests=False,
    )
    secret = deployment.settings.oidc_secret_file
    assert secret
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_text(SECRET)
    home = deployment.settings.bind_url
    with running_provider(port, home, ACCOUNTS), running_hub(deployment.settings):
        yield deployment


def arrive(browser: Browser, hub: Deployment, path: str = "/hub/login", **device: object) -> Page:
    """Somebody new at the hub's sign-in page."""
    context = browser.new_context(base_url=hub.settings.bind_url, **device)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(path)
    return page


def sign_in(page: Page, login: str) -> Page:
    """From the hub's sign-in page through the provider's, and back."""
    page.get_by_role("button", name=BUTTON).click()
    page.get_by_placeholder("Enter any login").fill(login)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.wait_for_url(re.compile("/(hub|services)/"))
    return page


def soon(happened: Callable[[], bool]) -> None:
    """Wait until something has happened, a minute at most."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def log(hub: Deployment) -> str:
    return (hub.settings.state / "hub.log").read_text()


def test_a_person_is_found_by_the_verified_address_and_lands_where_they_wanted(
    hub: Deployment, browser: Browser
) -> None:
    page = arrive(browser, hub, "/hub/token")
    look(page, "sign-in")
    is_accessible(page)
    sign_in(page, "alice")
    page.wait_for_url("**/hub/token")
    assert page.request.get("/hub/api/user").json()["name"] == "alice"


@pytest.mark.parametrize(
    ("login", "event", "says"),
    [
        ("bob", "email-unverified", "not verified"),
        ("carol", "claim-missing", "does not tell this course your email"),
        ("mallory", "person-unknown", "not on the list"),
        ("another-alice", "account-collision", "with another account"),
    ],
)
def test_who_is_not_let_in_reads_what_to_do(
    hub: Deployment, browser: Browser, login: str, event: str, says: str
) -> None:
    hub.roster.link(hub.settings.oidc_issuer, "alice", "alice", datetime.now(UTC))
    page = sign_in(arrive(browser, hub), login)
    expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()
    expect(page.get_by_text(says)).to_be_visible()
    expect(page.get_by_role("link", name="cs5260@example.edu")).to_be_visible()
    look(page, f"refused-{event}")
    is_accessible(page)
    case = page.locator("#refused strong").inner_text()
    [line] = [line for line in log(hub).splitlines() if case in line]
    assert f"event={event} case={case}" in line
    assert page.request.get("/hub/api/user").status == 403
    assert not re.search(rf"{login}@|\b{login}\b", log(hub).lower()), "personal data in the log"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_a_phone(hub: Deployment, browser: Browser, scheme: str) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": scheme}
    page = arrive(browser, hub, **phone)
    look(page, f"sign-in-phone-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    sign_in(page, "mallory")
    expect(page.get_by_text("not on the list")).to_be_visible()
    look(page, f"refused-phone-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # Still signed in at the provider, they are asked there who they are all the same.
    page.get_by_role("link", name="Use another account").click()
    expect(page.get_by_placeholder("Enter any login")).to_be_visible()


def test_staff_let_a_new_account_in_by_unlinking(hub: Deployment, browser: Browser) -> None:
    hub.roster.link(hub.settings.oidc_issuer, "alice", "alice", datetime.now(UTC))
    assert hub.roster.unlink("alice") == 1
    page = sign_in(arrive(browser, hub), "another-alice")
    CoursePage.arrive(page)
    hub.roster.unlink("alice")


def test_signing_out_ends_the_session_at_the_provider(hub: Deployment, browser: Browser) -> None:
    page = sign_in(arrive(browser, hub), "ines")
    CoursePage.arrive(page)
    page.goto("/hub/logout")
    page.get_by_role("button", name="Yes, sign me out").click()
    page.wait_for_url("**/hub/login**")
    assert page.request.get("/hub/api/user").status == 403
    page.get_by_role("button", name=BUTTON).click()
    expect(page.get_by_placeholder("Enter any login")).to_be_visible()


def test_a_password_is_another_way_in_on_the_same_page(hub: Deployment, browser: Browser) -> None:
    page = arrive(browser, hub)
    page.get_by_label("Username:").fill("bob")
    page.get_by_label("Password:").fill("bob-secret")
    page.get_by_role("button", name="Sign in", exact=True).click()
    CoursePage.arrive(page)
    page.goto("/hub/logout")
    page.wait_for_url("**/hub/login**")


HOSTILE = [
    "//evil.example/x", "///evil.example", r"/\evil.example", r"\\evil.example", "/\t/evil.example",
    "https:evil.example", "https://evil.example", "javascript:alert(1)", "%2F%2Fevil.example",
    "//127.0.0.1@evil.example/", "/%5Cevil.example", "http://127.0.0.1.evil.example",
]  # fmt: skip


@pytest.fixture(scope="module")
def at_home(hub: Deployment) -> httpx.Client:
    """A browser's worth of cookies, already signed in at the provider as ines."""
    client = httpx.Client(follow_redirects=True, trust_env=False, timeout=30)
    sent = client.get(f"{hub.settings.bind_url}/hub/oauth_login")
    action = re.search(r'action="([^"]+)"', sent.text)
    assert action
    form = {"prompt": "login", "login": "ines", "password": "any"}
    assert client.post(action[1], data=form).status_code == 200
    return client


def callback(client: httpx.Client, hub: Deployment, following: str = "") -> httpx.URL:
    """Begin a sign-in; the address to which the provider sends the browser back."""
    url = f"{hub.settings.bind_url}/hub/oauth_login"
    answer = client.get(url, params={"next": following}, follow_redirects=False)
    while "/hub/oauth_callback" not in (place := str(answer.url.join(answer.headers["location"]))):
        answer = client.get(place, follow_redirects=False)
    return httpx.URL(place)


@pytest.mark.parametrize("wanted", HOSTILE)
def test_the_way_back_stays_on_our_own_site(
    hub: Deployment, at_home: httpx.Client, wanted: str
) -> None:
    landed = at_home.get(callback(at_home, hub, wanted), follow_redirects=False)
    assert landed.status_code == 302
    place = landed.headers["location"]
    assert re.fullmatch(r"/(?![/\\]).*", place), place
    assert urlsplit(place).netloc == ""


@pytest.mark.parametrize("wanted", ["/hub/home", "/user/ines/lab?a=b%20c#d", "/services/course/"])
def test_the_way_back_is_kept(hub: Deployment, at_home: httpx.Client, wanted: str) -> None:
    landed = at_home.get(callback(at_home, hub, wanted), follow_redirects=False)
    assert landed.headers["location"] == wanted


def test_an_answer_counts_once_and_in_its_own_browser(
    hub: Deployment, at_home: httpx.Client
) -> None:
    def refused(client: httpx.Client, url: httpx.URL) -> str:
        answer = client.get(url, follow_redirects=False)
        assert answer.status_code in (400, 403), url
        assert "jupyterhub-hub-login" not in answer.headers.get("set-cookie", "")
        found = re.search(r"<strong>(\w{8})</strong>", answer.text)
        assert found
        [line] = [line for line in log(hub).splitlines() if found[1] in line]
        return line

    back = callback(at_home, hub)
    with httpx.Client(trust_env=False) as stranger:
        assert "state-wrong" in refused(stranger, back)
    assert "state-wrong" in refused(at_home, back.copy_remove_param("state"))
    assert "state-wrong" in refused(at_home, callback(at_home, hub).copy_set_param("state", "%ff"))
    other = callback(at_home, hub).copy_set_param("iss", "https://other.example")
    assert "issuer-of-answer" in refused(at_home, other)
    assert "issuer-of-answer" in refused(at_home, callback(at_home, hub).copy_remove_param("iss"))
    error = callback(at_home, hub).copy_set_param("error", "access_denied")
    assert "provider-says-no" in refused(at_home, error)
    used = callback(at_home, hub)
    assert at_home.get(used, follow_redirects=False).status_code == 302
    assert "state-wrong" in refused(at_home, used)
    # The same code again, in a sign-in that this browser did begin.
    code = parse_qs(urlsplit(str(used)).query)["code"][0]
    again = callback(at_home, hub).copy_set_param("code", code)
    assert "provider-400" in refused(at_home, again)
    assert not [line for line in log(hub).splitlines() if "Hub " in line and quote(code) in line]


def test_who_is_dropped_or_demoted_loses_what_they_have(hub: Deployment, browser: Browser) -> None:
    lab = CoursePage.arrive(sign_in(arrive(browser, hub), "tara")).open_lab("tara")
    status, _ = lab.visit("/user/tara/formgrader/manage_assignments")
    assert status == 200
    token = hub.session("tara").token()
    alice = sign_in(arrive(browser, hub, "/hub/home"), "alice")
    alice.wait_for_url("**/hub/home")

    with connect(str(hub.settings.database)).begin() as connection:
        demoted = update(people).where(people.c.username == "tara").values(role="student")
        connection.execute(demoted)
    hub.roster.drop("alice")

    soon(lambda: "/hub/login" in alice.request.get("/hub/home").url)
    # Jupyter Server tells its version to everybody; the hub, once no server runs, asks who it is.
    soon(lambda: "/hub/login" in lab.page.request.get("/user/tara/api").url)
    with httpx.Client(base_url=hub.settings.bind_url, trust_env=False) as http:
        headers = {"Authorization": f"token {token}"}
        assert http.get("/hub/api/user", headers=headers).status_code == 403
    again = sign_in(arrive(browser, hub, "/hub/home"), "tara")
    again.wait_for_url("**/hub/home")
    model = again.request.get("/hub/api/user").json()
    assert (model["groups"], model["roles"]) == (["nbgrader-cs5260"], ["user"])
    refused = sign_in(arrive(browser, hub), "alice")
    expect(refused.get_by_text("not on the list")).to_be_visible()
