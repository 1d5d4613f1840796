"""What a launch must prove, rule by rule: roles, targets, times, nonces, keys, addresses."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursehub.course.load import load_course
from coursehub.errors import LtiError
from coursehub.exchange.database import connect
from coursehub.lti import claims
from coursehub.lti.contexts import Contexts
from coursehub.lti.deep_linking import answer, item, wishes
from coursehub.lti.fetching import Fetcher, is_public
from coursehub.lti.keys import Key, Keys
from coursehub.lti.keysets import KEPT, PAUSE, KeySets, read_keys
from coursehub.lti.launch import (
    MAX_AGE,
    SKEW,
    Expected,
    Launch,
    LaunchRefused,
    check,
    on_site,
)
from coursehub.lti.nonces import Nonces
from coursehub.lti.platforms import Deployment, Platform, Platforms
from coursehub.lti.registration import VALID, Invitations, read_configuration
from coursehub.settings import CHECKOUT

NOON = datetime(2021, 2, 5, 12, tzinfo=UTC)
SITE = "https://hub.example.edu/"
KEY = Key.generate()
PLATFORM = {
    "name": "Moodle", "issuer": "https://lms.example.edu", "client_id": "tool-1",
    "auth_login_url": "https://lms.example.edu/auth", "token_url": "https://lms.example.edu/token",
    "jwks_url": "https://lms.example.edu/jwks", "token_audience": None,
}  # fmt: skip


# Roles

ROLE = st.one_of(
    st.text(max_size=80),
    st.sampled_from([claims.INSTRUCTOR, claims.LEARNER, *claims.ASSISTANTS]).map(lambda r: r[:-1]),
    st.sampled_from([claims.INSTRUCTOR, claims.LEARNER]).map(lambda r: f"{r} "),
    st.sampled_from([claims.INSTRUCTOR, claims.LEARNER]).map(str.lower),
    st.integers(),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=1),
)
KNOWN = {claims.INSTRUCTOR, claims.LEARNER, *claims.ASSISTANTS}


@given(st.lists(ROLE.filter(lambda role: not isinstance(role, str) or role not in KNOWN)))
def test_nothing_but_whole_names_makes_a_role(roles: list[Any]) -> None:
    assert claims.role_of(roles) is None


@given(st.lists(st.sampled_from(sorted(KNOWN)), min_size=1), st.lists(st.text(max_size=60)))
def test_an_assistant_is_no_instructor(roles: list[str], others: list[str]) -> None:
    found = claims.role_of([*others, *roles, *others])
    if set(roles) & claims.ASSISTANTS:
        assert found == "ta"
    else:
        assert found == ("instructor" if claims.INSTRUCTOR in roles else "student")


# Targets


@given(st.text())
def test_a_target_stays_on_our_site(text: str) -> None:
    if on_site(text, SITE):
        assert text.startswith("https://hub.example.edu/") or text == "https://hub.example.edu"


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://hub.example.edu/", True),
        ("https://hub.example.edu", True),
        ("https://hub.example.edu/hub/lti13/link?x=1#y", True),
        ("http://hub.example.edu/", False),
        ("https://hub.example.edu:444/", False),
        ("https://hub.example.edu.evil.com/", False),
        ("https://hub.example.edu@evil.com/", False),
        ("https://hub.example.edu\\@evil.com/", False),
        (" https://hub.example.edu/", False),
        ("https://[", False),
        ("//hub.example.edu/", False),
    ],
)
def test_targets(url: str, fine: bool) -> None:
    assert on_site(url, SITE) is fine


# Messages


@pytest.fixture
def world(tmp_path: Path) -> tuple[Platforms, Nonces, Contexts, Platform]:
    engine = connect(f"sqlite:///{tmp_path / 'course.sqlite'}")
    platforms = Platforms(engine)
    platform = platforms.add(PLATFORM, "ines", NOON, "1")
    return platforms, Nonces(engine), Contexts(engine), platform


def message(**changes: Any) -> dict[str, Any]:
    seconds = int(NOON.timestamp())
    told = {
        "iss": PLATFORM["issuer"], "aud": "tool-1", "sub": "7", "nonce": "n",
        "iat": seconds, "exp": seconds + 300,
        claims.VERSION: "1.3.0", claims.MESSAGE_TYPE: claims.RESOURCE_LINK_REQUEST,
        claims.DEPLOYMENT_ID: "1", claims.TARGET_LINK_URI: f"{SITE}hub/lti13/link",
        claims.ROLES: [claims.LEARNER], claims.RESOURCE_LINK: {"id": "link-1"},
        claims.CONTEXT: {"id": "course", "title": "Deep Learning"},
    }  # fmt: skip
    return told | changes


def checked(world: Any, now: datetime = NOON, **changes: Any) -> Launch:
    platforms, nonces, _, platform = world
    token = KEY.sign(message(**changes))
    public = KEY.private.public_key()
    nonce = str(changes.get("nonce", "n"))
    return check(token, public, platform, Expected(nonce, SITE), platforms, nonces, now)


@given(late=st.timedeltas(timedelta(0), timedelta(hours=2)))
def test_a_message_holds_until_it_ends_and_a_little_longer(late: timedelta) -> None:
    class Known:
        def deployment(self, *_: object) -> Deployment:
            return Deployment(1, 1, "1")

        def spend(self, *_: object) -> bool:
            return True

    def event() -> str | None:
        try:
            checked((Known(), Known(), None, Platform(1, **PLATFORM)), NOON + late)
        except LaunchRefused as error:
            return error.event
        return None

    assert event() == ("expired" if late > timedelta(seconds=300) + SKEW else None)


def test_a_nonce_is_remembered_for_as_long_as_its_message_holds(world: Any) -> None:
    checked(world)
    last = NOON + timedelta(seconds=300) + SKEW
    with pytest.raises(LaunchRefused) as refused:
        checked(world, last)
    assert refused.value.event == "nonce-spent"
    far = int((NOON + timedelta(days=300)).timestamp())
    checked(world, nonce="m", exp=far)
    with pytest.raises(LaunchRefused) as refused:
        checked(world, NOON + MAX_AGE + SKEW, nonce="m", exp=far)
    assert refused.value.event == "nonce-spent"


def test_spent_nonces_are_forgotten_once_they_are_of_no_use(world: Any) -> None:
    _, nonces, _, _ = world
    assert nonces.spend("lms", "a", NOON, NOON)
    assert nonces.spend("other", "a", NOON, NOON)
    assert not nonces.spend("lms", "a", NOON, NOON)
    later = NOON + timedelta(minutes=1, seconds=1)
    assert nonces.spend("lms", "b", later, later)
    assert nonces.spend("lms", "a", later, later)


def test_launches_tell_of_courses_and_links(world: Any) -> None:
    _, _, contexts, _ = world
    grades = {
        "lineitems": "https://lms.example.edu/items", "lineitem": "https://lms.example.edu/items/1",
        "scope": ["https://purl.imsglobal.org/spec/lti-ags/scope/score", 7],
    }  # fmt: skip
    custom = {claims.CUSTOM: {"assignment": "assignment_1"}}
    context = contexts.learn(checked(world, **{claims.GRADES: grades, **custom}), NOON)
    assert context.lineitems_url == "https://lms.example.edu/items"
    assert context.scopes == ("https://purl.imsglobal.org/spec/lti-ags/scope/score",)
    assert contexts.links(context.number) == {"link-1": "assignment_1"}
    renamed = {claims.CONTEXT: {"id": "course", "title": "Deeper"}, claims.GRADES: grades}
    again = contexts.learn(checked(world, nonce="2", **renamed, **custom), NOON)
    assert (again.number, again.title) == (context.number, "Deeper")
    contexts.adopt(context.number, "ines", NOON)
    assert contexts.learn(checked(world, nonce="3"), NOON).ours
    assert len(contexts.all()) == 1


# Keys of platforms


class Published:
    """A platform's key set, which counts who asks."""

    def __init__(self, *keys: Key) -> None:
        self.keys, self.asked, self.away = list(keys), 0, False

    async def get(self, _url: str) -> dict[str, Any]:
        self.asked += 1
        if self.away:
            raise LtiError("does not answer")
        return {"keys": [key.public_jwk for key in self.keys]}


