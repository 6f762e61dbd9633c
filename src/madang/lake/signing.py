"""Links to objects in S3 that are good for a while, for readers who have no key.

Source: Amazon S3 API Reference, Authenticating Requests: Using Query Parameters (AWS Signature
Version 4), 2025.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import quote

_METHOD = "AWS4-HMAC-SHA256"


def link(
    address: str, path: str, key: tuple[str, str], region: str, seconds: int, now: float
) -> str:
    """Return a link by which an object can be read, but not changed.

    Args:
        address: of the server, as ``https://host``.
        path: of the object there, with the bucket where the host does not name it.
        key: id and secret.
        region: of the server.
        seconds: for which it is good. [s]
        now: seconds since 1970. [s]

    >>> example = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    >>> host = "https://examplebucket.s3.amazonaws.com"
    >>> link(host, "/test.txt", example, "us-east-1", 86400, 1369353600)[-64:]
    'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404'
    """
    moment = datetime.fromtimestamp(now, UTC)
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    scope = [moment.strftime("%Y%m%d"), region, "s3", "aws4_request"]
    asked = {
        "X-Amz-Algorithm": _METHOD,
        "X-Amz-Credential": "/".join([key[0], *scope]),
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items())
    place, host = quote(path), address.partition("://")[2]
    request = f"GET\n{place}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join([_METHOD, stamp, "/".join(scope), digest])
    secret = b"AWS4" + key[1].encode()
    for part in (*scope, text):
        secret = hmac.digest(secret, part.encode(), "sha256")
    return f"{address}{place}?{query}&X-Amz-Signature={secret.hex()}"
