"""How far an edge node has told the centre: one small file, replaced whole and synced."""

from __future__ import annotations

from typing import Any, NamedTuple

from madang.sense.edge.durable import OfCentre


class Told(NamedTuple):
    """What the centre has acknowledged."""

    position: int = 0
    """Number of the last change of this node that need not be sent again."""
    read: int = 0
    """Number of the last change that was read; those between are in open windows, or sent."""
    clock: int = 0
    """When windows were last looked at. [us since 1970]"""


class Position(OfCentre[Told]):
    """The durable position towards one centre.

    Another centre is told everything anew, and so is one whose position cannot be read: what was
    sent before is known to it, so sending it again does no harm.
    """

    subject = "position"

    def parsed(self, found: dict[str, Any] | None) -> Told:
        if found is None:
            return Told()
        return Told(int(found["position"]), int(found["read"]), int(found["clock"]))

    def members(self, content: Told) -> dict[str, Any]:
        return content._asdict()
