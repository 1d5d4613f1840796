"""What the page says while a server starts: events of JupyterHub's progress stream."""

import html
from collections.abc import Mapping
from typing import Any

from coursehub.hub.queue import Place, say_length

Event = Mapping[str, Any]
"""`progress` in percent, `message`, and `html_message` where there is something to press."""

WAITING: Event = {"progress": 5, "message": "Waiting for a moment: many servers are starting."}
MAKING: Event = {"progress": 30, "message": "Making your container."}
OPENING: Event = {"progress": 60, "message": "Your container runs; JupyterLab is starting in it."}


# The forms that these belong to are in hub/templates/spawn_pending.html, with the page's own token.
_BUTTONS = "".join(
    f'<button form="queue-{action}" class="btn btn-secondary">{label}</button> '
    for action, label in (("skip", "Start on CPU now"), ("leave", "Leave the queue"))
)


def in_queue(place: Place) -> Event:
    """The place in the queue for a GPU, with buttons to go on without one or to leave.

    Args:
        place: where the person stands now.
    """
    wait = f", for about {say_length(place.expected)}" if place.expected else ""
    message = f"You are number {place.number} of {place.of} waiting for a GPU{wait}."
    page = f"<p>{html.escape(message)}</p>{_BUTTONS}"
    return {"progress": 5, "message": message, "html_message": page}


def behind_fence(seconds: int) -> Event:
    """How long the start waits for an earlier server whose machine is gone.

    Args:
        seconds: until that machine has stopped it for certain.
    """
    return {
        "progress": 10,
        "message": "The machine on which your last server ran does not answer. So that nothing of "
        f"yours is written twice, the new one starts in {seconds} seconds, elsewhere.",
    }
