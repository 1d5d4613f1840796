"""What the page says to somebody who waits for a GPU."""

import re
from datetime import timedelta

from coursehub.hub.progress import in_queue
from coursehub.hub.queue import Place


def test_place_and_wait_are_said_with_a_button_for_each_way_out() -> None:
    event = in_queue(Place(2, 5, timedelta(minutes=25)))
    assert event["message"] == "You are number 2 of 5 waiting for a GPU, for about 25 minutes."
    page = event["html_message"]
    assert event["message"] in page
    assert re.findall(r'<button form="([^"]+)"', page) == ["queue-skip", "queue-leave"]


def test_where_nobody_knows_how_long_nothing_is_promised() -> None:
    assert in_queue(Place(1, 1, None))["message"] == "You are number 1 of 1 waiting for a GPU."
