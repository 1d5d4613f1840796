"""The oldest versions that may run, each with the advisory that makes it so.

The hub, the course service and the grader look before they start. What is not installed is not
needed there: each image has the packages of its own part.
"""

import re
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from coursehub.errors import SettingsError


class Floor(NamedTuple):
    """The oldest version that may run, and what was wrong before it."""

    version: str
    why: str


FLOORS = {
    "jupyterhub": Floor("5.5.1", "GHSA-c4gm-pwx9-9w8j, GHSA-69wv-m5fw-2fhp: rights by sharing"),
    "jupyter-server": Floor(
        "2.20.0", "CVE-2026-44727: script of a converted notebook acts as its reader"
    ),
    "jupyterlab": Floor(
        "4.6.4", "CVE-2026-102831, CVE-2026-73417: script of a notebook or a setting"
    ),
    "notebook": Floor("7.6.3", "CVE-2026-102831: script of a pasted cell"),
    "nbgrader": Floor("0.9.5", "CVE-2025-23205: the formgrader in another's frame"),
    "nbconvert": Floor("7.17.1", "CVE-2026-39378: a notebook reads files of the machine"),
    "mistune": Floor("3.3.3", "CVE-2026-115350, PYSEC-2026-2207: script in Markdown"),
    "jinja2": Floor("3.1.6", "CVE-2025-27516: out of the sandbox of templates"),
    "tornado": Floor("6.5.8", "CVE-2026-82397, CVE-2026-49855: a request that stops a service"),
    "oauthenticator": Floor("17.4.0", "CVE-2026-33175: signing in as somebody else"),
    "jupyterhub-ltiauthenticator": Floor("1.6.3", "CVE-2026-34052: memory filled before sign-in"),
    "dockerspawner": Floor("13.0.0", "CVE-2023-48311: users choose any image"),
}


def require_floors(installed: Callable[[str], str] = version) -> None:
    """Refuse to run with a package that is known to be unsafe.

    Args:
        installed: The version of an installed package; raises PackageNotFoundError without one.

    Raises:
        SettingsError: Naming the package, its version, the one needed and the advisory.
    """
    for package, floor in FLOORS.items():
        try:
            found = installed(package)
        except PackageNotFoundError:
            continue
        if _numbers(found) < _numbers(floor.version):
            raise SettingsError(
                f"{package} {found} is installed, and {floor.version} is the oldest that may run "
                f"({floor.why})",
                remedy="Install what requirements.lock says: `make setup`, or in the deployed form "
                "`make up`, which builds the images anew",
            )


def _numbers(text: str) -> tuple[int, ...]:
    """A version for comparing: a release before its final form counts as older."""
    release = re.match(r"\d+(?:\.\d+)*", text)
    numbers = [int(part) for part in (release[0] if release else "0").split(".")]
    early = bool(re.search(r"\d(?:a|b|rc|\.dev)\d*", text))
    return (*[*numbers, 0, 0, 0, 0][:4], -1 if early else 0)
