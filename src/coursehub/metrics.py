"""What a service tells Prometheus: its figures as text, on a port of their own, for a token.

The hub's figures are JupyterHub's own, at /hub/metrics, with ours beside them; see `hub.figures`.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app

REGISTRY = CollectorRegistry()
"""A service's own figures. None has a person's name as a label."""

ProcessCollector(registry=REGISTRY)

_PATIENCE_SECONDS = 10

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


@contextmanager
def telling(
    token: str, port: int, address: str = "0.0.0.0", registry: CollectorRegistry = REGISTRY
) -> Iterator[int]:
    """Answer whoever has the token with all figures, while the context lasts.

    Args:
        token: what the header `Authorization: Bearer ...` must hold.
        port: TCP port; 0 for any.
        address: interface; in a container its networks are the boundary.
        registry: whose figures.

    Yields:
        The port.
    """
    guarded = _guarded(make_wsgi_app(registry), token)
    server = make_server(address, port, guarded, _Server, _Quiet)
    thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _guarded(app: Wsgi, token: str) -> Wsgi:
    """The application, for those who have the token."""
    wanted = f"Bearer {token}".encode()

    def guarded(environment: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        given = environment.get("HTTP_AUTHORIZATION", "").encode("utf-8", "replace")
        if hmac.compare_digest(given, wanted):
            return app(environment, start_response)
        start_response("401 Unauthorized", [("WWW-Authenticate", "Bearer")])
        return [b"These figures are for Prometheus, which has a token.\n"]

    return guarded


class _Server(ThreadingMixIn, WSGIServer):
    """Who asks and then says nothing keeps nobody from asking."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = _PATIENCE_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Prometheus asks four times a minute; that is no news."""
