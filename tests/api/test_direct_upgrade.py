"""The direct lane's protocol hands connections over to the WebSocket protocol."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import MagicMock

from uvicorn.config import Config
from uvicorn.server import ServerState

from madang.api.direct import protocol_for

HANDSHAKE = (
    b"GET /devices/d1/socket HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def test_after_the_upgrade_no_timer_of_http_closes_the_connection() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    config = Config(app, ws="websockets-sansio", lifespan="off", log_config=None)
    config.load()
    lane = MagicMock(prefix=b"/ngsi-ld/v1/", max_body=1000, always=())
    protocol = protocol_for(lane)(config, ServerState(), {}, asyncio.get_running_loop())
    transport = MagicMock()
    transport.is_closing.return_value = False
    protocol.connection_made(transport)
    timer: Any = protocol.timeout_keep_alive_task
    protocol.data_received(HANDSHAKE)
    await asyncio.sleep(0)

    assert timer.cancelled()
    ((websocket,), _) = transport.set_protocol.call_args
    written = b"".join(call.args[0] for call in transport.write.call_args_list)
    assert written.startswith(b"HTTP/1.1 101 ")
    websocket.connection_lost(None)
    await asyncio.sleep(0)
