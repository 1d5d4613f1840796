"""The process of engine and servers; `bench.crowd.hub` starts it and tells it what to be."""

import asyncio
import json
import logging
import sys
from typing import Any

from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import RequestHandler

from bench.crowd import engine as docker
from bench.crowd import servers as single
from bench.crowd.engine import Container, Engine
from bench.crowd.servers import Servers, token_of

TOKEN = "JUPYTERHUB_API_TOKEN"  # noqa: S105  the variable's name


class Crowd(RequestHandler):
    """GET tells how many run and what happened; POST {"names": [...]} adds servers that run."""

    def initialize(self, engine: Engine, servers: Servers) -> None:
        """Work on these."""
        self.engine, self.servers = engine, servers

    def get(self) -> None:
        """What there is."""
        counts = {"engine calls": self.engine.calls, **self.servers.counts}
        self.finish({"servers": len(self.servers), "counts": counts})

    def post(self) -> None:
        """Add servers like the first one there is."""
        pattern = next(each for each in self.engine.containers.values() if each.environment())
        first = pattern.environment()["JUPYTERHUB_USER"]
        for name in json.loads(self.request.body)["names"]:
            made_of = json.loads(json.dumps(pattern.made_of).replace(first, name))
            self.engine.add_server(pattern.name.replace(first, name), made_of)
            self.servers.start(name, token_of(name), afresh=False)
        self.get()


async def run(told: dict[str, Any]) -> None:
    """Answer until killed."""
    for name in ("tornado.general", "tornado.application"):  # 404 is an answer here
        logging.getLogger(name).setLevel(logging.ERROR)
    AsyncHTTPClient.configure(None, max_clients=100)
    servers = Servers(told["hub"], told["interval"])
    engine = Engine(
        told["project"], lambda each: _start(servers, each), lambda each: _end(servers, each)
    )
    HTTPServer(docker.application(engine)).add_socket(bind_unix_socket(told["socket"]))
    pages = single.application(servers)
    pages.add_handlers(r".*", [(r"/crowd", Crowd, {"engine": engine, "servers": servers})])
    HTTPServer(pages).listen(told["port"], "127.0.0.1")
    print("listening", flush=True)
    await asyncio.Event().wait()


def _start(servers: Servers, container: Container) -> None:
    environment = container.environment()
    servers.start(environment["JUPYTERHUB_USER"], environment[TOKEN])


def _end(servers: Servers, container: Container) -> None:
    servers.end(container.environment().get("JUPYTERHUB_USER", ""))


if __name__ == "__main__":
    asyncio.run(run(json.loads(sys.stdin.read())))
