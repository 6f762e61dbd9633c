"""Rebirth requests: an edge node of Sparkplug B is asked to send its BIRTHs again.

A BIRTH says what the aliases of DATA stand for and has the present value of every metric. A host
application that lacks one, or has missed messages, asks for them with the NCMD
``Node Control/Rebirth``, which every edge node has to understand.
Source: Eclipse Sparkplug 3.0.0, chapter 5: tck-id-operational-behavior-data-commands-ncmd-rebirth-*
and -host-reordering-*; chapter 6: tck-id-payloads-ncmd-*.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import structlog

from madang.sense.codecs.sparkplug_payload import Payload

log = structlog.get_logger("madang.sense")

REBIRTH = "Node Control/Rebirth"
PATIENCE_S = 10
"""How long an edge node has before it is asked again."""
REORDER_S = 2.0
"""How long messages that were overtaken by a later one have to come (the Reorder Timeout)."""
MOST_NODES = 50_000
"""Edge nodes of which it is remembered when they were asked."""
_BOOLEAN = 11  # data type of Sparkplug

Key = tuple[str, str, str]
"""Tenant, id of the sender, and ``<group>/<edge node>``."""
Answer = Callable[[str, bytes], None]
"""Publishes a body to a topic with QoS 0, not retained, as an NCMD has to be."""


def request(at: int) -> bytes:
    """Return the NCMD that asks for the BIRTHs, sent at a time [us]; it has no ``seq``."""
    payload = Payload(timestamp=at // 1000)
    payload.metrics.add(name=REBIRTH, timestamp=at // 1000, datatype=_BOOLEAN, boolean_value=True)
    body: bytes = payload.SerializeToString()
    return body


class Rebirths:
    """Asks, but each edge node no more than once in :data:`PATIENCE_S`."""

    def __init__(self) -> None:
        self._asked: OrderedDict[Key, int] = OrderedDict()
        """When each was asked last. [us]"""

    def ask(self, key: Key, topic: str, at: int, answer: Answer) -> bool:
        """Ask an edge node, unless it has been asked just now; return whether it was asked.

        Args:
            key: whom.
            topic: of its NCMD.
            at: the time. [us]
            answer: publishes where the message came from that shows what is lacking.
        """
        last = self._asked.get(key)
        if last is not None and 0 <= at - last < PATIENCE_S * 1_000_000:
            return False
        self._asked[key] = at
        self._asked.move_to_end(key)
        if len(self._asked) > MOST_NODES:
            self._asked.popitem(last=False)
        log.info("sparkplug.rebirth_requested", topic=topic)
        answer(topic, request(at))
        return True
