"""What a node was last told by its centre, on its own disk, so that it starts with it when cut off.

While the rules change, the file says both what held before and up to which change: after a crash
the same changes are told by the same rules again, so that they give the same aggregates.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import orjson
import structlog

from madang.sense.edge.durable import replace

log = structlog.get_logger("madang.edge")


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


class KeptFile:
    """The file of one node; what another centre said is not taken up.

    Blocks for a sync when saved, so that is done in a thread.
    """

    def __init__(self, path: Path, upstream: str) -> None:
        self._path = path
        self._upstream = upstream
        self.kept = self._read()

    def _read(self) -> Kept:
        try:
            found = orjson.loads(self._path.read_bytes())
            if found["upstream"] == self._upstream:
                body, before = found["body"].encode(), found["before"].encode()
                return Kept(body, float(found["taken"]), before, int(found["after"]))
        except FileNotFoundError:
            pass
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
            log.error("edge.configuration.unreadable", path=str(self._path), error=str(error))
        return Kept()

    def save(self, kept: Kept) -> None:
        """Keep a configuration; when this returns it is on the disk."""
        found = kept._asdict() | {"body": kept.body.decode(), "before": kept.before.decode()}
        replace(self._path, orjson.dumps({"upstream": self._upstream, **found}))
        self.kept = kept
