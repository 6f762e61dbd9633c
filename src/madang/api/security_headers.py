"""Headers that tell browsers what the hub's pages and answers may and may not do.

Sources: OWASP Secure Headers Project, CSP Level 3, RFC 6797 (HSTS), Fetch (CORS).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Pairs = tuple[tuple[str, str], ...]

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
ALWAYS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: browsers would then send forms without their origin.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(self), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Whatever does not say that it may be kept (static files do) can be personal.
    "Cache-Control": "no-store",
}
HSTS: Final = "max-age=31536000"


def headers_of_data(url: str) -> Pairs:
    """Return the headers of every answer of the API, which is data for its reader alone.

    Args:
        url: the address under which others reach the hub.
    """
    names = ("X-Content-Type-Options", "Cache-Control")
    hsts = (("Strict-Transport-Security", HSTS),) if urlsplit(url).scheme == "https" else ()
    return (*((name, ALWAYS[name]) for name in names), *hsts)


_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS: Final = (
    "Authorization, Content-Type, Accept, Link, NGSILD-Tenant, Purpose, If-Match, If-None-Match"
)
_ANSWER_HEADERS: Final = (
    "Link, Location, ETag, NGSILD-Tenant, NGSILD-Results-Count, NGSILD-Warning, Retry-After, "
    "RateLimit, RateLimit-Policy"
)
_PREFLIGHT_AGE: Final = "3600"  # [s]


class Cors:
    """Lets pages of other origins call the API: those in the settings, and no others.

    Cookies are never let along (no ``Access-Control-Allow-Credentials``): such a page signs in with
    a token in ``Authorization``.
    """

    def __init__(self, origins: Collection[str]) -> None:
        shared = (("Vary", "Origin"),)
        self._closed: Pairs = shared if origins else ()
        self._open = {
            origin: (
                ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Expose-Headers", _ANSWER_HEADERS),
                *shared,
            )
            for origin in origins
        }

    def shares(self, origin: str | None) -> bool:
        """Return whether pages of an origin may call the API."""
        return origin in self._open

    def cors_headers(self, origin: str | None) -> Pairs:
        """Return the headers of an answer to a request that came from an origin."""
        return self._open.get(origin, self._closed) if origin else self._closed

    def preflight(self, method: str, headers: Mapping[str, str]) -> Pairs | None:
        """Return the headers of the answer (204) to a preflight request; None if it is none.

        The header names of the request are in lower case.
        """
        if method != "OPTIONS" or "access-control-request-method" not in headers:
            return None
        granted = self._open.get(headers.get("origin", ""))
        if granted is None:
            return self._closed
        return (
            *granted,
            ("Access-Control-Allow-Methods", _METHODS),
            ("Access-Control-Allow-Headers", _REQUEST_HEADERS),
            ("Access-Control-Max-Age", _PREFLIGHT_AGE),
        )


class SecurityHeaders:
    """ASGI middleware that adds the headers a handler has not set itself.

    It also puts into the request's state what cookies depend on: ``secure``, whether the hub's
    address is encrypted, and ``origin``, that address without its path; for a WebSocket also
    ``shared``, whether it was opened by a page of an origin that may call the API.
    """

    def __init__(self, app: ASGIApp, *, url: str, cors: Cors) -> None:
        """Take the address under which others reach the hub."""
        parts = urlsplit(url)
        self._app = app
        self._state = {
            "secure": parts.scheme == "https",
            "origin": f"{parts.scheme}://{parts.netloc}",
        }
        hsts = {"Strict-Transport-Security": HSTS} if self._state["secure"] else {}
        self._headers = {**ALWAYS, **hsts}
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope)
        scope.setdefault("state", {}).update(self._state)
        if scope["type"] != "http":
            scope["state"]["shared"] = self._cors.shares(asked.get("origin"))
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                for name, value in self._cors.cors_headers(asked.get("origin")):
                    headers.append(name, value)
            await send(message)

        granted = self._cors.preflight(scope["method"], asked)
        if granted is not None:
            answer = Response(status_code=204, headers={**self._headers, **dict(granted)})
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, with_headers)
