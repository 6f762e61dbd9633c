"""Devices and gateways push what they measured: by HTTP, or over a WebSocket with many messages.

An answer means that the message is durable: written, or kept as a dead letter that it names.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from madang.api.compressed import plain
from madang.api.guarded import MOST_BYTES
from madang.api.sockets import refuse
from madang.api.surface import Surface
from madang.model.errors import (
    BadRequestData,
    NgsiError,
    Overloaded,
    TooManyRequests,
    Unauthorized,
)
from madang.sense.message import Message

if TYPE_CHECKING:
    from madang.sense.intake import Intake, Taken
    from madang.sense.sense import Sense

MOST: Final = 100
"""Messages of one connection under way; then it is not read until one of them is durable."""
_FRESH_S: Final = 1.0  # what may no longer send is turned away so soon
_LONGEST_DETAIL: Final = 1_000  # [characters]


def surfaces(sense: Sense) -> list[Surface]:
    """Return the routes by which messages come."""
    push = _Push(sense.intake)

    def one(path: str, summary: str, *, is_socket: bool = False) -> Surface:
        if not is_socket:
            return Surface("POST", path, push.post, "observe", summary, "Devices")
        return Surface(
            "GET", path, _wants_upgrade, "observe", summary, "Devices", socket=push.connected
        )

    return [
        one("/devices/{device}/up", "Send what a device measured"),
        one("/devices/{device}/socket", "Send it over a WebSocket", is_socket=True),
        one("/sense/up/{codec}", "Send messages that name their devices"),
        one("/sense/socket/{codec}", "Send them over a WebSocket", is_socket=True),
    ]


class _Push:
    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def post(self, request: Request) -> Response:
        """Answer 200 with what was written, or 400 with the dead letter and the reason."""
        encoding = request.headers.get("content-encoding", "")
        body = plain(await request.body(), encoding, MOST_BYTES)
        message = _message("http", request, body)
        taken = await self._intake.take(message)
        if not taken.reason:
            return JSONResponse(_counts(taken))
        refusal = BadRequestData(taken.detail[:_LONGEST_DETAIL]).problem()
        refusal["title"] = "The message cannot be used as it is; it is kept as a dead letter"
        return JSONResponse(
            {**refusal, "reason": taken.reason, "letter": taken.letter, **_counts(taken)}, 400
        )

    async def connected(self, socket: WebSocket) -> None:
        await _Line(self._intake, socket).run()


async def _wants_upgrade(request: Request) -> Response:
    """Tell who asks by HTTP that a WebSocket is wanted (RFC 9110 section 15.5.22)."""
    problem = BadRequestData("open a WebSocket here, or send single messages by POST").problem()
    return JSONResponse(
        {**problem, "status": 426}, 426, {"Upgrade": "websocket", "Connection": "Upgrade"}
    )


def _message(transport: str, connection: HTTPConnection, body: bytes) -> Message:
    state, path = connection.state, connection.path_params
    return Message(
        transport,
        connection.url.path,
        body,
        state.principal,
        time.time_ns() // 1000,
        state.tenant.name,
        path.get("codec") or connection.query_params.get("codec", ""),
        path.get("device", ""),
        state.address,
    )


def _counts(taken: Taken) -> dict[str, Any]:
    return {
        "entities": taken.entities,
        "values": taken.values,
        "late": taken.late,
        "known": taken.known,
    }


class _Line:
    """One WebSocket connection: messages in, numbered acknowledgements out.

    Each message is begun when it comes and acknowledged when it is durable, so a quick one may be
    acknowledged before a slow one. What is refused for the moment is tried again in its order, and
    nothing more is read meanwhile.
    """

    def __init__(self, intake: Intake, socket: WebSocket) -> None:
        self._intake = intake
        self._socket = socket
        self._room = asyncio.Semaphore(MOST)
        self._fresh_until = time.monotonic() + _FRESH_S

    async def run(self) -> None:
        """Take messages until the connection ends; return when all of them are settled."""
        async with asyncio.TaskGroup() as under_way:
            refusal = await self._read(under_way)
        if refusal is not None:
            await refuse(self._socket, refusal)

    async def _read(self, under_way: asyncio.TaskGroup) -> NgsiError | None:
        """Begin with messages as they come; return why no more are taken, if not for the end."""
        number = 0
        while True:
            await self._room.acquire()
            event = await self._socket.receive()
            if event["type"] == "websocket.disconnect":
                return None
            try:
                await self._check()
            except NgsiError as error:
                return error
            number += 1
            text = event.get("text")
            taking = await self._begin(event["bytes"] if text is None else text.encode())
            under_way.create_task(self._answer(number, taking))

    async def _check(self) -> None:
        """Turn away who may no longer send.

        Raises:
            Unauthorized: the key has been revoked, or what it may do has changed.
        """
        if time.monotonic() < self._fresh_until:
            return
        if not await self._socket.state.holds():
            raise Unauthorized("the key may no longer be used for this; open the connection anew")
        self._fresh_until = time.monotonic() + _FRESH_S

    async def _begin(self, body: bytes) -> asyncio.Task[Taken]:
        """Return the taking of a message that has been let in."""
        message = _message("websocket", self._socket, body)
        while True:
            taking = asyncio.create_task(self._intake.take(message))
            await asyncio.sleep(0)  # whether it is let in is known after its first step
            error = taking.exception() if taking.done() else None
            if not isinstance(error, TooManyRequests | Overloaded):
                return taking
            await asyncio.sleep(getattr(error, "retry_after_s", 1))

    async def _answer(self, number: int, taking: asyncio.Task[Taken]) -> None:
        """Acknowledge a message when it is durable; where that failed, say so."""
        told: dict[str, Any] = {"n": number}
        try:
            taken = await taking
        except NgsiError as error:
            told |= {"error": error.name, "detail": error.detail, "retryAfter": 1}
        else:
            told |= _counts(taken)
            if taken.reason:
                detail = taken.detail[:_LONGEST_DETAIL]
                told |= {"letter": taken.letter, "reason": taken.reason, "detail": detail}
        finally:
            self._room.release()
        with suppress(WebSocketDisconnect, RuntimeError):  # it has gone; what is taken is durable
            await self._socket.send_text(orjson.dumps(told).decode())
