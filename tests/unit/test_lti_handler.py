"""The cookies of a launch: with TLS they come back from other sites and in frames."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from coursehub.hub.lti_handler import LtiHandler


class Headers(LtiHandler):
    """A handler without a hub around it."""

    hub: Any = SimpleNamespace(base_url="/hub/")
    secure: Any = False

    def __init__(self) -> None:
        self.sent: list[str] = []

    def create_signed_value(self, name: str, value: Any, version: int | None = None) -> bytes:
        return f"signed-{value}".encode()

    def add_header(self, name: str, value: Any) -> None:
        assert name == "Set-Cookie"
        self.sent.append(value)


@pytest.mark.parametrize(
    ("secure", "more"), [(True, "; Secure; SameSite=None; Partitioned"), (False, "")]
)
def test_what_a_browser_is_told_to_keep(secure: bool, more: str) -> None:
    handler = Headers()
    handler.secure = secure
    handler.keep("state", "x", timedelta(minutes=10))
    handler.forget("state")
    assert handler.sent == [
        f"state=signed-x; Path=/hub/lti13/; Max-Age=600; HttpOnly{more}",
        f"state=; Path=/hub/lti13/; Max-Age=0; HttpOnly{more}",
    ]
