"""A browser's part in a launch, without a browser: cookies, redirects, and forms that post."""

import html
import re
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx

from tests.lti.platform import Platform

FORM = re.compile(r'<form[^>]*action="([^"]*)"')
INPUT = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


class Browser:
    """Cookies of one browser, which follows nothing by itself."""

    def __init__(self, hub: str) -> None:
        """Begin without cookies; `hub` is the public address."""
        self.hub = hub.rstrip("/")
        self.http = httpx.Client(base_url=hub, trust_env=False, timeout=60)

    def begin(self, platform: Platform, user: str, client_id: str, **wanted: Any) -> dict[str, str]:
        """Click a link in the LMS; the authentication request that the tool answers with."""
        told = platform.initiation(client_id, user, **wanted)
        answer = self.http.post(platform.clients[client_id].login_uri, data=told)
        assert answer.status_code == 302, answer.text
        where = answer.headers["Location"]
        assert where.startswith(f"{platform.issuer}/auth?")
        return dict(parse_qsl(urlsplit(where).query))

    def ask(self, platform: Platform, asked: dict[str, str]) -> dict[str, str]:
        """Go to the LMS with it; the form that it would have the browser post."""
        answer = self.http.get(f"{platform.issuer}/auth", params=asked)
        assert answer.status_code == 200, (answer.status_code, answer.reason_phrase)
        found = FORM.search(answer.text)
        assert found and html.unescape(found[1]) == asked["redirect_uri"]
        return form_of(answer.text)

    def bring(self, form: dict[str, str]) -> httpx.Response:
        """Post the LMS's form to the tool, as from the LMS's site."""
        headers = {"Origin": "https://lms.example.edu", "Sec-Fetch-Site": "cross-site"}
        return self.http.post(f"{self.hub}/hub/lti13/oauth_callback", data=form, headers=headers)

    def launch(
        self, platform: Platform, user: str, client_id: str = "client-1", **wanted: Any
    ) -> httpx.Response:
        """A whole launch up to the tool's answer to the message."""
        return self.bring(self.ask(platform, self.begin(platform, user, client_id, **wanted)))

    def land(self, answer: httpx.Response) -> str:
        """Sign in after a launch; the address at which its person lands."""
        assert answer.status_code == 303, (answer.status_code, answer.text)
        answer = self.http.get(answer.headers["Location"])
        assert answer.status_code == 302, (answer.status_code, answer.text)
        return str(answer.headers["Location"])

    def user(self) -> str | None:
        """Who is signed in."""
        answer = self.http.get("/hub/api/user")
        return answer.json()["name"] if answer.is_success else None

    def follow(self, path: str) -> httpx.Response:
        """A page, through all redirects of the hub's."""
        answer = self.http.get(path)
        for _ in range(12):
            if not answer.is_redirect:
                break
            answer = self.http.get(urljoin(str(answer.url), answer.headers["Location"]))
        return answer


def form_of(page: str) -> dict[str, str]:
    """The hidden inputs of a page."""
    return {name: html.unescape(value) for name, value in INPUT.findall(page)}