def event_of(sets: KeySets, kid: str, now: datetime) -> str | None:
    try:
        asyncio.run(sets.find("https://lms/jwks", kid, now))
    except LaunchRefused as error:
        return error.event
    return None


def test_a_set_is_asked_for_when_it_is_new_old_or_lacks_a_key() -> None:
    old, new = KEY, Key.generate()
    published = Published(old)
    sets = KeySets(published)  # type: ignore[arg-type]
    assert [event_of(sets, old.kid, NOON) for _ in range(50)] == [None] * 50
    assert published.asked == 1
    published.keys = [new]
    for _ in range(50):
        assert event_of(sets, new.kid, NOON + PAUSE) == "key-unknown"
    assert published.asked == 1
    later = NOON + PAUSE + timedelta(seconds=1)
    assert event_of(sets, new.kid, later) is None
    assert event_of(sets, old.kid, later) == "key-unknown"
    assert published.asked == 2


def test_a_platform_that_is_away_is_trusted_for_a_while() -> None:
    published = Published(KEY)
    sets = KeySets(published)  # type: ignore[arg-type]
    assert event_of(sets, KEY.kid, NOON) is None
    published.away = True
    assert event_of(sets, KEY.kid, NOON + KEPT) is None
    assert event_of(sets, KEY.kid, NOON + KEPT + PAUSE) == "keys-unreachable"
    asked = published.asked
    assert event_of(sets, KEY.kid, NOON + KEPT + PAUSE) == "keys-unreachable"
    assert published.asked == asked
    published.away = False
    assert event_of(sets, KEY.kid, NOON + KEPT + 3 * PAUSE) is None


