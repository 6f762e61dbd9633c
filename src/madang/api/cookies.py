"""Cookies of pages, and the proof that a request which relies on one was meant.

Sources: RFC 6265bis (``__Host-`` prefix, SameSite), OWASP Cross-Site Request Forgery Prevention
Cheat Sheet (synchroniser token; origin and fetch metadata as second line), W3C Fetch Metadata.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request, cookie_parser
from starlette.responses import Response

from madang.model.errors import Forbidden

SESSION: Final = "madang_session"
VISIT: Final = "madang_visit"
"""Random; binds the forms of somebody who has not signed in to their browser."""
OPENID: Final = "madang_openid"
"""Binds a sign-in through a provider to the browser that began it."""
LANGUAGE: Final = "madang_language"

YEAR: Final = 365 * 86_400  # [s]
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_LONGEST: Final = 4096


class Cookies:
    """Sets and deletes cookies as the hub's address allows."""

    def __init__(self, url: str) -> None:
        self.secure = urlsplit(url).scheme == "https"

    def set(self, response: Response, name: str, value: str, age: int | None = None) -> None:
        """Set a cookie; without an age it ends with the browser session. [s]"""
        response.set_cookie(
            self.name(name),
            value,
            max_age=age,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )

    def delete(self, response: Response, name: str) -> None:
        response.delete_cookie(
            self.name(name), path="/", secure=self.secure, httponly=True, samesite="lax"
        )

    def name(self, name: str) -> str:
        """Return the name on the wire: other hosts of the domain cannot set a ``__Host-`` one."""
        return f"__Host-{name}" if self.secure else name

    def get(self, request: Request, name: str) -> str:
        """Return a cookie's value, empty if there is none."""
        value = request.cookies.get(self.name(name), "")
        return value if len(value) <= _LONGEST else ""


def credential_of(request: HTTPConnection) -> str | None:
    """Return the credential of the session that the request's cookie names.

    Where the hub's address is encrypted, only the name counts that no other host can have set; the
    middleware of the security headers has said so in the state.
    """
    secure = request.scope.get("state", {}).get("secure", False)
    return _session(request.cookies, secure)


def credential_in(method: str, headers: Mapping[str, str], url: str) -> str | None:
    """Return the credential of the session that a request of the direct lane names.

    Args:
        headers: names in lower case.
        url: the address under which others reach the hub.

    Raises:
        Forbidden: the request changes something, and no page of this hub sent it.
    """
    cookie = headers.get("cookie", "")
    if SESSION not in cookie:
        return None
    parts = urlsplit(url)
    found = _session(cookie_parser(cookie), parts.scheme == "https")
    if found is not None:
        _refuse_forged(method, headers, f"{parts.scheme}://{parts.netloc}")
    return found


def _session(cookies: Mapping[str, str], secure: bool) -> str | None:
    found = cookies.get(f"__Host-{SESSION}" if secure else SESSION)
    return found if found and len(found) <= _LONGEST else None


def refuse_forged(request: Request) -> None:
    """Refuse a request that changes something unless a page of this hub sent it.

    Raises:
        Forbidden: it was sent by a page of another site, or nothing says who sent it.
    """
    ours = request.scope.get("state", {}).get("origin", "")
    _refuse_forged(request.method, request.headers, ours)


def _refuse_forged(method: str, headers: Mapping[str, str], ours: str) -> None:
    if method in SAFE:
        return
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site in ("same-origin", "none"):
            return
        raise Forbidden("this was sent by a page of another site; open the page here and try again")
    origin = headers.get("origin")
    if origin is None:
        raise Forbidden(
            "nothing says which page sent this; programs sign in with a key in the header "
            "Authorization, not with a cookie"
        )
    if origin != ours and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        raise Forbidden("this was sent by a page of another site; open the page here and try again")


def refuse_rebound(host: str | None, url: str) -> None:
    """Refuse, at a hub where nobody signs in, what came by a name that is not the hub's.

    A page of another site can have its own name lead to this machine (DNS rebinding); to a browser,
    the hub is then a part of that site. Addresses and names without a dot cannot be had for that.

    Args:
        host: what the request calls this hub.
        url: the address under which others reach it.

    Raises:
        Forbidden: it is a name that somebody else may have given.
    """
    if host is not None and not _is_here(host, url):
        raise Forbidden(
            f"this hub is not called {host[:80]!r}; open it as {url}, or set base_url to that name"
        )


@lru_cache(maxsize=256)
def _is_here(host: str, url: str) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if "." not in name or name.endswith(".localhost") or name == urlsplit(url).hostname:
        return True
    return ":" in name or name.replace(".", "").isdecimal()


def form_token(bound_to: str) -> str:
    """Return the token that a form must bring back, made of a cookie that others cannot read."""
    return hmac.new(bound_to.encode(), b"madang form", hashlib.sha256).hexdigest()


def token_fits(token: str, bound_to: str) -> bool:
    """Return whether a form's token is the one of this session or visit."""
    return bool(bound_to) and hmac.compare_digest(token.encode(), form_token(bound_to).encode())


def new_visit() -> str:
    """Return the value of a new visit cookie."""
    return secrets.token_urlsafe(32)
