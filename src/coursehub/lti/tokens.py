"""Access tokens for a platform's services, each for a scope and kept until shortly before its end.

The tool proves who it is by a JWT that it signs with its own key (LTI Security Framework 1.0,
section 4.1; RFC 7523, section 2.2).
"""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from coursehub.errors import PlatformAway
from coursehub.lti.platforms import Platform

_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS = 60
_EARLY = 60.0  # a token that ends within so many seconds is not used any more
_USUAL_SECONDS = 3600  # what a platform that says nothing means (RFC 6749 recommends to say)


class Signer(Protocol):
    """Whoever has the tool's keys; `lti.keys.Keys` is one."""

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A JWT over `claims`."""


@dataclass(frozen=True)
class _Token:
    text: str
    ends: float  # by the clock that never goes back


class Tokens:
    """The tokens of one tool; may be asked by several threads."""

    def __init__(self, keys: Signer, post: Callable[[str, Mapping[str, str]], Any]) -> None:
        """Ask for tokens.

        Args:
            keys: The tool's.
            post: Posts a form to a URL and returns the JSON that comes back; raises
                `PassbackError`.
        """
        self._keys, self._post = keys, post
        self._kept: dict[tuple[int, str], _Token] = {}
        self._lock = threading.Lock()

    def get(self, platform: Platform, scope: str) -> str:
        """A token for a scope.

        Raises:
            PassbackError: There is none to be had.
        """
        with self._lock:
            kept = self._kept.get((platform.number, scope))
            if kept is None or kept.ends <= time.monotonic():
                kept = self._kept[platform.number, scope] = self._ask(platform, scope)
            return kept.text

    def forget(self, platform: Platform, scope: str) -> None:
        """Ask anew the next time: the platform knows the token no longer."""
        with self._lock:
            self._kept.pop((platform.number, scope), None)

    def _ask(self, platform: Platform, scope: str) -> _Token:
        begun, now = time.monotonic(), int(time.time())
        claims = {
            "iss": platform.client_id,
            "sub": platform.client_id,
            "aud": platform.token_audience or platform.token_url,
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
            "jti": secrets.token_urlsafe(24),
        }
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _JWT_BEARER,
            "client_assertion": self._keys.sign(claims),
            "scope": scope,
        }
        answer = self._post(platform.token_url, form)
        token = answer.get("access_token") if isinstance(answer, Mapping) else None
        if not isinstance(token, str) or not token:
            raise PlatformAway(
                f"{platform.name} gave no access token", remedy="See how the tool is set up there"
            )
        lasts = answer.get("expires_in", _USUAL_SECONDS)
        seconds = float(lasts) if isinstance(lasts, int | float) else _USUAL_SECONDS
        return _Token(token, begun + max(seconds - _EARLY, seconds / 2))
