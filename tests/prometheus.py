"""A real Prometheus for the tests, with its node exporter: what a course's machine has.

`programs()` takes those that the machine has, or else unpacks Debian's packages into a private
cache folder (see `tests.debian`).
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests import debian
from tests.debian import Unpacked

CACHE = debian.CACHE / "prometheus"
PROGRAMS = ("prometheus", "promtool", "prometheus-node-exporter", "amtool")
PACKAGES = ("prometheus", "prometheus-node-exporter", "prometheus-alertmanager")
RECIPE = "1"
_SECONDS = 30


def programs(cache: Path = CACHE) -> dict[str, Path]:
    """Name -> program, of those in `PROGRAMS`.

    Raises RuntimeError, with the problem and its remedy, when there are none to be had.
    """
    if all(map(shutil.which, PROGRAMS)):
        return {name: Path(str(shutil.which(name))) for name in PROGRAMS}
    folder = Unpacked("Prometheus", PACKAGES, RECIPE, _finish).folder(cache) / "root/usr/bin"
    return {name: folder / name for name in PROGRAMS}


@contextmanager
def running(command: list[str | Path], address: str, log: Path) -> Iterator[None]:
    """A program while the context lasts; it begins when `address` answers.

    Raises:
        AssertionError: with what it says, when it does not.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*map(str, command)], stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        await_answer(address, process, log)
        yield
    finally:
        process.terminate()
        process.wait(_SECONDS)


def await_answer(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a program answers."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            if httpx.get(address, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def names(prometheus: str) -> set[str]:
    """Every name of a figure that a running Prometheus has heard of."""
    return set(ask(prometheus, "label/__name__/values"))


def ask(prometheus: str, what: str, **parameters: str) -> Any:
    """What Prometheus' interface answers with."""
    answer = httpx.get(f"{prometheus}/api/v1/{what}", params=parameters, trust_env=False)
    return answer.raise_for_status().json()["data"]


def _finish(unpacked: Unpacked, folder: Path) -> str:
    """Nothing to complete; try it."""
    return unpacked.run(
        folder, "start promtool", str(folder / "root/usr/bin/promtool"), "--version"
    ).splitlines()[0]
