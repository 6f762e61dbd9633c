"""What operators and programs ask of the process itself: health, figures, live changes, docs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.responses import StreamingResponse as Streaming

from madang import __version__
from madang.api.openapi import document
from madang.api.surface import Surface
from madang.hub.changes import FellBehind
from madang.model import time

if TYPE_CHECKING:
    from madang.api.metrics import Metrics
    from madang.api.surface import Action, Handler
    from madang.hub.hub import Hub
    from madang.store.protocol import Change

PULSE = 15.0  # [s] between two signs of life on a silent stream


class System:
    """Handlers of the ASGI side of the process."""

    def __init__(self, hub: Hub, metrics: Metrics) -> None:
        self.hub = hub
        self.metrics = metrics
        self.ready = False
        self.stopping = asyncio.Event()

    def surfaces(self) -> list[Surface]:
        """Return what the process itself offers."""

        def surface(path: str, handler: Handler, action: Action, summary: str) -> Surface:
            return Surface("GET", path, handler, action, summary, "System")

        return [
            surface("/health", self.health, "seePages", "Whether the process is alive"),
            surface("/ready", self.readiness, "seePages", "Whether requests are served"),
            surface("/openapi.json", self.openapi, "seePages", "The API, to generate clients"),
            surface("/metrics", self.figures, "seeSystem", "Figures for Prometheus"),
            surface("/status", self.status, "seeSystem", "What is in each tenant"),
            surface("/changes", self.changes, "readEntity", "Live changes, server-sent events"),
        ]

    async def health(self, request: Request) -> Response:
        """The process is alive."""
        return JSONResponse({"status": "ok", "version": __version__})

    async def readiness(self, request: Request) -> Response:
        """The process serves requests: its stores are open and it is not stopping."""
        if self.ready and not self.stopping.is_set():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready"}, status_code=503)

    async def figures(self, request: Request) -> Response:
        return PlainTextResponse(
            generate_latest(self.metrics.registry), media_type=CONTENT_TYPE_LATEST
        )

    async def status(self, request: Request) -> Response:
        """What is in each tenant, for ``madang status``."""
        tenants = {
            name or "default": {
                **await tenant.store.size(),
                **({"alarm": tenant.history.alarm} if tenant.history.alarm else {}),
            }
            for name, tenant in sorted(self.hub.open.items())
        }
        return JSONResponse({"version": __version__, "ready": self.ready, "tenants": tenants})

    async def changes(self, request: Request) -> Response:
        """Live changes as server-sent events; ``type`` and ``id`` narrow them."""
        types = {t for t in request.query_params.get("type", "").split(",") if t}
        ids = {i for i in request.query_params.get("id", "").split(",") if i}

        def wanted(change: Change) -> bool:
            state = change.after or change.before
            fits = not types or (state is not None and not types.isdisjoint(state.types))
            return fits and (not ids or change.id in ids)

        stream = request.state.tenant.follow(wanted if types or ids else None)
        return Streaming(
            self._events(stream),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    async def _events(self, stream: AsyncIterator[Change]) -> AsyncIterator[bytes]:
        upcoming = asyncio.ensure_future(anext(stream))  # follows before the client is told so
        yield b": following\n\n"
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            while not self.stopping.is_set():
                await asyncio.wait(
                    {upcoming, stopping}, timeout=PULSE, return_when=asyncio.FIRST_COMPLETED
                )
                if not upcoming.done():
                    yield b": still here\n\n"
                    continue
                try:
                    change = upcoming.result()
                except StopAsyncIteration:
                    return
                except FellBehind as lost:
                    yield b"event: lost\ndata: " + orjson.dumps({"detail": str(lost)}) + b"\n\n"
                    return
                yield b"event: change\ndata: " + orjson.dumps(_told(change)) + b"\n\n"
                upcoming = asyncio.ensure_future(anext(stream))
        finally:
            upcoming.cancel()
            stopping.cancel()

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(document())


def _told(change: Change) -> dict[str, Any]:
    state = change.after or change.before
    return {
        "kind": change.kind,
        "at": time.render(change.at),
        "id": change.id,
        "type": state.document["type"] if state is not None else None,
        "attributes": change.attributes,
        "deleted": change.deleted,
        "entity": change.after.document if change.after is not None else None,
    }
