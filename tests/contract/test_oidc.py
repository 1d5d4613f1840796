"""A provider that lies: whatever is wrong with its answer, nobody is signed in."""

import asyncio
import base64
import hmac
import json
import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm
from oauthenticator.oauth2 import _serialize_state
from traitlets.config import Config

from coursehub.exchange.database import connect
from coursehub.exchange.roster import Roster
from coursehub.hub.auth import Refused
from coursehub.hub.github import GithubAuthenticator
from coursehub.hub.oidc import OidcAuthenticator, nonce
from tests.deployment import PEOPLE

CLIENT, SECRET, VERIFIER = "coursehub", "a secret of this test, long enough for HS256", "verifier"
KEY, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
GOOD: dict[str, Any] = {"email": "alice@example.edu", "email_verified": True, "sub": "1"}


class Provider(ThreadingHTTPServer):
    """Serves what a test says: `id_token`, `userinfo`, `document` and the like, by path."""

    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[dict[str, list[str]]] = []
        self.reset()

    def reset(self) -> None:
        key = json.loads(RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": "1", "use": "sig"}
        self.pages: dict[str, Any] = {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/auth",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "userinfo_endpoint": f"{self.url}/me",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            },
            "/jwks": {"keys": [key]},
            "/me": GOOD,
        }
        self.says(self.token())

    def says(self, id_token: str | None, **more: object) -> None:
        """Answer codes with this ID token."""
        answer = {"access_token": "opaque", "token_type": "Bearer", **more}
        self.pages["/token"] = answer | ({"id_token": id_token} if id_token else {})

    def claims(self, **changes: object) -> dict[str, object]:
        now = int(time.time())
        claims = GOOD | {
            "iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce(VERIFIER),
        } | changes  # fmt: skip
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key: Any = KEY, algorithm: str = "RS256", kid: str = "1", **c: object) -> str:
        return jwt.encode(self.claims(**c), key, algorithm=algorithm, headers={"kid": kid})


