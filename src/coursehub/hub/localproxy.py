"""The embedded form's proxy: configurable-http-proxy in Python, which here also goes by host name.

The package takes `--host-routing`, as its model in Node does, but looks for routes by path alone.
"""

import sys
from typing import Any

from configurable_http_proxy import cli
from configurable_http_proxy.configproxy import PythonProxy
from configurable_http_proxy.handlers import ProxyHandler
from tornado.web import Application

_FLAG = "--host-routing"


class _AtName:
    """The proxy as one request sees it, which came for `host`."""

    def __init__(self, proxy: PythonProxy, host: str) -> None:
        self._proxy, self._host = proxy, host

    def __getattr__(self, name: str) -> Any:
        return getattr(self._proxy, name)

    def target_for_req(self, _host: None, path: str) -> Any:
        """The route below the name, or else the default one."""
        return self._proxy.target_for_req(self._host, f"/{path.lstrip('/')}")


class NameHandler(ProxyHandler):  # type: ignore[misc]
    """Passes a request on to where its host name and path lead."""

    def initialize(self, proxy: PythonProxy, **named: Any) -> None:
        """Look for routes below the name that the browser asked for."""
        super().initialize(proxy=_AtName(proxy, str(self.request.host_name)), **named)


class NameProxy(PythonProxy):  # type: ignore[misc]
    """A proxy whose routes begin with a host name."""

    def __init__(self, options: dict[str, Any]) -> None:
        """Route by name."""
        super().__init__({**options, "host_routing": True})
        self.proxy_app = Application([(r"/(.*)", NameHandler, {"proxy": self})])


def main() -> None:
    """Run the proxy; arguments are those of configurable-http-proxy."""
    if _FLAG in sys.argv:
        sys.argv.remove(_FLAG)
        cli.PythonProxy = NameProxy
    cli.main()


if __name__ == "__main__":
    main()
