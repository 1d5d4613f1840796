"""Launches from an LMS: who gets in, and every way of getting in wrongly that is refused.

One hub, two platforms that are strict, real keys and signatures, over HTTP.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from coursehub import journal
from coursehub.cli import app
from coursehub.exchange.database import connect
from coursehub.hub.process import running_hub
from coursehub.lti.keys import Key
from tests.deployment import PEOPLE, Deployment, open_course, prepare, print_logs
from tests.lti.browser import Browser, form_of
from tests.lti.platform import (
    ASSISTANT,
    CLAIM,
    DEPLOYMENT,
    DL,
    GONE,
    INSTRUCTOR,
    LEARNER,
    Platform,
    User,
    running,
)

USERS = {
    "7": User("sub-7", "A0100000J"),  # alice
    "8": User("sub-8", "A0100001H"),  # bob
    "9": User("sub-9", "T0000001A", (ASSISTANT, INSTRUCTOR)),  # tara
    "10": User("sub-10", "T0000002B", (INSTRUCTOR,)),  # ines
}
NEW = {"name": "Nora New", "email": "nora@example.edu"}
CONSUMERS = "old-lms a-shared-secret\n"


class Lms:
    """A platform that is registered, and how tests ask it."""

    def __init__(self, deployment: Deployment, platform: Platform) -> None:
        self.deployment, self.platform = deployment, platform
        self.browser = Browser(deployment.settings.bind_url)

    def fresh(self) -> Browser:
        return Browser(self.deployment.settings.bind_url)

    def message(self, browser: Browser, user: str = "7", **wanted: Any) -> tuple[dict, dict, str]:
        """What was asked, the claims of a right message, and the state."""
        asked = browser.begin(self.platform, user, "client-1", **wanted)
        return asked, self.platform.claims(asked), asked["state"]

    def refused(self, answer: httpx.Response, event: str, status: int = 403) -> None:
        """The answer is a refusal, with that event in the log, and nothing about anybody."""
        assert answer.status_code == status, answer.text
        case = re.search(r"mention <strong>(\w+)</strong>", answer.text)
        assert case, answer.text
        [line] = [each for each in self.log().splitlines() if f"case={case[1]}" in each]
        assert re.search(rf"event=(lti-)?{event}( platform=\d+)? case=", line), line
        for user in self.platform.users.values():
            assert user.sub not in line and user.number not in line

    def log(self) -> str:
        return (self.deployment.settings.state / "hub.log").read_text()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    state = tmp_path_factory.mktemp("lti")
    (state / "consumers").write_text(CONSUMERS)
    made = prepare(
        state, open_course(now=datetime.now(UTC)), PEOPLE, sign_in="password,lti13,lti11",
        lti_private=True, lti_enrol=True, lti11_file=state / "consumers", visible_tests=False,
    )  # fmt: skip
    try:
        with running_hub(made.settings):
            yield made
    except BaseException:
        print_logs([state / "hub.log"])
        raise


def command(deployment: Deployment, *words: str) -> str:
    answer = CliRunner().invoke(app, ["lti", *words], env=deployment.settings.environment())
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def register(deployment: Deployment, platform: Platform) -> httpx.Response:
    """What the LMS does with the link that an admin pasted."""
    link = command(deployment, "invite", "--by", "ines").strip()
    return httpx.get(
        link, trust_env=False, timeout=60,
        params={
            "openid_configuration": f"{platform.issuer}/.well-known/openid-configuration",
            "registration_token": "a-registration-token",
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def lms(deployment: Deployment) -> Iterator[Lms]:
    with running(Platform()) as platform:
        platform.users.update(USERS)
        assert register(deployment, platform).status_code == 200
        yield Lms(deployment, platform)
        assert platform.refused == []


@pytest.fixture(scope="module")
def other(deployment: Deployment, lms: Lms) -> Iterator[Lms]:
    with running(Platform(names_deployment=False)) as platform:
        platform.users.update(USERS)
        answer = register(deployment, platform)
        assert "One step is left" in answer.text
        yield Lms(deployment, platform)


# Who gets in


def test_registration_is_one_link(deployment: Deployment, lms: Lms) -> None:
    told = lms.platform.registrations[0]
    assert told["client_name"].startswith("CS5260")
    keys = httpx.get(told["jwks_uri"], trust_env=False).json()["keys"]
    assert len(keys) == 2 and all("d" not in key for key in keys)
    assert "client-1" in command(deployment, "platforms")
    [entry] = journal.entries(connect(str(deployment.settings.database)), did="trust platform")
    assert entry.who == "ines"


def test_a_link_registers_once(deployment: Deployment) -> None:
    with running(Platform()) as platform:
        link = command(deployment, "invite").strip()
        wrong = httpx.get(
            link, trust_env=False, params={"openid_configuration": "http://127.0.0.1:1/"}
        )
        assert wrong.status_code == 400 and "does not answer" in wrong.text
        where = {
            "openid_configuration": f"{platform.issuer}/.well-known/openid-configuration",
            "registration_token": "a-registration-token",
        }
        assert httpx.get(link, trust_env=False, params=where, timeout=60).status_code == 200
        again = httpx.get(link, trust_env=False, params=where)
        assert again.status_code == 400 and "was used already" in again.text
        made_up = httpx.get(link[:-4] + "aaaa", trust_env=False, params=where)
        assert made_up.status_code == 400
        # The embedded form's proxy logs what fails by itself, before and beside the hub.
        log = (deployment.settings.state / "hub.log").read_text().splitlines()
        ours = "\n".join(line for line in log if "tornado.access" not in line)
        assert link.rpartition("/")[2] not in ours
        assert len(platform.registrations) == 1


@pytest.mark.parametrize(
    ("user", "name", "where"),
    [
        ("7", "alice", "/hub/user-redirect/coursehub/open?assignment=assignment_1"),
        ("10", "ines", "/services/course/staff/assignments/assignment_1"),
        ("9", "tara", "/services/course/staff/assignments/assignment_1"),
    ],
)
def test_a_launch_opens_the_assignment(lms: Lms, user: str, name: str, where: str) -> None:
    browser = lms.fresh()
    answer = browser.launch(lms.platform, user, custom={"assignment": "assignment_1"})
    assert browser.land(answer) == where
    assert browser.user() == name
    groups = {"alice": "nbgrader-cs5260"}.get(name, "formgrade-cs5260")
    assert browser.http.get("/hub/api/user").json()["groups"] == [groups]


def test_no_request_of_a_launch_lacks_an_xsrf_token(lms: Lms) -> None:
    """ltiauthenticator #118: a sign-in over another one's cookies ended in a 403."""
    browser = lms.fresh()
    for user, name in (("7", "alice"), ("8", "bob"), ("8", "bob"), ("7", "alice")):
        browser.land(browser.launch(lms.platform, user))
        assert browser.user() == name
    assert "_xsrf" not in "".join(re.findall("sign-in refused.*|403 .*_xsrf.*", lms.log()))


