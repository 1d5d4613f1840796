"""Signing in at the hub as a person would, for the demo, the tests and the benches."""

import re
from typing import Any

import httpx

from coursehub.errors import SpawnError


class AtOneAddress(httpx.HTTPTransport):
    """Finds every name at one address, as browsers do those that end in .localhost."""

    def __init__(self, address: str) -> None:
        """Go to `address`, an http URL of host and port, whatever is asked for."""
        super().__init__()
        self._address = httpx.URL(address)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request there; its Host header says what it was meant for."""
        where = {"scheme": self._address.scheme, "host": self._address.host}
        sent = httpx.Request(
            request.method,
            request.url.copy_with(**where, port=self._address.port),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return super().handle_request(sent)


class Session:
    """A signed-in browser's worth of cookies."""

    def __init__(self, url: str, username: str, password: str, address: str | None = None) -> None:
        """Sign in.

        Args:
            url: the hub's public URL.
            username: who.
            password: theirs.
            address: where that URL's name, and those below it, are found; None: by their names.

        Raises:
            SpawnError: when the hub refuses.
        """
        self.username = username
        self.http = httpx.Client(
            base_url=url,
            follow_redirects=False,
            trust_env=False,
            timeout=60,
            transport=AtOneAddress(address) if address else None,
        )
        form = self.http.get("/hub/login")
        self.http.post(
            "/hub/login",
            data={"username": username, "password": password, "_xsrf": _xsrf(form.text)},
        )
        names = [cookie.name for cookie in self.http.cookies.jar]
        if not any(name.endswith("jupyterhub-hub-login") for name in names):
            raise SpawnError(
                f"the hub does not let {username} in", remedy="Check name and password"
            )

    def token(self, *, service: str = "course", seconds: int = 3600) -> str:
        """A fresh token of this person for one service."""
        wanted = {
            "scopes": [f"access:services!service={service}"],
            "expires_in": seconds,
            "note": "hands in",
        }
        answer = self.api("POST", f"users/{self.username}/tokens", json=wanted)
        answer.raise_for_status()
        return str(answer.json()["token"])

    def api(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Ask the hub's API as the hub's own pages do."""
        headers = {"X-XSRFToken": self._hub_xsrf(), "Referer": str(self.http.base_url)}
        return self.http.request(method, f"/hub/api/{path}", headers=headers, **request)

    def close(self) -> None:
        """Forget the cookies."""
        self.http.close()

    def _hub_xsrf(self) -> str:
        page = self.http.get("/hub/token")
        found = re.search(r'xsrf_token: "([^"]+)"', page.text)
        return found[1] if found else ""


def _xsrf(page: str) -> str:
    found = re.search(r'name="_xsrf" value="([^"]+)"', page)
    return found[1] if found else ""
