"""What a message of a platform must prove before anything is believed.

The checks of the 1EdTech Security Framework 1.0, section 5.1.3, and of LTI 1.3, section 5.3, in
that order: signature, issuer, audience, times, nonce, deployment, message. `now` is a parameter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from coursehub.errors import LtiError
from coursehub.lti import claims
from coursehub.lti.keys import ALGORITHM
from coursehub.lti.nonces import Nonces
from coursehub.lti.platforms import Deployment, Platform, Platforms

SKEW = timedelta(seconds=60)
"""By how much a platform's clock may differ from ours."""

MAX_AGE = timedelta(minutes=10)
"""How old a message may be, whatever it says of its end."""

_LONGEST = 255


class LaunchRefused(LtiError):
    """A message proves too little; the event names what, and says nothing about anybody."""

    def __init__(self, event: str, message: str, remedy: str) -> None:
        """Refuse.

        Args:
            event: for the log: ``nonce-spent``.
            message: the problem, as a person reads it.
            remedy: what they can do.
        """
        super().__init__(message, remedy=remedy)
        self.event = event


@dataclass(frozen=True)
class Expected:
    """What the browser was sent to the platform with.

    Attributes:
        nonce: which the message must carry.
        site: where people reach us, such as ``https://hub.example.edu/``; a target lies below it.
    """

    nonce: str
    site: str


@dataclass(frozen=True)
class Launch:
    """A message that proved to be the platform's."""

    platform: Platform
    deployment: Deployment
    claims: Mapping[str, Any]

    @property
    def subject(self) -> str:
        """The account, by the platform's name for it."""
        return str(self.claims["sub"])

    @property
    def role(self) -> str | None:
        """What the account is in the context, see `claims.role_of`."""
        return claims.role_of(self.claims[claims.ROLES])

    @property
    def deep_linking(self) -> bool:
        """Whether somebody is about to add links to the LMS's course."""
        return bool(self.claims[claims.MESSAGE_TYPE] == claims.DEEP_LINKING_REQUEST)

    @property
    def target(self) -> str:
        """The page of ours that was asked for."""
        return str(self.claims[claims.TARGET_LINK_URI])

    @property
    def assignment(self) -> str | None:
        """The assignment that the link opens, if it says so."""
        found = section(self.claims, claims.CUSTOM).get(claims.ASSIGNMENT)
        return found if isinstance(found, str) else None

    def value(self, name: str) -> str | None:
        """A claim as text: ``email``, ``lis.person_sourcedid``, ``custom.student_number``."""
        head, _, rest = name.partition(".")
        holder = section(self.claims, {"lis": claims.LIS, "custom": claims.CUSTOM}.get(head, ""))
        found = holder.get(rest) if rest else self.claims.get(head)
        return found.strip() or None if isinstance(found, str) else None


