"""The start page, static files, the language of pages, security.txt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from madang import __version__
from madang.api import cookies
from madang.api.site import Site, safe_next
from madang.api.surface import Surface
from madang.model.errors import BadRequestData, ResourceNotFound
from madang.web.texts import LANGUAGES

if TYPE_CHECKING:
    from madang.api.surface import Action, Handler

Figures = Callable[[Request], Awaitable[list[tuple[str, int]]]]
"""Tenants with their number of entities, as far as who asks may see them."""
InShort = Callable[[Request], Awaitable[list[dict[str, Any]]]]
"""A few tiles of the city's page with their facts, as far as who asks may see them."""
STATIC_AGE = "public, max-age=31536000, immutable"
EXPIRES = timedelta(days=180)  # of security.txt; RFC 9116 wants less than a year


class StartPages:
    """What can be seen without signing in.

    Args:
        security_contact: where to report weaknesses; without one there is no security.txt.
    """

    def __init__(
        self, site: Site, figures: Figures, in_short: InShort, security_contact: str
    ) -> None:
        self._site = site
        self._figures = figures
        self._in_short = in_short
        self._contact = security_contact

    def surfaces(self) -> list[Surface]:
        def surface(method: str, path: str, handler: Handler, summary: str) -> Surface:
            action: Action = "seePages"
            return Surface(method, path, handler, action, summary, "Pages")

        return [
            surface("GET", "/", self.start, "What is here"),
            surface("GET", "/static/{name}", self.static, "Styles and scripts of the pages"),
            surface("POST", "/language", self.language, "Choose the language of the pages"),
            surface(
                "GET", "/.well-known/security.txt", self.security, "Whom to tell of weaknesses"
            ),
        ]

    async def start(self, request: Request) -> Response:
        return self._site.answer(
            request,
            "start.html",
            tenants=await self._figures(request),
            facts=await self._in_short(request),
            version=__version__,
        )

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        file = self._site.pages.static.get(name)
        if file is None:
            raise ResourceNotFound(f"there is no file {name[:60]!r}")
        headers = {"Cache-Control": STATIC_AGE, "ETag": f'"{file.digest}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(file.content, 200, headers, file.media_type)

    async def language(self, request: Request) -> Response:
        form = await self._site.form(request)
        language = form.get("language", "")
        if language not in LANGUAGES:
            raise BadRequestData(f"language must be one of {', '.join(LANGUAGES)}")
        response = self._site.redirect(safe_next(form.get("next", "")))
        self._site.cookies.set(response, cookies.LANGUAGE, language, cookies.YEAR)
        return response

    async def security(self, request: Request) -> Response:
        """Say whom to tell of weaknesses (RFC 9116)."""
        if not self._contact:
            raise ResourceNotFound("this hub names no security contact (setting security_contact)")
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        lines = [
            f"Contact: {self._contact}",
            f"Expires: {(midnight + EXPIRES).isoformat().replace('+00:00', 'Z')}",
            "Preferred-Languages: ko, en",
            f"Canonical: {self._site.url}/.well-known/security.txt",
        ]
        return PlainTextResponse("\n".join(lines) + "\n")
