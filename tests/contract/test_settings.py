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
