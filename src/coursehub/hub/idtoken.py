"""ID tokens: signed by the provider's own keys, meant for us, of this sign-in, and not expired.

The checks of OpenID Connect Core 1.0, section 3.1.3.7. oauthenticator makes those of audience and
time alone, and leaves the signature to TLS; here the token stands by itself.
"""

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""Signatures by a key of the provider's alone: never `none`, never one by our own secret."""

LEEWAY = 30
"""Seconds by which the provider's clock may differ."""

REQUIRED = ("iss", "sub", "aud", "exp", "iat")

_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


class BadToken(Exception):
    """What a provider sent is not as it must be; says what, and nothing of its content."""

    def __init__(self, what: str) -> None:
        """Say what is wrong, in a word or two: `audience`."""
        super().__init__(what)
        self.what = what


@dataclass(frozen=True)
class Provider:
    """What a provider says of itself (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization: str
    token: str
    jwks: str
    userinfo: str
    end_session: str
    basic_auth: bool
    names_itself: bool

    @classmethod
    def of(cls, issuer: str, document: Any) -> "Provider":
        """Read the document of `issuer`.

        Raises:
            BadToken: when it is another provider's, or says too little.
        """
        if not isinstance(document, dict) or document.get("issuer") != issuer:
            raise BadToken("it is of another issuer")
        try:
            ends = [document[name] for name in ("authorization_endpoint", "token_endpoint")]
            jwks = document["jwks_uri"]
        except KeyError as error:
            raise BadToken(f"it lacks {error}") from None
        methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return cls(
            issuer,
            *ends,
            jwks,
            document.get("userinfo_endpoint", ""),
            document.get("end_session_endpoint", ""),
            basic_auth="client_secret_post" not in methods,
            names_itself=bool(document.get("authorization_response_iss_parameter_supported")),
        )

    async def keys(self, token: object, fetch: Callable[[str], Awaitable[Any]]) -> list[jwt.PyJWK]:
        """The keys that may have signed `token`, as the provider has them now.

        Raises:
            BadToken: when there is none.
        """
        kid = _header(token).get("kid")
        keys = _key_set(await fetch(self.jwks))
        if not (found := [key for key in keys if kid is None or key.key_id == kid]):
            raise BadToken("key")
        return found


def check_id_token(
    token: object,
    keys: Sequence[jwt.PyJWK],
    *,
    issuer: str,
    client: str,
    nonce: str,
    access_token: str = "",
) -> dict[str, Any]:
    """The claims of an ID token that passes every check.

    Args:
        token: as the token endpoint sent it.
        keys: the provider's, one of which must have signed it.
        issuer: who must have made it.
        client: our client id, for whom it must be.
        nonce: of the sign-in that it must answer.
        access_token: which came with it; checked if the token has its hash.

    Raises:
        BadToken: saying what is wrong first.
    """
    algorithm = _header(token).get("alg")
    if algorithm not in ALGORITHMS:
        raise BadToken("algorithm")
    claims = _decoded(str(token), str(algorithm), keys, issuer, client)
    audience = claims["aud"]
    if "azp" in claims or (isinstance(audience, list) and len(audience) > 1):
        _equal(claims.get("azp"), client, "authorized-party")
    _equal(claims.get("nonce"), nonce, "nonce")
    if "at_hash" in claims:
        _equal(claims["at_hash"], _half_hash(access_token, str(algorithm)), "access-token-hash")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
        raise BadToken("subject")
    return claims


def _decoded(
    token: str, algorithm: str, keys: Sequence[jwt.PyJWK], issuer: str, client: str
) -> dict[str, Any]:
    for key in keys:
        try:
            return jwt.decode(
                token, key, algorithms=[algorithm], audience=client, issuer=issuer, leeway=LEEWAY,
                options={"require": list(REQUIRED)},
            )  # fmt: skip
        except jwt.InvalidSignatureError:
            continue
        except jwt.PyJWTError as error:
            raise BadToken(_WORDS.get(type(error), type(error).__name__)) from None
    raise BadToken("signature")


_WORDS: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.InvalidAudienceError: "audience",
    jwt.InvalidIssuerError: "issuer",
    jwt.InvalidAlgorithmError: "algorithm",
    jwt.ImmatureSignatureError: "not-yet",
    jwt.MissingRequiredClaimError: "claims",
}


def _header(token: object) -> dict[str, Any]:
    if not isinstance(token, str):
        raise BadToken("no-id-token")
    try:
        return jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise BadToken("form") from None


def _key_set(document: Any) -> list[jwt.PyJWK]:
    """The keys for signatures; those of kinds unknown here are left out."""
    try:
        found = jwt.PyJWKSet.from_dict(document).keys
    except (jwt.PyJWTError, AttributeError, TypeError):
        return []
    return [key for key in found if key.public_key_use in (None, "sig") and key.key_type != "oct"]


def _half_hash(access_token: str, algorithm: str) -> str:
    """The left half of an access token's hash (OpenID Connect Core 1.0, section 3.1.3.6)."""
    made = _HASHES.get(algorithm[-3:], hashlib.sha512)(access_token.encode()).digest()
    return base64.urlsafe_b64encode(made[: len(made) // 2]).rstrip(b"=").decode()


def _equal(found: object, wanted: str, what: str) -> None:
    if not isinstance(found, str) or not hmac.compare_digest(found.encode(), wanted.encode()):
        raise BadToken(what)
