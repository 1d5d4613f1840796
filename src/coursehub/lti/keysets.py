"""The keys that platforms publish, kept for a while and asked for again when one is unknown."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from coursehub.errors import LtiError
from coursehub.lti.fetching import Fetcher
from coursehub.lti.keys import ALGORITHM
from coursehub.lti.launch import refusal

KEPT = timedelta(minutes=15)
"""How long a set counts; a key that a platform withdraws is trusted no longer than that."""

PAUSE = timedelta(seconds=10)
"""How often a platform is asked again at most, however many unknown keys messages name."""

_SMALLEST = 2048

log = logging.getLogger("jupyterhub")


@dataclass
class _Set:
    keys: Mapping[str, RSAPublicKey]
    good_until: datetime
    tried: datetime


class KeySets:
    """The key sets by their addresses."""

    def __init__(self, fetcher: Fetcher) -> None:
        """Ask with `fetcher`."""
        self._fetcher = fetcher
        self._sets: dict[str, _Set] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def find(self, url: str, kid: str, now: datetime) -> RSAPublicKey:
        """The key `kid` of the set at `url`.

        Raises:
            LaunchRefused: ``key-unknown``, or ``keys-unreachable``.
        """
        async with self._turns[url]:
            known = self._sets.get(url)
            if known is None or (_lacks(known, kid, now) and now > known.tried + PAUSE):
                known = self._sets[url] = await self._fetch(url, known, now)
        if now > known.good_until:
            raise refusal("keys-unreachable")
        if kid not in known.keys:
            raise refusal("key-unknown")
        return known.keys[kid]

    async def _fetch(self, url: str, known: _Set | None, now: datetime) -> _Set:
        """The set as it is now; while the platform does not answer, the one that was known."""
        try:
            keys = read_keys(await self._fetcher.get(url))
        except LtiError as error:
            log.warning("the LMS's keys cannot be fetched: %s", error)
            return replace(known, tried=now) if known else _Set({}, now - PAUSE, now)
        return _Set(keys, now + KEPT, now)


def _lacks(known: _Set, kid: str, now: datetime) -> bool:
    return kid not in known.keys or now > known.good_until


def read_keys(document: Mapping[str, Any]) -> dict[str, RSAPublicKey]:
    """The usable keys of a JWK set (RFC 7517) by id: RSA, for signatures, long enough."""
    found = {}
    entries = document.get("keys")
    for jwk in entries if isinstance(entries, list) else []:
        if not isinstance(jwk, dict) or jwk.get("kty") != "RSA":
            continue
        if jwk.get("use", "sig") != "sig" or jwk.get("alg", ALGORITHM) != ALGORITHM:
            continue
        public = {name: jwk[name] for name in ("kty", "n", "e") if name in jwk}
        try:
            key = RSAAlgorithm.from_jwk(public)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        kid = jwk.get("kid")
        if isinstance(kid, str) and isinstance(key, RSAPublicKey) and key.key_size >= _SMALLEST:
            found[kid] = key
    return found
