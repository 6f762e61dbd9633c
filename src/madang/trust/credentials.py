"""Opaque credentials: ``<prefix>_<id>_<secret>``, of which only a digest of the secret is kept.

The prefix lets scanners find a credential that leaked into code or logs. A secret has 256 random
bits, so its plain SHA-256 cannot be turned back; passwords are another matter (trust/passwords.py).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final, NamedTuple

KEY: Final = "mdg"
"""Of devices, apps, services and partner cities."""
SESSION: Final = "mds"
"""Of people at pages."""
REFRESH: Final = "mdr"
"""For a new access token."""
LINK: Final = "mdl"
"""The code of a one-time link."""

LONGEST: Final = 4096
"""Characters any credential may have."""

_ID_BYTES = 8
_SECRET_BYTES = 32
_FORM = re.compile(r"(mdg|mds|mdr|mdl)_([0-9a-f]{16})_([0-9a-f]{64,80})", re.ASCII)
_NOBODY = hashlib.sha256(b"").hexdigest()


class Credential(NamedTuple):
    prefix: str
    id: str
    secret: str

    def text(self) -> str:
        return f"{self.prefix}_{self.id}_{self.secret}"


def new_id() -> str:
    """Return an id that is never given again. [16 hexadecimal digits]"""
    return secrets.token_hex(_ID_BYTES)


def new(prefix: str, id: str) -> Credential:
    """Return a credential with a new secret."""
    return Credential(prefix, id, secrets.token_hex(_SECRET_BYTES))


def parse(text: str) -> Credential | None:
    """Return the parts of a credential, None if it is none of ours.

    >>> parse("mdg_0123") is None
    True
    """
    found = _FORM.fullmatch(text)
    return Credential(*found.groups()) if found else None


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def fits(secret: str, kept: str | None) -> bool:
    """Return whether a secret is the one kept; None takes as long and is never."""
    same = hmac.compare_digest(digest(secret), _NOBODY if kept is None else kept)
    return same and kept is not None
