"""Messages for the tests of codecs, and what every codec must do with any bytes."""

from __future__ import annotations

from contextlib import suppress

import orjson
import pytest

from madang.sense.codecs.table import codec
from madang.sense.message import Decoded, Message, Rejected, Told, Uplink
from madang.trust.principal import OPEN

NOW = 1_769_860_800_000_000
"""When the messages of the tests are received: 2026-01-31T12:00:00Z. [us]"""


def message(body: object, device: str = "", address: str = "test") -> Message:
    """Return a message; a body that is no bytes is written as JSON."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return Message("mqtt", address, content, OPEN, NOW, device=device)


def decoded(name: str, body: object, device: str = "", address: str = "test") -> list[Decoded]:
    return codec(name).decode(message(body, device, address))


def uplinks(name: str, body: object, device: str = "", address: str = "test") -> list[Uplink]:
    found = decoded(name, body, device, address)
    assert all(isinstance(one, Uplink) for one in found)
    return [one for one in found if isinstance(one, Uplink)]


def refusal(name: str, body: object, device: str = "", address: str = "test") -> Rejected:
    """Return why a codec does not take a message; fail if it does."""
    with pytest.raises(Rejected) as caught:
        decoded(name, body, device, address)
    return caught.value


def takes_or_rejects(name: str, body: bytes, device: str = "d", address: str = "test") -> None:
    """Fail if a codec does anything with bytes but decode or reject them."""
    with suppress(Rejected):
        for one in decoded(name, body, device, address):
            assert isinstance(one, Uplink | Told)
            if isinstance(one, Uplink):
                assert one.device
                assert one.observed is None or one.observed >= 0
                orjson.dumps(dict(one.values))  # JSON has them
