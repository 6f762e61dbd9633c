"""The codec ``ngsi-ld``: an entity, or an array of them, as the sender has put it into NGSI-LD.

Source: ETSI GS CIM 009 clauses 4.5.1 to 4.5.5 (normalized, concise and simplified).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from madang.sense.codecs.bounds import check_items, json_of, shown
from madang.sense.message import Decoded, Message, Rejected, Told


class NgsiLd:
    """The codec; see the module."""

    name = "ngsi-ld"
    topics: Sequence[str] = ()

    def decode(self, message: Message) -> list[Decoded]:
        found = json_of(message)
        items = check_items(found if isinstance(found, list) else [found], "entities")
        if not items:
            raise Rejected("badEntity", "the array of entities is empty")
        told = [Told(_entity(item, place), message.device) for place, item in enumerate(items, 1)]
        return list(told)


def _entity(item: Any, place: int) -> dict[str, Any]:
    """Return what may be an entity; whether it is a valid one, the hub finds out."""
    if not isinstance(item, dict):
        raise Rejected("badEntity", f"entity {place} must be a JSON object, not {shown(item)}")
    for member, alias in (("id", "@id"), ("type", "@type")):
        if member not in item and alias not in item:
            raise Rejected("badEntity", f"entity {place} has no {member}")
    return item


CODEC = NgsiLd()
