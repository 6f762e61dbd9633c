"""MQTT control packets out of a stream of bytes, without any input or output.

Whatever is received, packets come out or :class:`MqttError` does. Source: OASIS MQTT 3.1.1 and 5.0,
chapters 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable

from madang.sense.transports import mqtt_wire as wire
from madang.sense.transports.mqtt_packets import (
    AUTH,
    CONNACK,
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
    V5,
    V311,
    Ack,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Granted,
    Packet,
    Ping,
    Publish,
    Subscribe,
    Unsubscribe,
    Wanted,
    Will,
)
from madang.sense.transports.mqtt_topics import SHARE
from madang.sense.transports.mqtt_wire import (
    NONE,
    WILL,
    Code,
    MqttError,
    Properties,
    Reader,
    malformed,
)


class Decoder:
    """Cuts a stream of bytes into packets.

    Args:
        most: bytes that a packet may have.
        version: the protocol, once it is known; 0 accepts nothing but CONNECT, which tells it.
    """

    __slots__ = ("_at", "_data", "_need", "_rest", "most", "version")

    def __init__(self, most: int, version: int = 0) -> None:
        self.most = most
        self.version = version
        self._data = b""
        self._at = 0
        self._rest = bytearray()  # the beginning of a packet that is not whole yet
        self._need = 0

    @property
    def waiting(self) -> int:
        """Return how many bytes are kept."""
        return len(self._data) - self._at + len(self._rest)

    def feed(self, data: bytes) -> None:
        """Add what was received."""
        if self._at < len(self._data):
            self._rest += self._data[self._at :]
            self._data, self._at, self._need = b"", 0, 0
        if not self._rest:
            self._data, self._at = data, 0
            return
        self._rest += data
        if len(self._rest) >= self._need:
            self._data, self._at = bytes(self._rest), 0
            self._rest = bytearray()

    def next(self) -> Packet | None:
        """Return the next packet, None if it is not whole yet.

        Raises:
            MqttError: the bytes are no MQTT, or too many.
        """
        data, at = self._data, self._at
        have = len(data) - at
        if have < 2:
            return self._wait(2)
        if not self.version and data[at] >> 4 != CONNECT:  # at once: it may be no MQTT at all
            raise MqttError(Code.PROTOCOL_ERROR, "the first packet must be CONNECT")
        size = data[at + 1]
        body = at + 2
        if size >= 0x80:
            found = self._long_size(data, at)
            if found is None:
                return self._wait(have + 1)
            size, body = found
        end = body + size
        if end - at > self.most:
            detail = f"a packet of {end - at:,} bytes came; the largest allowed is {self.most:,}"
            raise MqttError(Code.PACKET_TOO_LARGE, detail)
        if end > len(data):
            return self._wait(end - at)
        self._at = end
        first = data[at]
        if first >> 4 == PUBLISH:
            return self._publish(first, Reader(data, body, end))
        return self._other(first, Reader(data, body, end))

    def _wait(self, need: int) -> Packet | None:
        """Keep the beginning of a packet until so many bytes of it are there."""
        if self._at < len(self._data):
            self._rest, self._need = bytearray(self._data[self._at :]), need
        self._data, self._at = b"", 0
        return None

    @staticmethod
    def _long_size(data: bytes, at: int) -> tuple[int, int] | None:
        size = data[at + 1] & 0x7F
        for place in (2, 3, 4):
            if at + place >= len(data):
                return None
            byte = data[at + place]
            size |= (byte & 0x7F) << 7 * (place - 1)
            if byte < 0x80:
                return size, at + place + 1
        raise malformed("the length of a packet takes more than four bytes")

    def _publish(self, first: int, reader: Reader) -> Publish:
        topic = reader.text()
        if "+" in topic or "#" in topic:
            raise MqttError(Code.TOPIC_INVALID, "the topic of a message must not have + or #")
        qos = first >> 1 & 3
        id = 0
        if qos:
            id = reader.number(2)
            if qos == 3 or id == 0:
                raise malformed("a PUBLISH has QoS 3 or the packet id 0")
        elif first & 8:
            raise malformed("a PUBLISH of QoS 0 has the DUP flag")
        properties = wire.read_properties(reader, PUBLISH) if self.version == V5 else NONE
        if not topic and "topic_alias" not in properties:
            raise MqttError(Code.PROTOCOL_ERROR, "a PUBLISH has no topic")
        payload = reader.rest()
        return Publish(topic, payload, qos, bool(first & 1), bool(first & 8), id, properties)

    def _other(self, first: int, reader: Reader) -> Packet:
        kind = first >> 4
        if first & 15 != _FLAGS.get(kind):
            raise malformed(f"a packet begins with 0x{first:02x}, which MQTT does not have")
        packet = _READ[kind](reader, self.version, kind)
        reader.check_end()
        if isinstance(packet, Connect):
            self.version = packet.version
        return packet


_FLAGS = {kind: 2 if kind in (PUBREL, SUBSCRIBE, UNSUBSCRIBE) else 0 for kind in range(1, 16)}
del _FLAGS[PUBLISH]


def _read_connect(reader: Reader, _version: int, _kind: int) -> Connect:
    name, version = reader.binary(), reader.number(1)
    if name != b"MQTT" or version not in (V311, V5):
        raise MqttError(Code.UNSUPPORTED_VERSION, "only MQTT 3.1.1 and 5.0 are spoken here")
    flags, keep_alive = reader.number(1), reader.number(2)
    _check_connect(flags, version)
    properties = _read_properties(reader, version, CONNECT)
    client_id = reader.text()
    will = _read_will(reader, version, flags) if flags & 4 else None
    user = reader.text() if flags & 0x80 else None
    password = reader.binary() if flags & 0x40 else None
    return Connect(
        client_id, version, bool(flags & 2), keep_alive, user, password, will, properties
    )


def _check_connect(flags: int, version: int) -> None:
    if flags & 1 or (flags & 0x18) == 0x18 or (not flags & 4 and flags & 0x38):
        raise malformed("the flags of CONNECT contradict one another")
    if version == V311 and flags & 0x40 and not flags & 0x80:
        raise malformed("MQTT 3.1.1 allows a password only with a user name")


def _read_will(reader: Reader, version: int, flags: int) -> Will:
    properties = _read_properties(reader, version, WILL)
    topic = reader.text()
    if not topic or "+" in topic or "#" in topic:
        raise MqttError(Code.TOPIC_INVALID, "the topic of the will is empty or has + or #")
    return Will(topic, reader.binary(), flags >> 3 & 3, bool(flags & 0x20), properties)


def _read_properties(reader: Reader, version: int, packet: int) -> Properties:
    return wire.read_properties(reader, packet) if version == V5 else NONE


def _read_outcome(reader: Reader, version: int, kind: int) -> tuple[int, Properties]:
    """Read reason code and properties, which may be left out from the end."""
    if version != V5 or reader.is_empty:
        return 0, NONE
    code = reader.number(1)
    return code, NONE if reader.is_empty else wire.read_properties(reader, kind)


def _read_connack(reader: Reader, version: int, kind: int) -> Connack:
    present, code = reader.number(1), reader.number(1)
    if present > 1:
        raise malformed("the flags of CONNACK are not known")
    return Connack(bool(present), code, _read_properties(reader, version, kind))


def _read_ack(reader: Reader, version: int, kind: int) -> Ack:
    return Ack(kind, _id(reader), *_read_outcome(reader, version, kind))


def _id(reader: Reader) -> int:
    id = reader.number(2)
    if id == 0:
        raise malformed("a packet id must not be 0")
    return id


def _read_subscribe(reader: Reader, version: int, kind: int) -> Subscribe:
    id = _id(reader)
    properties = _read_properties(reader, version, kind)
    wanted = []
    while not reader.is_empty:
        wanted.append(_wanted(reader.text(), reader.number(1), version))
    if not wanted:
        raise MqttError(Code.PROTOCOL_ERROR, "a SUBSCRIBE names no filter")
    return Subscribe(id, tuple(wanted), properties)


def _wanted(filter: str, options: int, version: int) -> Wanted:
    handling = options >> 4 & 3
    if options & 3 == 3 or handling == 3 or options & (0xC0 if version == V5 else 0xFC):
        raise malformed("the options of a subscription are not known")
    if options & 4 and filter.startswith(SHARE):  # [MQTT-3.8.3-4]
        raise MqttError(Code.PROTOCOL_ERROR, "who shares a subscription gets own messages, too")
    return Wanted(filter, options & 3, bool(options & 4), bool(options & 8), handling)


def _read_granted(reader: Reader, version: int, kind: int) -> Granted:
    id = _id(reader)
    properties = _read_properties(reader, version, kind)
    return Granted(kind, id, tuple(reader.rest()), properties)


def _read_unsubscribe(reader: Reader, version: int, kind: int) -> Unsubscribe:
    id = _id(reader)
    properties = _read_properties(reader, version, kind)
    filters = []
    while not reader.is_empty:
        filters.append(reader.text())
    if not filters:
        raise MqttError(Code.PROTOCOL_ERROR, "an UNSUBSCRIBE names no filter")
    return Unsubscribe(id, tuple(filters), properties)


def _read_ping(_reader: Reader, _version: int, kind: int) -> Ping:
    return Ping(kind)


def _read_disconnect(reader: Reader, version: int, kind: int) -> Disconnect:
    return Disconnect(*_read_outcome(reader, version, kind))


def _read_auth(reader: Reader, version: int, kind: int) -> Auth:
    if version != V5:
        raise malformed("MQTT 3.1.1 has no packet of type 15")
    return Auth(*_read_outcome(reader, version, kind))


_READ: dict[int, Callable[[Reader, int, int], Packet]] = {
    CONNECT: _read_connect,
    CONNACK: _read_connack,
    PUBACK: _read_ack,
    PUBREC: _read_ack,
    PUBREL: _read_ack,
    PUBCOMP: _read_ack,
    SUBSCRIBE: _read_subscribe,
    SUBACK: _read_granted,
    UNSUBSCRIBE: _read_unsubscribe,
    UNSUBACK: _read_granted,
    PINGREQ: _read_ping,
    PINGRESP: _read_ping,
    DISCONNECT: _read_disconnect,
    AUTH: _read_auth,
}
