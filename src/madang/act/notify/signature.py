"""Signatures of what is posted to other programs, and of what they answer: HMAC-SHA256. Pure.

The header is ``Madang-Signature: t=<seconds since 1970>,v1=<hex>``; what is signed is the time, a
full stop and the body, so that an old message cannot be sent again later as a new one.
Source: RFC 2104 (HMAC), FIPS 180-4 (SHA-256).
"""

from __future__ import annotations

import hmac
import re

HEADER = "Madang-Signature"
LATEST_S = 300
"""How old a signature may be. [s]"""
_FORM = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})", re.ASCII)


def sign(secret: str, body: bytes, at_s: int) -> str:
    """Return the signature of a body.

    >>> sign("a secret of the two", b"{}", 1_800_000_000)[:20]
    't=1800000000,v1=2569'
    """
    return f"t={at_s},v1={_digest(secret, body, at_s)}"


def is_signed(secret: str, body: bytes, given: str, now_s: float) -> bool:
    """Tell whether a signature is right and not old."""
    found = _FORM.fullmatch(given)
    if found is None:
        return False
    at_s = int(found[1])
    is_right = hmac.compare_digest(_digest(secret, body, at_s), found[2])
    return is_right and abs(now_s - at_s) <= LATEST_S


def _digest(secret: str, body: bytes, at_s: int) -> str:
    return hmac.digest(secret.encode(), b"%d." % at_s + body, "sha256").hex()
