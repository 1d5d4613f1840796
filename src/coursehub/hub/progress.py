"""What the page says while a server starts: events of JupyterHub's progress stream."""

import html
from collections.abc import Mapping
from typing import Any

from jupyterhub.utils import url_path_join

from coursehub.hub.queue import Place, say_length

Event = Mapping[str, Any]
"""`progress` in percent, `message`, and `html_message` where there is something to press."""

WAITING: Event = {"progress": 5, "message": "Waiting for a moment: many servers are starting."}
MAKING: Event = {"progress": 30, "message": "Making your container."}
OPENING: Event = {"progress": 60, "message": "Your container runs; JupyterLab is starting in it."}

_BUTTONS = (("skip", "Start without a GPU now"), ("leave", "Leave the queue"))


def in_queue(place: Place, base_url: str, xsrf: str) -> Event:
    """The place in the queue for a GPU, with buttons to go on without one or to leave.

    Args:
        place: where the person stands now.
        base_url: the hub's, such as ``/hub/``.
        xsrf: the token for forms of the browser that asked for the server; empty when no browser
            did, and then there are no buttons.
    """
    wait = f", for {say_length(place.expected)} at most" if place.expected else ""
    message = f"You are number {place.number} of {place.of} waiting for a GPU{wait}."
    page = f"<p>{html.escape(message)}</p>"
    if xsrf:
        page += "".join(_button(base_url, xsrf, action, label) for action, label in _BUTTONS)
    return {"progress": 5, "message": message, "html_message": page}


def _button(base_url: str, xsrf: str, action: str, label: str) -> str:
    url = url_path_join(base_url, "coursehub", "queue", action)
    return (
        f'<form method="post" action="{html.escape(url)}" class="d-inline">'
        f'<input type="hidden" name="_xsrf" value="{html.escape(xsrf)}">'
        f'<button class="btn btn-secondary">{label}</button></form> '
    )