class Answers(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path)
        body = json.dumps(page).encode()
        self.send_response(200 if page is not None else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.asked.append(parse_qs(self.rfile.read(length).decode()))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


class Browser:
    """What the authenticator asks of a request that came back from the provider."""

    hub = SimpleNamespace(base_url="/hub/")
    cookies: ClassVar[dict[str, str]] = {}

    def get_argument(self, name: str) -> str:
        return {"code": "a code"}[name]

    def get_state_cookie(self) -> str:
        return _serialize_state({"state_id": "x", "code_verifier": VERIFIER})

    def _set_cookie(self, name: str, value: str, **_: object) -> None:
        self.cookies[name] = value


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with Provider() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def provider(server: Provider) -> Provider:
    server.reset()
    return server


@pytest.fixture(scope="module")
def course_roster() -> Roster:
    return Roster(connect("sqlite://"))


@pytest.fixture
def roster(course_roster: Roster) -> Roster:
    for person in course_roster.import_csv(PEOPLE):
        course_roster.unlink(person.username)
    return course_roster


@pytest.fixture
def settings(provider: Provider, roster: Roster) -> Config:
    c = Config()
    c.RosterAuthenticator.people = roster
    c.RosterAuthenticator.course_id = "cs5260"
    ours = c.OidcAuthenticator
    ours.issuer, ours.client_id, ours.client_secret = provider.url, CLIENT, SECRET
    ours.oauth_callback_url = "http://hub.example/hub/oauth_callback"
    return c


def sign_in(settings: Config, kind: type = OidcAuthenticator) -> dict[str, Any]:
    async def now() -> dict[str, Any]:
        found: dict[str, Any] = await kind(config=settings).authenticate(Browser())
        return found

    return asyncio.run(now())


def refusal(
    settings: Config, caplog: pytest.LogCaptureFixture, kind: type = OidcAuthenticator
) -> str:
    with caplog.at_level(logging.WARNING), pytest.raises(Refused) as refused:
        sign_in(settings, kind)
    [line] = [each for each in caplog.messages if refused.value.case in each]
    said = "\n".join(caplog.messages)
    assert "alice" not in said and "eyJ" not in said and "opaque" not in said, said
    return line


def unsigned(provider: Provider) -> str:
    return jwt.encode(provider.claims(), None, algorithm="none")


def by_our_public_key(provider: Provider) -> str:
    """HS256 with the provider's public key as the secret, which PyJWT refuses to make."""
    secret = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = _part({"alg": "HS256", "kid": "1"}) + "." + _part(provider.claims())
    signature = hmac.digest(secret, head.encode(), "sha256")
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


BAD = {
    "algorithm": [
        unsigned,
        by_our_public_key,
        lambda p: p.token(SECRET, "HS256"),
        lambda p: p.token(SECRET, "HS512"),
    ],
    "signature": [lambda p: p.token(OTHER), lambda p: p.token()[:-8] + "AAAAAAAA"],
    "key": [lambda p: p.token(OTHER, kid="2")],
    "audience": [
        lambda p: p.token(aud="another client"),
        lambda p: p.token(aud=["another client", "and another"]),
    ],
    "authorized-party": [
        lambda p: p.token(aud=[CLIENT, "another client"]),
        lambda p: p.token(aud=[CLIENT, "another client"], azp="another client"),
        lambda p: p.token(azp="another client"),
    ],
    "issuer": [
        lambda p: p.token(iss="https://another.example"),
        lambda p: p.token(iss=p.url + "/"),
    ],
    "expired": [lambda p: p.token(exp=int(time.time()) - 60)],
    "not-yet": [
        lambda p: p.token(iat=int(time.time()) + 600),
        lambda p: p.token(nbf=int(time.time()) + 600),
    ],
    "claims": [lambda p, name=name: p.token(**{name: None}) for name in ("exp", "iat", "sub")],
    "nonce": [
        lambda p: p.token(nonce=None),
        lambda p: p.token(nonce=nonce("of another sign-in")),
        lambda p: p.token(nonce=["x"]),
    ],
    "access-token-hash": [lambda p: p.token(at_hash="AAAA")],
    "subject": [lambda p: p.token(sub=""), lambda p: p.token(sub="x" * 256)],
    "no-id-token": [lambda p: None],
    "form": [lambda p: "x", lambda p: "x.y.z"],
}


@pytest.mark.parametrize(
    ("what", "make"), [(what, make) for what, several in BAD.items() for make in several]
)
def test_a_bad_token(
    provider: Provider, settings: Config, caplog: pytest.LogCaptureFixture, what: str, make: Any
) -> None:
    provider.says(make(provider))
    assert f"what={what} " in refusal(settings, caplog)


@pytest.mark.parametrize(
    ("page", "answer", "event"),
    [
        ("/jwks", {"keys": []}, "what=key"),
        ("/jwks", {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "1"}]}, "what=key"),
        ("/token", None, "what=provider-400"),
        ("/token", {"error": "x", "error_description": "alice"}, "what=no-access-token"),
        ("/token", {"token_type": "alice"}, "what=no-access-token"),
        ("/token", [], "what=no-access-token"),
        ("/.well-known/openid-configuration", {"issuer": "other"}, "provider-unreachable"),
        ("/.well-known/openid-configuration", ["alice"], "provider-unreachable"),
    ],
)
def test_a_bad_answer(
    provider: Provider, settings: Config, caplog: pytest.LogCaptureFixture,
    page: str, answer: object, event: str,
) -> None:  # fmt: skip
    provider.pages[page] = answer
    assert event in refusal(settings, caplog)


def test_a_provider_that_is_not_there(settings: Config, caplog: pytest.LogCaptureFixture) -> None:
    settings.OidcAuthenticator.issuer = "http://127.0.0.1:1"
    assert "provider-unreachable" in refusal(settings, caplog)


def test_a_good_answer(provider: Provider, settings: Config) -> None:
    assert sign_in(settings) == {
        "name": "alice", "groups": ["nbgrader-cs5260"], "roles": [{"name": "user"}],
    }  # fmt: skip
    assert provider.asked[-1]["code_verifier"] == [VERIFIER]
    assert provider.asked[-1]["client_secret"] == [SECRET]
    assert Browser.cookies["coursehub-id-token"] == provider.pages["/token"]["id_token"]


def test_claims_may_be_in_the_user_info_alone(provider: Provider, settings: Config) -> None:
    provider.says(provider.token(email=None, email_verified=None))
    assert sign_in(settings)["name"] == "alice"


def test_user_info_of_another(
    provider: Provider, settings: Config, caplog: pytest.LogCaptureFixture
) -> None:
    provider.says(provider.token(email=None, email_verified=None))
    provider.pages["/me"] = GOOD | {"sub": "2"}
    assert "what=userinfo-subject" in refusal(settings, caplog)


