"""How far an edge node has told the centre: one small file, replaced whole and synced."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import orjson
import structlog

from madang.sense.edge.durable import replace

log = structlog.get_logger("madang.edge")


class Told(NamedTuple):
    """What the centre has acknowledged."""

    position: int = 0
    """Number of the last change of this node that need not be sent again."""
    read: int = 0
    """Number of the last change that was read; those between are in open windows, or sent."""
    clock: int = 0
    """When windows were last looked at. [us since 1970]"""


class Position:
    """The durable position towards one centre; another centre is told everything anew.

    Blocks for a sync when saved, so that is done in a thread.
    """

    def __init__(self, path: Path, upstream: str) -> None:
        self._path = path
        self._upstream = upstream
        self.told = self._read()

    def _read(self) -> Told:
        try:
            kept = orjson.loads(self._path.read_bytes())
            if kept["upstream"] == self._upstream:
                return Told(int(kept["position"]), int(kept["read"]), int(kept["clock"]))
        except FileNotFoundError:
            pass
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            # What was sent before is known to the centre, so sending it again does no harm.
            log.error("edge.position.unreadable", path=str(self._path), error=str(error))
        return Told()

    def save(self, told: Told) -> None:
        """Keep the position; when this returns it is on the disk."""
        content = orjson.dumps({"upstream": self._upstream, **told._asdict()})
        replace(self._path, content)
        self.told = told
