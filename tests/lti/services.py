"""A platform's LTI Advantage services, as the specification has them, and strict about it.

A token endpoint (LTI Security Framework 1.0, section 4.1; RFC 7523), memberships (NRPS 2.0), line
items and scores (AGS 2.0). It speaks HTTP, checks real signatures, and can be told to fail: every
n-th request with an error, a hang-up or a lost answer, or altogether, until it comes back.
"""

import asyncio
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import cycle
from typing import Any
from urllib.parse import urlencode

import jwt
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

NRPS = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
LINE_ITEM = "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem"
LINE_ITEM_READ = "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem.readonly"
SCORE = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
SCOPES = frozenset({NRPS, LINE_ITEM, LINE_ITEM_READ, SCORE})

MEMBERSHIPS_TYPE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
LINE_ITEM_TYPE = "application/vnd.ims.lis.v2.lineitem+json"
LINE_ITEMS_TYPE = "application/vnd.ims.lis.v2.lineitemcontainer+json"
SCORE_TYPE = "application/vnd.ims.lis.v1.score+json"

MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership"
LEARNER, INSTRUCTOR = f"{MEMBERSHIP}#Learner", f"{MEMBERSHIP}#Instructor"
ASSISTANT = f"{MEMBERSHIP}/Instructor#TeachingAssistant"

ACTIVITY = {"Initialized", "Started", "InProgress", "Submitted", "Completed"}
GRADING = {"FullyGraded", "Pending", "PendingManual", "Failed", "NotReady"}
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

ERRORS: tuple[tuple[int, dict[str, str]], ...] = (
    (500, {}), (503, {"Retry-After": "0"}), (429, {"Retry-After": "0"}), (502, {}),
)  # fmt: skip
HANG_UP, LOSE_ANSWER = "hang up", "lose the answer"


def member(user_id: str, *, roles: tuple[str, ...] = (LEARNER,), **claims: str) -> dict[str, Any]:
    """A member of a context as NRPS tells it."""
    return {"user_id": user_id, "status": "Active", "roles": list(roles), **claims}


@dataclass
class Trouble:
    """How the platform fails.

    Attributes:
        every: Each n-th request of a service fails; 0: none does.
        kinds: How, in turn: a status with headers, `HANG_UP` or `LOSE_ANSWER`.
        seen: How many requests came.
        failed: How many of them failed so.
    """

    every: int = 0
    kinds: Iterator[Any] = field(default_factory=lambda: cycle((*ERRORS, HANG_UP, LOSE_ANSWER)))
    seen: int = 0
    failed: int = 0

    def next(self) -> Any:
        """How the request that comes now fails; None: it does not."""
        self.seen += 1
        if not self.every or self.seen % self.every:
            return None
        self.failed += 1
        return next(self.kinds)


