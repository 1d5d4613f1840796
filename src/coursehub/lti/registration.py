"""How an LMS registers itself: an invitation, its configuration, our registration.

LTI Dynamic Registration 1.0 (https://www.imsglobal.org/spec/lti-dr/v1p0). An admin of the course
makes a link that works once and for a day; an admin of the LMS pastes it.
"""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine, delete, update

from coursehub.course.model import Course
from coursehub.errors import LtiError
from coursehub.lti import claims
from coursehub.lti.keys import ALGORITHM
from coursehub.lti.tables import create_tables, invitations

VALID = timedelta(hours=24)

TOOL = "https://purl.imsglobal.org/spec/lti-tool-configuration"
PLATFORM = "https://purl.imsglobal.org/spec/lti-platform-configuration"

_WHAT = "Notebooks of the course: write, hand in, get feedback"
_ADDRESSES = ("authorization_endpoint", "registration_endpoint", "jwks_uri", "token_endpoint")


class Invitations:
    """Links with which an LMS may register itself; only a digest of each is kept."""

    def __init__(self, engine: Engine) -> None:
        """Work on the database behind `engine`."""
        create_tables(engine)
        self._engine = engine

    def make(self, by: str, now: datetime) -> str:
        """The secret of a new link; those that are over are forgotten."""
        secret = secrets.token_urlsafe(32)
        row = {"digest": _digest(secret), "made_by": by, "expires": now + VALID}
        with self._engine.begin() as connection:
            connection.execute(delete(invitations).where(invitations.c.expires < now - VALID))
            connection.execute(invitations.insert().values(row))
        return secret

    def take(self, secret: str, now: datetime) -> str:
        """Use up the link, and return who made it. Of two at once, one gets it.

        Raises:
            LtiError: when there is no such link, or it is used up or over.
        """
        query = (
            update(invitations)
            .where(invitations.c.digest == _digest(secret))
            .where(invitations.c.used_at.is_(None), invitations.c.expires > now)
            .values(used_at=now)
            .returning(invitations.c.made_by)
        )
        with self._engine.begin() as connection:
            made_by = connection.execute(query).scalar()
        if made_by is None:
            raise LtiError(
                "this link for registering an LMS was used already, or is over",
                remedy="Ask the course's staff for a new one (`coursehub lti invite`)",
            )
        return str(made_by)

    def give_back(self, secret: str) -> None:
        """Let the link be used again, since nothing came of it."""
        query = update(invitations).where(invitations.c.digest == _digest(secret))
        with self._engine.begin() as connection:
            connection.execute(query.values(used_at=None))


def read_configuration(document: Mapping[str, Any], url: str) -> dict[str, str]:
    """The addresses in what a platform says of itself.

    Args:
        document: its OpenID configuration.
        url: where that was found.

    Returns:
        ``issuer``, ``name`` and the OpenID names of its four addresses.

    Raises:
        LtiError: when it speaks for somebody else, or lacks what LTI needs.
    """
    found = {name: document.get(name) for name in ("issuer", *_ADDRESSES)}
    for name, value in found.items():
        if not isinstance(value, str) or not value.startswith(("https://", "http://")):
            raise _unfit(f"has no {name}")
    issuer = str(found["issuer"])
    if _origin(issuer) != _origin(url):
        raise _unfit(f"lies at {_origin(url)} and speaks for {_origin(issuer)}")
    if ALGORITHM not in document.get("id_token_signing_alg_values_supported", [ALGORITHM]):
        raise _unfit(f"does not sign with {ALGORITHM}")
    about = document.get(PLATFORM)
    family = about.get("product_family_code") if isinstance(about, Mapping) else None
    audience = document.get("authorization_server")
    return {
        **{name: str(value) for name, value in found.items()},
        "name": f"{family or 'LMS'} at {urlsplit(issuer).hostname}"[:200],
        "token_audience": audience if isinstance(audience, str) else "",
    }


def registration(course: Course, hub: str) -> dict[str, Any]:
    """What the tool says of itself.

    Args:
        course: the course.
        hub: the address of the hub, such as ``https://hub.example.edu/hub/``.
    """
    launch, link = f"{hub}lti13/oauth_callback", f"{hub}lti13/link"
    return {
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["implicit", "client_credentials"],
        "initiate_login_uri": f"{hub}lti13/oauth_login",
        "redirect_uris": [launch],
        "client_name": f"{course.code} {course.title}",
        "jwks_uri": f"{hub}lti13/jwks",
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": " ".join(claims.SCOPES),
        TOOL: {
            "domain": urlsplit(hub).netloc,
            "description": _WHAT,
            "https://canvas.instructure.com/lti/privacy_level": "public",
            "target_link_uri": link,
            "claims": ["iss", "sub", "name", "given_name", "family_name", "email"],
            "custom_parameters": {},
            "messages": [
                {"type": claims.RESOURCE_LINK_REQUEST, "target_link_uri": link},
                {
                    "type": claims.DEEP_LINKING_REQUEST,
                    "target_link_uri": f"{hub}lti13/deep-linking",
                    "label": f"{course.code} assignment",
                    "placements": ["ContentArea", "assignment_selection"],
                },
            ],
        },
    }


def canvas(course: Course, hub: str) -> dict[str, Any]:
    """The same for a Canvas without dynamic registration: its "Paste JSON" and "Enter URL".

    Args:
        course: the course.
        hub: as for `registration`.
    """
    link, choose = f"{hub}lti13/link", f"{hub}lti13/deep-linking"
    placements = [
        {
            "placement": "course_navigation",
            "message_type": claims.RESOURCE_LINK_REQUEST,
            "target_link_uri": link,
            "windowTarget": "_blank",
        },
        {
            "placement": "assignment_selection",
            "message_type": claims.DEEP_LINKING_REQUEST,
            "target_link_uri": choose,
        },
    ]
    return {
        "title": f"{course.code} {course.title}",
        "description": _WHAT,
        "oidc_initiation_url": f"{hub}lti13/oauth_login",
        "target_link_uri": link,
        "public_jwk_url": f"{hub}lti13/jwks",
        "scopes": list(claims.SCOPES),
        "extensions": [
            {
                "platform": "canvas.instructure.com",
                "privacy_level": "public",
                "settings": {"placements": placements},
            }
        ],
    }


def registered(
    configuration: Mapping[str, str], document: Mapping[str, Any]
) -> tuple[dict[str, Any], str | None]:
    """The platform to trust, as `Platforms.add` takes it, and its first deployment if it names one.

    Args:
        configuration: see `read_configuration`.
        document: what the platform answered to our registration.

    Raises:
        LtiError: when it gave no client id.
    """
    client_id = document.get("client_id")
    if not isinstance(client_id, str) or not 0 < len(client_id) <= 255:
        raise _unfit("gave no client_id")
    tool = document.get(TOOL)
    deployment = tool.get("deployment_id") if isinstance(tool, Mapping) else None
    platform = {
        "name": configuration["name"],
        "issuer": configuration["issuer"],
        "client_id": client_id,
        "auth_login_url": configuration["authorization_endpoint"],
        "token_url": configuration["token_endpoint"],
        "jwks_url": configuration["jwks_uri"],
        "token_audience": configuration["token_audience"] or None,
    }
    return platform, deployment if isinstance(deployment, str) and deployment else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _unfit(problem: str) -> LtiError:
    return LtiError(f"the LMS's configuration {problem}", remedy="Ask the LMS's admin")
