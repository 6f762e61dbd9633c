"""Which codecs there are, what they are called, and which MQTT topics are theirs.

Their modules are loaded when a message first needs them.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from typing import NamedTuple

from madang.sense.codecs import CODECS
from madang.sense.message import Codec, Rejected

_MODULES = {
    "ack": "ack",
    "chirpstack": "lorawan_chirpstack",
    "json": "plain",
    "ngsi-ld": "ngsi_ld",
    "senml": "senml",
    "sensorthings": "sensorthings",
    "sentilo": "sentilo",
    "sparkplug": "sparkplug",
    "tts": "lorawan_tts",
    "ultralight": "ultralight",
}
"""The module of each codec, which has it as ``CODEC``."""

TOPICS: dict[str, tuple[str, ...]] = {
    "chirpstack": ("application/+/device/{device}/event/+",),
    "json": ("/json/+/{device}/attrs", "json/+/{device}/attrs"),
    "sensorthings": ("v1.1/Observations", "v1.1/Datastreams({device})/Observations"),
    "sparkplug": ("spBv1.0/{device}/+/{device}", "spBv1.0/{device}/+/{device}/+"),
    "tts": ("v3/+/devices/{device}/+", "v3/+/devices/{device}/+/+"),
    "ultralight": (
        "/ul/+/{device}/attrs",
        "ul/+/{device}/attrs",
        "/ul/+/{device}/cmdexe",
        "ul/+/{device}/cmdexe",
    ),
}
"""Topics of the conventions of codecs; the first level of each stands as it is.

Two levels that name the device are joined by a slash: all messages of a Sparkplug edge node come
under its name, so they take effect in their order; the codec finds the devices behind it.
"""


def names() -> list[str]:
    """Return the names of all codecs."""
    return list(_MODULES)


def codec(name: str) -> Codec:
    """Return a codec by its name.

    Raises:
        Rejected: there is none of that name (``noCodec``).
    """
    found = CODECS.get(name)
    if found is None:
        if name not in _MODULES:
            raise Rejected("noCodec", _unknown(name))
        found = import_module(f"madang.sense.codecs.{_MODULES[name]}").CODEC
        CODECS[name] = found
    return found


def by_topic(topic: str) -> tuple[Codec, str] | None:
    """Return the codec whose convention a topic follows, and the device that the topic names.

    The device is empty where the message itself names it; None: it is nobody's convention.

    >>> found = by_topic("/ul/4jggokgpepnvsb2uv4s40d59ov/motion001/attrs")
    >>> found[0].name, found[1]
    ('ultralight', 'motion001')
    """
    levels = topic.split("/")
    for pattern in _patterns().get(levels[0], ()):
        device = pattern.device_of(levels)
        if device is not None:
            return codec(pattern.codec), device
    return None


class _Pattern(NamedTuple):
    """A topic of a convention, cut into levels."""

    codec: str
    levels: tuple[str, ...]
    """Any level fits where it is ``+``."""
    places: tuple[int, ...]
    """Which levels name the device."""
    before: str = ""
    after: str = ""
    """What stands around the device in its level."""

    def device_of(self, levels: list[str]) -> str | None:
        """Return the device in a topic that fits, else None."""
        if len(levels) != len(self.levels):
            return None
        for wanted, level in zip(self.levels, levels, strict=True):
            if wanted not in ("+", level):
                return None
        names = [levels[place] for place in self.places]
        if self.before:
            level = names[0]
            if not (level.startswith(self.before) and level.endswith(self.after)):
                return None
            names = [level[len(self.before) : len(level) - len(self.after)].strip("'")]
        return "/".join(names) if all(names) else None


@lru_cache(maxsize=1)
def _patterns() -> dict[str, list[_Pattern]]:
    """Return all patterns by their first level."""
    found: dict[str, list[_Pattern]] = {}
    for name, topics in TOPICS.items():
        for topic in topics:
            pattern = _cut(name, topic)
            found.setdefault(pattern.levels[0], []).append(pattern)
    return found


def _cut(name: str, topic: str) -> _Pattern:
    parts = [level.partition("{device}") for level in topic.split("/")]
    places = tuple(place for place, (_, mark, _) in enumerate(parts) if mark)
    levels = tuple("+" if mark else level for level, mark, _ in parts)
    before, _, after = parts[places[0]] if places else ("", "", "")
    return _Pattern(name, levels, places, before, after)


def _unknown(name: str) -> str:
    near = get_close_matches(name.lower(), _MODULES, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_MODULES)}"
    return f"there is no codec {name[:100]!r}; {hint}"