class Services:
    """The services of one platform, for one tool and one context.

    Attributes:
        issuer: The platform's address.
        members: The context's members, as NRPS tells them.
        items: Line items by number.
        accepted: Every score that was taken: the item's number and the message.
        refused: Status and reason of every request that was refused.
        tokens: Token -> its scopes and when it ends.
        page: Members and line items a page, where the tool asks for no fewer.
        trouble: How it fails.
        lifetime: Seconds that a token is good for.
        granted: The scopes that it gives to the tool.
    """

    def __init__(
        self, client_id: str, keys: Callable[[], Mapping[str, Any]], issuer: str = ""
    ) -> None:
        """Serve a tool.

        Args:
            client_id: The tool's.
            keys: The tool's JWKS, as it publishes it now.
            issuer: The platform's address; `served` knows it otherwise.
        """
        self.client_id, self.keys, self.issuer = client_id, keys, issuer
        self.members: list[dict[str, Any]] = []
        self.items: dict[int, dict[str, Any]] = {}
        self.accepted: list[tuple[int, dict[str, Any]]] = []
        self.refused: list[tuple[int, str]] = []
        self.tokens: dict[str, tuple[frozenset[str], float]] = {}
        self.seen_jtis: set[str] = set()
        self.page, self.lifetime, self.granted = 50, 3600, SCOPES
        self.trouble = Trouble()

    @property
    def token_url(self) -> str:
        return f"{self.issuer}/lti/token"

    @property
    def memberships_url(self) -> str:
        return f"{self.issuer}/lti/contexts/1/memberships"

    @property
    def lineitems_url(self) -> str:
        """With a query of the platform's own, which a tool has to keep."""
        return f"{self.issuer}/lti/contexts/1/lineitems?type=course"

    def item_url(self, number: int) -> str:
        return f"{self.issuer}/lti/contexts/1/lineitems/{number}?type=course"

    @property
    def handlers(self) -> list[Any]:
        """To be mounted in a tornado application."""
        context, mine = "/lti/contexts/1", {"services": self}
        return [
            ("/lti/token", Token, mine),
            (f"{context}/memberships", Memberships, mine),
            (f"{context}/lineitems", LineItems, mine),
            (f"{context}/lineitems/([0-9]+)", LineItem, mine),
            (f"{context}/lineitems/([0-9]+)/scores", Scores, mine),
        ]

    def results(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What its gradebook shows: resource and user -> the last score that it took."""
        return {
            (self.items[number]["resourceId"], score["userId"]): score
            for number, score in self.accepted
            if number in self.items
        }


class Handler(web.RequestHandler):
    """A request to a platform that may be in trouble."""

    services: Services
    scopes: Mapping[str, frozenset[str]] = {}

    def initialize(self, services: Services) -> None:
        self.services = services
        self.loses_answer = False

    def prepare(self) -> None:
        match self.services.trouble.next():
            case (int() as status, dict() as headers):
                for name, value in headers.items():
                    self.set_header(name, value)
                self.set_status(status)
                self.finish("<html>the platform is in trouble</html>")
            case "hang up":
                self.detach().close()
            case "lose the answer":
                self.loses_answer = True
                self.authorize()
            case None:
                self.authorize()

    def authorize(self) -> None:
        """Only a token of ours, not over yet, with the scope of what is asked for."""
        kind, _, token = self.request.headers.get("Authorization", "").partition(" ")
        scopes, ends = self.services.tokens.get(token, (frozenset(), 0.0))
        if kind != "Bearer" or ends <= time.time():
            self.set_header("WWW-Authenticate", 'Bearer error="invalid_token"')
            self.refuse(401, "there is no such token")
        if not scopes & self.scopes.get(self.request.method or "", frozenset()):
            self.refuse(403, "the token has another scope")

    def refuse(self, status: int, reason: str) -> None:
        self.services.refused.append((status, reason))
        self.set_status(status)
        self.answer({"error": "invalid_request", "error_description": reason}, "application/json")
        raise web.Finish

    def answer(self, value: Any, media_type: str) -> None:
        """Answer in a media type, unless the answer gets lost."""
        if self.loses_answer:
            self.detach().close()
            return
        self.set_header("Content-Type", media_type)
        self.finish(json.dumps(value))

    def need(self, fine: object, reason: str, status: int = 400) -> None:
        if not fine:
            self.refuse(status, reason)

    def accepts(self, media_type: str) -> None:
        self.need(self.request.headers.get("Accept") == media_type, f"Accept: {media_type}", 406)

    def body(self, media_type: str) -> dict[str, Any]:
        sent = self.request.headers.get("Content-Type")
        self.need(sent == media_type, f"Content-Type {sent}, not {media_type}", 415)
        try:
            value = json.loads(self.request.body)
        except ValueError:
            self.refuse(400, "no JSON")
        self.need(isinstance(value, dict), "no object")
        return value

    def pages(self, found: list[Any], **kept: str | None) -> list[Any]:
        """One page of them; the next one is linked."""
        limit = min(int(self.get_query_argument("limit", "1000")), self.services.page)
        start = int(self.get_query_argument("from", "0"))
        if start + limit < len(found):
            query = {name: value for name, value in kept.items() if value is not None}
            query |= {"from": str(start + limit), "limit": str(limit)}
            url = f"{self.services.issuer}{self.request.path}?{urlencode(query)}"
            self.add_header("Link", f'<{url}>; rel="next"')
        return found[start : start + limit]


class Token(Handler):
    """RFC 6749, section 4.4, by an assertion of RFC 7523, section 2.2."""

    def authorize(self) -> None:
        """Nobody has a token yet."""

    def post(self) -> None:
        kind = self.request.headers.get("Content-Type", "")
        self.need(kind.startswith("application/x-www-form-urlencoded"), f"a form, not {kind}")
        form = {name: self.get_body_argument(name, "") for name in self.request.body_arguments}
        self.need(form.get("grant_type") == "client_credentials", "grant_type")
        self.need(form.get("client_assertion_type") == JWT_BEARER, "client_assertion_type")
        self.claims(form.get("client_assertion", ""))
        wanted = frozenset(form.get("scope", "").split(" "))
        self.need(wanted <= SCOPES, f"scope {form.get('scope')}")
        scopes = wanted & self.services.granted
        self.need(scopes, "invalid_scope")
        token = secrets.token_urlsafe(30)
        self.services.tokens[token] = (scopes, time.time() + self.services.lifetime)
        value = {
            "access_token": token, "token_type": "Bearer", "scope": " ".join(sorted(scopes)),
            "expires_in": self.services.lifetime,
        }  # fmt: skip
        self.answer(value, "application/json")

    def claims(self, assertion: str) -> None:
        tool = self.services.client_id
        try:
            header = jwt.get_unverified_header(assertion)
            keys = {each["kid"]: each for each in self.services.keys()["keys"]}
            self.need(header["alg"] == "RS256" and header.get("kid") in keys, "alg or kid", 401)
            claims = jwt.decode(
                assertion, jwt.PyJWK(keys[header["kid"]], "RS256").key, algorithms=["RS256"],
                audience=self.services.token_url, issuer=tool,
                options={"require": ["iss", "sub", "aud", "iat", "exp", "jti"]},
            )  # fmt: skip
        except (jwt.InvalidTokenError, KeyError) as error:
            self.refuse(401, f"invalid_client: {error}")
        self.need(claims["sub"] == tool, "sub", 401)
        self.need(claims["exp"] - claims["iat"] <= 3600, "an hour is long enough", 401)
        self.need(claims["jti"] not in self.services.seen_jtis, "jti was seen before", 401)
        self.services.seen_jtis.add(claims["jti"])


class Memberships(Handler):
    """NRPS 2.0, section 2."""

    scopes = {"GET": frozenset({NRPS})}  # noqa: RUF012

    def get(self) -> None:
        self.accepts(MEMBERSHIPS_TYPE)
        role = self.get_query_argument("role", None)
        found = [each for each in self.services.members if role is None or role in each["roles"]]
        page = self.pages(found, role=role)
        differences = f"{self.services.memberships_url}?since={int(time.time())}"
        self.add_header("Link", f'<{differences}>; rel="differences"')
        container = {
            "id": self.services.memberships_url,
            "context": {"id": "1", "label": "CS5260", "title": "Neural Networks"},
            "members": page,
        }
        self.answer(container, MEMBERSHIPS_TYPE)


class LineItems(Handler):
    """AGS 2.0, section 3.2: the container of a context."""

    scopes = {  # noqa: RUF012
        "GET": frozenset({LINE_ITEM, LINE_ITEM_READ}), "POST": frozenset({LINE_ITEM}),
    }  # fmt: skip

    def get(self) -> None:
        self.accepts(LINE_ITEMS_TYPE)
        self.need(self.get_query_argument("type", "") == "course", "the url's own query is lost")
        wanted = {
            "resourceId": self.get_query_argument("resource_id", None),
            "tag": self.get_query_argument("tag", None),
        }
        found = [
            item
            for item in self.services.items.values()
            if all(value is None or item.get(name) == value for name, value in wanted.items())
        ]
        kept = {"resource_id": wanted["resourceId"], "tag": wanted["tag"], "type": "course"}
        self.answer(self.pages(found, **kept), LINE_ITEMS_TYPE)

    def post(self) -> None:
        self.need(self.get_query_argument("type", "") == "course", "the url's own query is lost")
        item = checked_item(self, self.body(LINE_ITEM_TYPE))
        self.need("id" not in item, "the platform gives ids")
        number = len(self.services.items) + 1
        self.services.items[number] = {"id": self.services.item_url(number), **item}
        self.set_status(201)
        self.answer(self.services.items[number], LINE_ITEM_TYPE)


class LineItem(Handler):
    """AGS 2.0, section 3.2: one of them."""

    scopes = {  # noqa: RUF012
        "GET": frozenset({LINE_ITEM, LINE_ITEM_READ}), "PUT": frozenset({LINE_ITEM}),
        "DELETE": frozenset({LINE_ITEM}),
    }  # fmt: skip

    def get(self, number: str) -> None:
        self.accepts(LINE_ITEM_TYPE)
        self.answer(self.item(number), LINE_ITEM_TYPE)

    def put(self, number: str) -> None:
        old = self.item(number)
        item = checked_item(self, self.body(LINE_ITEM_TYPE))
        self.need(item.get("id", old["id"]) == old["id"], "the id stays")
        self.services.items[int(number)] = {**item, "id": old["id"]}
        self.answer(self.services.items[int(number)], LINE_ITEM_TYPE)

    def delete(self, number: str) -> None:
        self.item(number)
        del self.services.items[int(number)]
        self.set_status(204)
        self.finish()

    def item(self, number: str) -> dict[str, Any]:
        self.need(int(number) in self.services.items, "there is no such line item", 404)
        self.need(self.get_query_argument("type", "") == "course", "the id's own query is lost")
        return self.services.items[int(number)]


class Scores(LineItem):
    """AGS 2.0, section 3.4: what one user earned."""

    scopes = {"POST": frozenset({SCORE})}  # noqa: RUF012

    def post(self, number: str) -> None:
        self.item(number)
        score = self.checked(self.body(SCORE_TYPE))
        for item, before in self.services.accepted:
            if item == int(number) and before["userId"] == score["userId"]:
                newer = moment(score["timestamp"]) > moment(before["timestamp"])
                self.need(newer, "the score on record is not older", 409)
        self.services.accepted.append((int(number), score))
        self.answer({}, "application/json")

    def checked(self, score: dict[str, Any]) -> dict[str, Any]:
        known = {
            "userId", "timestamp", "scoreGiven", "scoreMaximum", "activityProgress",
            "gradingProgress", "comment", "submission",
        }  # fmt: skip
        self.need(set(score) <= known, f"unknown: {set(score) - known}")
        learners = {
            each["user_id"]
            for each in self.services.members
            if LEARNER in each["roles"] and each["status"] == "Active"
        }
        self.need(score.get("userId") in learners, "userId is no learner's", 422)
        self.need(moment(score.get("timestamp")), "timestamp")
        self.need("." in score["timestamp"], "a timestamp without fractions of a second")
        self.need(is_number(score.get("scoreGiven")) and score["scoreGiven"] >= 0, "scoreGiven")
        most = score.get("scoreMaximum")
        self.need(is_number(most) and most > 0, "scoreMaximum")
        self.need(score.get("activityProgress") in ACTIVITY, "activityProgress")
        self.need(score.get("gradingProgress") in GRADING, "gradingProgress")
        self.need(isinstance(score.get("comment", ""), str), "comment")
        submission = score.get("submission", {})
        self.need(set(submission) <= {"startedAt", "submittedAt"}, "submission")
        self.need(all(moment(each) for each in submission.values()), "submission's times")
        return score


def checked_item(handler: Handler, item: dict[str, Any]) -> dict[str, Any]:
    """A line item that is as the specification has it."""
    known = {
        "id", "label", "scoreMaximum", "resourceId", "tag", "resourceLinkId", "startDateTime",
        "endDateTime", "gradesReleased",
    }  # fmt: skip
    handler.need(set(item) <= known, f"unknown: {set(item) - known}")
    handler.need(isinstance(item.get("label"), str) and item["label"].strip(), "label")
    most = item.get("scoreMaximum")
    handler.need(is_number(most) and most > 0, "scoreMaximum")
    for name in ("startDateTime", "endDateTime"):
        handler.need(name not in item or moment(item[name]), name)
    return item


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def moment(text: object) -> datetime | None:
    """An ISO 8601 time with its zone; None where it is none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None


class Served:
    """A tornado application on a loopback port, which may die and come back."""

    def __init__(self, handlers: Callable[[], list[Any]]) -> None:
        """Start; `handlers` is asked for once the port is known."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._handlers = handlers
        self._server: HTTPServer | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Answer, on the same port as ever."""
        self._call(self._start)

    def die(self) -> None:
        """Answer nobody any more, and drop who is connected."""
        self._call(self._die)

    def stop(self) -> None:
        """End for good."""
        self.die()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        sockets = bind_sockets(self.port, "127.0.0.1")
        self.port = sockets[0].getsockname()[1]
        self._server = HTTPServer(web.Application(self._handlers(), log_function=_silent))
        self._server.add_sockets(sockets)

    async def _die(self) -> None:
        if self._server:
            self._server.stop()
            await self._server.close_all_connections()
            self._server = None

    def _call(self, what: Callable[[], Any]) -> None:
        asyncio.run_coroutine_threadsafe(what(), self._loop).result(10)


def _silent(_handler: web.RequestHandler) -> None:
    """Its refusals are what tests look at, in `Services.refused`."""


@contextmanager
def served(services: Services) -> Iterator[Served]:
    """The services on a loopback port, for as long as the context lasts."""
    found = Served(lambda: services.handlers)
    found.start()
    services.issuer = found.url
    try:
        yield found
    finally:
        found.stop()
