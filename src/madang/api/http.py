"""Requests and responses of the HTTP surfaces that do not go through ASGI (see api/direct.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from madang.trust.gate import Door

JSON = b"application/json"
LD_JSON = b"application/ld+json"
GEO_JSON = b"application/geo+json"


class Fields(dict[str, str]):
    """Headers of a request: names in lower case, repeated ones joined with a comma and a blank.

    A client sends the same headers over and over, and requests with the same share this object, so
    it remembers what was worked out from them.
    """

    __slots__ = ("door",)

    def __init__(self) -> None:
        self.door: Door | None = None
        """The door that these headers open; see :meth:`madang.api.lane.NgsiLane.answer`."""


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