def test_the_next_one_at_this_browser_does_not_see_the_first_ones_pages(lms: Lms) -> None:
    browser = lms.fresh()
    browser.land(browser.launch(lms.platform, "7"))
    assert "Wang, Wenjie" in browser.follow("/services/course/").text
    browser.land(browser.launch(lms.platform, "8"))
    page = browser.follow("/services/course/").text
    assert "Bob Tan" in page and "Wenjie" not in page


def test_two_tabs_at_once(lms: Lms) -> None:
    browser = lms.fresh()
    first, second = (browser.begin(lms.platform, "7", "client-1") for _ in range(2))
    for asked in (first, second):
        browser.land(browser.bring(browser.ask(lms.platform, asked)))


def test_a_target_of_our_own_is_opened(lms: Lms) -> None:
    browser = lms.fresh()
    target = f"{browser.hub}/services/course/?said=x"
    answer = browser.launch(lms.platform, "7", target=target)
    assert browser.land(answer) == "/services/course/?said=x"


def test_the_rosters_role_wins(lms: Lms) -> None:
    lms.platform.users["7i"] = User("sub-7", "A0100000J", (INSTRUCTOR,))
    browser = lms.fresh()
    browser.land(browser.launch(lms.platform, "7i"))
    model = browser.http.get("/hub/api/user").json()
    assert model["groups"] == ["nbgrader-cs5260"] and "instructor" not in model["roles"]
    lms.refused(browser.launch(lms.platform, "7i", deep_linking=True), "deep-linking-not-allowed")


