"""The certified provider `oidc-provider`, on loopback: made once by npm, started by tests."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests import node
from tests.node import NODE

HERE = Path(__file__).parent
CLIENT, SECRET = "coursehub", "a secret of these tests"


def installed() -> Path:
    """The folder with the server and its packages, as package-lock.json pins them."""
    names = ("package.json", "package-lock.json", "server.mjs")
    return node.installed("oidc", [HERE / name for name in names])


@contextmanager
def running_provider(
    port: int, home: str, accounts: Mapping[str, Mapping[str, object]]
) -> Iterator[None]:
    """A provider on that loopback port for the hub at `home`, with accounts by their logins."""
    told = {
        "port": port, "client": CLIENT, "secret": SECRET, "home": home, "accounts": accounts,
    }  # fmt: skip
    process = subprocess.Popen(
        [NODE, "server.mjs"],
        cwd=installed(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(told))
        process.stdin.close()
        while line := process.stdout.readline():
            if line.startswith("listening"):
                break
        else:
            raise RuntimeError("the identity provider did not start; its words stand above")
        yield
    finally:
        process.kill()
        process.wait()
