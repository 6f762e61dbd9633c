"""The stream of a tenant's changes, on a real NATS server that is killed and comes back."""

from __future__ import annotations

import asyncio

import nats
import pytest
from nats.js.api import ConsumerConfig

from madang.bus.nats import Bus
from madang.bus.stream import PARTITIONS, Stream, StreamAway, partition_of
from tests.bus import served
from tests.bus.test_nats import until
from tests.e2e.nats_server import NatsServer, needs_nats

pytestmark = needs_nats
server, bus = served.server, served.bus


def changes(first: int, last: int) -> list[tuple[str, bytes]]:
    return [(f"urn:lamp:{number % 7}", b"%d" % number) for number in range(first, last + 1)]


async def read(stream: Stream, after: int, last: int) -> list[int]:
    """Return what the stream tells after a number, until the last one; 0 is an empty body."""
    got: list[int] = []
    async with stream.followed(after, lambda body: got.append(int(body or b"0"))):
        await until(lambda: last in got)
    return got


async def test_each_change_is_told_once_in_order_from_any_position(bus: Bus) -> None:
    stream = bus.stream("")
    assert await stream.reached() is None
    await stream.begin(41)
    assert await stream.reached() == 41
    await stream.put(41, changes(42, 42))
    await stream.put(42, changes(43, 3_000))
    assert await stream.reached() == 3_000
    told = [*range(42, 3_001)]
    assert await read(stream, 0, 3_000) == told
    assert await read(stream, 41, 3_000) == told
    assert await read(bus.stream(""), 2_990, 3_000) == told[-10:]


async def test_two_that_put_the_same_put_it_once_and_nobody_leaves_any_out(bus: Bus) -> None:
    first, second = bus.stream("town"), bus.stream("town")
    await first.begin(0)
    assert await second.reached() == 0
    await first.put(0, changes(1, 10))
    with pytest.raises(StreamAway, match="wrong last sequence"):
        await second.put(12, changes(13, 20))
    assert await first.reached() == 10
    await second.put(0, changes(1, 20))
    both = (stream.put(20, changes(21, 500)) for stream in (first, second))
    found = await asyncio.gather(*both, return_exceptions=True)
    assert None in found, "whoever put the last one knows that all are there"
    assert await read(first, 0, 500) == [*range(1, 501)]
    with pytest.raises(StreamAway, match="wrong last sequence"):
        await first.put(0, changes(1, 10))


async def test_a_message_that_is_too_large_is_told_as_an_empty_one(bus: Bus) -> None:
    stream = bus.stream("")
    await stream.begin(0)
    await stream.put(0, [("urn:a", b"1"), ("urn:b", b"x" * 2**20), ("urn:c", b"3")])
    assert await read(stream, 0, 3) == [1, 0, 3]


async def test_what_was_put_is_there_after_a_kill(server: NatsServer, bus: Bus) -> None:
    stream = bus.stream("")
    await stream.begin(0)
    await stream.put(0, changes(1, 100))
    server.kill()
    await until(lambda: not bus.is_connected)
    with pytest.raises(StreamAway):
        await stream.put(100, changes(101, 110))
    with pytest.raises(StreamAway):
        await stream.reached()
    await asyncio.to_thread(server.start)
    await until(lambda: bus.is_connected)
    assert await stream.reached() == 100
    await stream.put(100, changes(101, 120))
    assert await read(stream, 0, 120) == [*range(1, 121)]


async def read_durably(server: NatsServer, stream: Stream, count: int) -> None:
    """Read a stream as a program of others does, and say so of each message."""
    client = await nats.connect(server.url, user="madang", password=server.password)
    consumer = await client.jetstream().pull_subscribe(
        f"{stream.subject}.*", "mine", stream.name, ConsumerConfig(max_ack_pending=1)
    )
    for _ in range(count):
        (message,) = await consumer.fetch(1, timeout=2)
        await message.ack_sync()
    await client.close()


async def test_tenants_have_streams_of_their_own(server: NatsServer, bus: Bus) -> None:
    names = ["", "default", "new.town", "서울", "a*b>c", "A", "a"]
    streams = [bus.stream(name) for name in names]
    assert len({stream.name for stream in streams}) == len(names)
    for number, stream in enumerate(streams, 1):
        await stream.begin(0)
        await stream.put(0, changes(1, number))
    for number, stream in enumerate(streams, 1):
        assert await stream.reached() == number
        assert await read(stream, 0, number) == [*range(1, number + 1)]
        await read_durably(server, stream, number)
    await streams[0].begin(7)
    assert await streams[0].reached() == 7


async def test_the_subject_says_the_partition_of_the_entity(server: NatsServer, bus: Bus) -> None:
    stream = bus.stream("")
    await stream.begin(0)
    ids = [f"urn:lamp:{number}" for number in range(200)]
    await stream.put(0, [(id, id.encode()) for id in ids])
    client = await nats.connect(server.url, user="madang", password=server.password)
    seen: dict[int, set[str]] = {}
    for partition in range(PARTITIONS):
        subject = f"madang.here.changes.default.{partition}"
        consumer = await client.jetstream().pull_subscribe(subject, f"worker-{partition}")
        messages = await consumer.fetch(200, timeout=0.2)
        seen[partition] = {message.data.decode() for message in messages}
    await client.close()
    assert seen == {
        partition: {id for id in ids if partition_of(id) == partition}
        for partition in range(PARTITIONS)
    }
    assert min(map(len, seen.values())) > 0


async def test_no_stream_is_told_as_such(server: NatsServer, bus: Bus) -> None:
    stream = bus.stream("")
    with pytest.raises(StreamAway):
        await stream.put(0, changes(1, 1))
    with pytest.raises(StreamAway):
        await read(stream, 0, 1)
    server.kill()
    await until(lambda: not bus.is_connected)
    with pytest.raises(StreamAway):
        await stream.begin(0)


async def test_a_server_without_jetstream_is_told_as_such() -> None:
    server = NatsServer(jetstream=False)
    await asyncio.to_thread(server.start)
    bus = Bus(server.url, server.password, "here", lambda _: None)
    bus.start()
    await until(lambda: bus.is_connected)
    stream = bus.stream("")
    with pytest.raises(StreamAway, match="jetstream"):
        await stream.reached()
    with pytest.raises(StreamAway, match="jetstream"):
        await stream.begin(0)
    with pytest.raises(StreamAway):
        await stream.put(0, changes(1, 1))
    await bus.close()
    server.kill()
