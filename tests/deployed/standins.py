"""Addresses that a student's server must not reach, held by the test itself.

Each is a link of this machine that nothing is plugged into, with a small HTTP server behind it, so
that "cannot be reached" is never "nobody was there": the test first reaches it from where it may.
"""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = b"you found the stand-in"


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def standing_in(interface: str, address: str, port: int = 80) -> Iterator[str]:
    """Hold `address` on a link of our own and answer HTTP there; yields its URL.

    Args:
        interface: the link's name, at most 15 characters.
        address: an IPv4 address.
        port: where it listens.
    """
    subprocess.run(["ip", "link", "add", interface, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", interface], check=True)
        subprocess.run(["ip", "link", "set", interface, "up"], check=True)
        with listening(address, port) as url:
            yield url
    finally:
        subprocess.run(["ip", "link", "delete", interface], check=True)


@contextmanager
def listening(address: str, port: int = 0) -> Iterator[str]:
    """Answer HTTP at an address that this machine has; yields the URL."""
    server = ThreadingHTTPServer((address, port), _Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{address}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