def test_each_launch_brings_the_role_that_the_roster_has_by_then(
    deployment: Deployment, lms: Lms
) -> None:
    """Also of somebody whom the hub knows: a launch writes nothing only while all is the same."""
    header, *rows = PEOPLE.splitlines()
    [bob] = [row for row in rows if row.startswith("bob,")]
    for role, group in (("student", "nbgrader"), ("ta", "formgrade"), ("student", "nbgrader")):
        changed_row = f"{bob.rpartition(',')[0]},{role}"
        deployment.roster.import_csv(f"{header}\n{changed_row}\n")
        browser = lms.fresh()
        browser.land(browser.launch(lms.platform, "8"))
        assert browser.http.get("/hub/api/user").json()["groups"] == [f"{group}-cs5260"]


# Deep linking


def test_an_instructor_adds_links(deployment: Deployment, lms: Lms) -> None:
    browser = lms.fresh()
    answer = browser.launch(lms.platform, "10", deep_linking=True)
    assert answer.status_code == 200 and "Assignment 3" in answer.text
    assert "frame-ancestors *" in answer.headers["Content-Security-Policy"]
    request = form_of(answer.text)["request"]
    where = f"{browser.hub}/hub/lti13/deep-linking"
    chosen = {"request": request, "assignment": ["assignment_3", "assignment_1", "assignment_99"]}
    answer = browser.http.post(where, data=chosen)
    assert f'action="{lms.platform.issuer}/return"' in answer.text
    token = form_of(answer.text)["JWT"]
    accepted = httpx.post(f"{lms.platform.issuer}/return", data={"JWT": token}, trust_env=False)
    assert "2 added" in accepted.text, accepted.text
    one, three = lms.platform.answers[-1][f"{DL}content_items"]
    assert one["custom"] == {"assignment": "assignment_1"}
    assert three["lineItem"]["resourceId"] == "assignment_3"
    assert three["submission"]["endDateTime"].startswith("2021-02-")
    assert "yes" in command(deployment, "contexts")
    spoilt = browser.http.post(where, data={**chosen, "request": request[:-1] + "x"})
    lms.refused(spoilt, "state-missing")


@pytest.mark.parametrize("user", ["7", "9"])
def test_others_add_no_links(lms: Lms, user: str) -> None:
    answer = lms.fresh().launch(lms.platform, user, deep_linking=True)
    lms.refused(answer, "deep-linking-not-allowed")


def test_in_a_frame_a_launch_offers_a_tab_and_choosing_goes_on(lms: Lms) -> None:
    framed = {"Sec-Fetch-Dest": "iframe"}
    login = lms.platform.clients["client-1"].login_uri
    told = lms.platform.initiation("client-1", "7")
    page = lms.fresh().http.post(login, data=told, headers=framed)
    assert page.status_code == 200 and 'target="_blank"' in page.text
    assert form_of(page.text) == told and "coursehub-lti" not in page.headers["Set-Cookie"]
    told = lms.platform.initiation("client-1", "10", deep_linking=True)
    assert lms.fresh().http.post(login, data=told, headers=framed).status_code == 302


# Messages that prove too little


def changed(lms: Lms, **changes: Any) -> httpx.Response:
    """A launch with some claims changed, signed as it should be."""
    browser = lms.fresh()
    asked, _, state = lms.message(browser)
    claims = lms.platform.claims(asked, **changes)
    return browser.bring({"id_token": lms.platform.sign(claims), "state": state})


