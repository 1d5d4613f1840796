"""Signed receipts."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from coursehub.errors import ReceiptError
from coursehub.exchange.receipts import TITLE, SigningKey, fingerprint, verify

FIELDS = [
    ("receipt", "7"),
    ("name", "Carol O'Neil <c>"),
    ("file", "assignment_1.ipynb, 3 bytes, sha256 abc"),
    ("file", "agent.py, 4 bytes, sha256 def"),
]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.load(tmp_path_factory.mktemp("keys") / "receipts.key")


@pytest.fixture(scope="module")
def receipt(key: SigningKey) -> str:
    return key.sign(FIELDS)


def test_a_receipt_says_what_was_signed_in_order(key: SigningKey, receipt: str) -> None:
    signer = ("signed by key", fingerprint(key.public_pem))
    assert verify(receipt, key.public_pem) == [*FIELDS, signer]
    assert receipt.startswith(TITLE)


def test_every_change_of_one_character_is_refused(key: SigningKey, receipt: str) -> None:
    text = receipt.strip()
    for at in range(len(text)):
        for other in {"A", "B", "Q", "g", "w", "0", " ", "é"} - {text[at]}:
            with pytest.raises(ReceiptError):
                verify(text[:at] + other + text[at + 1 :], key.public_pem)
        with pytest.raises(ReceiptError):
            verify(text[:at] + text[at + 1 :], key.public_pem)
        with pytest.raises(ReceiptError):
            verify(text[:at] + "x" + text[at:], key.public_pem)


@settings(deadline=None)
@given(data=st.data())
def test_no_other_text_is_a_receipt(key: SigningKey, receipt: str, data: st.DataObject) -> None:
    text = receipt.strip()
    at = data.draw(st.integers(0, len(text) - 1))
    to = data.draw(st.integers(at + 1, len(text)))
    other = text[:at] + data.draw(st.text(max_size=12)) + text[to:]
    if other.replace("\r\n", "\n").strip() != text:
        with pytest.raises(ReceiptError):
            verify(other, key.public_pem)


@settings(deadline=None)
@given(st.text())
def test_junk_is_refused_plainly(key: SigningKey, text: str) -> None:
    with pytest.raises(ReceiptError, match="no CourseHub receipt"):
        verify(text, key.public_pem)


def test_line_ends_and_blank_space_around_it_may_change(key: SigningKey, receipt: str) -> None:
    fields = verify(receipt, key.public_pem)
    assert verify(receipt.replace("\n", "\r\n"), key.public_pem) == fields
    assert verify(f"\n  {receipt}\n\n", key.public_pem) == fields


def test_another_key_is_named(tmp_path: Path, key: SigningKey, receipt: str) -> None:
    other = SigningKey.load(tmp_path / "other.key").public_pem
    with pytest.raises(ReceiptError) as refused:
        verify(receipt, other)
    assert fingerprint(key.public_pem) in refused.value.message
    assert fingerprint(other) in refused.value.message


def test_a_receipt_that_names_a_foreign_key_but_carries_our_fingerprint_is_refused(
    tmp_path: Path, key: SigningKey
) -> None:
    forger = SigningKey.load(tmp_path / "forger.key")
    forged = forger.sign(FIELDS).replace(
        fingerprint(forger.public_pem), fingerprint(key.public_pem)
    )
    with pytest.raises(ReceiptError, match="signature does not fit"):
        verify(forged, key.public_pem)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_hostile_name_stays_in_its_field(key: SigningKey, name: str) -> None:
    fields = verify(key.sign([("receipt", "1"), ("name", name), ("in time", "no")]), key.public_pem)
    assert [field for field, _ in fields] == ["receipt", "name", "in time", "signed by key"]
    assert dict(fields)["in time"] == "no"
    assert dict(fields)["name"] == " ".join(name.split())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x85", "\u2028", "\u2029", "\x1e"])
def test_a_name_cannot_add_a_field_or_end_the_text(key: SigningKey, end: str) -> None:
    name = f"Eve{end}in time: yes{end}signature: AAAA{end}"
    fields = verify(key.sign([("name", name), ("in time", "no")]), key.public_pem)
    assert fields[:2] == [("name", "Eve in time: yes signature: AAAA"), ("in time", "no")]


def test_the_key_is_private_lasting_and_published(tmp_path: Path) -> None:
    path = tmp_path / "state" / "receipts.key"
    made = SigningKey.load(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.with_suffix(".pub").read_text() == made.public_pem
    assert b"PRIVATE" not in path.with_suffix(".pub").read_bytes()
    path.with_suffix(".pub").unlink()
    assert SigningKey.load(path).public_pem == made.public_pem
    assert path.with_suffix(".pub").read_text() == made.public_pem


def test_another_kind_of_key_is_refused(tmp_path: Path, receipt: str) -> None:
    other = generate_private_key(SECP256R1())
    path = tmp_path / "ec.key"
    path.write_bytes(
        other.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(ReceiptError, match="no Ed25519 key"):
        SigningKey.load(path)


@pytest.mark.parametrize("pem", ["", "not a key", "-----BEGIN PUBLIC KEY-----\nAA==\n"])
def test_a_broken_published_key_is_refused(key: SigningKey, pem: str) -> None:
    text = key.sign(FIELDS).replace(fingerprint(key.public_pem), fingerprint(pem))
    with pytest.raises(ReceiptError, match="published key cannot be read"):
        verify(text, pem)
