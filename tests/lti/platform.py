"""A platform that speaks LTI 1.3 over HTTP with real RS256 keys, and refuses what is not so.

Login initiation, authorisation endpoint, launch form, JWK set, OpenID configuration, dynamic
registration, deep linking. A test may change any claim, header or key of a message.
"""

import asyncio
import html
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from coursehub.lti.keys import Key

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
DL = "https://purl.imsglobal.org/spec/lti-dl/claim/"
MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership"
LEARNER, INSTRUCTOR = f"{MEMBERSHIP}#Learner", f"{MEMBERSHIP}#Instructor"
ASSISTANT = f"{MEMBERSHIP}/Instructor#TeachingAssistant"
TOOL = "https://purl.imsglobal.org/spec/lti-tool-configuration"
DEPLOYMENT = "deployment-1"
GONE = object()
"""In place of a claim: the message has none."""


@dataclass(frozen=True)
class User:
    """An account of the platform."""

    sub: str
    number: str
    roles: tuple[str, ...] = (LEARNER,)
    claims: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Client:
    """A tool as the platform knows it."""

    login_uri: str
    redirect_uris: tuple[str, ...]
    jwks_uri: str
    link_uri: str
    deep_linking_uri: str


class Platform:
    """An LMS with a course in it."""

    def __init__(self, *, names_deployment: bool = True) -> None:
        """Begin with one key, no tool and nobody."""
        self.key = Key.generate()
        self.published = [self.key]
        self.clients: dict[str, Client] = {}
        self.users: dict[str, User] = {}
        self.wanted: dict[str, dict[str, Any]] = {}
        self.nonces: set[str] = set()
        self.answers: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.registrations: list[dict[str, Any]] = []
        self.key_requests = 0
        self.issuer = ""
        self.context = {"id": "course-7", "label": "CS5260", "title": "Deep Learning"}
        self._names_deployment = names_deployment

    @property
    def handlers(self) -> list[Any]:
        """Tornado's routes."""
        told = {"platform": self}
        return [
            ("/auth", Authorise, told),
            ("/jwks", Keys, told),
            ("/.well-known/openid-configuration", Configuration, told),
            ("/register", Register, told),
            ("/return", Return, told),
            ("/course", CoursePage, told),
        ]

    @property
    def configuration(self) -> dict[str, Any]:
        """What it says of itself."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "registration_endpoint": f"{self.issuer}/register",
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["id_token"],
            "scopes_supported": ["openid"],
            "https://purl.imsglobal.org/spec/lti-platform-configuration": {
                "product_family_code": "strict",
                "version": "1",
            },
        }

    def rotate(self) -> None:
        """Sign with a new key, and publish that alone."""
        self.key = Key.generate()
        self.published = [self.key]

    def initiation(
        self, client_id: str, login_hint: str, *, deep_linking: bool = False, **wanted: Any
    ) -> dict[str, str]:
        """The parameters with which a browser is sent to the tool (step 1).

        Args:
            client_id: the tool.
            login_hint: who, a key of `users`.
            deep_linking: whether to choose links, rather than to open one.
            wanted: `custom` parameters, or `target`.
        """
        client, hint = self.clients[client_id], secrets.token_hex(8)
        usual = client.deep_linking_uri if deep_linking else client.link_uri
        target = wanted.pop("target", usual)
        self.wanted[hint] = {"deep_linking": deep_linking, "target": target, **wanted}
        return {
            "iss": self.issuer, "login_hint": login_hint, "target_link_uri": target,
            "lti_message_hint": hint, "client_id": client_id, "lti_deployment_id": DEPLOYMENT,
        }  # fmt: skip

    def claims(self, asked: Mapping[str, str], **changes: Any) -> dict[str, Any]:
        """The claims of the message that answers an authentication request."""
        user, wanted = self.users[asked["login_hint"]], self.wanted[asked["lti_message_hint"]]
        now = int(time.time())
        message = {
            "iss": self.issuer, "aud": asked["client_id"], "sub": user.sub, "nonce": asked["nonce"],
            "iat": now, "exp": now + 300,
            f"{CLAIM}version": "1.3.0",
            f"{CLAIM}message_type": "LtiResourceLinkRequest",
            f"{CLAIM}deployment_id": DEPLOYMENT,
            f"{CLAIM}target_link_uri": wanted["target"],
            f"{CLAIM}roles": list(user.roles),
            f"{CLAIM}context": self.context,
            f"{CLAIM}lis": {"person_sourcedid": user.number},
            f"{CLAIM}resource_link": {"id": f"link-{wanted.get('custom')}", "title": "A link"},
            f"{CLAIM}custom": wanted.get("custom", {}),
            **user.claims,
        }  # fmt: skip
        if wanted["deep_linking"]:
            message[f"{CLAIM}message_type"] = "LtiDeepLinkingRequest"
            del message[f"{CLAIM}resource_link"]
            message[f"{DL}deep_linking_settings"] = {
                "deep_link_return_url": f"{self.issuer}/return",
                "accept_types": ["ltiResourceLink", "link"],
                "accept_presentation_document_targets": ["window", "iframe"],
                "accept_multiple": True,
                "data": "opaque & kept",
            }
        return {name: value for name, value in (message | changes).items() if value is not GONE}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A message as it goes out."""
        return self.key.sign(claims)


