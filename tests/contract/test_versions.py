"""Nothing older than what is known to be safe is installed, and the lock file is what is tested."""

import re
from importlib.metadata import PackageNotFoundError, version

import pytest

from coursehub.errors import SettingsError
from coursehub.floors import FLOORS, require_floors
from coursehub.settings import CHECKOUT

LOCKED = dict(re.findall(r"^([\w.-]+)==(\S+)", (CHECKOUT / "requirements.lock").read_text(), re.M))
WANTED = re.findall(
    r'^  "([\w.-]+)[^"]*?>=([\d.]+)', (CHECKOUT / "pyproject.toml").read_text(), re.M
)


def parts(text: str) -> tuple[int, ...]:
    return (*(int(number) for number in re.findall(r"\d+", text)[:3]), 0, 0)[:3]


@pytest.mark.parametrize("package", FLOORS)
def test_floor(package: str) -> None:
    """Of what is installed, of what goes into images, and of what is asked for."""
    floor = parts(FLOORS[package].version)
    assert parts(version(package)) >= floor
    assert parts(LOCKED[package]) >= floor
    assert all(parts(asked) >= floor for name, asked in WANTED if name == package)
    assert re.search(r"CVE-|GHSA-|PYSEC-", FLOORS[package].why), "which advisory?"


def installed(**others: str) -> object:
    """What `importlib.metadata.version` says where these versions are installed, and no more."""

    def say(package: str) -> str:
        try:
            return others[package.replace("-", "_")]
        except KeyError:
            raise PackageNotFoundError(package) from None

    return say


@pytest.mark.parametrize("old", ["5.5.0", "5.5", "4.1.6", "5.5.1rc1", "5.5.1.dev", "5.5.1b2", "5"])
def test_an_old_package_is_refused_by_name(old: str) -> None:
    with pytest.raises(SettingsError) as refused:
        require_floors(installed(jupyterhub=old))
    said = str(refused.value)
    for part in (f"jupyterhub {old}", "5.5.1", "GHSA-c4gm-pwx9-9w8j", "requirements.lock"):
        assert part in said


@pytest.mark.parametrize("new", ["5.5.1", "5.5.1.1", "5.5.1.post1", "5.5.10", "6.0.0", "6.1.1+u"])
def test_a_new_package_is_not(new: str) -> None:
    require_floors(installed(jupyterhub=new, jupyter_server="2.20.0"))


def test_installed_is_locked() -> None:
    wrong = {
        name: (version(name), locked)
        for name, locked in LOCKED.items()
        if version(name).partition("+")[0] != locked
    }
    assert wrong == {}
