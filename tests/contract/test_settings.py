"""`.env.example`, `Settings` and `docker-compose.yml` say the same."""

import re

import pytest

from coursehub.errors import SettingsError
from coursehub.settings import CHECKOUT, Settings, load_settings

EXAMPLE = (CHECKOUT / ".env.example").read_text()


def test_example_names_every_variable_with_its_default_and_description() -> None:
    found = dict(re.findall(r"^(?:# )?COURSEHUB_([A-Z0-9_]+)=(.*)$", EXAMPLE, re.M))
    assert set(found) == {name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        description = field.description or ""
        assert description.split(". ")[0].rstrip(".") in EXAMPLE.replace("\n# ", " "), name
        commented_out = f"# COURSEHUB_{name.upper()}=" in EXAMPLE
        assert commented_out or str(field.default) == found[name.upper()], name


def test_example_names_every_variable_of_compose_with_its_default() -> None:
    compose = (CHECKOUT / "docker-compose.yml").read_text()
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", compose))
    assert len(used) > 5 and not re.findall(r"\$\{\w+\}", compose)
    found = dict(re.findall(r"^(?:# )?(\w+)=(.*)$", EXAMPLE, re.M))
    for name, default in used.items():
        assert found[name] == default.removeprefix("./"), name


def test_everything_follows_from_state(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSEHUB_STATE", str(tmp_path))
    monkeypatch.setenv("COURSEHUB_BIND_URL", "http://127.0.0.1:9000")
    settings = load_settings()
    assert settings.exchange == tmp_path / "exchange" / "root"
    assert settings.gradebook == f"sqlite:///{tmp_path}/gradebook.db"
    assert (settings.port, settings.course_url) == (9000, "http://127.0.0.1:9003")


def test_environment_round_trip(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(state=tmp_path, hand_in_bytes=5)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSEHUB_HAND_IN_BYTES", "many")
    with pytest.raises(SettingsError, match=r"^COURSEHUB_HAND_IN_BYTES: .*\.env\.example"):
        load_settings()


@pytest.mark.parametrize("ways", ["", "ldap", "password,password", "oidc,", "oidc,github"])
def test_wrong_ways_to_sign_in_are_named(monkeypatch: pytest.MonkeyPatch, ways: str) -> None:
    monkeypatch.setenv("COURSEHUB_SIGN_IN", ways)
    with pytest.raises(SettingsError, match=r"^COURSEHUB_SIGN_IN: "):
        load_settings()


def test_ways_to_sign_in_keep_their_order(tmp_path) -> None:
    settings = load_settings(state=tmp_path, sign_in="oidc, password", oidc_require="a=b, c=d=e")
    assert settings.ways == ("oidc", "password")
    assert settings.oidc_required == {"a": "b", "c": "d=e"}
    with pytest.raises(SettingsError, match=r"^COURSEHUB_OIDC_SECRET_FILE: .*mode 0600"):
        _ = settings.oidc_secret


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("https://hub.example.edu", 443),
        ("http://hub.example.edu/", 80),
        ("http://[::1]:9000", 9000),
    ],
)
def test_an_address_that_people_type_needs_no_port(address: str, port: int) -> None:
    assert load_settings(bind_url=address).port == port


@pytest.mark.parametrize(
    ("bind_url", "subdomains", "public", "course", "port"),
    [
        ("http://127.0.0.1:9000", "", "http://127.0.0.1:9000", "http://127.0.0.1:9000", 9000),
        ("https://hub.example.edu/", "", "https://hub.example.edu", "https://hub.example.edu", 443),
        ("http://127.0.0.1:9000", "hub.localhost", "http://hub.localhost:9000",
         "http://course--service.hub.localhost:9000", 9000),
        ("https://hub.example.edu", "hub.example.edu", "https://hub.example.edu",
         "https://course--service.hub.example.edu", 443),
        ("http://127.0.0.1:9000", "https://hub.example.edu", "https://hub.example.edu",
         "https://course--service.hub.example.edu", 9000),
    ],
)  # fmt: skip
def test_origins(bind_url: str, subdomains: str, public: str, course: str, port: int) -> None:
    settings = load_settings(bind_url=bind_url, subdomains=subdomains)
    assert (settings.public_url, settings.course_origin, settings.port) == (public, course, port)
    assert settings.https == public.startswith("https")
    assert settings.host_cookies == (settings.https and bool(subdomains))


def test_servers_find_the_exchange_at_its_own_name() -> None:
    settings = load_settings(form="containers", bind_url="https://hub.example.edu")
    assert settings.exchange_url == "http://proxy:8000/services/course/api/"
    named = load_settings(form="containers", subdomains="https://hub.example.edu")
    assert named.exchange_url == (
        "http://course--service.hub.example.edu:8000/services/course/api/"
    )


@pytest.mark.parametrize(
    "name", ["*.hub.example.edu", "hub.example.edu/hub", "ftp://hub", "http://"]
)
def test_a_wrong_name_is_said(name: str) -> None:
    with pytest.raises(SettingsError, match=r"^COURSEHUB_SUBDOMAINS: "):
        load_settings(subdomains=name)


def test_a_wrong_range_is_said() -> None:
    with pytest.raises(SettingsError, match=r"^COURSEHUB_FRONT_PROXIES: .*10\.0\.0\.300"):
        load_settings(front_proxies="10.0.0.0/8, 10.0.0.300")
