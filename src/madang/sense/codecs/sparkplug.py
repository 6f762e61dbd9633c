"""The codec ``sparkplug``: Sparkplug B, which edge nodes of industry speak over MQTT.

A device is called ``<group>/<edge node>/<device>``, an edge node ``<group>/<edge node>``: aliases
for the registry. Metrics are fields under their names; a BIRTH adds the field ``online`` with true,
a DEATH has it with false, for an edge node and all devices behind it. What an alias stands for is
known from the BIRTH, so the codec remembers it, for each sender by itself; an edge node whose
BIRTH it lacks, or of which it has missed messages, is asked for it.
Source: Eclipse Sparkplug 3.0.0, chapters 4 to 6.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from madang.sense.codecs.bounds import (
    LONGEST_NAME,
    MOST_FIELDS,
    MOST_ITEMS,
    body_of,
    shown,
)
from madang.sense.codecs.instants import MILLISECOND, of_number
from madang.sense.codecs.sparkplug_payload import STRUCTURED, parsed, value_of
from madang.sense.codecs.sparkplug_rebirth import REORDER_S, Answer, Key, Rebirths
from madang.sense.codecs.table import TOPICS
from madang.sense.message import Decoded, Message, Rejected, Uplink

ONLINE = "online"
MOST_METRICS = 200_000
"""Metrics of all edge nodes together that are remembered; the node longest unheard gives way."""
_SPACE = "spBv1.0"
_SESSION = "bdSeq"
_CONTROL = ("Node Control/", "Device Control/")


class _Topic(NamedTuple):
    node: str
    kind: str
    """``N`` of an edge node, ``D`` of a device."""
    what: str
    """``BIRTH``, ``DATA``, ``DEATH``, ``CMD``."""
    device: str
    """As the registry may know it."""
    command: str
    """Where the edge node hears commands."""


class _Metric(NamedTuple):
    name: str
    kind: int
    """Data type of Sparkplug."""


class _Node:
    """What the BIRTHs of an edge node and the devices behind it have told."""

    def __init__(self) -> None:
        self.by_alias: dict[int, _Metric] = {}
        self.kinds: dict[tuple[str, str], int] = {}
        """Data types by device and metric."""
        self.devices: dict[str, None] = {}
        """Who told of values since the last BIRTH of the node, in the order of first hearing."""
        self.born: set[str] = set()
        """Devices, and the node itself, whose BIRTH of this session has come."""
        self.session: int | None = None
        """The number that the DEATH of this session has, too."""
        self.sequence: int | None = None
        self.missing: set[int] = set()
        """Sequence numbers that a later message has overtaken."""
        self.is_awaited = False
        """Whether those have some time left to come."""

    @property
    def size(self) -> int:
        return len(self.by_alias) + len(self.kinds) + len(self.devices) + len(self.born)

    def birth(self, topic: _Topic, payload: Any) -> None:
        """Take note of a BIRTH, even of one that breaks the rules: it would be no better again."""
        if topic.kind == "N":
            self.end()
            self.by_alias.clear()
            self.kinds.clear()
            self.session = _session(payload)
        self.born.add(topic.device)

    def end(self) -> None:
        """Let the session be over."""
        self.born.clear()
        self.missing.clear()
        self.sequence = None

    def missed_before(self, sequence: int) -> int:
        """Take note of a sequence number; return how many before it have not come."""
        was_missing = sequence in self.missing
        self.missing.discard(sequence)
        last = self.sequence
        ahead = 1 if last is None else (sequence - last) % 256
        if was_missing and ahead > 1:
            return 0  # it was overtaken, and others have come since
        self.sequence = sequence
        self.missing.update((sequence - back) % 256 for back in range(1, ahead))
        return max(0, ahead - 1)


class Sparkplug:
    """The codec; see the module."""

    name = "sparkplug"
    topics: Sequence[str] = TOPICS["sparkplug"]

    def __init__(self) -> None:
        self._nodes: OrderedDict[Key, _Node] = OrderedDict()
        self._size = 0
        self._rebirths = Rebirths()

    def decode(self, message: Message) -> list[Decoded]:
        topic = _topic(message.address)
        if topic.what == "CMD":
            return []  # is for the edge node, not from it
        payload = parsed(message.body if topic.what == "DEATH" else body_of(message))
        key = (message.tenant, message.principal.id, topic.node)
        node = self._nodes.pop(key, None) or _Node()
        self._size -= node.size
        if topic.what == "BIRTH":
            node.birth(topic, payload)
        try:
            if topic.what == "DEATH":
                return list(_died(node, topic, payload, message.received))
            return list(_told(node, topic, payload))
        finally:
            self._keep(key, node)
            if message.answer is not None and topic.what != "DEATH":
                self._look(key, node, topic, message.received, message.answer)

    def _keep(self, key: Key, node: _Node) -> None:
        self._nodes[key] = node
        self._size += node.size
        while self._size > MOST_METRICS and len(self._nodes) > 1:
            _, oldest = self._nodes.popitem(last=False)
            self._size -= oldest.size

    def _look(self, key: Key, node: _Node, topic: _Topic, at: int, answer: Answer) -> None:
        """Ask for the BIRTHs if one is lacking, or if messages that are missing do not come."""
        if not {topic.node, topic.device} <= node.born:
            self._rebirths.ask(key, topic.command, at, answer)
        elif node.missing and not node.is_awaited:
            node.is_awaited = True
            self._wait(key, node, topic.command, at, answer)

    def _wait(self, key: Key, node: _Node, command: str, at: int, answer: Answer) -> None:
        until = at + int(REORDER_S * 1_000_000)
        loop = asyncio.get_running_loop()
        loop.call_later(REORDER_S, self._missed, key, node, command, until, answer)

    def _missed(self, key: Key, node: _Node, command: str, at: int, answer: Answer) -> None:
        """Ask if messages are missing still; if it was asked just now, a little later."""
        if node.missing and not self._rebirths.ask(key, command, at, answer):
            self._wait(key, node, command, at, answer)
            return
        node.missing.clear()
        node.is_awaited = False


def _topic(address: str) -> _Topic:
    levels = address.split("/")
    tenant = ""
    if _SPACE in levels[1:2]:
        tenant = f"{levels.pop(0)}/"
    if levels[0] == _SPACE and 4 <= len(levels) <= 5 and all(levels):
        group, word, edge = levels[1:4]
        kind, what = word[:1], word[1:]
        node = f"{group}/{edge}"
        is_device = len(levels) == 5
        if kind == ("D" if is_device else "N") and what in ("BIRTH", "DATA", "DEATH", "CMD"):
            device = f"{node}/{levels[4]}" if is_device else node
            if len(device) <= LONGEST_NAME:
                command = f"{tenant}{_SPACE}/{group}/NCMD/{edge}"
                return _Topic(node, kind, what, device, command)
    raise Rejected(
        "badPayload",
        "Sparkplug messages come by MQTT to topics such as spBv1.0/<group>/DDATA/<edge node>/"
        f"<device>, not to {shown(address)}",
    )


def _died(node: _Node, topic: _Topic, payload: Any, received: int) -> Iterator[Uplink]:
    """Yield that a device, or an edge node with all behind it, is offline.

    The broker sends the DEATH of an edge node as its will: a time in it is when the session began,
    and it is of no account if a new session has begun since (section 5.2).
    """
    if topic.kind == "D":
        _way(node, payload)
        node.born.discard(topic.device)
        yield Uplink(topic.device, {ONLINE: False}, received)
        return
    ended = _session(payload)
    if None not in (ended, node.session) and ended != node.session:
        return
    for device in node.devices:
        yield Uplink(device, {ONLINE: False}, received)
    node.devices.clear()
    node.end()


def _told(node: _Node, topic: _Topic, payload: Any) -> Iterator[Uplink]:
    """Yield the metrics of a BIRTH or DATA, those of one time together."""
    if len(payload.metrics) > MOST_ITEMS:
        raise Rejected(
            "tooLarge",
            f"the message holds {len(payload.metrics):,} metrics; {MOST_ITEMS:,} are the most",
        )
    radio = _way(node, payload)
    is_birth = topic.what == "BIRTH"
    if is_birth:
        _learn(node, topic.device, payload)
    groups: dict[int | None, dict[str, Any]] = {}
    for metric in payload.metrics:
        name, kind = _meant(node, topic, metric)
        if kind in STRUCTURED or name == _SESSION or name.startswith(_CONTROL):
            continue
        groups.setdefault(_observed(metric, payload), {})[name] = value_of(metric, kind)
    if not groups and topic.kind == "N":
        return  # an edge node that measures nothing itself need not be registered
    if is_birth:
        groups.setdefault(_observed(payload, payload), {})[ONLINE] = True
    node.devices[topic.device] = None
    for observed, values in groups.items():
        items = list(values.items())
        for start in range(0, len(items), MOST_FIELDS):
            yield Uplink(
                topic.device, dict(items[start : start + MOST_FIELDS]), observed, radio=radio
            )


def _learn(node: _Node, device: str, payload: Any) -> None:
    """Remember the names and data types that a BIRTH tells."""
    for metric in payload.metrics:
        name = metric.name
        if not 0 < len(name) <= LONGEST_NAME:
            raise Rejected(
                "badPayload",
                f"a metric of a BIRTH has a name of 1 to {LONGEST_NAME} characters, not"
                f" {shown(name)}",
            )
        node.kinds[device, name] = metric.datatype
        if metric.HasField("alias"):
            node.by_alias[metric.alias] = _Metric(name, metric.datatype)
    if node.size > 4 * MOST_ITEMS:
        node.by_alias.clear()
        node.kinds.clear()
        raise Rejected(
            "tooLarge", f"the devices of an edge node may have {2 * MOST_ITEMS:,} metrics in all"
        )


def _meant(node: _Node, topic: _Topic, metric: Any) -> _Metric:
    """Return the name and the data type of a metric, which DATA may leave to the BIRTH."""
    name: str = metric.name
    if name:
        kind = metric.datatype or node.kinds.get((topic.device, name), 0)
        if len(name) <= LONGEST_NAME:
            return _Metric(name, kind)
        raise Rejected("badPayload", f"the name of a metric is too long: {shown(name)}")
    known = node.by_alias.get(metric.alias) if metric.HasField("alias") else None
    if known is not None:
        return known._replace(kind=metric.datatype or known.kind)
    raise Rejected(
        "badPayload",
        f"nothing says what the alias {metric.alias} stands for: the BIRTH of {topic.device} has"
        " not come since the start; the edge node is asked to send it again (Node Control/Rebirth):"
        " replay this message when it has",
    )


def _session(payload: Any) -> int | None:
    for metric in payload.metrics:
        if metric.name == _SESSION:
            number: int = metric.long_value or metric.int_value
            return number
    return None


def _observed(metric: Any, payload: Any) -> int | None:
    milliseconds = metric.timestamp or payload.timestamp
    return of_number(milliseconds, MILLISECOND, "timestamp") if milliseconds else None


def _way(node: _Node, payload: Any) -> dict[str, Any]:
    """Return the sequence number, and how many messages before it have not come (section 5.1)."""
    if not payload.HasField("seq"):
        return {}
    sequence = payload.seq & 0xFF
    return {"frameCounter": sequence, "missed": node.missed_before(sequence)}


CODEC = Sparkplug()