def section(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A claim that is an object; empty where it is missing or something else."""
    found = message.get(name)
    return found if isinstance(found, Mapping) else {}


def key_id(token: str) -> str:
    """Which key is said to have signed, once the algorithm is the one that may be.

    Raises:
        LaunchRefused: ``malformed``, ``algorithm`` or ``key-missing``.
    """
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise refusal("malformed") from None
    if header.get("alg") != ALGORITHM:
        raise refusal("algorithm")
    if not isinstance(header.get("kid"), str):
        raise refusal("key-missing")
    return str(header["kid"])


def check(
    token: str,
    key: RSAPublicKey,
    platform: Platform,
    expected: Expected,
    platforms: Platforms,
    nonces: Nonces,
    now: datetime,
) -> Launch:
    """What a message says, if it is what it has to be.

    Args:
        token: the message, a JWT.
        key: the platform's key of the id that the message names.
        platform: to which the browser was sent.
        expected: what it was sent with.
        platforms: whose deployments are trusted.
        nonces: what was spent.
        now: the time.

    Raises:
        LaunchRefused: at the first thing that is not as it has to be.
    """
    message = _signed(token, key)
    _addressed(message, platform)
    expires = _timely(message, now)
    if message.get("nonce") != expected.nonce:
        raise refusal("nonce-foreign")
    sender = f"{platform.issuer}\n{platform.client_id}"
    if not nonces.spend(sender, expected.nonce, expires, now):
        raise refusal("nonce-spent")
    deployment_id = message.get(claims.DEPLOYMENT_ID)
    deployment = platforms.deployment(platform.number, str(deployment_id))
    if not isinstance(deployment_id, str) or deployment is None:
        raise refusal("deployment-unknown")
    _complete(message, expected.site)
    return Launch(platform, deployment, message)


def _signed(token: str, key: RSAPublicKey) -> dict[str, Any]:
    # Times, issuer and audience are checked below, against the time that was given.
    unchecked = dict.fromkeys(
        ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub",
         "verify_jti"), False,
    )  # fmt: skip
    try:
        return jwt.decode(token, key, algorithms=[ALGORITHM], options=unchecked)
    except jwt.InvalidAlgorithmError:
        raise refusal("algorithm") from None
    except jwt.InvalidSignatureError:
        raise refusal("signature") from None
    except jwt.PyJWTError:
        raise refusal("malformed") from None


def _addressed(message: Mapping[str, Any], platform: Platform) -> None:
    if message.get("iss") != platform.issuer:
        raise refusal("issuer")
    audience = message.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if platform.client_id not in audiences:
        raise refusal("audience")
    if (len(audiences) > 1 or "azp" in message) and message.get("azp") != platform.client_id:
        raise refusal("authorized-party")


def _timely(message: Mapping[str, Any], now: datetime) -> datetime:
    """Until when the message could be used again."""
    issued, ends = _instant(message.get("iat")), _instant(message.get("exp"))
    if issued is None or ends is None:
        raise refusal("times-missing")
    begins = _instant(message.get("nbf")) or issued
    if now > ends + SKEW:
        raise refusal("expired")
    if max(issued, begins) > now + SKEW:
        raise refusal("from-the-future")
    if now > issued + MAX_AGE + SKEW:
        raise refusal("too-old")
    return min(ends, issued + MAX_AGE) + 2 * SKEW


def _instant(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _complete(message: Mapping[str, Any], site: str) -> None:
    if message.get(claims.VERSION) != "1.3.0":
        raise refusal("version")
    kinds = (claims.RESOURCE_LINK_REQUEST, claims.DEEP_LINKING_REQUEST)
    if message.get(claims.MESSAGE_TYPE) not in kinds:
        raise refusal("message-type")
    if not _name(message.get("sub")):
        raise refusal("sub-missing")
    if not isinstance(message.get(claims.ROLES), list):
        raise refusal("roles-missing")
    target = message.get(claims.TARGET_LINK_URI)
    if not isinstance(target, str) or not on_site(target, site):
        raise refusal("target-foreign")
    if message[claims.MESSAGE_TYPE] == claims.RESOURCE_LINK_REQUEST:
        if not _name(section(message, claims.RESOURCE_LINK).get("id")):
            raise refusal("resource-link-missing")
    elif not section(message, claims.DEEP_LINKING_SETTINGS):
        raise refusal("deep-linking-settings-missing")
    if claims.CONTEXT in message and not _name(section(message, claims.CONTEXT).get("id")):
        raise refusal("context-missing")


def _name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and "\0" not in value


def on_site(url: str, site: str) -> bool:
    """Whether a browser that follows `url` stays below `site`, which ends with a slash."""
    if any(ord(character) <= 32 or character == "\\" for character in url):
        return False  # browsers drop or turn these
    try:
        wanted, ours = urlsplit(url), urlsplit(site)
        same_origin = (wanted.scheme, wanted.netloc) == (ours.scheme, ours.netloc)
    except ValueError:
        return False
    return same_origin and f"{wanted.path}/".startswith(ours.path)


AGAIN = "Go back to the LMS and open the link again"
ADMIN = "Write to the course's staff; the LMS's connection needs a look"

_WORDS = {
    "malformed": ("The LMS sent something that is no signed message", ADMIN),
    "algorithm": ("The LMS's message is not signed as it must be", ADMIN),
    "key-missing": ("The LMS's message does not say which key signed it", ADMIN),
    "key-unknown": ("The LMS's message is signed with a key that the LMS does not publish", ADMIN),
    "keys-unreachable": ("The LMS does not answer when asked for its keys",
                         "Open the link again in some minutes"),
    "signature": ("The signature of the LMS's message is wrong", ADMIN),
    "issuer": ("The message comes from another LMS than the one that was asked", AGAIN),
    "audience": ("The LMS's message is meant for somebody else", ADMIN),
    "authorized-party": ("The LMS's message is meant for somebody else", ADMIN),
    "times-missing": ("The LMS's message does not say how long it holds", ADMIN),
    "expired": ("The LMS's message is no longer valid", AGAIN),
    "too-old": ("The LMS's message is no longer valid", AGAIN),
    "from-the-future": ("The LMS's clock is ahead of ours", ADMIN),
    "nonce-foreign": ("This sign-in was not begun in this browser", AGAIN),
    "nonce-spent": ("This link from the LMS was used already", AGAIN),
    "deployment-unknown": ("This place in the LMS is not known to this course", ADMIN),
    "version": ("The LMS speaks another version of LTI", ADMIN),
    "message-type": ("The LMS asked for something that this course does not offer", ADMIN),
    "sub-missing": ("The LMS does not say who you are",
                    "Sign in to the LMS first; it must not launch people without their account"),
    "roles-missing": ("The LMS does not say what you are in its course", ADMIN),
    "target-foreign": ("The LMS's link leads to another site", ADMIN),
    "resource-link-missing": ("The LMS does not say which link was opened", ADMIN),
    "context-missing": ("The LMS does not say which course the link is in", ADMIN),
    "deep-linking-settings-missing": ("The LMS does not say what may be added to it", ADMIN),
    "state-missing": ("This sign-in was not begun in this browser, or is too old",
                      "Open the link in the LMS again, with cookies allowed, best in a new tab"),
    "platform-unknown": ("This LMS is not known to this course", ADMIN),
    "platform-refused": ("The LMS did not sign you in", AGAIN),
    "form-untrue": ("The LMS's form is not signed as it must be, or is too old", AGAIN),
    "login-incomplete": ("This address is for an LMS to open", "Open the link in the LMS"),
}  # fmt: skip


def refusal(event: str) -> LaunchRefused:
    """The refusal that goes with an event."""
    return LaunchRefused(event, *_WORDS[event])
