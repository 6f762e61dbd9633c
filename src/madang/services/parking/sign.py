"""What the sign of a parking zone says: free, or full and where the nearest free places are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import dist
from typing import Any

Place = Sequence[float]
"""Seen from the centre of the earth, along three axes. [m]"""


def nearest(place: Place, others: Mapping[str, Place]) -> tuple[str, float] | None:
    """Return the nearest of others and how far it is, as the crow flies [m]; None if none is."""
    found = min(((dist(place, other), id) for id, other in others.items()), default=None)
    return None if found is None else (found[1], found[0])


def free() -> dict[str, Any]:
    """Return the sign of a zone with free places."""
    return _sign("There are free places.", "빈자리가 있습니다.")


def full() -> dict[str, Any]:
    """Return the sign of a full zone when no other is known to have places."""
    return _sign("Full. No free places are known.", "만차입니다. 알려진 빈자리가 없습니다.")


def leading(id: str, name: str, metres: float) -> dict[str, Any]:
    """Return the sign of a full zone that leads to another; it also links to it."""
    sign = _sign(
        f"Full. The nearest free places are {metres:.0f} m away: {name}.",
        f"만차입니다. 가장 가까운 빈자리는 {metres:.0f} m 거리에 있습니다: {name}.",
    )
    return sign | {"refParkingSite": {"type": "Relationship", "object": id}}


def _sign(en: str, ko: str) -> dict[str, Any]:
    return {"type": "LanguageProperty", "languageMap": {"en": en, "ko": ko}}