@pytest.mark.parametrize(
    ("claims", "options", "event"),
    [
        ({"email_verified": False}, {}, "email-unverified"),
        ({"email_verified": "false"}, {}, "email-unverified"),
        ({"email_verified": 1}, {}, "email-unverified"),
        ({}, {"verified": "xms_edov"}, "email-unverified"),
        ({"email": ["alice@example.edu"]}, {}, "claim-missing"),
        ({"email": " "}, {}, "claim-missing"),
        ({}, {"claim": "preferred_username"}, "claim-missing"),
        ({}, {"match": "username"}, "person-unknown"),
        ({"email": "alice@example.edu.evil.example"}, {}, "person-unknown"),
        ({"email": "al\u0131ce@example.edu"}, {}, "person-unknown"),
        ({"email": "\u212aalice@example.edu"}, {}, "person-unknown"),
        ({}, {"require": {"hd": "example.edu"}}, "claim-not-as-required"),
        ({"hd": "evil.example"}, {"require": {"hd": "example.edu"}}, "claim-not-as-required"),
    ],
)
def test_who_is_refused(
    provider: Provider, settings: Config, caplog: pytest.LogCaptureFixture,
    claims: dict[str, object], options: dict[str, object], event: str,
) -> None:  # fmt: skip
    provider.says(provider.token(**claims))
    provider.pages["/me"] = {"sub": "1"}
    settings.OidcAuthenticator.update(options)
    assert event in refusal(settings, caplog)


@pytest.mark.parametrize(
    ("claims", "options"),
    [
        ({"email": " ALICE@example.edu "}, {}),
        ({"preferred_username": "Alice"}, {"claim": "preferred_username", "match": "username"}),
        ({"number": "a0100000j"}, {"claim": "number", "match": "number"}),
        ({"xms_edov": True, "email_verified": None}, {"verified": "xms_edov"}),
        ({"hd": "example.edu"}, {"require": {"hd": "example.edu"}}),
    ],
)
def test_who_is_found(
    provider: Provider, settings: Config, claims: dict[str, object], options: dict[str, object]
) -> None:
    provider.says(provider.token(**claims))
    settings.OidcAuthenticator.update(options)
    assert sign_in(settings)["name"] == "alice"


def test_two_with_one_address_are_nobody(
    provider: Provider, settings: Config, roster: Roster, caplog: pytest.LogCaptureFixture
) -> None:
    roster.import_csv(PEOPLE.replace("bob@", "alice@"))
    assert "person-ambiguous" in refusal(settings, caplog)


def test_an_account_and_a_person_belong_together(
    provider: Provider, settings: Config, roster: Roster, caplog: pytest.LogCaptureFixture
) -> None:
    assert sign_in(settings)["name"] == "alice"
    assert sign_in(settings)["name"] == "alice"
    provider.says(provider.token(sub="2"))
    assert "account-collision" in refusal(settings, caplog), "a second account of one person"
    provider.says(provider.token(email="bob@example.edu"))
    assert "account-collision" in refusal(settings, caplog), "one account of two people"
    roster.unlink("alice")
    provider.says(provider.token(sub="2"))
    assert sign_in(settings)["name"] == "alice"
    assert roster.link("https://another.example", "1", "alice", datetime.now(UTC))


@pytest.mark.parametrize(
    ("email", "verified", "event"),
    [("alice@example.edu", True, ""), ("alice@example.edu", False, "email-unverified")],
)
def test_github(
    provider: Provider, settings: Config, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch, email: str, verified: bool, event: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(GithubAuthenticator, "site", provider.url)
    monkeypatch.setattr(GithubAuthenticator, "api", provider.url)
    addresses = [
        {"email": "another@example.edu", "primary": False, "verified": True},
        {"email": email, "primary": True, "verified": verified},
    ]
    provider.pages |= {
        "/login/oauth/access_token": {"access_token": "opaque", "token_type": "bearer"},
        "/user": {"id": 7, "login": "al", "name": "Alice"},
        "/user/emails": addresses,
    }
    if event:
        assert event in refusal(settings, caplog, GithubAuthenticator)
    else:
        assert sign_in(settings, GithubAuthenticator)["name"] == "alice"
