"""A Jupyter Server extension: the page about the room in one's home, and what may be deleted there.

It is every server's; a server that was started for a full home opens with it.
"""

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.ioloop import IOLoop

from coursehub.errors import CourseHubError
from coursehub.lab import clutter, rescue
from coursehub.lab.room import Room, Weight, room_of, say_size, weigh

TEMPLATES = Path(__file__).parent / "templates"
STARTED = secrets.token_hex(4)
"""Tells one start of the server from the next."""

_MEASURED_SECONDS = 600  # how old a figure may be that took adding up
_POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Home:
    """The home of this server's user."""

    def __init__(self, place: Path, limit: int) -> None:
        """Look after the folder `place`, which may hold `limit` bytes; 0: no limit."""
        self.place, self.limit = place, limit
        self._measured: tuple[float, int] | None = None

    async def weigh(self) -> tuple[Weight, Room]:
        """What it holds, added up now, and how much room that leaves."""
        loop = IOLoop.current()
        weight = await loop.run_in_executor(None, weigh, self.place)
        self._measured = loop.time(), weight.used
        return weight, room_of(self.place, self.limit, weight.used)

    async def room(self) -> Room:
        """How much room there is; by a figure of the last minutes where it has to be added up."""
        room = room_of(self.place, self.limit)
        if room.enforced or not room.limit:
            return room
        now = IOLoop.current().time()
        if self._measured is None or now - self._measured[0] > _MEASURED_SECONDS:
            await self.weigh()
        assert self._measured is not None
        return room_of(self.place, self.limit, self._measured[1])

    def remove(self, chosen: list[str]) -> int:
        """Remove what was chosen of what may go; return how many bytes that took."""
        return clutter.remove(self.place, chosen, clutter.offers(weigh(self.place)))


class RoomHandler(JupyterHandler):
    """The page, in two steps: choose, and be sure."""

    @property
    def home(self) -> Home:
        """The user's home."""
        return self.settings["coursehub_home"]

    @web.authenticated
    async def get(self) -> None:
        """Show what fills the home."""
        await self.show(freed=int(self.get_query_argument("freed", "0")))

    @web.authenticated
    async def post(self) -> None:
        """Ask whether they are sure; then delete."""
        chosen = self.get_body_arguments("path", strip=False)
        if not chosen:
            await self.show(problem="Choose what is to go first.")
        elif self.get_body_argument("sure", "") != "yes":
            await self.show(chosen=chosen)
        else:
            try:
                freed = await IOLoop.current().run_in_executor(None, self.home.remove, chosen)
            except CourseHubError as error:
                await self.show(problem=f"{error}.")
            else:
                self.redirect(f"{self.request.path}?freed={freed}")

    async def show(self, *, chosen: Sequence[str] = (), freed: int = 0, problem: str = "") -> None:
        """Send the page: what may go, or what was chosen of it."""
        weight, room = await self.home.weigh()
        offers = clutter.offers(weight)
        wanted = [each for each in offers if each.path in chosen]
        if len(wanted) < len(chosen):
            wanted, problem = [], "Some of it is not on the list any more. Choose again."
        self.page(
            "room.html", room=room, freed=freed, problem=problem, wanted=wanted,
            offers=offers, work=clutter.large_work(weight), total=sum(each.size for each in wanted),
        )  # fmt: skip

    def page(self, template: str, **named: Any) -> None:
        """Send a page made of a template."""
        nonce = secrets.token_urlsafe(12)
        self.set_header("Content-Security-Policy", _POLICY.format(nonce=nonce))
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
        templates.filters["size"] = say_size
        self.finish(
            templates.get_template(template).render(
                base=self.base_url, here=url_path_join(self.base_url, rescue.PAGE),
                course=_course_page(), nonce=nonce, rescue=rescue.in_rescue(), started=STARTED,
                xsrf=self.xsrf_form_html,
                token=self.xsrf_token.decode(), **named,
            )
        )  # fmt: skip


class AgainHandler(RoomHandler):
    """Starts the server as usual."""

    @web.authenticated
    async def post(self) -> None:
        """End this start, and have the next one begin in its place."""
        room = await self.home.room()
        if room.full:
            await self.show(problem="Your home is still full. Choose more to delete.")
            return
        rescue.start_again()
        self.page("again.html")
        assert self.serverapp is not None
        self.serverapp.stop()


class StatusHandler(APIHandler):
    """What JupyterLab shows of it."""

    @web.authenticated
    async def get(self) -> None:
        """Answer `level`, and `text` in words."""
        room = await self.settings["coursehub_home"].room()
        answer = {"level": room.level, "text": say(room), "rescue": rescue.in_rescue()}
        self.finish(json.dumps(answer | {"started": STARTED}))


def say(room: Room) -> str:
    """How much room there is, in a few words."""
    if not room.limit:
        return f"{say_size(room.free)} left on the disk"
    return f"Home: {say_size(room.used)} of {say_size(room.limit)} used"


def _course_page() -> str:
    host, base = (os.environ.get(f"JUPYTERHUB_{name}", "") for name in ("HOST", "BASE_URL"))  # noqa: TID251
    return f"{host}{base or '/'}services/course/"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    app.web_app.settings["coursehub_home"] = Home(Path(app.root_dir), rescue.home_limit())
    page = url_path_join(app.web_app.settings["base_url"], rescue.PAGE)
    app.web_app.add_handlers(
        ".*$",
        [(page, RoomHandler), (f"{page}/again", AgainHandler), (f"{page}/status", StatusHandler)],
    )
