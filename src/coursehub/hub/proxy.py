"""The proxy as the hub sees it."""

from typing import Any

from jupyterhub.proxy import ConfigurableHTTPProxy


class QuietProxy(ConfigurableHTTPProxy):
    """Does not tell the hub when a route was last used.

    The hub would take any traffic for activity, and an open tab asks every few seconds what there
    is. Servers report what is activity themselves.
    """

    async def get_all_routes(self) -> dict[str, Any]:
        """The routes, without the time of their last use."""
        routes: dict[str, Any] = await super().get_all_routes()
        for route in routes.values():
            route["data"].pop("last_activity", None)
        return routes
