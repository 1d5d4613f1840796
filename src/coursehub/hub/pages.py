"""The hub's own extra pages: the two buttons of somebody who waits for a GPU."""

import asyncio
from typing import Any

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.utils import url_path_join
from tornado import web

from coursehub.hub.gpus import GpuPool

_ANSWER_SECONDS = 10


class QueueHandler(BaseHandler):  # type: ignore[misc]
    """POST /hub/coursehub/queue/skip or /leave: for the own place only, with the page's token."""

    def initialize(self, pool: GpuPool) -> None:
        """Answer for `pool`."""
        self.pool = pool

    @web.authenticated
    async def post(self, choice: str) -> None:
        """Go on without a GPU, or leave; somebody who no longer waits is shown where they are."""
        user = self.current_user
        pending = url_path_join(self.hub.base_url, "spawn-pending", user.escaped_name)
        if choice == "skip":
            self.pool.skip(user.name)
            self.redirect(pending)
        elif self.pool.leave(user.name):
            await self._spawn_over(user)
            self.redirect(url_path_join(self.hub.base_url, "spawn") + "#left-the-queue")
        else:
            self.redirect(pending)

    async def _spawn_over(self, user: Any) -> None:
        """Wait until the hub has noticed that the spawn failed: before, it shows no form."""
        spawner = user.spawners.get("")
        if spawner is not None and spawner._spawn_future is not None:
            await asyncio.wait([spawner._spawn_future], timeout=_ANSWER_SECONDS)


def extra_handlers(pool: GpuPool) -> list[tuple[str, type[BaseHandler], dict[str, Any]]]:
    """For `c.JupyterHub.extra_handlers`; below /hub."""
    return [(r"/coursehub/queue/(skip|leave)", QueueHandler, {"pool": pool})]