def test_only_rsa_keys_for_signatures_count() -> None:
    good = KEY.public_jwk
    others = [
        {**good, "use": "enc"}, {**good, "alg": "RS512"}, {**good, "kid": 7}, {**good, "n": "AQAB"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "x"}, {"kty": "RSA"}, "no key", None,
    ]  # fmt: skip
    assert read_keys({"keys": others}) == {}
    assert list(read_keys({"keys": [*others, good]})) == [KEY.kid]
    assert read_keys({"keys": "none"}) == read_keys({}) == {}


# Addresses


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "::1",
     "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "2002:0a00:0001::", "224.0.0.1", "100.64.0.1"],
)  # fmt: skip
def test_addresses_of_our_own_networks(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888"])
def test_addresses_of_the_internet(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://lms.example.edu/", "no https"),
        ("https://127.0.0.1/", "private network"),
        ("https://localhost/", "private network"),
        ("https://[::1]/", "private network"),
        ("https://2130706433/", "private network"),
        ("https://user@8.8.8.8/", "names no host"),
        ("file:///etc/passwd", "no https"),
        ("https://", "names no host"),
        ("https://8.8.8.8:notaport/", "is no address"),
    ],
)
def test_what_is_never_asked(url: str, problem: str) -> None:
    began = time.monotonic()
    with pytest.raises(LtiError, match=problem):
        asyncio.run(Fetcher().get(url))
    assert time.monotonic() - began < 5


# Registration and deep linking


def configuration(**changes: Any) -> dict[str, Any]:
    issuer = "https://lms.example.edu"
    found = {
        "issuer": issuer, "authorization_endpoint": f"{issuer}/auth", "jwks_uri": f"{issuer}/jwks",
        "token_endpoint": f"{issuer}/token", "registration_endpoint": f"{issuer}/register",
        "id_token_signing_alg_values_supported": ["RS256"],
    }  # fmt: skip
    return found | changes


@pytest.mark.parametrize(
    ("changes", "url", "problem"),
    [
        ({}, "https://evil.example.com/config", "speaks for"),
        ({"issuer": "https://evil.example.com"}, "https://lms.example.edu/config", "speaks for"),
        ({}, "http://lms.example.edu/config", "speaks for"),
        ({"jwks_uri": None}, "https://lms.example.edu/config", "has no jwks_uri"),
        ({"jwks_uri": "file:///x"}, "https://lms.example.edu/config", "has no jwks_uri"),
        (
            {"id_token_signing_alg_values_supported": ["HS256"]},
            "https://lms.example.edu/config",
            "does not sign",
        ),
    ],
)
def test_a_configuration_speaks_for_its_own_host(
    changes: dict[str, Any], url: str, problem: str
) -> None:
    with pytest.raises(LtiError, match=problem):
        read_configuration(configuration(**changes), url)
    assert read_configuration(configuration(), "https://lms.example.edu/config")


def test_an_invitation_is_over_after_a_day_and_kept_as_a_digest(tmp_path: Path) -> None:
    invitations = Invitations(connect(f"sqlite:///{tmp_path / 'course.sqlite'}"))
    secret = invitations.make("ines", NOON)
    assert secret.encode() not in (tmp_path / "course.sqlite").read_bytes()
    with pytest.raises(LtiError, match="is over"):
        invitations.take(secret, NOON + VALID)
    assert invitations.take(secret, NOON) == "ines"
    with pytest.raises(LtiError, match="used already"):
        invitations.take(secret, NOON)


def test_a_link_says_what_it_opens_and_when(world: Any, tmp_path: Path) -> None:
    course = load_course(CHECKOUT / "course.yml")
    found = item(course, course.assignment("assignment_3"), f"{SITE}hub/lti13/link")
    assert found["custom"] == {"assignment": "assignment_3"}
    assert found["submission"]["endDateTime"] == "2021-02-26T23:59:00+08:00"
    assert found["available"]["startDateTime"] < found["submission"]["endDateTime"]
    settings = {"deep_link_return_url": "https://lms/return", "accept_types": ["ltiResourceLink"]}
    asked = {
        claims.MESSAGE_TYPE: claims.DEEP_LINKING_REQUEST, claims.DEEP_LINKING_SETTINGS: settings,
    }  # fmt: skip
    assert wishes(checked(world, **asked)) == settings
    settings["accept_types"] = ["html"]
    with pytest.raises(LaunchRefused):
        wishes(checked(world, nonce="2", **asked))
    keys = Keys(tmp_path / "keys.json")
    request = {"issuer": "https://lms", "client_id": "tool-1", "deployment_id": "1", "data": None}
    assert answer(keys, request, [found], NOON).count(".") == 2
