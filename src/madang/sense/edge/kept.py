"""What a node was last told by its centre, on its own disk, so that it starts with it when cut off.

While the rules change, the file says both what held before and up to which change: after a crash
the same changes are told by the same rules again, so that they give the same aggregates.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from madang.sense.edge.durable import OfCentre


class Kept(NamedTuple):
    """One configuration, and the one before."""

    body: bytes = b""
    """As the centre handed it out; empty: it has none for this node."""
    taken: float | None = None
    """When it came into force here. [s since 1970]"""
    before: bytes = b""
    """What held before, for the changes up to ``after``."""
    after: int = 0
    """Number of a change; 0: the rules are the same as before."""


class KeptFile(OfCentre[Kept]):
    """The file of one node."""

    subject = "configuration"

    def parsed(self, found: dict[str, Any] | None) -> Kept:
        if found is None:
            return Kept()
        body, before = found["body"].encode(), found["before"].encode()
        return Kept(body, float(found["taken"]), before, int(found["after"]))

    def members(self, content: Kept) -> dict[str, Any]:
        return content._asdict() | {
            "body": content.body.decode(),
            "before": content.before.decode(),
        }
