"""Asking a platform for what it publishes: over HTTPS, of a public host, a little, and soon.

An address comes from outside here, from whoever registers a platform. It must not make us ask
our own network: a name is looked up once, and what was looked up is what is asked.
"""

import asyncio
import ipaddress
import json
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from coursehub.errors import LtiError

_LARGEST = 1_000_000
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)


class Fetcher:
    """Asks for JSON documents."""

    def __init__(self, *, private: bool = False) -> None:
        """Ask public hosts over HTTPS.

        Args:
            private: also allow plain HTTP and private addresses, for an LMS on the own network.
        """
        self._private = private

    async def get(self, url: str, token: str | None = None) -> dict[str, Any]:
        """The JSON object at `url`.

        Raises:
            LtiError: when it may not be asked, does not answer, or answers something else.
        """
        return await self._ask("GET", url, token, None)

    async def post(
        self, url: str, body: Mapping[str, Any], token: str | None = None
    ) -> dict[str, Any]:
        """What `url` answers to a JSON object.

        Raises:
            LtiError: as `get`.
        """
        return await self._ask("POST", url, token, body)

    async def _ask(
        self, method: str, url: str, token: str | None, body: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        parts, address = await self._allowed(url)
        headers = {"Accept": "application/json", "Host": parts.netloc}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        where = httpx.URL(url).copy_with(host=address)
        named = {"sni_hostname": parts.hostname} if parts.scheme == "https" else {}
        try:
            async with (
                httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as http,
                asyncio.timeout(20),
                http.stream(method, where, headers=headers, json=body, extensions=named) as answer,
            ):
                text = await _read(answer)
        except (httpx.HTTPError, TimeoutError) as error:
            raise _unusable(url, f"does not answer ({type(error).__name__})") from error
        if answer.status_code not in (200, 201):
            raise _unusable(url, f"answers with status {answer.status_code}")
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise _unusable(url, "is no JSON object")
        return found

    async def _allowed(self, url: str) -> tuple[Any, str]:
        """The parts of an address that may be asked, and the one IP address to ask."""
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise _unusable(url, "is no address") from None
        if parts.scheme != "https" and not (self._private and parts.scheme == "http"):
            raise _unusable(url, "is no https address")
        if not parts.hostname or parts.username is not None:
            raise _unusable(url, "names no host alone")
        try:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise _unusable(url, "names a host that cannot be found") from error
        addresses = [str(each[4][0]) for each in found]
        if not self._private and not all(is_public(address) for address in addresses):
            raise _unusable(url, "lies in a private network")
        return parts, addresses[0]


def is_public(address: str) -> bool:
    """Whether an IP address is of the internet at large."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    return (inner or parsed).is_global and parsed.is_global and not parsed.is_multicast


async def _read(answer: httpx.Response) -> bytes:
    text = b""
    async for part in answer.aiter_bytes():
        text += part
        if len(text) > _LARGEST:
            raise httpx.DecodingError("too long", request=answer.request)
    return text


def _unusable(url: str, problem: str) -> LtiError:
    return LtiError(f"{url[:200]!r} {problem}", remedy="Ask the LMS's admin for its addresses")