NOW = int(time.time())
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("issuer", {"iss": "https://other.example.edu"}),
    ("audience", {"aud": "somebody-else"}),
    ("audience", {"aud": GONE}),
    ("authorized-party", {"aud": ["client-1", "somebody-else"]}),
    ("authorized-party", {"aud": ["client-1", "x"], "azp": "somebody-else"}),
    ("authorized-party", {"azp": "somebody-else"}),
    ("expired", {"iat": NOW - 500, "exp": NOW - 120}),
    ("too-old", {"iat": NOW - 3600, "exp": NOW + 3600}),
    ("from-the-future", {"iat": NOW + 3600, "exp": NOW + 7200}),
    ("from-the-future", {"nbf": NOW + 3600, "exp": NOW + 7200}),
    ("times-missing", {"exp": GONE}),
    ("times-missing", {"iat": "now"}),
    ("times-missing", {"exp": True}),
    ("nonce-foreign", {"nonce": "another"}),
    ("nonce-foreign", {"nonce": GONE}),
    ("deployment-unknown", {f"{CLAIM}deployment_id": "another"}),
    ("deployment-unknown", {f"{CLAIM}deployment_id": GONE}),
    ("deployment-unknown", {f"{CLAIM}deployment_id": [DEPLOYMENT]}),
    ("version", {f"{CLAIM}version": "1.1"}),
    ("message-type", {f"{CLAIM}message_type": "LtiSubmissionReviewRequest"}),
    ("message-type", {f"{CLAIM}message_type": GONE}),
    ("sub-missing", {"sub": GONE}),
    ("sub-missing", {"sub": ""}),
    ("sub-missing", {"sub": 7}),
    ("roles-missing", {f"{CLAIM}roles": GONE}),
    ("resource-link-missing", {f"{CLAIM}resource_link": {}}),
    ("context-missing", {f"{CLAIM}context": {"title": "nameless"}}),
    ("target-foreign", {f"{CLAIM}target_link_uri": "https://evil.example.com/"}),
    ("target-foreign", {f"{CLAIM}target_link_uri": "javascript:alert(1)"}),
    ("claim-missing", {f"{CLAIM}lis": GONE}),
    ("claim-missing", {f"{CLAIM}lis": {"person_sourcedid": "$Person.sourcedId"}}),
    ("person-unknown", {"sub": "new", f"{CLAIM}lis": {"person_sourcedid": "X1"},
                        f"{CLAIM}roles": [LEARNER], f"{CLAIM}context": GONE}),
    ("account-collision", {"sub": "sub-8"}),
    ("assignment-unknown", {f"{CLAIM}custom": {"assignment": "assignment_99"}}),
]  # fmt: skip


@pytest.mark.parametrize(("event", "changes"), WRONG)
def test_a_wrong_message(lms: Lms, event: str, changes: dict[str, Any]) -> None:
    if event == "account-collision":  # bob has been here before
        browser = lms.fresh()
        browser.land(browser.launch(lms.platform, "8"))
    status = 404 if event == "assignment-unknown" else 403
    lms.refused(changed(lms, **changes), event, status)


def test_somebody_elses_account_takes_nobodys_place(lms: Lms) -> None:
    browser = lms.fresh()
    browser.land(browser.launch(lms.platform, "7"))
    lms.refused(changed(lms, sub="mallory"), "account-collision")


def test_a_little_skew_is_borne(lms: Lms) -> None:
    now = int(time.time())
    assert changed(lms, iat=now + 40, exp=now + 300).status_code == 303
    assert changed(lms, iat=now - 100, exp=now - 40).status_code == 303


def test_a_replayed_launch(lms: Lms) -> None:
    browser = lms.fresh()
    _, claims, state = lms.message(browser)
    cookies = httpx.Cookies(browser.http.cookies)
    form = {"id_token": lms.platform.sign(claims), "state": state}
    browser.land(browser.bring(form))
    lms.refused(browser.bring(form), "state-missing")
    browser.http.cookies = cookies  # with the cookie too, it was used
    lms.refused(browser.bring(form), "nonce-spent")


def test_a_message_with_a_spent_nonce(lms: Lms) -> None:
    browser = lms.fresh()
    asked, claims, state = lms.message(browser)
    cookies = httpx.Cookies(browser.http.cookies)
    browser.land(browser.bring({"id_token": lms.platform.sign(claims), "state": state}))
    browser.http.cookies = cookies
    anew = lms.platform.sign(lms.platform.claims(asked, sub="sub-9"))
    lms.refused(browser.bring({"id_token": anew, "state": state}), "nonce-spent")


