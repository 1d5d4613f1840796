"""Requests to a platform's services: with a token, in bounded time, of bounded size.

What a platform answers is not trusted further than it must be: a link leads nowhere but to the
service's own host, since the token goes along; nothing is followed; nothing is read without end.
"""

import json
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from coursehub.errors import PlatformAway, PlatformRefused
from coursehub.lti.fetching import is_public
from coursehub.lti.platforms import Platform
from coursehub.lti.tokens import Signer, Tokens

SECONDS = 20.0
"""The longest that one request may take."""

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_MOST_BYTES = 4_000_000
_MOST_PAGES = 500
_LONGEST_REASON = 300
_LONGEST_PAUSE = 3600.0


@dataclass(frozen=True)
class Answer:
    """What came back: the value of its JSON, None where there is none, and its links by kind."""

    value: Any
    links: Mapping[str, str]


class Services:
    """The services of one platform, as one tool uses them."""

    def __init__(self, platform: Platform, keys: Signer, *, private: bool = False) -> None:
        """Use services.

        Args:
            platform: Whose.
            keys: The tool's.
            private: Whether the LMS may be on a private network, and without TLS.
        """
        self.platform, self._private = platform, private
        self._http = httpx.Client(timeout=_TIMEOUT, follow_redirects=False)
        self._tokens = Tokens(keys, self._post_form)

    def close(self) -> None:
        """Drop the connections."""
        self._http.close()

    def get(self, url: str, scope: str, media_type: str) -> Answer:
        """What lies at `url`, in a media type.

        Raises:
            PlatformRefused: It says no.
            PlatformAway: It does not answer now.
        """
        return self._ask("GET", url, scope, {"Accept": media_type})

    def send(
        self, method: str, url: str, scope: str, media_type: str, value: Mapping[str, Any]
    ) -> Answer:
        """Send a value as JSON; raises as `get`."""
        content = json.dumps(value).encode()
        return self._ask(method, url, scope, {"Content-Type": media_type}, content)

    def pages(self, url: str, scope: str, media_type: str) -> Iterator[Any]:
        """The values of a page and of those that it links as the next; raises as `get`."""
        seen, following = {url}, url
        for _ in range(_MOST_PAGES):
            answer = self.get(following, scope, media_type)
            yield answer.value
            link = answer.links.get("next")
            if link is None:
                return
            following = self.own(link, url)
            if following in seen:
                raise self._refused("its pages go round in a circle")
            seen.add(following)
        raise self._refused(f"it has more than {_MOST_PAGES} pages")

    def own(self, url: object, beside: str) -> str:
        """A URL that the platform named, if it lies on the host of `beside`.

        Raises:
            PlatformRefused: It lies elsewhere: a token is nothing for others.
        """
        try:
            if isinstance(url, str) and urlsplit(url)[:2] == urlsplit(beside)[:2]:
                return url
        except ValueError:
            pass
        raise self._refused(f"it names an address that is not its own, {str(url)[:100]!r}")

    def unusable(self, reason: str) -> PlatformRefused:
        """The error for an answer that says nothing usable."""
        return self._refused(reason)

    def _ask(
        self, method: str, url: str, scope: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Answer:
        for last in (False, True):
            token = self._tokens.get(self.platform, scope)
            authorized = {**headers, "Authorization": f"Bearer {token}"}
            status, answered, body = self._request(method, url, authorized, content)
            if status != httpx.codes.UNAUTHORIZED:
                break
            self._tokens.forget(self.platform, scope)
            if last:
                raise self._away("it takes no token that it gave itself")
        self._check(status, answered, body)
        links = {kind: link["url"] for kind, link in _links(answered).items() if "url" in link}
        return Answer(self._json(body) if body.strip() else None, links)

    def _post_form(self, url: str, form: Mapping[str, str]) -> Any:
        status, headers, body = self._request("POST", url, {"Accept": "application/json"}, form)
        try:
            self._check(status, headers, body)
        except PlatformRefused as error:  # the tool's set-up: nothing to do with what waits
            raise self._away(f"it gives no access token: {_reason(status, body)}") from error
        return self._json(body)

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], content: Any
    ) -> tuple[int, httpx.Headers, bytes]:
        """One request: its status, its headers and its body."""
        if not self._private:
            self._check_address(url)
        sent = {"data": content} if isinstance(content, Mapping) else {"content": content}
        ends, body = time.monotonic() + SECONDS, bytearray()
        try:
            with self._http.stream(method, url, headers=headers, **sent) as answer:
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise self._refused(f"an answer has more than {_MOST_BYTES:,} bytes")
                    if time.monotonic() > ends:
                        raise self._away(f"an answer takes longer than {SECONDS:.0f} s")
                return answer.status_code, answer.headers, bytes(body)
        except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError) as error:
            raise self._away(f"no answer: {str(error) or type(error).__name__}") from error

    def _check_address(self, url: str) -> None:
        """Refuse what is not asked by TLS, or lies in our own networks."""
        parts = urlsplit(url)
        if parts.scheme != "https":
            raise self._refused(f"{url} is no https address")
        try:
            found = socket.getaddrinfo(parts.hostname, 443, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise self._away(f"{parts.hostname} cannot be found") from error
        if not all(is_public(str(each[4][0])) for each in found):
            raise self._refused(f"{url} lies in a private network")

    def _check(self, status: int, headers: httpx.Headers, body: bytes) -> None:
        if httpx.codes.is_success(status):
            return
        reason = _reason(status, body)
        if status in (408, 425, 429) or httpx.codes.is_server_error(status):
            raise self._away(reason, _retry_after(headers.get("Retry-After"), datetime.now(UTC)))
        raise self._refused(reason, status)

    def _json(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError as error:
            raise self._away("what it answers is no JSON") from error

    def _refused(self, reason: str, status: int | None = None) -> PlatformRefused:
        return PlatformRefused(f"{self.platform.name}: {reason}", status=status)

    def _away(self, reason: str, pause: float | None = None) -> PlatformAway:
        return PlatformAway(f"{self.platform.name}: {reason}", pause=pause)


def _reason(status: int, body: bytes) -> str:
    """What a platform said, in a line that can be shown."""
    text = body[: 4 * _LONGEST_REASON].decode("utf-8", "replace").replace("\0", "")
    words = "".join(each if each.isprintable() else " " for each in text).split()
    return f"status {status} {' '.join(words)}"[:_LONGEST_REASON].strip()


def _links(headers: httpx.Headers) -> Mapping[str, Mapping[str, str]]:
    """Links by their kind; httpx reads the header, several lines of it as one."""
    return httpx.Response(200, headers=headers).links  # type: ignore[return-value]


def _retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds to wait (RFC 9110, section 10.2.3): a number of them, or a date."""
    if text is None:
        return None
    try:
        seconds = float(int(text))
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_PAUSE)