class Handler(web.RequestHandler):
    """Refuses with a reason, which the test can look at."""

    def initialize(self, platform: Platform) -> None:
        self.platform = platform

    def need(self, fine: object, reason: str, status: int = 400) -> None:
        if not fine:
            self.platform.refused.append(reason)
            raise web.HTTPError(status, reason=reason)


class Authorise(Handler):
    """Security Framework 1.0, section 5.1.1.2: the tool asks for a message."""

    def get(self) -> None:
        names = (
            "scope", "response_type", "response_mode", "prompt", "client_id", "redirect_uri",
            "login_hint", "lti_message_hint", "state", "nonce",
        )  # fmt: skip
        self.need(set(self.request.arguments) == set(names), "exactly the parameters")
        self.need(all(len(each) == 1 for each in self.request.arguments.values()), "each once")
        asked = {name: self.get_argument(name) for name in names}
        fixed = {
            "scope": "openid", "response_type": "id_token", "response_mode": "form_post",
            "prompt": "none",
        }  # fmt: skip
        self.need(fixed.items() <= asked.items(), "the fixed parameters")
        client = self.platform.clients.get(asked["client_id"])
        self.need(client, "client_id")
        self.need(client and asked["redirect_uri"] in client.redirect_uris, "redirect_uri")
        self.need(asked["login_hint"] in self.platform.users, "login_hint")
        self.need(asked["lti_message_hint"] in self.platform.wanted, "lti_message_hint")
        self.need(len(asked["nonce"]) >= 22 and len(asked["state"]) >= 22, "guessable")
        self.need(asked["nonce"] not in self.platform.nonces, "a nonce again")
        self.platform.nonces.add(asked["nonce"])
        token = self.platform.sign(self.platform.claims(asked))
        self.finish(auto_form(asked["redirect_uri"], {"id_token": token, "state": asked["state"]}))


class Keys(Handler):
    """The published keys."""

    def get(self) -> None:
        self.platform.key_requests += 1
        self.finish({"keys": [key.public_jwk for key in self.platform.published]})


class Configuration(Handler):
    """OpenID configuration."""

    def get(self) -> None:
        self.need(self.get_query_argument("registration_token", None) is None, "token in address")
        self.finish(self.platform.configuration)


class Register(Handler):
    """LTI Dynamic Registration 1.0, section 3.5."""

    def post(self) -> None:
        header = self.request.headers.get("Authorization")
        self.need(header == "Bearer a-registration-token", "registration token", 401)
        self.need(self.request.headers["Content-Type"] == "application/json", "content type")
        told = json.loads(self.request.body)
        tool = told.get(TOOL, {})
        self.need(told["application_type"] == "web", "application_type")
        self.need(told["response_types"] == ["id_token"], "response_types")
        self.need(set(told["grant_types"]) == {"implicit", "client_credentials"}, "grant_types")
        method = told["token_endpoint_auth_method"]
        self.need(method == "private_key_jwt", "auth method")
        uris = [told["initiate_login_uri"], told["jwks_uri"], *told["redirect_uris"]]
        self.need(told["client_name"] and all(each.startswith("http") for each in uris), "uris")
        domain = tool["domain"]
        self.need(all(each.split("/")[2] == domain for each in uris), "domain")
        self.need({"iss", "sub"} <= set(tool["claims"]), "claims")
        targets = {each["type"]: each["target_link_uri"] for each in tool["messages"]}
        self.platform.registrations.append(told)
        client_id = f"client-{len(self.platform.registrations)}"
        self.platform.clients[client_id] = Client(
            told["initiate_login_uri"],
            tuple(told["redirect_uris"]),
            told["jwks_uri"],
            targets["LtiResourceLinkRequest"],
            targets["LtiDeepLinkingRequest"],
        )
        named = {"deployment_id": DEPLOYMENT} if self.platform._names_deployment else {}
        self.finish({**told, "client_id": client_id, TOOL: {**tool, **named}})


