"""The tool's keys, and who is trusted: what lies in the file and the database."""

from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest

from coursehub import journal
from coursehub.errors import LtiError
from coursehub.exchange.database import connect
from coursehub.lti.keys import Keys
from coursehub.lti.platforms import Platforms

NOON = datetime(2021, 2, 5, 12, tzinfo=UTC)
MOODLE = {
    "name": "Moodle", "issuer": "https://lms.example.edu", "client_id": "tool-1",
    "auth_login_url": "https://lms.example.edu/auth", "token_url": "https://lms.example.edu/token",
    "jwks_url": "https://lms.example.edu/jwks", "token_audience": None,
}  # fmt: skip


@pytest.fixture
def platforms(tmp_path: Path) -> Platforms:
    return Platforms(connect(f"sqlite:///{tmp_path / 'course.sqlite'}"))


def kids(keys: Keys) -> list[str]:
    return [key["kid"] for key in keys.jwks()["keys"]]


def test_what_a_key_signs_verifies_before_and_after_it_is_rotated_away(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "lti_keys.json")
    token = keys.sign({"sub": "tool"})
    [current, coming] = kids(keys)
    keys.rotate()
    assert kids(keys)[0] == coming and kids(keys)[2] == current
    kid = jwt.get_unverified_header(token)["kid"]
    published = jwt.PyJWKSet.from_dict(keys.jwks())
    assert jwt.decode(token, published[kid].key, ["RS256"]) == {"sub": "tool"}
    keys.rotate()
    assert current not in kids(keys)


def test_keys_are_for_their_owner_alone_and_nothing_private_is_published(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "lti_keys.json")
    for each in keys.jwks()["keys"]:
        assert set(each) == {"kty", "n", "e", "kid", "alg", "use"}
    assert (tmp_path / "lti_keys.json").stat().st_mode & 0o777 == 0o600
    assert Keys(tmp_path / "lti_keys.json").jwks() == keys.jwks()


def test_a_broken_key_file_is_named_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "lti_keys.json"
    path.write_text("{")
    with pytest.raises(LtiError, match=r"lti_keys.json: .*backup"):
        Keys(path).sign({})
    assert path.read_text() == "{"


def test_a_platform_is_found_by_issuer_and_client_id(platforms: Platforms) -> None:
    one = platforms.add(MOODLE, "ines", NOON, "1")
    assert platforms.find(one.issuer) == platforms.find(one.issuer, "tool-1") == one
    two = platforms.add({**MOODLE, "client_id": "tool-2"}, "ines", NOON)
    assert platforms.find(one.issuer, "tool-2") == two
    assert platforms.find(one.issuer) is None, "two may be meant"
    assert platforms.find("https://other.example.edu", "tool-1") is None
    with pytest.raises(LtiError, match="is known"):
        platforms.add(MOODLE, "ines", NOON)


def test_deployments_are_of_one_platform_and_go_with_it(platforms: Platforms) -> None:
    one = platforms.add(MOODLE, "ines", NOON, "1")
    two = platforms.add({**MOODLE, "client_id": "tool-2"}, "ines", NOON)
    platforms.add_deployment(two.number, "2", "ines", NOON)
    platforms.add_deployment(two.number, "2", "ines", NOON)
    assert platforms.deployment(one.number, "2") is None
    assert len(platforms.deployments(two.number)) == 1
    platforms.remove(two.number, "ines", NOON)
    assert platforms.all() == [one] and platforms.deployments(two.number) == []
    with pytest.raises(LtiError, match="coursehub lti platforms"):
        platforms.remove(two.number, "ines", NOON)


def test_whom_somebody_trusts_stands_in_the_journal(platforms: Platforms) -> None:
    one = platforms.add(MOODLE, "ines", NOON)
    platforms.add_deployment(one.number, "1", "ines", NOON)
    platforms.remove(one.number, "tom", NOON)
    found = [(entry.did, entry.who) for entry in journal.entries(platforms._engine)]
    assert found == [
        ("distrust platform", "tom"), ("trust deployment", "ines"), ("trust platform", "ines"),
    ]  # fmt: skip
