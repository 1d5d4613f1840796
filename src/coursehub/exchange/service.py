"""The course service: the exchange over HTTP, and pages beside it, run as the hub's service.

Thin on purpose: it finds out who asks, reads the body within limits, and lets `Exchange` decide.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from jupyterhub.services.auth import HubAuth
from pydantic import BaseModel
from tornado.httpserver import HTTPServer
from tornado.ioloop import PeriodicCallback
from tornado.web import (
    Application,
    HTTPError,
    RequestHandler,
    StaticFileHandler,
    stream_request_body,
)

from coursehub.errors import (
    HTTP_STATUS,
    CourseHubError,
    ExchangeError,
    NotAllowed,
    ServiceUnavailable,
    TooLarge,
    TooOften,
    as_json,
)
from coursehub.exchange.exchange import Exchange, now
from coursehub.exchange.figures import FAULTS, REFUSALS, SECONDS
from coursehub.exchange.person import Person
from coursehub.exchange.protocol import (
    IDEMPOTENCY_HEADER,
    SERVICE_PREFIX,
    Files,
    HandInRecord,
    read_files,
)
from coursehub.headers import headers
from coursehub.rate import Buckets, Rate, say_wait, whole_seconds

log = logging.getLogger(__name__)

# A hand-in travels as base64 within JSON.
_ENVELOPE = 65_536
_BODY_SECONDS = 120
_IDLE_SECONDS = 60
_FOLLOW_SECONDS = 5

RATES = {
    "hand in": Rate(burst=100, every=timedelta(seconds=30)),
    "fetch": Rate(burst=120, every=timedelta(seconds=2)),
    "ask": Rate(burst=600, every=timedelta(seconds=0.2)),
}
"""How often one person may do what: many times more than anybody does by hand."""

POLICY = "default-src 'none'; frame-ancestors 'none'"


class ApiHandler(RequestHandler):
    """Finds out who asks, before anything of the request's body is read."""

    person: Person
    deed = "ask"
    """What of `RATES` a request is."""

    @property
    def exchange(self) -> Exchange:
        """The exchange this service serves."""
        exchange: Exchange = self.settings["exchange"]
        return exchange

    async def prepare(self) -> None:
        """Set `person` from the hub token, or refuse."""
        self.person = await self._in_thread(self.exchange.person, await self._username())
        self._slow_down()

    def _slow_down(self) -> None:
        """Refuse somebody who asks too often, before anything of it is done."""
        wait = self.settings["rates"][self.deed].take(self.person.username, now())
        if wait:
            error = TooOften(
                f"you {self.deed} too often",
                remedy=f"Your work is safe in your own folder; try again in {say_wait(wait)}",
            )
            error.seconds = whole_seconds(wait)
            raise error

    async def _username(self) -> str:
        auth: HubAuth = self.settings["hub_auth"]
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() not in ("token", "bearer") or not token:
            raise HTTPError(401, reason="Sign in again: the request carries no hub token")
        try:
            user = await auth.user_for_token(token.strip(), sync=False)
        except HTTPError as error:
            raise ServiceUnavailable(
                "the hub does not answer", remedy="Try again in a minute"
            ) from error
        if user is None:
            raise HTTPError(401, reason="Sign in again: the hub does not know this token")
        if user["kind"] != "user" or not auth.check_scopes(auth.access_scopes, user):
            raise NotAllowed("this token may not use the exchange", remedy="Restart your server")
        return str(user["name"])

    async def _in_thread(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """Run a step that waits for disk or database beside the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.settings["threads"], step, *arguments)

    def check_xsrf_cookie(self) -> None:
        """Nothing to check: cookies open nothing here, only the token in the header does."""

    def set_default_headers(self) -> None:
        """Answers are for the caller alone."""
        self.set_header("Cache-Control", "no-store")
        for name, value in (headers(POLICY) | self.settings["transport"]).items():
            self.set_header(name, value)

    def reply(self, message: BaseModel) -> None:
        """Send a protocol message."""
        self.set_header("Content-Type", "application/json")
        self.finish(message.model_dump_json())

    def on_finish(self) -> None:
        """Let Prometheus know how long it took."""
        SECONDS.labels(self.deed).observe(self.request.request_time())

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer every error in the one JSON shape, and let Prometheus know of it."""
        error = kwargs.get("exc_info", (None, None))[1]
        refused = isinstance(error, CourseHubError)
        if (status_code >= 500 and not refused) or isinstance(error, ServiceUnavailable):
            FAULTS.inc()
        else:
            REFUSALS.labels(type(error).__name__ if refused else str(status_code)).inc()
        if isinstance(error, TooOften):
            self.set_header("Retry-After", str(error.seconds))
        if isinstance(error, ExchangeError):
            self.set_status(HTTP_STATUS[type(error)])
            self.finish(as_json(error))
        elif isinstance(error, HTTPError) and status_code < 500:
            self.finish(as_json(CourseHubError(error.reason or self._reason)))
        else:
            remedy = "Try again: a repeated hand-in counts once. If it stays, tell the course staff"
            self.finish(as_json(ServiceUnavailable("the exchange failed", remedy=remedy)))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """A refusal is one line in the log, a fault is a traceback."""
        if isinstance(value, CourseHubError):
            log.info("%s: %s", self._request_summary(), value)
        else:
            super().log_exception(typ, value, tb)


class AssignmentsHandler(ApiHandler):
    """The assignments that the person who asks may see."""

    async def get(self) -> None:
        """List them."""
        self.reply(await self._in_thread(self.exchange.assignments, self.person, now()))


class FilesHandler(ApiHandler):
    """The released files of an assignment."""

    deed = "fetch"

    async def get(self, name: str) -> None:
        """Send them."""
        files = await self._in_thread(self.exchange.files, self.person, name, now())
        self.reply(Files.pack(files))


@stream_request_body
class HandInHandler(ApiHandler):
    """Takes a hand-in."""

    deed = "hand in"

    async def prepare(self) -> None:
        """Refuse what is too large before reading it."""
        connection: Any = self.request.connection
        connection.set_max_body_size(self.exchange.limit * 8)
        self._body = bytearray()
        self._most = self.exchange.limit * 4 // 3 + _ENVELOPE
        self._check_size(int(self.request.headers.get("Content-Length", 0)))
        await super().prepare()

    def data_received(self, chunk: bytes) -> None:
        """Collect the body; where its length was left out, what is too much is not kept."""
        if len(self._body) <= self._most:
            self._body += chunk

    async def post(self, name: str) -> None:
        """Keep the files and answer with the receipt."""
        self._check_size(len(self._body))
        key = self.request.headers.get(IDEMPOTENCY_HEADER, "")
        record = await self._in_thread(self._keep, name, bytes(self._body), key)
        self.set_status(201)
        self.reply(record)
        # The student has the receipt by now; what fails here is logged and changes nothing of it.
        await self._in_thread(self.exchange.run_visible_tests, self.person, record, now())

    def _keep(self, name: str, body: bytes, key: str) -> HandInRecord:
        return self.exchange.hand_in(self.person, name, read_files(body), key, now())

    def _check_size(self, size: int) -> None:
        if size > self._most:
            raise TooLarge(
                f"the hand-in is larger than the {self.exchange.limit:,} bytes allowed",
                remedy="Clear the notebook's outputs and submit again",
            )


class HandInsHandler(ApiHandler):
    """What the person who asks handed in."""

    async def get(self) -> None:
        """List it."""
        self.reply(await self._in_thread(self.exchange.hand_ins, self.person))


class VisibleTestsHandler(ApiHandler):
    """What the visible tests said of what the person who asks handed in."""

    async def get(self) -> None:
        """List it."""
        self.reply(await self._in_thread(self.exchange.visible_tests, self.person, now()))


class FeedbackHandler(ApiHandler):
    """The feedback for one hand-in of the person who asks."""

    deed = "fetch"

    async def get(self, number: str) -> None:
        """Send its pages."""
        pages = await self._in_thread(self.exchange.feedback, self.person, int(number))
        self.reply(Files.pack(pages))


class OpenHandler(ApiHandler):
    """What anybody may ask."""

    async def prepare(self) -> None:
        """Nobody needs to sign in."""

    def on_finish(self) -> None:
        """Not counted: most of these are health checks."""


class KeyHandler(OpenHandler):
    """The published key that verifies receipts."""

    async def get(self) -> None:
        """Send it as PEM."""
        self.set_header("Content-Type", "application/x-pem-file")
        self.finish(self.exchange.key.public_pem)


class HealthHandler(OpenHandler):
    """Whether the service can read its ledger."""

    async def get(self) -> None:
        """Say so."""
        await self._in_thread(self.exchange.roster.everyone)
        self.finish({"status": "ok"})


class UnknownHandler(OpenHandler):
    """Everything else."""

    async def prepare(self) -> None:
        """Answer 404 in the one JSON shape."""
        raise HTTPError(404, reason="There is nothing here")


class AssetHandler(StaticFileHandler):
    """The pages' own scripts and styles."""

    def set_default_headers(self) -> None:
        """As with everything else, those that are not there too."""
        for name, value in (headers(POLICY) | self.settings["transport"]).items():
            self.set_header(name, value)


class Pages(NamedTuple):
    """What the service serves beside its API, made elsewhere.

    Attributes:
        handlers: Tornado's routes, below the service's prefix.
        settings: What they need in the application's settings.
    """

    handlers: Sequence[tuple[Any, ...]] = ()
    settings: Mapping[str, Any] = MappingProxyType({})


NO_PAGES = Pages()


def make_app(
    exchange: Exchange,
    hub_auth: HubAuth,
    pages: Pages = NO_PAGES,
    rates: Mapping[str, Rate] = MappingProxyType(RATES),
) -> Application:
    """The service as a tornado application."""
    api = SERVICE_PREFIX + "api/"
    settings = {"transport": {}, "static_handler_class": AssetHandler, **pages.settings}
    return Application(
        [
            (api + r"assignments", AssignmentsHandler),
            (api + r"assignments/([^/]+)/files", FilesHandler),
            (api + r"assignments/([^/]+)/hand-ins", HandInHandler),
            (api + r"hand-ins", HandInsHandler),
            (api + r"hand-ins/(\d{1,9})/feedback", FeedbackHandler),
            (api + r"visible-tests", VisibleTestsHandler),
            (api + r"key", KeyHandler),
            (api + r"health", HealthHandler),
            *pages.handlers,
        ],
        default_handler_class=UnknownHandler,
        exchange=exchange,
        hub_auth=hub_auth,
        threads=ThreadPoolExecutor(8, thread_name_prefix="exchange"),
        rates={deed: Buckets(rate) for deed, rate in rates.items()},
        **settings,
    )


def make_server(
    exchange: Exchange,
    hub_auth: HubAuth,
    pages: Pages = NO_PAGES,
    *,
    body_seconds: float = _BODY_SECONDS,
    rates: Mapping[str, Rate] = MappingProxyType(RATES),
) -> HTTPServer:
    """The service as a server that no request can fill or hold up.

    Args:
        exchange: what to serve.
        hub_auth: finds out whose token it is.
        pages: what is served beside the API.
        body_seconds: how long a request's body may take to arrive.
        rates: how often one person may do what; see `RATES`.
    """
    return HTTPServer(
        make_app(exchange, hub_auth, pages, rates),
        max_body_size=_ENVELOPE,
        body_timeout=body_seconds,
        idle_connection_timeout=_IDLE_SECONDS,
    )


async def _follow_course(exchange: Exchange) -> None:
    """Take an edited course.yml up, beside the event loop."""
    await asyncio.to_thread(exchange.follow_course)


async def serve(
    exchange: Exchange,
    hub_auth: HubAuth,
    port: int,
    address: str = "127.0.0.1",
    pages: Pages = NO_PAGES,
    on_recovered: Callable[[], None] = lambda: None,
) -> None:
    """Recover what a killed service left, listen, and stop cleanly on SIGTERM or SIGINT.

    Args:
        exchange: what to serve.
        hub_auth: finds out whose token it is.
        port: TCP port.
        address: interface; loopback unless a container's network is the boundary.
        pages: what is served beside the API.
        on_recovered: called once all that was handed in has its row, before it listens.
    """
    exchange.store.recover()
    on_recovered()
    exchange.follow_course()
    server = make_server(exchange, hub_auth, pages)
    server.listen(port, address)
    log.info("the course service listens on %s:%s", address, port)
    following = PeriodicCallback(partial(_follow_course, exchange), _FOLLOW_SECONDS * 1000)
    following.start()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    server.stop()
    await server.close_all_connections()
