"""What the page says to somebody who waits for a GPU."""

from datetime import timedelta

from coursehub.hub.progress import in_queue
from coursehub.hub.queue import Place


def test_place_and_wait_are_said_with_a_button_for_each_way_out() -> None:
    event = in_queue(Place(2, 5, timedelta(minutes=25)), "/hub/", "to<ken")
    assert event["message"] == ("You are number 2 of 5 waiting for a GPU, for 25 minutes at most.")
    page = event["html_message"]
    assert page.count('<form method="post"') == page.count('value="to&lt;ken"') == 2
    for action in ("skip", "leave"):
        assert f'action="/hub/coursehub/queue/{action}"' in page


def test_without_a_browser_there_is_nothing_to_press() -> None:
    event = in_queue(Place(1, 1, None), "/hub/", "")
    assert event["message"] == "You are number 1 of 1 waiting for a GPU."
    assert "<form" not in event["html_message"]
