"""What handlers of the LMS's requests share: these come from another site, perhaps in a frame."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from jupyterhub.handlers import BaseHandler

from coursehub.hub.auth import Refused
from coursehub.lti.launch import LaunchRefused
from coursehub.lti.platforms import Platform
from coursehub.lti.tool import Tool

_FRAMES = ("iframe", "frame", "embed", "object")


class LtiHandler(BaseHandler):  # type: ignore[misc]
    """A handler of what browsers and platforms send about the LMS."""

    frames = "*"
    """Who may show the answer in a frame. Nothing that can be clicked in it does anything alone."""

    async def prepare(self) -> None:
        """Keep hints about people, which stand in the address, out of the hub's log."""
        self.request.uri = self.request.path
        await super().prepare()

    def _log(self) -> None:
        # Called once the answer is out: they stand in the address that it leads to, too.
        self.clear_header("Location")
        super()._log()

    def check_xsrf_cookie(self) -> None:
        """Let requests of other sites in; state, nonce and signature stand in its place."""

    @property
    def content_security_policy(self) -> str:
        """May be framed by LMSs, unlike all else of the hub."""
        return f"frame-ancestors {self.frames}; base-uri 'none'; object-src 'none'"

    @property
    def tool(self) -> Tool:
        """The course as a tool."""
        found: Tool = self.authenticator.tool
        return found

    @property
    def in_frame(self) -> bool:
        """Whether the browser shows the answer inside another page (W3C Fetch Metadata)."""
        return self.request.headers.get("Sec-Fetch-Dest", "") in _FRAMES

    def arguments(self) -> dict[str, str]:
        """All arguments, each once."""
        return {name: self.get_argument(name, strip=False) for name in self.request.arguments}

    @contextmanager
    def said(self, platform: Platform | None = None) -> Iterator[None]:
        """Turn the refusal of a launch into a page, and an event in the log."""
        try:
            yield
        except LaunchRefused as error:
            which = f" platform={platform.number}" if platform else ""
            status = 503 if error.event == "keys-unreachable" else 403
            raise Refused(
                f"lti-{error.event}{which}", f"{error.message}.", f"{error.remedy}.", status
            ) from None

    def keep(self, name: str, value: str, life: timedelta) -> None:
        """Have the browser keep a signed cookie that comes back from other sites, and in frames."""
        signed = self.create_signed_value(name, value).decode()
        self._add_cookie(name, signed, int(life.total_seconds()))

    def forget(self, name: str) -> None:
        """Have the browser forget what `keep` kept."""
        self._add_cookie(name, "", 0)

    def _add_cookie(self, name: str, value: str, seconds: int) -> None:
        # Browsers send it along from another site only if it is secure, and in a frame only if it
        # is kept apart for that site's pages (CHIPS), which Python's cookies do not know of yet.
        # Without TLS, on a machine of one's own, browsers send what says nothing for two minutes.
        secure = "; Secure; SameSite=None; Partitioned" if self.secure else ""
        path = f"{self.hub.base_url}lti13/"
        self.add_header(
            "Set-Cookie", f"{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly{secure}"
        )

    @property
    def secure(self) -> bool:
        """Whether people reach us by HTTPS."""
        return self.tool.site.startswith("https:")

    async def show(self, template: str, status: int = 200, **told: Any) -> None:
        """Answer with a page that no browser keeps."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(await self.render_template(template, **told))

    def show_json(self, found: Mapping[str, Any]) -> None:
        """Answer with JSON."""
        self.set_header("Content-Type", "application/json")
        self.finish(dict(found))
