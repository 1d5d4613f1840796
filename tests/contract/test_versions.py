"""Nothing older than what is known to be safe is installed, and the lock file is what is tested."""

import re
from importlib.metadata import version

import pytest

from coursehub.settings import CHECKOUT

FLOORS = {
    "jupyterhub": "5.5.1",
    "nbgrader": "0.9.5",
    "jupyter-server": "2.20.0",
    "jupyterlab": "4.6.2",
    "notebook": "7.5.6",
    "nbconvert": "7.17.1",
    "mistune": "3.3.3",
    "oauthenticator": "17.4.0",
    "jupyterhub-ltiauthenticator": "1.6.3",
    "dockerspawner": "13.0.0",
}
LOCKED = dict(re.findall(r"^([\w.-]+)==(\S+)", (CHECKOUT / "requirements.lock").read_text(), re.M))


def parts(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


@pytest.mark.parametrize(("package", "floor"), FLOORS.items())
def test_floor(package: str, floor: str) -> None:
    assert parts(version(package)) >= parts(floor)
    assert parts(LOCKED[package]) >= parts(floor)


def test_installed_is_locked() -> None:
    wrong = {
        name: (version(name), locked)
        for name, locked in LOCKED.items()
        if version(name).partition("+")[0] != locked
    }
    assert wrong == {}
