"""The tool's own RSA keys: what it signs with, and the set that platforms verify with.

One file holds three: the key in use, the next one, and the one before. All are published, so that a
platform that keeps the set for a day knows the next key before anything is signed with it, and what
was signed just before a rotation still verifies (RFC 7517; 1EdTech Security Framework 1.0, §6).
"""

import base64
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from coursehub.errors import LtiError

ALGORITHM = "RS256"
BITS = 2048


@dataclass(frozen=True)
class Key:
    """An RSA key of the tool and the id under which it is published."""

    private: RSAPrivateKey
    kid: str

    @classmethod
    def generate(cls) -> "Key":
        """A new key, named by its thumbprint (RFC 7638)."""
        return cls._of(generate_private_key(public_exponent=65537, key_size=BITS))

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> "Key":
        """The key of a private JWK (RFC 7517)."""
        private = RSAAlgorithm.from_jwk(dict(jwk))
        if not isinstance(private, RSAPrivateKey):
            raise ValueError("the private half is missing")
        return cls._of(private)

    @classmethod
    def _of(cls, private: RSAPrivateKey) -> "Key":
        public = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        members = {name: public[name] for name in ("e", "kty", "n")}
        digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
        return cls(private, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())

    @property
    def public_jwk(self) -> dict[str, Any]:
        """The published half."""
        public = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        members = {name: public[name] for name in ("kty", "n", "e")}
        return {**members, "kid": self.kid, "alg": ALGORITHM, "use": "sig"}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A JWT over `claims`, with the key's id in its header."""
        return jwt.encode(dict(claims), self.private, ALGORITHM, headers={"kid": self.kid})


class Keys:
    """The keys in the file at `path`; each use reads them anew, so that a rotation takes effect."""

    def __init__(self, path: Path) -> None:
        """Keep the keys in `path`, made with mode 0600 at the first use."""
        self._path = path

    @property
    def current(self) -> Key:
        """The key in use."""
        return Key.from_jwk(self._load()["current"])

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A JWT over `claims`, signed with the key in use."""
        return self.current.sign(claims)

    def jwks(self) -> dict[str, Any]:
        """The published set: the key in use, the next one, the one before."""
        return {"keys": [Key.from_jwk(jwk).public_jwk for jwk in self._load().values()]}

    def rotate(self) -> Key:
        """Sign with the next key from now on, publish a new next one; return the key in use."""
        with self._locked():
            before = self._read() or _fresh()
            self._write(
                {
                    "current": before["next"],
                    "next": _private(Key.generate()),
                    "previous": before["current"],
                }
            )
        return self.current

    def copy_to(self, path: Path) -> None:
        """Write the same keys to another file, for another service to read."""
        Keys(path)._write(self._load())

    def _load(self) -> dict[str, dict[str, Any]]:
        found = self._read()
        if found is None:
            with self._locked():
                found = self._read()
                if found is None:
                    found = _fresh()
                    self._write(found)
        return found

    def _read(self) -> dict[str, dict[str, Any]] | None:
        try:
            found = json.loads(self._path.read_bytes())
            for name in ("current", "next"):
                Key.from_jwk(found[name])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            raise LtiError(
                "the keys of the LMS connection cannot be read",
                file=str(self._path),
                remedy="Restore the file from the backup, or remove it: new keys are then made, "
                "which platforms fetch by themselves",
            ) from error
        return dict(found)

    def _write(self, keys: Mapping[str, Any]) -> None:
        """Replace the file at once, so that nobody reads half of it; mode 0600 (mkstemp)."""
        descriptor, fresh = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
        with os.fdopen(descriptor, "w") as file:
            json.dump(keys, file)
            file.flush()
            os.fsync(file.fileno())
        Path(fresh).replace(self._path)

    def _locked(self) -> "_Lock":
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _Lock(self._path.with_name(f".{self._path.name}.lock"))


class _Lock:
    """One process at a time makes or rotates keys."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_error: object) -> None:
        os.close(self._file)


def _fresh() -> dict[str, dict[str, Any]]:
    return {"current": _private(Key.generate()), "next": _private(Key.generate())}


def _private(key: Key) -> dict[str, Any]:
    return RSAAlgorithm.to_jwk(key.private, as_dict=True)
