"""Messages between vehicles and the roadside: sent by POST or WebSocket, heard near by."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from madang.api.sockets import refuse
from madang.api.surface import Surface
from madang.model.errors import BadRequestData, NgsiError, Unauthorized
from madang.model.names import shown
from madang.sense.edge import relay
from madang.sense.edge.relay import Listener, Relay

if TYPE_CHECKING:
    from madang.api.system import System
    from madang.trust.gate import Gate

_FRESH_S: Final = 1.0  # what may no longer listen is turned away so soon
_PULSE_S: Final = 15.0  # between two signs of life on a silent stream
_TAG: Final = "Devices"


def surfaces(system: System, gate: Gate) -> list[Surface]:
    """Return the routes of the relay.

    Args:
        system: says when the process stops.
        gate: limits of senders.
    """
    pages = _Pages(system, gate)
    return [
        Surface("POST", "/relay", pages.post, "observe", "Tell stations near by", _TAG),
        Surface(
            "GET",
            "/relay",
            pages.listen,
            "observe",
            "Hear stations near by: server-sent events, or a WebSocket",
            _TAG,
            socket=pages.connected,
        ),
    ]


class _Pages:
    def __init__(self, system: System, gate: Gate) -> None:
        self._system = system
        self._gate = gate
        self._relays: dict[str, Relay] = {}

    def _relay(self, tenant: str) -> Relay:
        found = self._relays.get(tenant)
        if found is None:
            found = self._relays[tenant] = Relay()
        return found

    async def post(self, request: Request) -> Response:
        """Answer with how many were told; who is told has it before the answer is sent."""
        told = relay.notice(relay.read(await request.body()))
        count = self._relay(request.state.tenant.name).pass_on(told)
        return JSONResponse({"relayed": count}, 202)

    async def listen(self, request: Request) -> Response:
        """``GET /relay?longitude=…&latitude=…&radius=…`` [deg, m]"""
        place, radius = _around(request.query_params)
        listener, there = Listener(), self._relay(request.state.tenant.name)
        there.join(listener, place, radius)
        return StreamingResponse(
            self._events(there, listener, request.state.holds),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    async def _events(self, there: Relay, listener: Listener, holds: Any) -> AsyncIterator[bytes]:
        yield b": listening\n\n"
        judged = time.monotonic()
        try:
            while not self._system.stopping.is_set():
                try:
                    async with asyncio.timeout(_PULSE_S):
                        found = await listener.heard()
                except TimeoutError:
                    found = []
                    yield b": still here\n\n"
                if time.monotonic() - judged > _FRESH_S:
                    if not await holds():
                        return
                    judged = time.monotonic()
                if found:
                    yield b"".join(b"event: message\ndata: %b\n\n" % body for body in found)
        finally:
            there.leave(listener)

    async def connected(self, socket: WebSocket) -> None:
        there = self._relay(socket.state.tenant.name)
        await _Line(there, self._gate, socket).run()


class _Line:
    """One WebSocket: its messages are passed on; it hears what is around its own place.

    ``{"listen": {"longitude": …, "latitude": …, "radius": …}}`` says where it listens; a message
    of its own station moves it. Each thing that is wrong is answered with a problem.
    """

    def __init__(self, there: Relay, gate: Gate, socket: WebSocket) -> None:
        self._there = there
        self._gate = gate
        self._socket = socket
        self._listener: Listener | None = None
        self._talking: asyncio.Task[None] | None = None
        self._fresh_until = time.monotonic() + _FRESH_S

    async def run(self) -> None:
        try:
            while (event := await self._socket.receive())["type"] != "websocket.disconnect":
                text = event.get("text")
                try:
                    await self._check()
                    self._take(event["bytes"] if text is None else text.encode())
                except Unauthorized as error:
                    await refuse(self._socket, error)
                    return
                except NgsiError as error:
                    await self._socket.send_text(orjson.dumps(error.problem()).decode())
        except WebSocketDisconnect:
            pass
        finally:
            if self._listener is not None:
                self._there.leave(self._listener)
            if self._talking is not None:
                self._talking.cancel()
                await asyncio.wait([self._talking])

    async def _check(self) -> None:
        """Turn away who may no longer take part, and who sends too much."""
        if time.monotonic() >= self._fresh_until:
            if not await self._socket.state.holds():
                raise Unauthorized("the key may no longer be used for this; open it anew")
            self._fresh_until = time.monotonic() + _FRESH_S
        state = self._socket.state
        self._gate.admit(state.principal, state.address, "sense", time.perf_counter())

    def _take(self, body: bytes) -> None:
        message = relay.read(body)
        if message.keys() == {"listen"}:
            where = message["listen"]
            if not isinstance(where, dict):
                raise BadRequestData(f"listen must be an object, not {shown(where)}")
            self._settle(relay.place(where, "listen."), relay.radius(where.get("radius")))
            return
        told = relay.notice(message)
        radius = relay.USUAL_RADIUS if self._listener is None else self._listener.radius
        self._settle(told.place, radius)
        if self._listener is not None:
            self._listener.station = told.station
        self._there.pass_on(told)

    def _settle(self, place: relay.Place, radius: float) -> None:
        if self._listener is not None:
            self._there.move(self._listener, place, radius)
            return
        listener = Listener()
        self._there.join(listener, place, radius)
        self._listener = listener
        self._talking = asyncio.get_running_loop().create_task(self._talk(listener))

    async def _talk(self, listener: Listener) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):  # it has gone; `run` ends it
            while True:
                for body in await listener.heard():
                    await self._socket.send_text(body.decode())


def _around(given: Any) -> tuple[relay.Place, float]:
    """Return where to listen, from the parameters of a request."""
    members: dict[str, Any] = {}
    for name in ("longitude", "latitude", "radius"):
        text = given.get(name)
        try:
            members[name] = None if text is None else float(text[:40])
        except ValueError:
            raise BadRequestData(f"{name} must be a number, not {shown(text)}") from None
    return relay.place(members), relay.radius(members["radius"])
