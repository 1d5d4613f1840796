"""`coursehub setup` takes the identity provider's secret from its file, whatever it was before."""

from pathlib import Path

import pytest

from coursehub.cli.setup import take_secret
from coursehub.errors import SettingsError


def test_the_secret_follows_its_file(tmp_path: Path) -> None:
    given, kept = tmp_path / "given", tmp_path / "hub" / "oidc_secret"
    for text in ("first\n", "second"):
        given.write_text(text)
        assert take_secret(given, kept)
        assert kept.read_text() == text.strip()
        assert kept.stat().st_mode & 0o777 == 0o600
    given.write_text("\n")
    assert not take_secret(given, kept)
    assert not kept.exists()


def test_a_secret_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="COURSEHUB_OIDC_SECRET_FILE"):
        take_secret(tmp_path / "missing", tmp_path / "oidc_secret")
