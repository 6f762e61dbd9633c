"""The hub as a client, at a broker that does what NATS and others do at moments of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from madang.sense.transports.mqtt_decoder import Decoder
from madang.sense.transports.mqtt_external import Source
from madang.sense.transports.mqtt_packets import (
    PUBACK,
    SUBACK,
    V311,
    Ack,
    Connack,
    Connect,
    Granted,
    Packet,
    Publish,
    Subscribe,
    encode,
)
from madang.settings import Settings
from madang.settings_types import MqttBroker
from tests.sense.mqtt_town import Recorder, until

UP = "v1/devices/jongno-1/up"


class Told:
    """A broker that lets one client in and sends it what it is told to."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self._writer: asyncio.StreamWriter

    async def start(self) -> int:
        """Listen; return the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        decoder = Decoder(65_536)
        while data := await reader.read(65_536):
            decoder.feed(data)
            while packet := decoder.next():
                self._answer(packet)
        writer.close()

    def _answer(self, packet: Packet) -> None:
        if isinstance(packet, Connect):
            self.send(Connack(present=False))
        elif isinstance(packet, Subscribe):
            self.send(Granted(SUBACK, packet.id, (1,)))
        elif isinstance(packet, Ack) and packet.kind == PUBACK:
            self.acknowledged.append(packet.id)

    def send(self, packet: Packet) -> None:
        self._writer.write(encode(packet, V311))

    async def close(self) -> None:
        self._server.close()
        await self._server.wait_closed()


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    made = Told()
    yield made
    await made.close()


async def test_an_id_is_acknowledged_once_all_that_came_under_it_is_durable(
    told: Told, tmp_path: Path
) -> None:
    intake = Recorder()
    broker = MqttBroker.model_validate(
        {"host": "127.0.0.1", "port": await told.start(), "topics": ["v1/devices/+/up"]}
    )
    source = Source("city", broker, Settings(data=tmp_path), intake)
    source.start()
    await until(lambda: source.subscribed)
    intake.gate.clear()
    told.send(Publish(UP, b"1", 1, id=7))
    told.send(Publish(UP, b"1", 1, id=7))  # again, as the hub is long in taking it
    await until(lambda: intake.calls == 2)
    intake.gate.set()
    told.send(Publish(UP, b"2", 1, id=8))
    await until(lambda: told.acknowledged[-1:] == [8])
    assert told.acknowledged == [7, 8]
    await source.close()