class Return(Handler):
    """Deep Linking 2.0, section 4.4: the chosen links come back."""

    async def post(self) -> None:
        self.need(set(self.request.body_arguments) == {"JWT"}, "exactly a JWT")
        token = self.get_body_argument("JWT")
        header = jwt.get_unverified_header(token)
        self.need(header["alg"] == "RS256", "algorithm")
        client_id = jwt.decode(token, options={"verify_signature": False})["iss"]
        client = self.platform.clients.get(client_id)
        self.need(client, "iss is no client id")
        async with httpx.AsyncClient(trust_env=False) as http:
            keys = jwt.PyJWKSet.from_dict((await http.get(client.jwks_uri)).json())  # type: ignore[union-attr]
        required = {"require": ["exp", "iat", "nonce", "aud", "iss"]}
        answer = jwt.decode(
            token, keys[header["kid"]].key, ["RS256"], audience=self.platform.issuer,
            options=required,
        )  # fmt: skip
        self.need(answer["nonce"] not in self.platform.nonces, "a nonce again")
        self.platform.nonces.add(answer["nonce"])
        self.need(answer[f"{CLAIM}message_type"] == "LtiDeepLinkingResponse", "message type")
        self.need(answer[f"{CLAIM}version"] == "1.3.0", "version")
        self.need(answer[f"{CLAIM}deployment_id"] == DEPLOYMENT, "deployment")
        self.need(answer.get(f"{DL}data") == "opaque & kept", "data")
        for item in answer[f"{DL}content_items"]:
            self.check_item(item, client)  # type: ignore[arg-type]
        self.platform.answers.append(answer)
        count = len(answer[f"{DL}content_items"])
        self.finish(f"<title>LMS</title><h1>{count} added</h1>")

    def check_item(self, item: Mapping[str, Any], client: Client) -> None:
        self.need(item["type"] == "ltiResourceLink", "type of item")
        known = {
            "type", "title", "text", "url", "custom", "window", "iframe", "lineItem", "available",
            "submission", "icon", "thumbnail",
        }  # fmt: skip
        self.need(set(item) <= known, "unknown properties")
        self.need(item["url"] == client.link_uri, "url")
        custom = item["custom"]
        self.need(all(isinstance(each, str) for each in custom.values()), "custom is text")
        line = item["lineItem"]
        self.need(isinstance(line["scoreMaximum"], int) and line["scoreMaximum"] > 0, "maximum")
        for part in ("available", "submission"):
            for moment in item[part].values():
                self.need(moment[-6:] == "+00:00" or moment[-6] in "+-", "a time without a zone")


class CoursePage(Handler):
    """The LMS's page with a link that starts a launch; in a frame, if asked."""

    def get(self) -> None:
        user, frame = self.get_argument("user"), self.get_argument("frame", "")
        custom = {"assignment": name} if (name := self.get_argument("assignment", "")) else {}
        [client_id] = self.platform.clients
        told = self.platform.initiation(
            client_id, user, deep_linking=self.get_argument("choose", "") == "1", custom=custom
        )
        action = html.escape(self.platform.clients[client_id].login_uri)
        hidden = inputs(told)
        target = ' target="tool"' if frame else ""
        self.finish(
            f'<title>LMS</title><h1>LMS</h1><form method="post" action="{action}"{target}>{hidden}'
            '<button>Open</button></form><iframe name="tool" width="900" height="700"></iframe>'
        )


def inputs(values: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(value)}">'
        for name, value in values.items()
    )


def auto_form(action: str, values: Mapping[str, str]) -> str:
    """A page that posts a form by itself."""
    return (
        f'<form id="f" method="post" action="{html.escape(action)}">{inputs(values)}</form>'
        '<script>document.getElementById("f").submit()</script>'
    )


@contextmanager
def running(platform: Platform, host: str = "127.0.0.1") -> Iterator[Platform]:
    """The platform on a loopback port, in a thread of its own.

    To a browser `localhost` is another site than 127.0.0.1, where the hub is.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> HTTPServer:
        [bound] = bind_sockets(0, "127.0.0.1")
        platform.issuer = f"http://{host}:{bound.getsockname()[1]}"
        server = HTTPServer(web.Application(platform.handlers, log_function=lambda _: None))
        server.add_socket(bound)
        return server

    async def stop(server: HTTPServer) -> None:
        server.stop()
        await server.close_all_connections()

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield platform
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