def test_a_forged_message_spends_no_nonce(lms: Lms) -> None:
    browser = lms.fresh()
    _, claims, state = lms.message(browser)
    cookies = httpx.Cookies(browser.http.cookies)
    forged = jwt.encode(
        claims, Key.generate().private, "RS256", headers={"kid": lms.platform.key.kid}
    )
    lms.refused(browser.bring({"id_token": forged, "state": state}), "signature")
    browser.http.cookies = cookies
    browser.land(browser.bring({"id_token": lms.platform.sign(claims), "state": state}))


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (json.dumps(each).encode() for each in (header, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def forge(lms: Lms, kind: str, claims: dict[str, Any]) -> str:
    key = lms.platform.key
    if kind == "none":
        return unsigned({"alg": "none", "kid": key.kid}, claims) + "."
    if kind == "none without kid":
        return unsigned({"alg": "NONE"}, claims) + "."
    if kind == "HS256 with the public key":
        public = key.private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        body = unsigned({"alg": "HS256", "kid": key.kid}, claims)
        digest = hmac.new(public, body.encode(), hashlib.sha256).digest()
        return f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    if kind == "RS512":
        return jwt.encode(claims, key.private, "RS512", headers={"kid": key.kid})
    if kind == "own key in the header":
        own = Key.generate()
        headers = {"kid": own.kid, "jwk": own.public_jwk, "jku": "http://127.0.0.1:1/jwks"}
        return jwt.encode(claims, own.private, "RS256", headers=headers)
    if kind == "no kid":
        return jwt.encode(claims, key.private, "RS256")
    return {"no token": "", "garbage": "a.b.c"}[kind]


FORGED = {
    "none": "algorithm", "none without kid": "algorithm",
    "HS256 with the public key": "algorithm", "RS512": "algorithm",
    "own key in the header": "key-unknown", "no kid": "key-missing", "no token": "malformed",
    "garbage": "malformed",
}  # fmt: skip


@pytest.mark.parametrize(("kind", "event"), FORGED.items())
def test_a_forged_signature(lms: Lms, kind: str, event: str) -> None:
    browser = lms.fresh()
    _, claims, state = lms.message(browser)
    lms.refused(browser.bring({"id_token": forge(lms, kind, claims), "state": state}), event)


def test_a_key_of_another_platform(lms: Lms, other: Lms) -> None:
    browser = lms.fresh()
    _, claims, state = lms.message(browser)
    token = other.platform.key.sign(claims)
    lms.refused(browser.bring({"id_token": token, "state": state}), "key-unknown")
    token = jwt.encode(
        claims, other.platform.key.private, "RS256", headers={"kid": lms.platform.key.kid}
    )
    _, _, state = lms.message(browser)
    lms.refused(browser.bring({"id_token": token, "state": state}), "signature")


def test_another_platform_speaks_for_itself_alone(
    deployment: Deployment, lms: Lms, other: Lms
) -> None:
    browser = other.fresh()
    browser_of_other = browser.begin(other.platform, "7", "client-1")
    claims = other.platform.claims(browser_of_other, iss=lms.platform.issuer)
    form = {"id_token": other.platform.sign(claims), "state": browser_of_other["state"]}
    other.refused(browser.bring(form), "issuer")
    other.refused(browser.launch(other.platform, "7"), "deployment-unknown")
    number = command(deployment, "platforms").count("client-1") and re.search(
        rf"(\d+) +strict at [\d.]+ +{re.escape(other.platform.issuer)[:12]}",
        command(deployment, "platforms"),
    )
    assert number
    numbers = re.findall(r"^ ?(\d+) ", command(deployment, "platforms"), re.M)
    command(deployment, "deployments", numbers[-1], "--add", DEPLOYMENT)
    browser.land(browser.launch(other.platform, "7"))
    assert browser.user() == "alice"


def test_a_rotated_key_works_and_the_old_one_does_not(lms: Lms) -> None:
    old = lms.platform.key
    browser = lms.fresh()
    lms.platform.rotate()
    asked = lms.platform.key_requests
    deadline = time.monotonic() + 20
    while (answer := browser.launch(lms.platform, "7")).status_code != 303:
        # The hub asks a platform for its keys every ten seconds at most.
        lms.refused(answer, "key-unknown")
        assert time.monotonic() < deadline
        time.sleep(1)
    assert lms.platform.key_requests == asked + 1
    _, claims, state = lms.message(browser)
    lms.refused(browser.bring({"id_token": old.sign(claims), "state": state}), "key-unknown")


# Browsers that were sent by somebody else


def test_a_message_that_this_browser_did_not_ask_for(lms: Lms) -> None:
    attacker, victim = lms.fresh(), lms.fresh()
    form = attacker.ask(lms.platform, attacker.begin(lms.platform, "8", "client-1"))
    lms.refused(victim.bring(form), "state-missing")
    own = victim.begin(lms.platform, "7", "client-1")
    lms.refused(victim.bring({**form, "state": own["state"]}), "nonce-foreign")
    lms.refused(victim.bring({"id_token": form["id_token"]}), "state-missing")
    assert victim.user() is None


def test_a_made_up_state_cookie(lms: Lms) -> None:
    browser = lms.fresh()
    form = browser.ask(lms.platform, browser.begin(lms.platform, "7", "client-1"))
    for cookie in list(browser.http.cookies.jar):
        if cookie.name.startswith("coursehub-lti-"):
            browser.http.cookies.set(
                cookie.name, (cookie.value or "")[:-2] + "xx", cookie.domain, cookie.path
            )
    lms.refused(browser.bring(form), "state-missing")


def test_no_ticket_no_entrance(lms: Lms) -> None:
    lms.refused(lms.fresh().http.get("/hub/lti13/enter"), "state-missing")


TARGETS = (
    "https://evil.example.com/", "//evil.example.com/", "{hub}.evil.example.com/", "javascript:x",
    "{hub}@evil.example.com/", "{hub}/\\evil.example.com", "/hub/home", "{hub}/\thub",
)  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_a_hostile_target(lms: Lms, target: str) -> None:
    browser = lms.fresh()
    target = target.format(hub=browser.hub)
    told = lms.platform.initiation("client-1", "7", target=target)
    login = lms.platform.clients["client-1"].login_uri
    lms.refused(browser.http.get(login, params=told), "target-foreign")
    lms.refused(changed(lms, **{f"{CLAIM}target_link_uri": target}), "target-foreign")


@pytest.mark.parametrize(
    ("change", "event"),
    [
        ({"iss": "https://evil.example.com"}, "platform-unknown"),
        ({"client_id": "client-99"}, "platform-unknown"),
        ({"login_hint": ""}, "login-incomplete"),
        ({"iss": ""}, "login-incomplete"),
    ],
)
def test_a_wrong_login_initiation(lms: Lms, change: dict[str, str], event: str) -> None:
    told = lms.platform.initiation("client-1", "7") | change
    login = lms.platform.clients["client-1"].login_uri
    lms.refused(lms.fresh().http.post(login, data=told), event)


def test_the_lms_says_no(lms: Lms) -> None:
    browser = lms.fresh()
    asked = browser.begin(lms.platform, "7", "client-1")
    answer = browser.bring({"error": "login_required", "state": asked["state"]})
    lms.refused(answer, "platform-refused")


# People whom the roster does not have


@pytest.mark.parametrize(
    "roles",
    [
        [],
        ["Learner"],
        [f"{LEARNER}x"],
        [f"x{INSTRUCTOR}"],
        ["http://purl.imsglobal.org/vocab/lis/v2/institution/person#Instructor"],
        ["http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator"],
        ["http://purl.imsglobal.org/vocab/lis/v2/membership/Learner#Instructor"],
        [{"role": INSTRUCTOR}],
    ],
)
def test_what_looks_like_a_role_enters_nobody(deployment: Deployment, lms: Lms, roles: Any) -> None:
    adopt(deployment, lms)
    answer = changed(
        lms, sub="sub-new", **{f"{CLAIM}roles": roles, f"{CLAIM}lis": {"person_sourcedid": "N77"}},
        **NEW,
    )  # fmt: skip
    lms.refused(answer, "person-unknown")


@pytest.mark.parametrize(
    ("roles", "role"),
    [([LEARNER], "student"), ([INSTRUCTOR, ASSISTANT], "ta"), ([INSTRUCTOR], "instructor")],
)
def test_our_course_of_the_lms_enters_people(
    deployment: Deployment, lms: Lms, roles: list[str], role: str
) -> None:
    adopt(deployment, lms)
    number, name = f"E-{role}", f"new.{role}"
    told = {
        "sub": f"new-{role}", "name": f"New {role}", "email": f"{name}@example.edu",
        f"{CLAIM}roles": roles, f"{CLAIM}lis": {"person_sourcedid": number},
    }  # fmt: skip
    elsewhere = {**told, f"{CLAIM}context": {"id": "another-course"}}
    lms.refused(changed(lms, **elsewhere), "person-unknown")
    lms.refused(changed(lms, **{**told, "email": GONE}), "cannot-enter")
    lms.refused(changed(lms, **{**told, "email": "alice@example.edu"}), "cannot-enter")
    assert changed(lms, **told).status_code == 303
    person = deployment.roster.find(name)
    assert person and (person.role, person.number) == (role, number)
    [entry] = journal.entries(connect(str(deployment.settings.database)), about=name)
    assert (entry.who, entry.did, entry.after) == ("LMS 1", "enter", {"role": role})
    assert changed(lms, **{**told, f"{CLAIM}roles": [LEARNER]}).status_code == 303
    assert deployment.roster.find(name) == person


def adopt(deployment: Deployment, lms: Lms) -> None:
    browser = lms.fresh()
    browser.land(browser.launch(lms.platform, "7"))
    command(deployment, "contexts", "--adopt", "1", "--by", "ines")


# Nothing about anybody


def test_the_log_tells_nothing_about_people(lms: Lms) -> None:
    told = lms.platform.initiation("client-1", "7")
    login = lms.platform.clients["client-1"].login_uri
    lms.fresh().http.get(login, params=told | {"login_hint": "alice-in-person"})
    log = lms.log()
    assert "alice-in-person" not in log and told["lti_message_hint"] not in log
    assert not re.search(r"A0100000J|sub-7\b|alice@example|id_token=|eyJ", log)


# LTI 1.1


def old_form(hub: str, **changes: str) -> dict[str, str]:
    """A form as an old LMS signs it (OAuth 1.0, HMAC-SHA1)."""
    from oauthlib.oauth1.rfc5849 import Client, signature

    form = {
        "lti_message_type": "basic-lti-launch-request", "lti_version": "LTI-1p0",
        "resource_link_id": "link", "user_id": "old-7", "roles": "Learner",
        "lis_person_sourcedid": "A0100000J", "custom_assignment": "assignment_1",
        "oauth_consumer_key": "old-lms", "oauth_nonce": secrets.token_hex(8),
        "oauth_timestamp": str(int(time.time())), "oauth_version": "1.0",
        "oauth_signature_method": "HMAC-SHA1", "oauth_callback": "about:blank",
        "resource_link_title": "Assignment 1", "context_id": "old-course",
        "context_label": "CS5260", "context_title": "Deep Learning",
    }  # fmt: skip
    secret = changes.pop("secret", "a-shared-secret")
    form |= changes
    base = signature.signature_base_string(
        "POST",
        signature.base_string_uri(f"{hub}/hub/lti/launch"),
        signature.normalize_parameters(list(form.items())),
    )
    client = Client(client_key=form["oauth_consumer_key"], client_secret=secret)
    return {**form, "oauth_signature": signature.sign_hmac_sha1_with_client(base, client)}


def test_an_old_lms(lms: Lms) -> None:
    browser = lms.fresh()
    form = old_form(browser.hub)
    answer = browser.http.post("/hub/lti/launch", data=form)
    assert browser.land(answer) == "/hub/user-redirect/coursehub/open?assignment=assignment_1"
    assert browser.user() == "alice"
    lms.refused(lms.fresh().http.post("/hub/lti/launch", data=form), "nonce-spent")


@pytest.mark.parametrize(
    ("changes", "event"),
    [
        ({"secret": "guessed"}, "form-untrue"),
        ({"oauth_consumer_key": "unknown"}, "form-untrue"),
        ({"oauth_timestamp": "1600000000"}, "form-untrue"),
        ({"oauth_timestamp": "soon"}, "form-untrue"),
        ({"user_id": ""}, "form-untrue"),
        ({"user_id": "mallory"}, "account-collision"),
        ({"lis_person_sourcedid": ""}, "claim-missing"),
        ({"lis_person_sourcedid": "X9"}, "person-unknown"),
    ],
)
def test_a_wrong_old_form(lms: Lms, changes: dict[str, str], event: str) -> None:
    browser = lms.fresh()
    if event == "account-collision":
        browser.http.post("/hub/lti/launch", data=old_form(browser.hub))
    answer = lms.fresh().http.post("/hub/lti/launch", data=old_form(browser.hub, **changes))
    lms.refused(answer, event)


def test_a_form_changed_after_it_was_signed(lms: Lms) -> None:
    browser = lms.fresh()
    form = old_form(browser.hub) | {"lis_person_sourcedid": "T0000002B"}
    lms.refused(browser.http.post("/hub/lti/launch", data=form), "form-untrue")


def test_keys_of_the_tool_rotate_under_a_running_hub(
    deployment: Deployment, lms: Lms, tmp_path: Path
) -> None:
    where = lms.platform.registrations[0]["jwks_uri"]
    before = httpx.get(where, trust_env=False).json()["keys"]
    command(deployment, "rotate-key")
    after = httpx.get(where, trust_env=False).json()["keys"]
    assert [key["kid"] for key in after][::2] == [before[1]["kid"], before[0]["kid"]]
    test_an_instructor_adds_links(deployment, lms)
