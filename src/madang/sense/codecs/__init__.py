"""Ways of writing messages: one module each, each with one :class:`~madang.sense.message.Codec`."""

from __future__ import annotations

from madang.sense.message import Codec

CODECS: dict[str, Codec] = {}
"""The codecs in use by name, filled by :func:`madang.sense.codecs.table.codec`."""
