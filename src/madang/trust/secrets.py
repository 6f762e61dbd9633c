"""Secrets at rest: sealed with AES-256-GCM under a key that the stores and backups do not hold.

Source: NIST SP 800-38D (GCM), RFC 5869 (HKDF). What a secret is about is authenticated with it, so
a sealed text moved to another place does not open there.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from madang.model.errors import MadangError
from madang.trust.records import Records

VARIABLE: Final = "MADANG_SECRET_KEY"
FILE: Final = "secret.key"
SHORTEST: Final = 32
_NONCE = 12  # bytes
_FORM = "v1."
_PROOF: Final = "proof"
_BACK = f"put back the {FILE} of the data folder, or the {VARIABLE}, that it was made with"
_LOST = "if it is lost for good, `madang token keys reset` lets the hub begin with a new one"


class SecretKeyError(MadangError):
    """The key of the secrets is missing, unusable or another one; a person must mend it."""


class Secrets:
    """Seals and unseals short secrets: signing keys, passwords of other systems."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._cipher = AESGCM(self.derive("seal"))

    def seal(self, plain: bytes, about: str) -> str:
        """Return a text that only this key opens, and only for what it is ``about``."""
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, plain, about.encode())
        return _FORM + base64.urlsafe_b64encode(sealed).decode()

    def unseal(self, text: str, about: str) -> bytes:
        """Return what was sealed.

        Raises:
            SecretKeyError: it was sealed with another key, for something else, or is damaged.
        """
        try:
            sealed = base64.urlsafe_b64decode(text.removeprefix(_FORM))
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode())
        except (InvalidTag, ValueError):
            raise SecretKeyError(
                f"the secret of {about} cannot be opened with this key; {_BACK}"
            ) from None

    def derive(self, purpose: str) -> bytes:
        """Return a key of 256 bits for one purpose."""
        return HKDF(SHA256(), 32, None, f"madang {purpose}".encode()).derive(self._key)

    @classmethod
    async def open(
        cls, records: Records, folder: Path, environ: Mapping[str, str] = os.environ
    ) -> Self:
        """Return the secrets of a data folder; at the first start a key is made.

        Raises:
            SecretKeyError: the key is missing although something is sealed, or is another one.
        """
        proof = await records.get("secret", _PROOF)
        given = _given(environ)
        key = (
            _checked(given, VARIABLE)
            if given is not None
            else _read(folder / FILE, make=proof is None)
        )
        opened = cls(key)
        if proof is None:
            await records.put("secret", _PROOF, {"sealed": opened.seal(b"madang", _PROOF)})
            return opened
        try:
            opened.unseal(proof["sealed"], _PROOF)
        except SecretKeyError:
            origin = VARIABLE if given else folder / FILE
            raise SecretKeyError(
                f"{origin} is not the key that the secrets of this hub were sealed with; "
                f"{_BACK}; {_LOST}"
            ) from None
        return opened


async def forget(records: Records, folder: Path) -> None:
    """Forget everything sealed and the key in the folder, because the right key is lost."""
    (folder / FILE).unlink(missing_ok=True)
    await records.commit({("secret", id): None for id in await records.all("secret")})


def _given(environ: Mapping[str, str]) -> str | None:
    """Return the key that a variable has, or the file that a variable names."""
    file = environ.get(VARIABLE + "_FILE")
    if not file:
        return environ.get(VARIABLE) or None
    try:
        return Path(file).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretKeyError(
            f"the file that {VARIABLE}_FILE names cannot be read: {error}"
        ) from error


def _read(file: Path, make: bool) -> str:
    try:
        _check_mode(file)
        return _checked(file.read_text("ascii").strip(), str(file))
    except FileNotFoundError:
        if make:
            return _made(file)
        raise SecretKeyError(f"{file} is missing; {_BACK}; {_LOST}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SecretKeyError(f"{file} cannot be read: {error}") from error


def _checked(key: str, origin: str) -> str:
    if len(key) < SHORTEST:
        raise SecretKeyError(
            f"{origin} has {len(key)} characters, at least {SHORTEST} random ones are needed; "
            "`openssl rand -hex 32` makes some"
        )
    return key


def _check_mode(file: Path) -> None:
    if sys.platform != "win32" and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SecretKeyError(
            f"{file} can be read by other users of this machine; `chmod 600 {file}` mends it"
        )


def _made(file: Path) -> str:
    """Write a new key so that it is whole and on the disk, or not there."""
    key = secrets.token_hex(32)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(key + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    partial.replace(file)
    return key
