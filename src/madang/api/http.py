"""Requests and responses of the HTTP surfaces that do not go through ASGI (see api/direct.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

JSON = b"application/json"
LD_JSON = b"application/ld+json"
GEO_JSON = b"application/geo+json"


@dataclass(slots=True)
class Request:
    """One whole HTTP request; the body has been read and is within the size limit."""

    method: str
    path: str
    """Percent-encoded, as sent, without the query string."""
    query: str
    """Percent-encoded, as sent, without the question mark."""
    headers: dict[str, str]
    """Lower-case names; repeated headers joined with a comma and a blank."""
    body: bytes
    address: str = ""
    """Of the peer: the client, or a proxy before it."""


@dataclass(slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = ()
    """Without Content-Length, which the server adds. A tuple is taken to be one that recurs."""


def json_response(
    status: int, content: Any, headers: list[tuple[str, str]] | None = None
) -> Response:
    """Return a response with JSON text made of ``content``."""
    return Response(
        status, orjson.dumps(content), [("content-type", "application/json"), *(headers or [])]
    )
