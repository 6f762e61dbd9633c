"""The embedded broker as clients of other makers see it: paho, aiomqtt and Mosquitto's."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from madang.model.errors import Overloaded, TooManyRequests
from madang.sense.intake import Taken
from madang.sense.transports import mqtt_broker, mqtt_connection, mqtt_relay
from madang.sense.transports.mqtt_decoder import Decoder
from madang.sense.transports.mqtt_packets import (
    PINGREQ,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    V5,
    V311,
    Ack,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Ping,
    Publish,
    Subscribe,
    Wanted,
    Will,
    encode,
)
from madang.sense.transports.mqtt_pipeline import MOST
from madang.sense.transports.mqtt_wire import Code
from tests.e2e.mosquitto import PUB, SUB, needs_clients
from tests.sense.mqtt_town import Town, client, run, until

pytestmark = pytest.mark.slow

UP = "v1/devices/jongno-1/up"
VERSIONS = pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    made = Town(tmp_path)
    await made.start()
    yield made
    made.intake.gate.set()
    for raw in RAW:
        raw.close()
    RAW.clear()
    await made.broker.close()
    await asyncio.sleep(0.01)  # until closed sockets are gone


RAW: list[Raw] = []
"""Those that the test at hand has made."""


class Raw:
    """A client of which every byte is in the hands of the test."""

    def __init__(self, town: Town, version: int = V311) -> None:
        self._town = town
        self.version = version
        self._decoder = Decoder(1_000_000, version)
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter | None = None
        RAW.append(self)

    async def open(self, key: str = "jongno", id: str = "raw", **more: Any) -> Connack:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._town.port)
        self.say(Connect(id, self.version, user="x", password=key.encode(), **more))
        answer = await self.hear()
        assert isinstance(answer, Connack)
        return answer

    def say(self, *packets: Packet) -> None:
        assert self.writer is not None
        self.writer.write(b"".join(encode(packet, self.version) for packet in packets))

    async def hear(self, seconds: float = 5) -> Packet:
        async with asyncio.timeout(seconds):
            while (packet := self._decoder.next()) is None:
                data = await self.reader.read(65_536)
                if not data:
                    raise ConnectionResetError("the broker has closed the connection")
                self._decoder.feed(data)
            return packet

    async def silence(self, seconds: float = 0.1) -> bool:
        with contextlib.suppress(TimeoutError):
            await self.hear(seconds)
            return False
        return True

    def close(self) -> None:
        if self.writer is not None:
            self.writer.transport.abort()


@pytest.fixture
def raw(town: Town) -> Raw:
    return Raw(town)


def publish(
    town: Town, key: str, topic: str, text: str, *more: str, version: str = "mqttv5"
) -> Any:
    head = [str(PUB), "-V", version, "-p", str(town.port), "-u", "x", "-P", key]
    return run(*head, "-t", topic, "-m", text, *more)


# --- what is published goes into the hub ----------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("qos", ["0", "1", "2"])
@needs_clients
async def test_what_a_device_publishes_is_taken_in(town: Town, version: str, qos: str) -> None:
    topic = f"{UP}/senml"
    code, said = await publish(town, "jongno", topic, '{"a":1}', "-q", qos, version=version)
    assert (code, said) == (0, "")
    await until(lambda: town.intake.messages)
    [message] = town.intake.messages
    assert (message.transport, message.address, message.body) == ("mqtt", topic, b'{"a":1}')
    assert (message.device, message.codec, message.tenant) == ("jongno-1", "senml", "")
    assert message.principal.id == "device:jongno-1"
    assert message.origin == "127.0.0.1"


async def test_a_message_is_acknowledged_only_when_it_is_durable(town: Town, raw: Raw) -> None:
    await raw.open()
    town.intake.gate.clear()
    raw.say(Publish(UP, b"1", 1, id=7), Publish(UP, b"2", 2, id=8))
    await until(lambda: len(town.intake.messages) == 2)
    assert await raw.silence()
    town.intake.gate.set()
    assert await raw.hear() == Ack(PUBACK, 7)
    assert await raw.hear() == Ack(PUBREC, 8)


async def test_messages_are_begun_and_acknowledged_in_their_order(town: Town, raw: Raw) -> None:
    await raw.open()
    raw.say(*[Publish(UP, b"%d" % n, 1, id=n) for n in range(1, 1001)])
    acks = [await raw.hear() for _ in range(1000)]
    assert acks == [Ack(PUBACK, n) for n in range(1, 1001)]
    assert town.intake.bodies == [b"%d" % n for n in range(1, 1001)]
    assert town.broker.load.messages == 0


async def test_a_message_of_qos_2_counts_once_however_often_it_is_sent(town: Town) -> None:
    first, again = Raw(town), Raw(town)
    await first.open(clean=False)
    first.say(Publish(UP, b"1", 2, id=5))
    assert await first.hear() == Ack(PUBREC, 5)
    first.close()
    assert (await again.open(clean=False)).present
    again.say(Publish(UP, b"1", 2, dup=True, id=5))
    assert await again.hear() == Ack(PUBREC, 5)
    again.say(Ack(PUBREL, 5))
    assert await again.hear() == Ack(PUBCOMP, 5)
    again.say(Ack(PUBREL, 5), Publish(UP, b"2", 2, id=5))
    assert await again.hear() == Ack(PUBCOMP, 5)
    assert await again.hear() == Ack(PUBREC, 5)
    again.close()
    assert town.intake.bodies == [b"1", b"2"]


async def test_qos_2_sent_again_while_the_first_is_under_way_counts_once(town: Town) -> None:
    first, again = Raw(town), Raw(town)
    await first.open(clean=False)
    town.intake.gate.clear()
    first.say(Publish(UP, b"1", 2, id=5))
    await until(lambda: town.intake.messages)
    await again.open(clean=False)
    again.say(Publish(UP, b"1", 2, dup=True, id=5))
    assert await again.silence()
    town.intake.gate.set()
    assert await again.hear() == Ack(PUBREC, 5)
    assert town.intake.bodies == [b"1"]


@pytest.mark.parametrize(
    ("reason", "code"),
    [("badPayload", 0x99), ("forbidden", 0x87), ("unknownDevice", 0x83), ("", 0)],
)
async def test_senders_of_mqtt_5_learn_of_dead_letters(town: Town, reason: Any, code: int) -> None:
    letter = 12 if reason else None
    town.intake.answer = lambda _: Taken(letter=letter, reason=reason, detail="no field a")
    raw = Raw(town, V5)
    await raw.open()
    raw.say(Publish(UP, b"1", 1, id=7))
    properties = {"reason": "no field a"} if reason else {}
    assert await raw.hear() == Ack(PUBACK, 7, code, properties)


async def test_a_tenant_is_written_before_the_topic(town: Town) -> None:
    async with client(town, "seoul", protocol=aiomqtt.ProtocolVersion.V5) as seoul:
        await seoul.publish("seoul/v1/devices/a/up", b"1", qos=1)
        await seoul.publish("seoul/ul/key/b/attrs", b"2", qos=1)
    found = [(one.tenant, one.device, one.codec) for one in town.intake.messages]
    assert found == [("seoul", "a", ""), ("seoul", "b", "ultralight")]


# --- back-pressure ----------------------------------------------------------------------------


async def test_no_more_than_a_hundred_messages_of_a_connection_are_under_way(town: Town) -> None:
    flood, other = Raw(town), Raw(town)
    await flood.open("gateway", "flood")
    await other.open("jongno", "other")
    town.intake.gate.clear()
    many = 5_000
    flood.say(*[Publish(UP, b"%d" % n, 1, id=n) for n in range(1, many + 1)])
    await until(lambda: town.intake.calls >= MOST)
    await asyncio.sleep(0.05)
    assert town.intake.calls == MOST
    other.say(Ping(PINGREQ))
    await other.hear()  # answered while the flood waits
    town.intake.gate.set()
    for n in range(1, many + 1):
        assert await flood.hear() == Ack(PUBACK, n)
    assert len(town.intake.messages) == many
    assert town.broker.figures.held > 0


async def test_what_the_hub_refuses_for_the_moment_is_tried_again_in_its_order(
    town: Town, raw: Raw
) -> None:
    await raw.open()
    limits = [TooManyRequests("slow down", 1), Overloaded("busy"), TooManyRequests("slow down", 1)]
    town.intake.refusals += limits
    raw.say(*[Publish(UP, b"%d" % n, 1 + n % 2, id=n) for n in range(1, 6)])
    answers = [await raw.hear() for _ in range(5)]
    assert answers == [Ack(PUBREC if n % 2 else PUBACK, n) for n in range(1, 6)]
    assert sorted(town.intake.bodies) == [b"1", b"2", b"3", b"4", b"5"]
    assert town.intake.bodies[-3:] == [b"1", b"2", b"3"]


async def test_what_cannot_be_stored_is_not_acknowledged(town: Town) -> None:
    raw = Raw(town, V5)
    await raw.open()
    town.intake.refusals.append(RuntimeError("the disk is full"))
    raw.say(Publish(UP, b"1", 1, id=1))
    answer = await raw.hear()
    assert isinstance(answer, Disconnect)
    assert answer.code == Code.UNSPECIFIED


# --- who may --------------------------------------------------------------------------------------


@VERSIONS
@needs_clients
async def test_nobody_gets_in_without_a_good_key(town: Town, version: str) -> None:
    code, said = await publish(town, "guess", UP, "1", version=version)
    assert code
    assert "user name" in said.lower()
    bare = [str(PUB), "-V", version, "-p", str(town.port), "-t", UP, "-m", "1"]
    code, said = await run(*bare)
    assert code
    assert "authori" in said
    town.keys.is_open = True
    assert await run(*bare, "-q", "1") == (0, "")
    assert len(town.intake.messages) == 1


@pytest.mark.parametrize(
    ("key", "topic"),
    [
        ("jongno", "v1/devices/mapo-1/up"),
        ("jongno", "v1/devices/jongno-1"),
        ("jongno", "seoul/v1/devices/jongno-1/up"),
        ("jongno", "v3/app/devices/mapo-1/up"),
        ("jongno", "anything"),
        ("reader", UP),
        ("seoul", UP),
        ("seoul", "anything"),
        ("gateway", "spBv1.0/plant/NCMD/press"),
        ("gateway", "spBv1.0/plant/DCMD/press/arm"),
    ],
)
async def test_who_may_not_publish_is_told(town: Town, key: str, topic: str) -> None:
    new, old = Raw(town, V5), Raw(town)
    await new.open(key)
    new.say(Publish(topic, b"1", 1, id=3))
    answer = await new.hear()
    assert isinstance(answer, Ack)
    assert answer.code == Code.NOT_AUTHORIZED
    assert topic in answer.properties["reason"]
    await old.open(key)
    old.say(Publish(topic, b"1", 1, id=3))
    with pytest.raises(ConnectionResetError):  # 3.1.1 cannot say no, and must not say yes
        await old.hear()
    assert not town.intake.messages


@pytest.mark.parametrize(
    ("key", "filter", "code"),
    [
        ("jongno", "v1/devices/jongno-1/#", 0),
        ("jongno", "v1/devices/jongno-1/down", 0),
        ("jongno", "v1/devices/mapo-1/down", 0x87),
        ("jongno", "v1/devices/+/down", 0x87),
        ("jongno", "#", 0x87),
        ("jongno", "+/v1/devices/jongno-1/down", 0x87),
        ("operator", "#", 0),
        ("operator", "v1/devices/+/up/#", 0),
        ("operator", "seoul/v1/devices/+/up", 0x87),
        ("seoul", "seoul/v1/devices/+/up", 0),
        ("seoul", "v1/devices/+/up", 0x87),
        ("gateway", "anything", 0),
        ("gateway", "v1/devices/+/up", 0x87),
        ("gateway", "spBv1.0/plant/NCMD/press", 0),
        ("seoul", "spBv1.0/plant/NCMD/press", 0x87),
        ("reader", "v1/devices/+/up", 0),
        ("operator", "$share/group/#", 0),
        ("gateway", "$share/group/v1/devices/+/up", 0x87),
        ("jongno", "$share/group/v1/devices/mapo-1/down", 0x87),
        ("operator", "$share//#", 0x8F),
        ("operator", "$share/gr+up/#", 0x8F),
        ("operator", "$share/group", 0x8F),
        ("operator", "a/#/b", 0x8F),
    ],
)
async def test_who_may_subscribe_to_what(town: Town, key: str, filter: str, code: int) -> None:
    raw = Raw(town, V5)
    await raw.open(key)
    raw.say(Subscribe(1, (Wanted(filter),)))
    answer: Any = await raw.hear()
    assert answer.codes == (code,)


async def test_nobody_hears_of_another_tenant(town: Town) -> None:
    async with client(town, "operator") as here, client(town, "seoul") as seoul:
        await here.subscribe("#", qos=1)
        await seoul.subscribe("#", qos=1)
        await seoul.publish("seoul/v1/devices/a/up", b"theirs", qos=1)
        await here.publish("v1/devices/a/up", b"ours", qos=1)
        assert (await anext(here.messages)).payload == b"ours"
        assert (await anext(seoul.messages)).payload == b"theirs"


async def test_a_key_that_is_revoked_is_out_within_seconds(
    town: Town, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang.sense.transports.mqtt_access.FRESH_S", 0.0)
    await raw.open()
    raw.say(Publish(UP, b"1", 1, id=1))
    assert await raw.hear() == Ack(PUBACK, 1)
    del town.keys.keys["jongno"]
    raw.say(Publish(UP, b"2", 1, id=2))
    with pytest.raises(ConnectionResetError):
        await raw.hear()
    assert town.intake.bodies == [b"1"]


# --- publish and subscribe ------------------------------------------------------------------------


@VERSIONS
@needs_clients
async def test_subscribers_get_what_devices_publish(town: Town, version: str) -> None:
    head = [str(SUB), "-V", version, "-p", str(town.port), "-u", "x", "-P", "operator"]
    heard = asyncio.create_task(
        run(*head, "-t", "v1/devices/+/up/#", "-q", "1", "-C", "2", "-F", "%t %q %p")
    )
    await until(lambda: town.broker.is_heard(UP))
    await publish(town, "jongno", UP, "1", "-q", "2", version=version)
    await publish(town, "mapo", "v1/devices/mapo-1/up/json", "2", "-q", "0", version=version)
    assert await heard == (0, f"{UP} 1 1\nv1/devices/mapo-1/up/json 0 2\n")


async def test_a_device_gets_its_commands_and_plain_topics_are_not_taken_in(town: Town) -> None:
    async with client(town, "jongno") as device, client(town, "gateway") as gateway:
        await device.subscribe("v1/devices/jongno-1/down", qos=1)
        await gateway.subscribe("chat/#", qos=1)
        await town.broker.publish("v1/devices/jongno-1/down", b"open", qos=1)
        await gateway.publish("chat/a", b"hello", qos=1)
        assert (await anext(device.messages)).payload == b"open"
        assert (await anext(gateway.messages)).payload == b"hello"
    assert not town.intake.messages


async def test_overlapping_subscriptions_bring_a_message_once(town: Town) -> None:
    async with client(town, "operator") as one:
        await one.subscribe([("#", 0), ("a/+", 1), ("a/b", 0)])
        await one.publish("a/b", b"1", qos=1)
        await one.publish("a/end", b"2", qos=1)
        first, second = await anext(one.messages), await anext(one.messages)
    assert (first.payload, first.qos, second.payload) == (b"1", 1, b"2")


async def test_properties_of_messages_and_no_local_are_kept_to(town: Town) -> None:
    one, other = Raw(town, V5), Raw(town, V5)
    await one.open("operator", "one")
    await other.open("operator", "other")
    one.say(Subscribe(1, (Wanted("a/#", 1, no_local=True),)))
    await one.hear()
    properties = {
        "content_type": "text/plain",
        "correlation_data": b"\x00\x01",
        "user_properties": [("a", "1"), ("a", "2")],
        "message_expiry": 60,
    }
    one.say(Publish("a/mine", b"0", 1, id=1))
    assert await one.hear() == Ack(PUBACK, 1)
    other.say(Publish("a/b", b"1", 1, id=1, properties=properties))
    heard = await one.hear()
    assert heard == Publish("a/b", b"1", 1, id=1, properties=properties)


async def test_retained_messages_are_there_for_new_subscribers_even_after_a_restart(
    town: Town,
) -> None:
    async with client(town, "gateway") as one:
        for text in (b"old", b"new"):
            await one.publish("place/a", text, qos=1, retain=True)
        await one.publish("place/b", b"gone", qos=1, retain=True)
        await one.publish("place/b", b"", qos=1, retain=True)
    await town.restart()
    async with client(town, "operator") as one:
        await one.subscribe("place/#", qos=1)
        heard = await anext(one.messages)
        assert (heard.payload, heard.retain, str(heard.topic)) == (b"new", True, "place/a")
        await one.publish("place/a", b"live", qos=1, retain=True)
        heard = await anext(one.messages)
        assert (heard.payload, heard.retain) == (b"live", False)
    assert town.broker.figures.retained == 1


async def test_a_session_that_is_kept_gets_what_came_meanwhile(town: Town) -> None:
    first, again = Raw(town), Raw(town)
    await first.open("operator", "desk", clean=False)
    first.say(Subscribe(1, (Wanted("a/#", 1),)))
    await first.hear()
    async with client(town, "gateway") as other:
        await other.publish("a/1", b"1", qos=1)
        assert isinstance(await first.hear(), Publish)  # and not acknowledged
        first.close()
        await until(lambda: town.broker.figures.connections == 1)
        await other.publish("a/2", b"2", qos=1)
        await other.publish("a/3", b"3", qos=0)
    assert (await again.open("operator", "desk", clean=False)).present
    heard: list[Any] = [await again.hear(), await again.hear()]
    assert [(one.payload, one.dup) for one in heard] == [(b"1", True), (b"2", False)]
    again.say(*[Ack(PUBACK, one.id) for one in heard])
    assert await again.silence()
    assert town.broker.figures.waiting == 0


async def test_a_device_takes_the_room_of_its_own_sessions_only(town: Town) -> None:
    most = mqtt_broker.MOST_OF_DEVICE
    for n in range(most + 3):
        one = Raw(town)
        await one.open("jongno", f"c{n}", clean=False)
        one.close()
        await until(lambda: town.broker.figures.connections == 0)
    assert town.broker.figures.sessions == most
    gone, kept = Raw(town), Raw(town)
    assert (await kept.open("jongno", f"c{most + 2}", clean=False)).present
    assert not (await gone.open("jongno", "c0", clean=False)).present
    await Raw(town).open("mapo", "c0", clean=False)
    assert town.broker.figures.sessions == most + 1


async def test_a_device_has_so_many_connections_at_a_time(town: Town) -> None:
    for n in range(mqtt_broker.MOST_OF_DEVICE):
        assert (await Raw(town, V5).open("jongno", f"c{n}")).code == 0
    assert (await Raw(town, V5).open("jongno", "more")).code == Code.QUOTA_EXCEEDED
    assert (await Raw(town, V5).open("jongno", "c0")).code == 0


async def test_a_device_retains_messages_of_so_many_topics(town: Town) -> None:
    most = mqtt_relay.MOST_OF_DEVICE
    async with client(town, "jongno") as one:
        for n in range(most + 5):
            await one.publish(f"v1/devices/jongno-1/note/{n}", b"1", qos=1, retain=True)
        assert town.broker.figures.retained == most
        await one.publish("v1/devices/jongno-1/note/0", b"", qos=1, retain=True)
        await one.publish("v1/devices/jongno-1/note/more", b"1", qos=1, retain=True)
    async with client(town, "mapo") as one:
        await one.publish("v1/devices/mapo-1/note", b"1", qos=1, retain=True)
    assert town.broker.figures.retained == most + 1


async def test_a_client_that_releases_nothing_is_cut_off(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_connection, "MOST_UNRELEASED", 5)
    one = Raw(town, V5)
    await one.open()
    one.say(*[Publish(UP, b"%d" % n, 2, id=n) for n in range(1, 7)])
    while not isinstance(heard := await one.hear(), Disconnect):
        pass
    assert heard.code == Code.RECEIVE_MAXIMUM_EXCEEDED


async def test_a_client_that_comes_again_replaces_its_older_connection(town: Town) -> None:
    older, newer, stranger = Raw(town, V5), Raw(town, V5), Raw(town, V5)
    await older.open("operator", "same")
    await stranger.open("gateway", "same")
    await newer.open("operator", "same")
    answer = await older.hear()
    assert isinstance(answer, Disconnect)
    assert answer.code == Code.SESSION_TAKEN_OVER
    stranger.say(Ping(PINGREQ))  # somebody else's client of that name stays
    assert isinstance(await stranger.hear(), Ping)


async def test_a_will_is_published_for_who_goes_without_a_word_only(town: Town) -> None:
    async with client(town, "operator") as watcher:
        await watcher.subscribe("state/#", qos=1)
        polite, lost = Raw(town), Raw(town)
        await polite.open("gateway", "polite", will=Will("state/polite", b"gone", 1))
        polite.say(Disconnect())
        with pytest.raises(ConnectionResetError):
            await polite.hear()
        await lost.open("gateway", "lost", will=Will("state/lost", b"gone", 1))
        lost.close()
        assert str((await anext(watcher.messages)).topic) == "state/lost"


async def test_the_will_of_a_device_is_taken_in(town: Town, raw: Raw) -> None:
    await raw.open(will=Will(UP, b'{"online":0}', 1))
    raw.close()
    await until(lambda: town.intake.messages)
    assert town.intake.bodies == [b'{"online":0}']


async def test_no_will_is_published_because_the_hub_stops(town: Town, raw: Raw) -> None:
    await raw.open(will=Will(UP, b"gone", 1))
    await town.broker.close()
    assert not town.intake.messages


async def test_a_hello_that_is_far_too_long_is_cut_off(town: Town, raw: Raw) -> None:
    with pytest.raises(ConnectionError):
        await raw.open(will=Will(UP, b"x" * 60_000))


async def test_a_will_that_could_not_be_published_is_refused_at_once(town: Town, raw: Raw) -> None:
    answer = await raw.open("mapo", will=Will(UP, b"1"))
    assert answer.code == 5


async def test_a_slow_subscriber_delays_nobody_and_loses_the_oldest(town: Town) -> None:
    slow = Raw(town)
    await slow.open("operator", "slow")
    slow.say(Subscribe(1, (Wanted("a", 1),)))
    await slow.hear()
    async with client(town, "gateway") as other:
        for n in range(1500):
            await other.publish("a", b"%d" % n, qos=1)
    figures = town.broker.figures
    assert figures.dropped == 400  # 100 are sent, 1,000 wait
    assert figures.waiting == 1100
    slow.close()
    await until(lambda: figures.waiting == 0)


# --- the protocol -----------------------------------------------------------------------------


async def test_a_client_that_falls_silent_is_cut_off(town: Town) -> None:
    raw = Raw(town, V5)
    await raw.open(keep_alive=1)
    answer = await raw.hear()
    assert isinstance(answer, Disconnect)
    assert answer.code == Code.KEEP_ALIVE_TIMEOUT


async def test_mqtt_5_clients_are_told_the_limits(town: Town) -> None:
    raw = Raw(town, V5)
    answer = await raw.open(id="", properties={"session_expiry": 2**32 - 1})
    assert answer.properties["receive_maximum"] == MOST
    assert answer.properties["maximum_packet_size"] == 256 * 1024
    assert answer.properties["session_expiry"] == 86_400
    assert answer.properties["assigned_client_id"].startswith("madang-")
    assert answer.properties["server_keep_alive"] == 600
    raw.say(Publish(UP, b"x" * 300_000, 1, id=1))
    ended = await raw.hear()
    assert isinstance(ended, Disconnect)
    assert ended.code == Code.PACKET_TOO_LARGE


@pytest.mark.parametrize("data", ["00", "474554202f20485454502f312e310d0a0d0a", "e000", "ffffffff"])
async def test_what_is_no_mqtt_is_cut_off(town: Town, data: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", town.port)
    writer.write(bytes.fromhex(data) + b"\xff" * 8)
    async with asyncio.timeout(5):
        await reader.read()
    writer.close()


async def test_a_second_connect_is_cut_off(town: Town, raw: Raw) -> None:
    await raw.open()
    raw.say(Connect("again"))
    with pytest.raises(ConnectionResetError):
        await raw.hear()


async def test_a_broker_that_stops_finishes_what_is_under_way(town: Town) -> None:
    raw = Raw(town, V5)
    await raw.open()
    town.intake.gate.clear()
    raw.say(Publish(UP, b"1", 1, id=1))
    await until(lambda: town.intake.messages)
    closing = asyncio.create_task(town.broker.close())
    await asyncio.sleep(0.05)
    town.intake.gate.set()
    assert await raw.hear() == Ack(PUBACK, 1)
    answer = await raw.hear()
    assert isinstance(answer, Disconnect)
    assert answer.code == Code.SERVER_SHUTTING_DOWN
    await closing


async def test_paho_in_a_thread_publishes_a_thousand_messages(town: Town) -> None:
    done = threading.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        paho = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        paho.username_pw_set("jongno-1", "jongno")
        paho.connect("127.0.0.1", town.port)
        paho.loop_start()
        infos = [paho.publish(UP, b"%d" % n, qos=1 + n % 2) for n in range(1000)]
        for info in infos:
            info.wait_for_publish(20)
        paho.disconnect()
        paho.loop_stop()
        done.set()

    await loop.run_in_executor(None, work)
    assert done.is_set()
    assert sorted(town.intake.bodies, key=int) == [b"%d" % n for n in range(1000)]
