"""Topics and filters of MQTT, and which subscriptions a topic matches.

Source: OASIS MQTT 5.0 section 4.7 (the same in 3.1.1).
"""

from __future__ import annotations

from typing import Generic, TypeVar

from madang.sense.transports.mqtt_wire import Code, MqttError

LONGEST = 512
"""Characters a topic or filter may have."""
DEEPEST = 32
"""Levels a topic or filter may have."""

SHARE = "$share/"
"""How the filter of a shared subscription begins."""

V = TypeVar("V")


def check_topic(topic: str) -> None:
    """Refuse a topic that a client may not publish to, whoever it is."""
    if topic.startswith("$"):
        raise MqttError(Code.TOPIC_INVALID, f"{topic[:40]!r} begins with $, which is the broker's")
    if len(topic) > LONGEST or topic.count("/") >= DEEPEST:
        detail = f"a topic may have {LONGEST} characters and {DEEPEST} levels, not more"
        raise MqttError(Code.TOPIC_INVALID, detail)


def check_filter(filter: str) -> None:
    """Refuse a filter that is malformed or too long; of one that is shared, also its name."""
    name, filter = shared_of(filter)
    if name and (not name.removeprefix(SHARE) or "+" in name or "#" in name or not filter):
        detail = f"a shared subscription is {SHARE}<name>/<filter>, without + and # in its name"
        raise MqttError(Code.FILTER_INVALID, detail)
    levels = filter.split("/")
    if not filter or len(filter) > LONGEST or len(levels) > DEEPEST:
        detail = f"a filter has 1 to {LONGEST} characters and at most {DEEPEST} levels"
        raise MqttError(Code.FILTER_INVALID, detail)
    if any(("+" in level or "#" in level) and len(level) > 1 for level in levels):
        raise MqttError(Code.FILTER_INVALID, "+ and # stand for whole levels of a filter")
    if "#" in levels[:-1]:
        raise MqttError(Code.FILTER_INVALID, "# is the last level of a filter")


def shared_of(filter: str) -> tuple[str, str]:
    """Return the name under which a filter is shared, empty if it is not, and the filter itself.

    >>> shared_of("$share/workers/v1/devices/#"), shared_of("v1/devices/#")
    (('$share/workers', 'v1/devices/#'), ('', 'v1/devices/#'))
    """
    if not filter.startswith(SHARE):
        return "", filter
    name, _, inner = filter.removeprefix(SHARE).partition("/")
    return SHARE + name, inner


def matches(filter: str, topic: str) -> bool:
    """Tell whether a filter matches a topic.

    >>> matches("v1/devices/+/up/#", "v1/devices/jongno-1/up")
    True
    >>> matches("#", "$SYS/uptime")
    False
    """
    wanted, levels = filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for at, want in enumerate(wanted):
        if want == "#":
            return True
        if at >= len(levels) or want not in ("+", levels[at]):
            return False
    return len(wanted) == len(levels)


class _Node(Generic[V]):
    __slots__ = ("below", "here")

    def __init__(self) -> None:
        self.below: dict[str, _Node[V]] = {}
        self.here: dict[object, V] = {}
        """What was added with a filter that ends here, by owner."""


class Tree(Generic[V]):
    """Values by filter and owner, found by topic in as many steps as the topic has levels."""

    def __init__(self) -> None:
        self._root: _Node[V] = _Node()
        self.size = 0

    def add(self, filter: str, owner: object, value: V) -> None:
        """Add a value; replaces what the owner has at the filter."""
        node = self._root
        for level in filter.split("/"):
            node = node.below.setdefault(level, _Node())
        self.size += owner not in node.here
        node.here[owner] = value

    def remove(self, filter: str, owner: object) -> None:
        """Remove what the owner has at a filter, if it has."""
        way = [self._root]
        levels = filter.split("/")
        for level in levels:
            below = way[-1].below.get(level)
            if below is None:
                return
            way.append(below)
        if way[-1].here.pop(owner, None) is None:
            return
        self.size -= 1
        for level, parent, node in zip(reversed(levels), way[-2::-1], way[:0:-1], strict=True):
            if node.here or node.below:
                break
            del parent.below[level]

    def match(self, topic: str) -> list[tuple[object, V]]:
        """Return owners and values whose filter matches; an owner as often as it has filters."""
        found: list[tuple[object, V]] = []
        levels = topic.split("/")
        nodes = [self._root]
        for at, level in enumerate(levels):
            following: list[_Node[V]] = []
            may_be_any = at > 0 or not level.startswith("$")
            for node in nodes:
                below = node.below
                if level in below:
                    following.append(below[level])
                if may_be_any:
                    if "+" in below:
                        following.append(below["+"])
                    if "#" in below:
                        found += below["#"].here.items()
            if not following:
                return found
            nodes = following
        for node in nodes:
            found += node.here.items()
            if "#" in node.below:  # "a/#" matches "a" as well
                found += node.below["#"].here.items()
        return found
