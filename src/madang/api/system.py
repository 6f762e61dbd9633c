"""What operators and programs ask of the process itself: health, figures, live changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.responses import StreamingResponse as Streaming

from madang import __version__
from madang.api.surface import Surface
from madang.hub.changes import FellBehind
from madang.hub.duties import DUTIES
from madang.hub.feed import Event, events, reached, told
from madang.model import time
from madang.model.errors import BadRequestData, NgsiError
from madang.model.names import shown
from madang.trust.gate import FRESH_S

if TYPE_CHECKING:
    from madang.api.metrics import Metrics
    from madang.api.surface import Action, Handler
    from madang.hub.hub import Hub
    from madang.hub.roster import Roster
    from madang.hub.tenant import Tenant
    from madang.store.postgres.nodes import Node

LONGEST_POSITION = 18  # digits
PULSE = 15.0  # [s] between two signs of life on a silent stream


class System:
    """Handlers of the ASGI side of the process."""

    def __init__(self, hub: Hub, metrics: Metrics, roster: Roster | None) -> None:
        self.hub = hub
        self.roster = roster
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
            surface("/metrics", self.figures, "seeSystem", "Figures for Prometheus"),
            surface("/status", self.status, "seeSystem", "What is in each tenant"),
            surface(
                "/changes",
                self.changes,
                "readEntity",
                "Changes, live or from a position, server-sent events",
            ),
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
        opened = sorted(self.hub.open.items())
        tenants = {name or "default": await _tenant(tenant) for name, tenant in opened}
        hub = {
            "shares": self.hub.is_shared,
            "works": [duty for duty in DUTIES if duty in self.hub.duties],
            "bus": self.hub.is_told(),
            "nodes": [] if self.roster is None else [_node(one) for one in self.roster.nodes],
        }
        return JSONResponse(
            {"version": __version__, "ready": self.ready, "hub": hub, "tenants": tenants}
        )

    async def changes(self, request: Request) -> Response:
        """Changes as server-sent events, live or from a position; ``type`` and ``id`` narrow them.

        Source: WHATWG HTML, section 9.2. The id of an event is its position.
        """
        given = request.query_params
        types = {t for t in given.get("type", "").split(",") if t}
        ids = {i for i in given.get("id", "").split(",") if i}

        def wanted(event: Event) -> bool:
            fits = not types or not types.isdisjoint(event.types)
            return fits and (not ids or event.id in ids)

        tenant = request.state.tenant
        after = _position(request.headers.get("last-event-id") or given.get("after"))
        start = tenant.history.last if after is None else after
        await reached(tenant.history, start)
        stream = events(tenant, after)
        upcoming = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)  # it follows, or says why not, before the client is told so
        if upcoming.done() and upcoming.exception() is not None:
            upcoming.result()
        return Streaming(
            self._events(stream, upcoming, wanted, start, request.state.holds),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    async def _events(
        self,
        stream: AsyncGenerator[Event, None],
        upcoming: asyncio.Future[Event],
        wanted: Callable[[Event], bool],
        position: int,
        holds: Callable[[], Awaitable[bool]],
    ) -> AsyncIterator[bytes]:
        yield b": following\n\nid: %d\n\n" % position
        stopping = asyncio.ensure_future(self.stopping.wait())
        judged = monotonic()
        try:
            while not self.stopping.is_set():
                either: set[asyncio.Future[Any]] = {upcoming, stopping}
                await asyncio.wait(either, timeout=PULSE, return_when=asyncio.FIRST_COMPLETED)
                if monotonic() - judged > FRESH_S:
                    if not await holds():
                        yield _lost("what you may see has changed; follow again from the last id")
                        return
                    judged = monotonic()
                if not upcoming.done():
                    yield b": still here\n\nid: %d\n\n" % position
                    continue
                try:
                    event = upcoming.result()
                except StopAsyncIteration:
                    return
                except (FellBehind, NgsiError) as lost:
                    yield _lost(str(lost))
                    return
                position = event.position
                if wanted(event):
                    data = orjson.dumps(told(event))
                    yield b"event: change\nid: %d\ndata: %b\n\n" % (position, data)
                upcoming = asyncio.ensure_future(anext(stream))
        finally:
            upcoming.cancel()
            stopping.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)
            await stream.aclose()


def _position(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > LONGEST_POSITION:
        raise BadRequestData(
            f"{shown(text)} is no position; it is the id of an event, or 0 for all there ever was"
        )
    return int(text)


def _lost(detail: str) -> bytes:
    return b"event: lost\ndata: " + orjson.dumps({"detail": detail}) + b"\n\n"


async def _tenant(tenant: Tenant) -> dict[str, Any]:
    """Return what is in a tenant as JSON."""
    told: dict[str, Any] = {**await tenant.store.size()}
    if tenant.unstreamed is not None:
        told["unstreamed"] = tenant.unstreamed
    if tenant.alarm:
        told["alarm"] = tenant.alarm
    return told


def _node(node: Node) -> dict[str, Any]:
    """Return one of several hubs as JSON."""
    return {
        "name": node.name,
        "role": node.role,
        "alive": node.is_alive,
        "work": {duty: time.render(int(since * 1e6)) for duty, since in node.work.items()},
        "behind": node.behind,
        "up": round(node.up_s, 1),
        "silent": round(node.silent_s, 1),
    }
