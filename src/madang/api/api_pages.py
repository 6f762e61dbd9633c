"""What the platform says of its own API: the OpenAPI document, and a page to read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from madang.api.openapi import document
from madang.api.surface import Surface

if TYPE_CHECKING:
    from madang.api.site import Site


class ApiPages:
    """The document and its page.

    Args:
        others: all surfaces but these.
    """

    def __init__(self, site: Site, others: Sequence[Surface]) -> None:
        self._site = site
        self._others = others
        self._making = asyncio.Lock()
        self._made: bytes | None = None

    def surfaces(self) -> list[Surface]:
        return [
            Surface(
                "GET", "/openapi.json", self.openapi, "seePages", "The API, to generate clients",
                "System",
            ),
            Surface("GET", "/docs", self.docs, "seePages", "The API, to read", "Pages"),
        ]  # fmt: skip

    async def _document(self) -> bytes:
        """Return the document, made in a thread when it is first asked for: that takes seconds."""
        async with self._making:
            if self._made is None:
                surfaces = [*self._others, *self.surfaces()]
                self._made = orjson.dumps(await asyncio.to_thread(document, surfaces))
        return self._made

    async def openapi(self, request: Request) -> Response:
        return Response(await self._document(), media_type="application/json")

    async def docs(self, request: Request) -> Response:
        """Show every operation below its tag; pages and programs have one source."""
        api = orjson.loads(await self._document())
        groups: dict[str, list[tuple[str, str, Any]]] = {}
        for path, methods in api["paths"].items():
            for method, operation in methods.items():
                entry = (method.upper(), path, {"parameters": [], **operation})
                groups.setdefault(operation["tags"][0], []).append(entry)
        return self._site.answer(request, "docs.html", api=api, groups=groups)
