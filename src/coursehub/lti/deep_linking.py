"""Links to assignments that an instructor adds to the LMS's course.

Deep Linking 2.0 (https://www.imsglobal.org/spec/lti-dl/v2p0): the platform asks, an instructor
chooses, and the browser carries the tool's signed answer back.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from coursehub.course.model import Assignment, Course
from coursehub.course.schedule import window
from coursehub.lti import claims
from coursehub.lti.keys import Keys
from coursehub.lti.launch import Launch, refusal, section

POINTS = 100
"""What a line item is out of: marks go to the LMS as percent."""

LINE_ITEM_TAG = "coursehub"
"""By which our line items are known among others (AGS 2.0, section 3.1)."""

_LIFE = timedelta(minutes=5)


def wishes(launch: Launch) -> Mapping[str, Any]:
    """The platform's settings for what may be added.

    Raises:
        LaunchRefused: when it takes no links, or does not say where they go.
    """
    found = section(launch.claims, claims.DEEP_LINKING_SETTINGS)
    where, types = found.get("deep_link_return_url"), found.get("accept_types")
    fine = isinstance(where, str) and where.startswith(("https://", "http://"))
    if not fine or not isinstance(types, list) or "ltiResourceLink" not in types:
        raise refusal("deep-linking-settings-missing")
    return found


def item(course: Course, assignment: Assignment, url: str) -> dict[str, Any]:
    """The link that opens an assignment, with its line item and its times.

    Args:
        course: the course.
        assignment: one of its assignments.
        url: where links of this tool lead.
    """
    times = window(course, assignment)
    return {
        "type": "ltiResourceLink",
        "title": f"Assignment {assignment.number}: {assignment.title}",
        "url": url,
        "custom": {claims.ASSIGNMENT: assignment.name},
        # Its session is the browser's own there; inside a frame browsers keep it from us.
        "window": {"targetName": "_blank"},
        "lineItem": {
            "label": f"Assignment {assignment.number}",
            "scoreMaximum": POINTS,
            "resourceId": assignment.name,
            "tag": LINE_ITEM_TAG,
        },
        "available": {"startDateTime": times.release.isoformat()},
        "submission": {"endDateTime": times.due.isoformat()},
    }


def answer(
    keys: Keys,
    request: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]],
    now: datetime,
) -> str:
    """The signed message with the chosen links.

    Args:
        keys: the tool's.
        request: ``issuer``, ``client_id``, ``deployment_id`` of the request, and its ``data``,
            which goes back unread, where it had some.
        items: see `item`; none, if nothing was chosen.
        now: the time.
    """
    message = {
        "iss": request["client_id"],
        "aud": [request["issuer"]],
        "iat": int(now.timestamp()),
        "exp": int((now + _LIFE).timestamp()),
        "nonce": secrets.token_urlsafe(24),
        claims.VERSION: "1.3.0",
        claims.MESSAGE_TYPE: claims.DEEP_LINKING_RESPONSE,
        claims.DEPLOYMENT_ID: request["deployment_id"],
        claims.CONTENT_ITEMS: list(items),
    }
    if request.get("data") is not None:
        message[claims.DATA] = request["data"]
    return keys.sign(message)
