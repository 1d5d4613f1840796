"""Signed receipts: what was handed in, by whom and when, in plain text that nobody can alter.

A receipt is lines of `field: value`, closed by an Ed25519 signature (RFC 8032) over everything
above it. What a person reads is what is signed.
"""

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from coursehub.errors import ReceiptError

TITLE = "CourseHub receipt. Keep this file: it proves what was handed in, by whom and when."
_SIGNATURE = "signature: "


@dataclass(frozen=True)
class SigningKey:
    """The course's key: signs receipts, and publishes the half that verifies them."""

    private: Ed25519PrivateKey

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Read the key at `path`, or make one (mode 0600) beside its published half (`.pub`)."""
        try:
            pem = path.read_bytes()
        except FileNotFoundError:
            pem = _create(path)
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ReceiptError(
                "the signing key is no Ed25519 key",
                file=str(path),
                remedy="Restore it from the backup",
            )
        signing_key = cls(key)
        published = path.with_suffix(".pub")
        if not published.exists():
            published.write_text(signing_key.public_pem)
        return signing_key

    @property
    def public_pem(self) -> str:
        """The published half, as PEM."""
        return (
            self.private.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode()
        )

    def sign(self, fields: list[tuple[str, str]]) -> str:
        """The receipt for `fields`: pairs of name and one-line value, in order."""
        lines = [TITLE, ""]
        for name, value in [*fields, ("signed by key", fingerprint(self.public_pem))]:
            lines.append(f"{name}: {' '.join(value.split())}")
        text = "\n".join(lines) + "\n"
        signature = base64.b64encode(self.private.sign(text.encode())).decode()
        return f"{text}{_SIGNATURE}{signature}\n"


def verify(text: str, public_pem: str) -> list[tuple[str, str]]:
    """The fields of a receipt that is true.

    Args:
        text: the receipt; line ends may have been changed by an editor or a mail program.
        public_pem: the course's published key.

    Raises:
        ReceiptError: saying what is wrong with it.
    """
    body, mark, signature = text.replace("\r\n", "\n").strip().rpartition("\n" + _SIGNATURE)
    if not mark or not body.startswith(TITLE):
        raise ReceiptError("this is no CourseHub receipt", remedy="Give the file as it was stored")
    fields = [_field(line) for line in body.splitlines()[2:]]
    signer = dict(fields).get("signed by key")
    if signer != fingerprint(public_pem):
        raise ReceiptError(
            f"it names the key {signer}, not the course's key {fingerprint(public_pem)}",
            remedy="Give the key that was published when it was handed in with --key",
        )
    try:
        _load_public(public_pem).verify(_decode(signature), f"{body}\n".encode())
    except (InvalidSignature, ValueError) as error:
        raise ReceiptError(
            "the signature does not fit: the text was changed after it was signed",
            remedy="Ask the student for the file that JupyterLab stored",
        ) from error
    return fields


def fingerprint(public_pem: str) -> str:
    """A short name for a published key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public_pem.strip().encode()).hexdigest()[:16]


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name, value


def _decode(signature: str) -> bytes:
    """Decode base64 in its one right form: the last letter has bits that decoders ignore."""
    decoded = base64.b64decode(signature, validate=True)
    if base64.b64encode(decoded).decode() != signature:
        raise ValueError("not the canonical base64 of RFC 4648, section 3.5")
    return decoded


def _load_public(pem: str) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except ValueError as error:
        raise ReceiptError("the published key cannot be read", remedy="Give a PEM file") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ReceiptError("the published key is no Ed25519 key", remedy="Give the course's key")
    return key


def _create(path: Path) -> bytes:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return pem
